package fcm

import (
	"encoding/json"
	"strconv"
	"time"

	"firebase.google.com/go/v4/messaging"

	"github.com/qorgau/qorgau/internal/push"
)

// maxPayload is FCM's limit for a message, in bytes
// (firebase.google.com/docs/cloud-messaging, "maximum payload"). Google
// counts notification and data; we count the whole message but the token,
// which is more, so that APNs' own envelope fits under its equal limit too.
const maxPayload = 4096

// maxCollapseID is APNs' limit for apns-collapse-id, in bytes.
const maxCollapseID = 64

// compose builds the FCM message, or says why it can never be sent.
//
// High priority is set together with a visible notification on purpose:
// Android demotes an app whose high-priority messages show nothing. Expiry of
// what families are told is left at the provider's four weeks: a phone may be
// offline for days, and a late "there is news" still leads to the present
// state, which the app fetches. What is of use for minutes or hours expires.
func compose(m push.Message, now time.Time) (*messaging.Message, *push.Result) {
	switch {
	case m.Token == "":
		return nil, &push.Result{Outcome: push.DropToken, Code: codeNoToken}
	case m.NoticeID == "" || len(m.NoticeID) > maxCollapseID || m.Kind == "":
		return nil, &push.Result{Outcome: push.Rejected, Code: codeBadNotice}
	case m.Title == "" || m.Body == "":
		return nil, &push.Result{Outcome: push.Rejected, Code: codeNoText}
	}
	if m.Silent {
		return silent(m), nil
	}
	msg := &messaging.Message{
		Data:         map[string]string{"notice_id": m.NoticeID, "kind": m.Kind},
		Notification: &messaging.Notification{Title: m.Title, Body: m.Body},
		Android: &messaging.AndroidConfig{
			Priority:    "high",
			CollapseKey: m.NoticeID,
			// The tag is what really makes a doubled send show once: FCM ignores
			// the collapse key of a message that has a notification.
			Notification: &messaging.AndroidNotification{
				Tag: m.NoticeID, DefaultSound: true, Priority: messaging.PriorityHigh,
				Visibility: messaging.VisibilityPrivate, // a locked phone may lie on a policeman's desk
			},
		},
		APNS: &messaging.APNSConfig{
			Headers: map[string]string{
				"apns-priority": "10", "apns-push-type": "alert", "apns-collapse-id": m.NoticeID,
			},
			Payload: &messaging.APNSPayload{Aps: &messaging.Aps{Sound: "default"}},
		},
	}
	if life := push.Life(m.Kind); life < push.FamilyLife {
		msg.Android.TTL = &life
		msg.APNS.Headers["apns-expiration"] = strconv.FormatInt(now.Add(life).Unix(), 10)
	}
	if mostBytes(m) > maxPayload {
		size, err := json.Marshal(msg)
		if err != nil {
			return nil, &push.Result{Outcome: push.Rejected, Code: codeInvalidMessage}
		}
		if len(size) > maxPayload {
			return nil, &push.Result{Outcome: push.Rejected, Code: codeTooLarge}
		}
	}
	msg.Token = m.Token
	return msg, nil
}

// mostBytes is what a message takes at most, so that most need not be written out only to be measured, which cost a fifth of a push: what compose puts around
// the text (some 500 bytes), the notice's id in its five places, and six bytes for each that JSON may have to escape.
func mostBytes(m push.Message) int {
	const envelope, places, escaped = 1000, 5, 6
	return envelope + escaped*(places*len(m.NoticeID)+len(m.Kind)+len(m.Title)+len(m.Body))
}

// silentKind stands on the wire in the place of every kind where news and covers must look alike.
const silentKind = "news"

// silent is a message that shows nothing by itself: data alone, of one length and one look whatever it says, so that neither Google nor Apple can tell news from a
// push that says nothing. The app asks the server with her secret, and shows a text of its own when there is news. Android may hold such messages back when the app
// shows nothing for most of them, and an iPhone does so by its own lights (apns-priority 5 is what a background push must have): that is what covers cost.
func silent(m push.Message) *messaging.Message {
	return &messaging.Message{
		Token:   m.Token,
		Data:    map[string]string{"notice_id": m.NoticeID, "kind": silentKind},
		Android: &messaging.AndroidConfig{Priority: "high", CollapseKey: m.NoticeID},
		APNS: &messaging.APNSConfig{
			Headers: map[string]string{"apns-priority": "5", "apns-push-type": "background", "apns-collapse-id": m.NoticeID},
			Payload: &messaging.APNSPayload{Aps: &messaging.Aps{ContentAvailable: true}},
		},
	}
}
