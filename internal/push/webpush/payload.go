package webpush

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/qorgau/qorgau/internal/push"
)

const (
	// recordSize is the size in bytes of every body: the library pads the one record (RFC 8188) up to it, so that the length
	// tells nothing. The longest of our texts takes half of it. Services take 4,096, but what they hand to Firefox on Android
	// and to other relays grows on the way, and full records were lost there.
	recordSize = 1024
	// maxPlain is what of it is left for the text: less the header of the record (salt 16, size 4, length 1, key 65), the tag
	// of the cipher (16) and the byte that ends the text.
	maxPlain = recordSize - (16 + 4 + 1 + 65) - 16 - 1

	maxNoticeID = 64 // characters; ours have 36
)

// payload is what the page's service worker reads. It holds no name, no place and no person (push.Message).
type payload struct {
	Notice string `json:"notice"`
	Kind   string `json:"kind"`
	Title  string `json:"title"`
	Body   string `json:"body"`
	Lang   string `json:"lang"`
}

// compose writes the text of a notice, or says why it can never be sent.
func compose(m push.Message) ([]byte, *push.Result) {
	switch {
	case m.NoticeID == "" || len(m.NoticeID) > maxNoticeID || m.Kind == "":
		return nil, &push.Result{Outcome: push.Rejected, Code: codeBadNotice}
	case m.Title == "" || m.Body == "":
		return nil, &push.Result{Outcome: push.Rejected, Code: codeNoText}
	}
	text, err := json.Marshal(payload{Notice: m.NoticeID, Kind: m.Kind, Title: m.Title, Body: m.Body, Lang: m.Language})
	if err != nil {
		return nil, &push.Result{Outcome: push.Rejected, Code: codeInvalidMessage}
	}
	if len(text) > maxPlain {
		return nil, &push.Result{Outcome: push.Rejected, Code: codeTooLarge}
	}
	return text, nil
}

// topic names a notice to the push service: 32 characters of base64url, the most that RFC 8030 (5.4) allows. The endpoint is
// hashed with it: one notice goes to several browsers of one person, and the same topic would tell the service that they
// belong together.
func topic(notice, endpoint string) string {
	sum := sha256.Sum256([]byte("qorgau web push topic\x00" + notice + "\x00" + endpoint))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}
