package pg

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
)

// isNetwork tells whether err is the connection's death rather than an answer of the server.
func isNetwork(err error) bool {
	var ne net.Error
	// database/sql, and so GORM, says ErrBadConn of a connection that was found dead before anything was sent.
	if errors.As(err, &ne) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	// pgx gives these two without a type of their own.
	return strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "closed pool")
}
