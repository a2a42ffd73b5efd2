package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/seal"
)

// KeysetName is the keyset's file beside the embedded database.
const KeysetName = "keyset.json"

// ErrNoKeyset: sealed data exists and its keys are gone. A new keyset is never made then.
var ErrNoKeyset = errors.New("the keyset is missing")

// ErrWrongKeyset: the keyset is not the one that sealed this database.
var ErrWrongKeyset = errors.New("the keyset does not fit the database")

// errUnmigrated: a command came before the first start.
var errUnmigrated = errors.New("this database has no tables of Qorgau yet: run `qorgau migrate up`, or start the server once")

// keysetPath gives where the keys lie: as configured, or beside the embedded database.
func keysetPath(o Options, dataDir string) string {
	if o.Config.Keyset != "" {
		return o.Config.Keyset
	}
	return filepath.Join(dataDir, KeysetName)
}

// ensureKeyset makes the keyset of a fresh embedded database. Where sealed data exists it refuses: with new keys the server
// would run, and nobody would see that what was logged can no longer be read.
func ensureKeyset(ctx context.Context, path string, db *pg.DB, log *slog.Logger) error {
	_, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	used, err := marked(ctx, db)
	if err != nil {
		return err
	}
	if used {
		return fmt.Errorf("%w: the database was sealed with %s, and that file is gone. Put it back from where you keep a copy; "+
			"without it nothing that was logged can be read. Qorgau never makes a new one over sealed data", ErrNoKeyset, path)
	}
	ks, err := seal.NewKeyset(db.Now())
	if err != nil {
		return err
	}
	if err := seal.WriteKeyset(path, ks, "", false); err != nil {
		return err
	}
	log.InfoContext(ctx, "made a new keyset beside the database; keep a copy elsewhere, without it nothing can be read", "file", path)
	return nil
}

func marked(ctx context.Context, db *pg.DB) (used bool, err error) {
	err = db.InTx(ctx, func(tx *pg.Tx) error {
		used, err = seal.Marked(ctx, tx)
		return err
	})
	var pe *pgconn.PgError
	if errors.As(err, &pe) && pe.Code == "42P01" { // undefined_table
		return false, errUnmigrated
	}
	return used, err
}

// missing says what to do about a keyset that was named and is not there.
func missing(path string) error {
	return fmt.Errorf("%w: QORGAU_KEYSET names %s, and there is no such file. If this database was used before, give the file that "+
		"sealed it; for a new one make it with: qorgau keys new %s", ErrNoKeyset, path, path)
}

// openRing derives the keys and compares them with the database's mark.
func openRing(ctx context.Context, ks seal.Keyset, db *pg.DB) (*seal.Ring, error) {
	ring, err := seal.Open(ks)
	if err != nil {
		return nil, err
	}
	var wrong error
	err = db.InTx(ctx, func(tx *pg.Tx) error {
		used, err := seal.Marked(ctx, tx)
		if err != nil {
			return err
		}
		if err = ring.CheckMark(ctx, tx); err != nil && used {
			wrong = err
		}
		return err
	})
	var pe *pgconn.PgError
	if wrong != nil && !errors.As(wrong, &pe) {
		return nil, fmt.Errorf("%w: %w", ErrWrongKeyset, wrong)
	}
	if err != nil {
		return nil, err
	}
	if !ring.HasPeriod(db.Now()) {
		return nil, fmt.Errorf("the keyset holds no key for %s, so that nothing could be sealed: run `qorgau keys extend FILE`", seal.Period(db.Now()))
	}
	return ring, nil
}

// Ask asks a person for the passphrase of the keyset; wrong says that the last one was. It returns when ctx ends.
type Ask func(ctx context.Context, wrong bool) (string, error)

// readKeyset reads the file. For a wrapped one it calls locked once, and then takes the passphrase from the file that is
// configured, whenever it appears, or from the person at the terminal, whichever opens it first.
func readKeyset(ctx context.Context, o Options, path string, locked func()) (seal.Keyset, error) {
	ks, err := seal.ReadKeyset(path, "")
	if errors.Is(err, fs.ErrNotExist) {
		return seal.Keyset{}, missing(path)
	}
	if !errors.Is(err, seal.ErrLocked) {
		return ks, err
	}
	file := o.Config.KeysetPassphraseFile
	if file == "" && o.Ask == nil {
		return seal.Keyset{}, fmt.Errorf("the keyset %s is wrapped with a passphrase: put it into a file and set QORGAU_KEYSET_PASSPHRASE_FILE, or start from a terminal", path)
	}
	locked()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	offers := make(chan string)
	verdicts := make(chan bool, 1)
	if file != "" {
		go offerFile(ctx, file, offers)
	}
	if o.Ask != nil {
		go offerTyped(ctx, o.Ask, offers, verdicts)
	}
	for {
		var passphrase string
		select {
		case <-ctx.Done():
			return seal.Keyset{}, ctx.Err()
		case passphrase = <-offers:
		}
		ks, err := seal.ReadKeyset(path, passphrase)
		if !errors.Is(err, seal.ErrPassphrase) {
			return ks, err
		}
		o.Log.WarnContext(ctx, "wrong passphrase: the keyset stays locked", "keyset", path)
		select {
		case verdicts <- true:
		default:
		}
	}
}

const passphrasePoll = time.Second

// offerFile offers what the file holds whenever that is new: a passphrase costs a second of work to try.
func offerFile(ctx context.Context, file string, offers chan<- string) {
	last := ""
	repeat(ctx, passphrasePoll, func(ctx context.Context) {
		raw, err := os.ReadFile(file)
		passphrase := strings.TrimRight(string(raw), "\r\n")
		if err != nil || passphrase == "" || passphrase == last {
			return
		}
		last = passphrase
		select {
		case offers <- passphrase:
		case <-ctx.Done():
		}
	})
}

// offerTyped asks until the context ends; a terminal that is gone ends it too.
func offerTyped(ctx context.Context, ask Ask, offers chan<- string, verdicts <-chan bool) {
	wrong := false
	for {
		passphrase, err := ask(ctx, wrong)
		if err != nil {
			return
		}
		if passphrase == "" {
			continue
		}
		select {
		case offers <- passphrase:
		case <-ctx.Done():
			return
		}
		select {
		case wrong = <-verdicts:
		case <-ctx.Done():
			return
		}
	}
}
