package standin

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestServeSaysWhatItTook(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, "127.0.0.1:0", w) }()
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	_, origin, found := strings.Cut(lines.Text(), "stand-in on ")
	if !found {
		t.Fatal(lines.Text())
	}
	resp, err := http.Post(origin+"/subscribe", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	_, endpoint, _ := strings.Cut(string(text), `"endpoint":"`)
	endpoint, _, _ = strings.Cut(endpoint, `"`)
	said := make(chan string, 1)
	go func() { lines.Scan(); said <- lines.Text() }()
	if resp, err = http.Post(endpoint, "", nil); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	line := <-said
	if !strings.Contains(line, "browser 1 notice") || !strings.Contains(line, "401 no vapid credentials") {
		t.Error(line)
	}
	if _, id, _ := strings.Cut(endpoint, "/push/"); id == "" || strings.Contains(line, id) {
		t.Errorf("an endpoint is in the line: %s", line)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Serve(t.Context(), "256.0.0.1:1", io.Discard); err == nil || !strings.Contains(err.Error(), "listen") {
		t.Errorf("an address that is none: %v", err)
	}
	http.DefaultClient.CloseIdleConnections()
}
