// Package bare sends by Google's SDK and nothing else: no row, no state check, no answer kept. It exists as the measure for what Qorgau adds to a push; nothing
// but a benchmark uses it.
package bare

import (
	"context"
	"fmt"
	"net/http"

	firebase "firebase.google.com/go/v4"
	"firebase.google.com/go/v4/messaging"
	"google.golang.org/api/option"
)

// Loop is a client of the SDK.
type Loop struct {
	client *messaging.Client
	base   *http.Transport
}

// New makes one for a stand-in at endpoint (which ends in /v1), with room for that many connections.
func New(ctx context.Context, endpoint, project string, wide int) (*Loop, error) {
	l := &Loop{base: &http.Transport{MaxIdleConns: wide, MaxIdleConnsPerHost: wide}}
	app, err := firebase.NewApp(ctx, &firebase.Config{ProjectID: project}, option.WithoutAuthentication(), option.WithEndpoint(endpoint),
		option.WithHTTPClient(&http.Client{Transport: l.base}))
	if err != nil {
		return nil, fmt.Errorf("set up firebase: %w", err)
	}
	if l.client, err = app.Messaging(ctx); err != nil {
		return nil, fmt.Errorf("set up messaging: %w", err)
	}
	return l, nil
}

// Send sends a message of the size and shape of ours.
func (l *Loop) Send(ctx context.Context, token, id, title, body string) error {
	_, err := l.client.Send(ctx, &messaging.Message{
		Token: token, Data: map[string]string{"notice_id": id, "kind": "match"}, Notification: &messaging.Notification{Title: title, Body: body},
		Android: &messaging.AndroidConfig{Priority: "high", CollapseKey: id, Notification: &messaging.AndroidNotification{Tag: id, DefaultSound: true,
			Priority: messaging.PriorityHigh, Visibility: messaging.VisibilityPrivate}},
		APNS: &messaging.APNSConfig{Headers: map[string]string{"apns-priority": "10", "apns-push-type": "alert", "apns-collapse-id": id},
			Payload: &messaging.APNSPayload{Aps: &messaging.Aps{Sound: "default"}}},
	})
	return err
}

// Close ends its connections.
func (l *Loop) Close() { l.base.CloseIdleConnections() }
