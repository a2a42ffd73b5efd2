package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/push/stage"
)

const (
	maxBody    = 1 << 20
	maxPayload = 4096 // of notification and data, in bytes
)

var sendPath = regexp.MustCompile(`^/v1/projects/([a-z][a-z0-9.:-]*)/messages:send$`)

// tokenWords are the behaviours a token can ask for by itself.
var tokenWords = map[string]Behaviour{
	"unregistered": {Answer: Unregistered},
	"invalid":      {Answer: InvalidToken},
	"mismatch":     {Answer: SenderIDMismatch},
	"quota":        {Answer: QuotaExceeded, RetryAfter: 5 * time.Second},
	"device-quota": {Answer: DeviceQuota, RetryAfter: 5 * time.Second},
	"internal":     {Answer: Internal},
	"unavailable":  {Answer: Unavailable},
	"slow":         {Delay: 3 * time.Second},
	"hang":         {Answer: Hang},
	"reset":        {Answer: Reset},
}

// ByToken is the behaviour a token asks for by its own name when nothing is
// scripted: "standin:unregistered:anything", likewise invalid, mismatch,
// quota, device-quota, internal, unavailable, slow, hang, reset. It lets a
// developer try each fault by hand, from a phone's side. Any other token: OK.
func ByToken(token string) Behaviour {
	parts := strings.SplitN(token, ":", 3)
	if len(parts) == 3 && parts[0] == "standin" {
		return tokenWords[parts[1]]
	}
	return Behaviour{}
}

// refusal is one of Google's error answers.
type refusal struct {
	status  int
	name    string // google.rpc.Code
	message string
	code    string // FcmError.errorCode; empty: no such detail
	details []any  // further details
}

