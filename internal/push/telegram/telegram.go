// Package telegram sends notices as messages of a Telegram bot and hears what people write to it. It exists so that one
// package alone knows the Bot API and its library, and so that everything Telegram may answer becomes, here, one of the six
// outcomes of push.Outcome.
//
// States. A Sender has no state but its connections. A listening (Listen) is polling, handing an update on, or waiting after a
// fault; it ends with its context alone.
//
// Invariants.
//   - Send and Reply return within Config.Timeout and are one HTTP request each; New makes none.
//   - The bot's token is in the URL of every request, as the API wants it. Neither URLs nor errors of the network, which
//     repeat them, are logged or handed on: a Result has a code, and nothing else leaves.
//   - A chat id and a text are personal: they are in the body of a request and nowhere else.
//   - A chat is given up only on Telegram's own word, in its own form, about this chat. The 403 of a blocking page drops nobody.
//   - What was not handled is given again: the offset moves on only after the handler returned nil, so an update may come twice
//     and never not at all.
//
// The library composes requests and knows their parameters. Its poller is not used: it moves the offset on before a handler
// has run, and a subscription would be lost whenever the process ends between the two.
//
// Delivery is at least once, and Telegram knows no collapse key: a doubled send shows twice.
package telegram

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"

	"github.com/qorgau/qorgau/internal/push"
)

const (
	defaultEndpoint = "https://api.telegram.org"
	defaultTimeout  = 10 * time.Second
	defaultPoll     = 50 * time.Second
	maxPoll         = 10 * time.Minute
	// maxText is the Bot API's limit for a message. It counts characters after parsing; UTF-16 units are at least as many.
	maxText = 4096
)

// Config says which bot sends, and where its API is. Token is required. It prints nothing of itself.
type Config struct {
	Token    string        // the bot's, as @BotFather gives it: 123456:ABC…
	Endpoint string        // a Bot API server of one's own, or a stand-in: scheme and host; default https://api.telegram.org
	Log      *slog.Logger  // nil: slog.Default()
	Timeout  time.Duration // for one Send or Reply; default 10 s
	Poll     time.Duration // how long Telegram may hold a request for updates, whole seconds, at most 10 min; default 50 s
}

// Format keeps the token out of every verb.
func (Config) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "telegram.Config") }

// LogValue keeps the token out of handlers that marshal field by field.
func (Config) LogValue() slog.Value { return slog.StringValue("telegram.Config") }

// Sender sends as one bot. It implements push.Sender, is safe for concurrent use, and is made once per process: it owns the
// connections.
type Sender struct {
	bot     *bot.Bot
	edge    *edge
	base    string // the URL before the method's name; it holds the token
	log     *slog.Logger
	timeout time.Duration
	poll    time.Duration
	backoff func(failures int) time.Duration // between failures of a listening
}

var _ push.Sender = (*Sender)(nil)

