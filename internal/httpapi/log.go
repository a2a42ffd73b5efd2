package httpapi

import (
	"log"
	"log/slog"
	"strings"
)

// complaints takes net/http's own log. Its lines carry addresses of callers and texts of panics, so only what an operator
// must act on passes, as a fixed text.
func complaints(l *slog.Logger) *log.Logger { return log.New(complaintWriter{l}, "", 0) }

type complaintWriter struct{ log *slog.Logger }

func (w complaintWriter) Write(p []byte) (int, error) {
	switch line := string(p); {
	case strings.Contains(line, "Accept error"):
		w.log.Warn("http listener cannot accept a connection and tries again")
	case strings.Contains(line, "panic serving"):
		w.log.Error("http connection ended by a panic")
	}
	return len(p), nil
}