var refusals = map[Answer]refusal{
	Unregistered: {404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED", nil},
	InvalidToken: {400, "INVALID_ARGUMENT", "The registration token is not a valid FCM registration token", "INVALID_ARGUMENT", nil},
	InvalidArgument: {400, "INVALID_ARGUMENT", "Request contains an invalid argument.", "INVALID_ARGUMENT", []any{
		badRequest("message.android.ttl", "Invalid TTL value")}},
	SenderIDMismatch: {403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH", nil},
	PermissionDenied: {403, "PERMISSION_DENIED", "Permission 'cloudmessaging.messages.create' denied on resource (or it may not exist).", "", []any{
		map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "IAM_PERMISSION_DENIED", "domain": "cloudresourcemanager.googleapis.com"}}},
	Unauthenticated: {401, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.", "", nil},
	ThirdPartyAuth:  {401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service", "THIRD_PARTY_AUTH_ERROR", nil},
	QuotaExceeded: {429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Send requests' and limit 'Send requests per minute' of service 'fcm.googleapis.com'.", "", []any{
		map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com"}}},
	DeviceQuota: {429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", "QUOTA_EXCEEDED", []any{
		map[string]any{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []any{
			map[string]string{"subject": "device", "description": "Device message rate exceeded"}}}}},
	NotFound:    {404, "NOT_FOUND", "Requested entity was not found.", "", nil},
	Internal:    {500, "INTERNAL", "Internal error encountered.", "INTERNAL", nil},
	Unavailable: {503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE", nil},
}

func badRequest(field, description string) any {
	return map[string]any{"@type": "type.googleapis.com/google.rpc.BadRequest",
		"fieldViolations": []any{map[string]string{"field": field, "description": description}}}
}

func (f refusal) write(w http.ResponseWriter) {
	details := f.details
	if f.code != "" {
		details = append([]any{map[string]string{
			"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": f.code}}, details...)
	}
	inner := map[string]any{"code": f.status, "message": f.message, "status": f.name}
	if len(details) > 0 {
		inner["details"] = details
	}
	writeJSON(w, f.status, map[string]any{"error": inner})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the sender is gone: nothing to tell it
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	path := sendPath.FindStringSubmatch(r.URL.Path)
	if path == nil || r.Method != http.MethodPost {
		http.Error(w, "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		invalid("Request payload could not be read.").write(w)
		return
	}
	rec, dry, fault := parse(body)
	if fault != nil {
		fault.write(w)
		return
	}
	rec.At, rec.Project = time.Now(), path[1]
	b, told := s.Choose(rec.Token)
	if !told {
		b = ByToken(rec.Token)
	}
	rec.Answer, rec.Status = b.Answer, statusOf(b.Answer)
	taken := b.Answer == OK || b.Answer == Hang || b.Answer == Reset || b.Answer == Garbled
	s.Note(rec, taken && !dry)
	if !stage.Pause(r.Context(), b.Delay) {
		return
	}
	answer(w, r, rec.Project, b)
}

func statusOf(a Answer) int {
	if f, ok := refusals[a]; ok {
		return f.status
	}
	switch a {
	case BadGateway:
		return http.StatusBadGateway
	case Hang, Reset:
		return 0
	}
	return http.StatusOK
}

func answer(w http.ResponseWriter, r *http.Request, project string, b Behaviour) {
	if b.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((b.RetryAfter+time.Second-1)/time.Second)))
	}
	if f, ok := refusals[b.Answer]; ok {
		f.write(w)
		return
	}
	switch b.Answer {
	case Hang:
		<-r.Context().Done()
	case Reset:
		stage.Reset(w)
	case Garbled:
		_, _ = io.WriteString(w, "<html>welcome to the hotel wifi</html>")
	case BadGateway:
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Error 502 (Server Error)!!1</title>")
	default:
		name := fmt.Sprintf("projects/%s/messages/0:%d%%%08x", project, time.Now().UnixMicro(), time.Now().Nanosecond())
		writeJSON(w, http.StatusOK, map[string]string{"name": name})
	}
}

// wire is the request as FCM v1 defines it; the platform parts are opened
// only as far as Qorgau uses them.
type wire struct {
	ValidateOnly bool `json:"validate_only"`
	Message      *struct {
		Name         string            `json:"name"`
		Token        string            `json:"token"`
		Topic        string            `json:"topic"`
		Condition    string            `json:"condition"`
		Data         map[string]string `json:"data"`
		Notification json.RawMessage   `json:"notification"`
		Android      json.RawMessage   `json:"android"`
		APNS         json.RawMessage   `json:"apns"`
		Webpush      json.RawMessage   `json:"webpush"`
		FCMOptions   json.RawMessage   `json:"fcm_options"`
	} `json:"message"`
}

func invalid(message string, details ...any) *refusal {
	return &refusal{400, "INVALID_ARGUMENT", message, "", details}
}

// parse validates a request. The second result is validate_only.
func parse(body []byte) (Received, bool, *refusal) {
	var q wire
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil {
		return Received{}, false, invalid("Invalid JSON payload received. " + err.Error())
	}
	if q.Message == nil || (q.Message.Token == "" && q.Message.Topic == "" && q.Message.Condition == "") {
		return Received{}, false, invalid("Recipient of the message is not set.",
			badRequest("message", "Recipient of the message is not set."))
	}
	m := q.Message
	if m.Token == "" || m.Topic != "" || m.Condition != "" {
		return Received{}, false, invalid("The stand-in knows tokens only.")
	}
	for key := range m.Data {
		if key == "from" || key == "message_type" || strings.HasPrefix(key, "google.") || strings.HasPrefix(key, "gcm.") {
			return Received{}, false, invalid("Invalid data payload key: "+key,
				badRequest("message.data["+key+"]", "Invalid data payload key: "+key))
		}
	}
	data, _ := json.Marshal(m.Data)
	if len(data)+len(m.Notification) > maxPayload {
		f := invalid("Android message is too big")
		f.code = "INVALID_ARGUMENT"
		return Received{}, false, f
	}
	rec := Received{Token: m.Token, Data: m.Data, NoticeID: m.Data["notice_id"], Kind: m.Data["kind"], Raw: body}
	if f := rec.open(m.Notification, m.Android, m.APNS); f != nil {
		return Received{}, false, f
	}
	return rec, q.ValidateOnly, nil
}

// open reads the platform parts into the record and checks what FCM checks.
func (r *Received) open(notification, android, apns json.RawMessage) *refusal {
	var n struct{ Title, Body string }
	var a struct {
		Priority     string `json:"priority"`
		CollapseKey  string `json:"collapse_key"`
		Notification struct {
			Tag string `json:"tag"`
		} `json:"notification"`
	}
	var p struct {
		Headers map[string]string `json:"headers"`
	}
	for _, part := range []struct {
		name string
		raw  json.RawMessage
		into any
	}{{"notification", notification, &n}, {"android", android, &a}, {"apns", apns, &p}} {
		if len(part.raw) == 0 {
			continue
		}
		if err := json.Unmarshal(part.raw, part.into); err != nil {
			return invalid("Invalid value at 'message."+part.name+"'", badRequest("message."+part.name, "Invalid value"))
		}
	}
	switch strings.ToLower(a.Priority) {
	case "", "high", "normal":
	default:
		return invalid("Invalid value at 'message.android.priority'", badRequest("message.android.priority", "Invalid value"))
	}
	if len(p.Headers["apns-collapse-id"]) > 64 {
		return invalid("apns-collapse-id is longer than 64 bytes", badRequest("message.apns.headers", "apns-collapse-id is longer than 64 bytes"))
	}
	r.Title, r.Body = n.Title, n.Body
	r.AndroidPriority, r.CollapseKey, r.AndroidTag, r.APNS = a.Priority, a.CollapseKey, a.Notification.Tag, p.Headers
	return nil
}