// New checks the configuration and makes no request. Errors name the faulty setting, never its value.
func New(ctx context.Context, cfg Config) (*Sender, error) {
	log := cfg.Log
	if log == nil {
		log = slog.Default()
	}
	if !tokenForm.MatchString(cfg.Token) {
		return nil, errors.New("telegram: the token must look like 123456:ABC…, as @BotFather gives it")
	}
	if cfg.Endpoint == "" {
		cfg.Endpoint = defaultEndpoint
	}
	endpoint, err := checkEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	if cfg.Poll == 0 {
		cfg.Poll = defaultPoll
	}
	if cfg.Poll < time.Second || cfg.Poll > maxPoll {
		return nil, fmt.Errorf("telegram: polls last from a second to %v", maxPoll)
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	e := newEdge()
	base := strings.TrimRight(endpoint.String(), "/")
	b, err := bot.New(cfg.Token, bot.WithSkipGetMe(), bot.WithServerURL(base), bot.WithHTTPClient(cfg.Poll, e),
		bot.WithErrorsHandler(func(error) {})) // by default it prints, and its errors repeat answers and URLs
	if err != nil {
		return nil, errors.New("telegram: set up the library")
	}
	if endpoint.Scheme == "http" && endpoint.Hostname() != "localhost" && !net.ParseIP(endpoint.Hostname()).IsLoopback() {
		log.WarnContext(ctx, "telegram endpoint is neither loopback nor https: the bot's token and chats cross the network in the clear", "host", endpoint.Host)
	}
	log.InfoContext(ctx, "telegram sends as a bot", "host", endpoint.Host)
	return &Sender{bot: b, edge: e, base: base + "/bot" + cfg.Token + "/", log: log, timeout: cfg.Timeout, poll: cfg.Poll, backoff: backoff}, nil
}

// Name is the channel's name in deliveries and metrics.
func (s *Sender) Name() string { return "telegram" }

// Close drops idle connections. Call it after the last Send has returned and Listen has ended.
func (s *Sender) Close() { s.edge.client.CloseIdleConnections() }

// Send makes one attempt. Message.Token is the chat's id as decimal text, from Update.ChatID. What cannot be sent at all (no
// text, over 4,096 characters, no chat's id) is refused here, without a request.
func (s *Sender) Send(ctx context.Context, m push.Message) push.Result {
	var res push.Result
	var a *attempt
	switch {
	case m.NoticeID == "" || m.Kind == "":
		res = push.Result{Outcome: push.Rejected, Code: codeBadNotice}
	case m.Title == "" || m.Body == "":
		res = push.Result{Outcome: push.Rejected, Code: codeNoText}
	default:
		res, a = s.say(ctx, m.Token, m.Title+"\n\n"+m.Body)
	}
	s.report(ctx, res, a, "telegram did not take a notice", slog.String("notice", m.NoticeID), slog.String("kind", m.Kind))
	return res
}

// Reply sends text to a chat, as an answer to what came through Listen. The outcomes are Send's.
func (s *Sender) Reply(ctx context.Context, chat, text string) push.Result {
	res, a := s.say(ctx, chat, text)
	s.report(ctx, res, a, "telegram did not take an answer to what somebody wrote")
	return res
}

// Username asks Telegram for the bot's name, without the @, for links such as https://t.me/NAME?start=PAYLOAD. It is empty
// unless the outcome is Accepted.
func (s *Sender) Username(ctx context.Context) (string, push.Result) {
	try, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	try, a := withAttempt(try)
	me, err := s.bot.GetMe(try)
	res := classify(ctx, a)
	if res.Outcome == push.Accepted && (err != nil || me.Username == "") {
		res = push.Result{Outcome: push.Retry, Code: codeUnexpected}
	}
	s.report(ctx, res, a, "telegram did not say who the bot is")
	if res.Outcome != push.Accepted {
		return "", res
	}
	return me.Username, res
}

// say sends plain text. The content is protected so that the app offers neither forwarding nor saving, and links show no
// preview: Telegram would fetch what they point to.
func (s *Sender) say(ctx context.Context, chat, text string) (push.Result, *attempt) {
	id, ok := chatID(chat)
	switch {
	case chat == "":
		return push.Result{Outcome: push.DropToken, Code: codeNoAddress}, nil
	case !ok:
		return push.Result{Outcome: push.DropToken, Code: codeBadAddress}, nil
	case strings.TrimSpace(text) == "":
		return push.Result{Outcome: push.Rejected, Code: codeNoText}, nil
	case len(utf16.Encode([]rune(text))) > maxText:
		return push.Result{Outcome: push.Rejected, Code: codeTooLong}, nil
	}
	try, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	try, a := withAttempt(try)
	// The error is the library's reading of what the attempt holds; its text repeats the answer.
	_, _ = s.bot.SendMessage(try, &bot.SendMessageParams{
		ChatID: id, Text: text, ProtectContent: true, LinkPreviewOptions: &models.LinkPreviewOptions{IsDisabled: bot.True()},
	})
	res := classify(ctx, a)
	if res.Outcome == push.Accepted && !a.answer.messageSent() { // "ok" without a message is not Telegram's
		res = push.Result{Outcome: push.Retry, Code: codeUnexpected}
	}
	return res, a
}

// report logs what a person may have to act on. Temporary failures are the caller's to count; at debug level they are here
// for whoever hunts one.
func (s *Sender) report(ctx context.Context, res push.Result, a *attempt, what string, more ...slog.Attr) {
	level := slog.LevelDebug
	switch res.Outcome {
	case push.Accepted:
		return
	case push.Paused, push.Misconfigured, push.Rejected:
		level = slog.LevelWarn
	}
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := append([]slog.Attr{slog.String("outcome", res.Outcome.String()), slog.String("code", res.Code)}, more...)
	if a != nil {
		attrs = append(attrs, slog.Int("status", a.status))
	}
	if note := notes[res.Code]; note != "" {
		attrs = append(attrs, slog.String("note", note))
	}
	s.log.LogAttrs(ctx, level, what, attrs...)
}

var tokenForm = regexp.MustCompile(`^[0-9]{1,20}:[A-Za-z0-9_-]{10,128}$`)

// chatID reads the id of a private chat, which is a person's and positive; those of groups are negative.
func chatID(s string) (int64, bool) {
	id, err := strconv.ParseInt(s, 10, 64)
	return id, err == nil && id > 0 && strconv.FormatInt(id, 10) == s
}

func checkEndpoint(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("telegram: the endpoint is not a URL") // the parser's error repeats the value
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("telegram: the endpoint must be a plain http or https URL without a path")
	}
	return u, nil
}
