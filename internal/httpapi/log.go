package httpapi

import (
	"errors"
	"fmt"
	"log"
	"log/slog"
	"regexp"
	"runtime"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
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

const longestCause = 300

var quoted = regexp.MustCompile("\"[^\"]*\"?|`[^`]*`?|'[^']*'")

// describe says what failed, for our own log, without what was submitted. Of a database error only code and constraint are
// kept. Libraries quote values in their texts (strconv, time, uuid, json), so quotations go; and because our own texts are
// English, a letter outside ASCII came from a body and goes too.
func describe(err error) string {
	text := err.Error()
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		text = strings.ReplaceAll(text, pe.Error(), strings.TrimSpace("postgres "+pe.Code+" "+pe.ConstraintName))
	}
	text = quoted.ReplaceAllString(text, "…")
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '…' || r >= ' ' && r < 0x7f:
			return r
		case r < ' ':
			return ' '
		}
		return -1
	}, text)
	if len(text) > longestCause {
		text = strings.ToValidUTF8(text[:longestCause], "")
	}
	return text
}

// describePanic says what kind of panic it was. A runtime error's text holds types and numbers only; any other value may be
// a text with a name in it.
func describePanic(p any) string {
	if re, ok := p.(runtime.Error); ok {
		return describe(re)
	}
	return fmt.Sprintf("%T", p)
}
