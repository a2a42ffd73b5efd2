package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/qorgau/qorgau/internal/config"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/email"
	"github.com/qorgau/qorgau/internal/push/fcm"
	"github.com/qorgau/qorgau/internal/push/sms"
	"github.com/qorgau/qorgau/internal/push/telegram"
	"github.com/qorgau/qorgau/internal/push/webpush"
)

// Carriers are the ways out of this server, as its settings say: of each kind of channel what sends, and what knows its addresses. A kind that is not
// configured is not there, and families are not offered it.
type Carriers struct {
	Senders map[string]push.Sender
	Checks  map[string]push.Check
	Bot     string // the name of the Telegram bot

	chat  *telegram.Sender // nil: no bot
	texts *sms.Sender      // nil: no gateway
	ends  []func()
}

// OpenCarriers makes them. It makes no request, so that a server starts while the internet is cut. Errors name the setting.
func OpenCarriers(ctx context.Context, c config.Config, log *slog.Logger) (Carriers, error) {
	out := Carriers{Senders: map[string]push.Sender{}, Checks: map[string]push.Check{}}
	err := errors.Join(out.openPhones(ctx, c, log), out.openBrowsers(ctx, c, log), out.openTexts(c, log), out.openChat(ctx, c, log), out.openMail(ctx, c, log))
	if err != nil {
		out.Close()
	}
	return out, err
}

// Close ends their connections.
func (c *Carriers) Close() {
	for _, end := range c.ends {
		end()
	}
}

func (c *Carriers) openPhones(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	if cfg.FCMEndpoint == "" && cfg.FCMCredentials == "" {
		log.WarnContext(ctx, "no push provider: notices go to this log only; set QORGAU_FCM_CREDENTIALS to reach phones")
		c.Senders[push.FCM] = push.Console{Log: log}
		return nil
	}
	s, err := fcm.New(ctx, fcm.Config{CredentialsFile: cfg.FCMCredentials, Endpoint: cfg.FCMEndpoint, Project: cfg.FCMProject, Log: log})
	if err != nil {
		return fmt.Errorf("QORGAU_FCM_CREDENTIALS, QORGAU_FCM_ENDPOINT: %w", err)
	}
	c.Senders[push.FCM], c.ends = s, append(c.ends, s.Close)
	return nil
}

func (c *Carriers) openBrowsers(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	if cfg.WebPushKeys == "" {
		return nil
	}
	keys, err := webpush.Keys(cfg.WebPushKeys)
	if err != nil {
		return fmt.Errorf("QORGAU_WEBPUSH_KEYS: %w", err)
	}
	s, err := webpush.New(ctx, webpush.Config{Keys: keys, Subject: cfg.WebPushSubject, StandIn: cfg.WebPushStandIn, Log: log})
	if err != nil {
		return fmt.Errorf("QORGAU_WEBPUSH_SUBJECT, QORGAU_WEBPUSH_STANDIN: %w", err)
	}
	c.Senders[push.WebPush], c.Checks[push.WebPush], c.ends = s, s.Normalise, append(c.ends, s.Close)
	return nil
}

func (c *Carriers) openTexts(cfg config.Config, log *slog.Logger) error {
	if cfg.SMSGateway == "" {
		return nil
	}
	s, err := sms.New(sms.Config{Base: cfg.SMSGateway, Token: string(cfg.SMSToken), Secret: string(cfg.SMSSecret), Latin: cfg.SMSLatin, Log: log})
	if err != nil {
		return fmt.Errorf("QORGAU_SMS_GATEWAY, QORGAU_SMS_TOKEN, QORGAU_SMS_SECRET: %w", err)
	}
	c.Senders[push.SMS], c.texts, c.ends = s, s, append(c.ends, s.Close)
	return nil
}

func (c *Carriers) openChat(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	if cfg.TelegramToken == "" {
		return nil
	}
	s, err := telegram.New(ctx, telegram.Config{Token: string(cfg.TelegramToken), Endpoint: cfg.TelegramEndpoint, Log: log})
	if err != nil {
		return fmt.Errorf("QORGAU_TELEGRAM_TOKEN, QORGAU_TELEGRAM_ENDPOINT: %w", err)
	}
	c.Senders[push.Telegram], c.chat, c.Bot, c.ends = s, s, cfg.TelegramBot, append(c.ends, s.Close)
	return nil
}

func (c *Carriers) openMail(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	m := cfg.Mail
	if m.Host == "" {
		return nil
	}
	s, err := email.New(ctx, email.Config{Host: m.Host, Port: m.Port, ImplicitTLS: m.ImplicitTLS, Username: m.Username, Password: string(m.Password), From: m.From,
		Unsubscribe: m.Unsubscribe, CAFile: m.CAFile, Log: log})
	if err != nil {
		return fmt.Errorf("QORGAU_MAIL_…: %w", err)
	}
	c.Senders[push.Email], c.Checks[push.Email] = s, email.Normalise
	return nil
}
