// Package embedded starts a private PostgreSQL for people who have not set one up: a developer who runs the
// demo, a small legal-aid office with one machine, and our own tests. With DATABASE_URL set it is not used.
//
// # States of a data directory
//
//	empty ──initdb──▶ stopped ──Start──▶ running ──Stop──▶ stopped
//	                     ▲                  │ our process is killed
//	                     └──stopped by──  orphaned ──adopted by the next Start──▶ running
//
// # Invariants
//
//   - A directory that holds a cluster is never deleted or emptied, whatever its version or condition. A new
//     cluster is made under another name and renamed into place once it is whole.
//   - One process of ours per data directory, by flock on qorgau.lock. The lock file also tells `qorgau invite`
//     and `qorgau migrate` (see Join) where the running server listens.
//   - PostgreSQL listens on a Unix socket in a 0700 directory and nowhere else.
//   - PostgreSQL's own log never holds a row, a parameter or the text of a statement (settings.go says how).
//   - PGDATA is <data directory>/pg. It is the only part whose owner changes: PostgreSQL refuses to run as
//     root, so as root it runs as `postgres`, else as `nobody`. The keyset beside it stays ours alone.
package embedded

import (
	"errors"
	"log/slog"
)

// Options says where the private PostgreSQL lives and how careful it must be.
type Options struct {
	// DataDir is $QORGAU_DATA_DIR; PGDATA is DataDir/pg. It is made when missing.
	DataDir string
	// Getenv looks up QORGAU_PG_BIN, QORGAU_PG_SHA256, PATH, HOME and XDG_CACHE_HOME; nil means os.Getenv.
	Getenv func(string) string
	// Log receives progress and warnings, never data; nil discards them.
	Log *slog.Logger
	// Ephemeral is for tests: durability is off, and on Linux PostgreSQL dies with this process.
	Ephemeral bool
	// Settings are further PostgreSQL settings. Those that keep the server private (its socket, its
	// silence about data) cannot be overridden: Start refuses them.
	Settings map[string]string
	// Downloads is the base URL of a Maven-style repository with PostgreSQL archives, used only when the
	// machine has no PostgreSQL. Empty means the default of fergusstrange/embedded-postgres.
	Downloads string
}

// What Start and Join can report besides errors of the operating system. All of them are for people to read
// and name the way out.
var (
	// ErrInUse: another process of ours holds the data directory.
	ErrInUse = errors.New("the data directory is in use")
	// ErrNotRunning: Join found no server at the data directory, or one that is not ready yet.
	ErrNotRunning = errors.New("no embedded PostgreSQL is running")
	// ErrVersion: the cluster on disk and the binaries at hand are of different major versions.
	ErrVersion = errors.New("PostgreSQL versions differ")
	// ErrNoBinaries: no PostgreSQL on this machine and none could be downloaded.
	ErrNoBinaries = errors.New("PostgreSQL is not installed")
)

// The names inside the cluster. The superuser is reached without a password: see writeAccess.
const (
	roleName     = "qorgau"
	databaseName = "qorgau"
	// port only names the socket file; nothing listens on TCP.
	port = 5432
)
