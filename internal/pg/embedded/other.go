//go:build !unix

package embedded

import (
	"context"
	"errors"
)

var errPlatform = errors.New("the embedded PostgreSQL runs on Linux and macOS only; set DATABASE_URL")

// Server is never made on this platform.
type Server struct{}

// Start always fails here: Unix sockets, file ownership and process groups are what keeps the server private.
func Start(context.Context, Options) (*Server, error) { return nil, errPlatform }

// Join always fails here, as Start does.
func Join(string, func(string) string) (string, error) { return "", errPlatform }

// URL is empty on this platform.
func (*Server) URL() string { return "" }

// DataDir is empty on this platform.
func (*Server) DataDir() string { return "" }

// LogFile is empty on this platform.
func (*Server) LogFile() string { return "" }

// Adopted is false on this platform.
func (*Server) Adopted() bool { return false }

// Stop has nothing to stop on this platform.
func (*Server) Stop(context.Context) error { return nil }
