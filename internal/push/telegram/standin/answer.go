package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qorgau/qorgau/internal/push/stage"
)

const (
	maxBody   = 1 << 20
	maxText   = 4096 // characters
	maxUpdate = 100  // per answer
)

type refusal struct {
	status      int
	description string
}

var refusals = map[Answer]refusal{
	BotBlocked:      {403, "Forbidden: bot was blocked by the user"},
	UserDeactivated: {403, "Forbidden: user is deactivated"},
	BotKicked:       {403, "Forbidden: bot was kicked from the group chat"},
	CannotInitiate:  {403, "Forbidden: bot can't initiate conversation with a user"},
	ChatNotFound:    {400, "Bad Request: chat not found"},
	Migrated:        {400, "Bad Request: group chat was upgraded to a supergroup chat"},
	BadRequest:      {400, "Bad Request: can't parse entities"},
	TooMany:         {429, "Too Many Requests: retry later"},
	Unauthorized:    {401, "Unauthorized"},
	NotFound:        {404, "Not Found"},
	Conflict:        {409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"},
	Internal:        {500, "Internal Server Error"},
}

func (f refusal) write(w http.ResponseWriter, parameters map[string]any) {
	body := map[string]any{"ok": false, "error_code": f.status, "description": f.description}
	if len(parameters) > 0 {
		body["parameters"] = parameters
	}
	writeJSON(w, f.status, body)
}

func bad(description string) refusal { return refusal{400, "Bad Request: " + description} }

func succeed(w http.ResponseWriter, result any) {
	writeJSON(w, http.StatusOK, map[string]any{"ok": true, "result": result})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the sender is gone: nothing to tell it
}

// serve finds the method. Telegram answers 404 to a token that does not look like one and 401 to one that it does not know.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	token, method, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/bot"), "/")
	if !ok || !strings.HasPrefix(r.URL.Path, "/bot") || !strings.Contains(token, ":") {
		refusals[NotFound].write(w, nil)
		return
	}
	if token != s.token {
		refusals[Unauthorized].write(w, nil)
		return
	}
	length := r.ContentLength
	params, err := read(w, r)
	if err != nil {
		bad("the request cannot be read").write(w, nil)
		return
	}
	switch strings.ToLower(method) {
	case "getme":
		id, _, _ := strings.Cut(s.token, ":")
		number, _ := strconv.ParseInt(id, 10, 64)
		succeed(w, map[string]any{"id": number, "is_bot": true, "first_name": s.username, "username": s.username,
			"can_join_groups": false, "can_read_all_group_messages": false, "supports_inline_queries": false})
	case "sendmessage":
		s.send(w, r, params, length)
	case "getupdates":
		s.updates(w, r, params)
	default:
		refusal{404, "Not Found: method not found"}.write(w, nil)
	}
}

// read collects parameters from wherever the Bot API takes them.
func read(w http.ResponseWriter, r *http.Request) (map[string]string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	params := map[string]string{}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch kind {
	case "application/json":
		var body map[string]any
		dec := json.NewDecoder(r.Body)
		dec.UseNumber()
		if err := dec.Decode(&body); err != nil {
			return nil, err
		}
		for k, v := range body {
			if text, ok := v.(string); ok {
				params[k] = text
				continue
			}
			raw, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			params[k] = string(raw)
		}
	case "multipart/form-data":
		err := r.ParseMultipartForm(maxBody)
		if err != nil && !errors.Is(err, io.EOF) { // without any part, as a library asks for getMe
			return nil, err
		}
	default:
		if err := r.ParseForm(); err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, r.Body) // the server notices a lost client only after the body
	}
	for k, v := range r.Form {
		params[k] = v[0]
	}
	return params, nil
}

func (s *Server) send(w http.ResponseWriter, r *http.Request, params map[string]string, length int64) {
	chat, text := params["chat_id"], params["text"]
	if _, err := strconv.ParseInt(chat, 10, 64); err != nil {
		if chat == "" {
			bad("chat_id is empty").write(w, nil)
			return
		}
		refusals[ChatNotFound].write(w, nil)
		return
	}
	switch {
	case strings.TrimSpace(text) == "":
		bad("message text is empty").write(w, nil)
		return
	case utf8.RuneCountInString(text) > maxText:
		bad("message is too long").write(w, nil)
		return
	}
	b, _ := s.Choose(chat)
	rec := Received{At: time.Now(), ChatID: chat, Text: text, Params: params, Answer: b.Answer, Status: statusOf(b.Answer), Length: length}
	_, refused := refusals[b.Answer]
	taken := !refused && b.Answer != BadGateway && b.Answer != Blockpage
	rec = s.record(rec, taken)
	if !stage.Pause(r.Context(), b.Delay) {
		return
	}
	if fault(w, r, b) {
		return
	}
	id, _ := strconv.ParseInt(chat, 10, 64)
	succeed(w, map[string]any{"message_id": rec.Message, "date": rec.At.Unix(), "text": text,
		"chat": map[string]any{"id": id, "type": "private"}, "has_protected_content": params["protect_content"] == "true"})
}

func statusOf(a Answer) int {
	if f, ok := refusals[a]; ok {
		return f.status
	}
	switch a {
	case BadGateway:
		return http.StatusBadGateway
	case Blockpage:
		return http.StatusForbidden
	case Hang, Reset:
		return 0
	}
	return http.StatusOK
}

// fault answers as told, where something else was told than to succeed.
func fault(w http.ResponseWriter, r *http.Request, b Behaviour) bool {
	if f, ok := refusals[b.Answer]; ok {
		parameters := map[string]any{}
		if b.RetryAfter > 0 {
			seconds := int64((b.RetryAfter + time.Second - 1) / time.Second)
			parameters["retry_after"] = seconds
			w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
			f.description = fmt.Sprintf("Too Many Requests: retry after %d", seconds)
		}
		if b.Answer == Migrated {
			parameters["migrate_to_chat_id"] = int64(-1001234567890)
		}
		f.write(w, parameters)
		return true
	}
	switch b.Answer {
	case Hang:
		<-r.Context().Done()
	case Reset:
		stage.Reset(w)
	case Garbled:
		_, _ = io.WriteString(w, "<html>welcome to the hotel wifi</html>")
	case Hollow:
		writeJSON(w, http.StatusOK, map[string]any{"ok": true})
	case BadGateway, Blockpage:
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(statusOf(b.Answer))
		_, _ = io.WriteString(w, "<html><title>not for you</title></html>")
	default:
		return false
	}
	return true
}
