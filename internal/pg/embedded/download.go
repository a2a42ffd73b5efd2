//go:build unix

package embedded

import (
	"context"
)

func (s *Server) download(_ context.Context, major int) (binaries, error) {
	return binaries{}, howToInstall(major, errNotAsked)
}
