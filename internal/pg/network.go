package pg

import (
	"errors"
	"io"
	"net"
	"strings"
)

// isNetwork tells whether err is the connection's death rather than an answer of the server.
func isNetwork(err error) bool {
	var ne net.Error
	if errors.As(err, &ne) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	// pgx gives these two without a type of their own.
	return strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "closed pool")
}
