package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/audit"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/embedded"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/seal"
	"github.com/qorgau/qorgau/internal/texting"
)

// Tools are what a command needs that works beside a running server, or on the database of one that is stopped.
type Tools struct {
	DB *pg.DB
	// Ring, Accounts and Texts are nil from AttachData: not every command needs the keys.
	Ring     *seal.Ring
	Accounts *account.Desk
	Texts    *texting.Desk // prints sheets; nothing comes in here

	store store
}

// Close ends the connection. The server goes on.
func (t *Tools) Close(ctx context.Context) error { return t.store.close(context.WithoutCancel(ctx)) }

// AttachData opens the database alone: DATABASE_URL, or that of the embedded server which runs on the data directory.
func AttachData(ctx context.Context, o Options) (*Tools, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Config.DatabaseURL == "" {
		url, err := embedded.Join(o.Config.DataDir, o.Getenv)
		if err != nil {
			return nil, err
		}
		return attach(ctx, o, url)
	}
	return attach(ctx, o, o.Config.DatabaseURL.Reveal())
}

func attach(ctx context.Context, o Options, url string) (*Tools, error) {
	db, err := pg.Open(ctx, pg.Options{URL: url, Clock: o.Clock, MaxConns: 4})
	if err != nil {
		return nil, err
	}
	t := &Tools{DB: db, store: store{db: db}}
	if err := answers(ctx, db, o.Log); err != nil {
		return nil, errors.Join(err, t.Close(ctx))
	}
	return t, nil
}

// Attach opens the database and the keys. A wrapped keyset takes its passphrase as the server does.
func Attach(ctx context.Context, o Options) (*Tools, error) {
	t, err := AttachData(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := t.openDesk(ctx, o); err != nil {
		return nil, errors.Join(err, t.Close(ctx))
	}
	return t, nil
}

func (t *Tools) openDesk(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	if _, err := marked(ctx, t.DB); err != nil {
		return err
	}
	path := o.Config.Keyset
	if path == "" {
		// The data may lie elsewhere than wanted (embedded, place.go): the database itself knows where.
		var pgdata string
		if err := t.DB.Pool.QueryRow(ctx, "show data_directory").Scan(&pgdata); err != nil {
			return fmt.Errorf("ask for the data directory: %w", err)
		}
		path = keysetPath(o, filepath.Dir(pgdata))
	}
	ks, err := readKeyset(ctx, o, path, func() {})
	if err != nil {
		return err
	}
	if t.Ring, err = openRing(ctx, ks, t.DB); err != nil {
		return err
	}
	center, err := push.New(push.Options{DB: t.DB, Ring: t.Ring, Log: o.Log})
	if err != nil {
		return err
	}
	t.Accounts = account.New(deskOptions(t.DB, t.Ring, o.Log, center, limits{}))
	t.Texts = texting.New(texting.Options{DB: t.DB, Ring: t.Ring, Audit: audit.New(t.Ring), Accounts: t.Accounts, Push: center, Number: o.Config.SMSNumber, Log: o.Log})
	return nil
}

// Migrate brings the schema up: of DATABASE_URL, of the embedded server that runs on the data directory, or of the embedded
// database that is started for as long as it takes. do gets the database before and after.
func Migrate(ctx context.Context, o Options, do func(ctx context.Context, db *pg.DB) error) (err error) {
	o, err = o.withDefaults()
	if err != nil {
		return err
	}
	t, err := AttachData(ctx, o)
	if errors.Is(err, embedded.ErrNotRunning) {
		t = &Tools{}
		t.store, err = openStore(ctx, o)
		t.DB = t.store.db
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(ctx)) }()
	return do(ctx, t.DB)
}
