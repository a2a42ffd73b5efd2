package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/pg/embedded"
	"github.com/qorgau/qorgau/pkg/client"
)

// memory is what the phones of the story keep between two starts.
type memory struct {
	Wife   client.SearchKey `json:"wife"`
	Mother client.SearchKey `json:"mother"`
	Batch  []uuid.UUID      `json:"batch"` // a client id for each of the eleven

	dir string
}

const memoryName = "demo.json"

func newMemory() *memory {
	m := &memory{Wife: client.NewSearchKey(), Mother: client.NewSearchKey()}
	for range eleven() {
		m.Batch = append(m.Batch, uuid.New())
	}
	return m
}

// readMemory reads what an earlier demo kept; known is false when there was none.
func readMemory(dir string) (m *memory, known bool, err error) {
	path := filepath.Join(dir, memoryName)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	m = &memory{dir: dir}
	if json.Unmarshal(raw, m) != nil || len(m.Batch) != len(eleven()) {
		return nil, false, fmt.Errorf("%s is not what the demo wrote: start over with `qorgau demo --fresh`", path)
	}
	return m, true, nil
}

func (m *memory) write(dir string) error {
	m.dir = dir
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, memoryName)
	fresh := path + ".new"
	if err := os.WriteFile(fresh, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// wipe removes what an earlier demo made. The embedded server is started for it, so that an orphan is stopped, a running
// demo is noticed, and the directory is the one really used.
func wipe(ctx context.Context, o app.Options) error {
	place, err := embedded.Start(ctx, embedded.Options{DataDir: o.Config.DataDir, Getenv: o.Getenv, Log: o.Log})
	if err != nil {
		return err
	}
	const patience = 20 * time.Second
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := place.Stop(limit); err != nil {
		return err
	}
	dir := place.DataDir()
	_, merr := os.Stat(filepath.Join(dir, memoryName))
	_, kerr := os.Stat(filepath.Join(dir, app.KeysetName))
	if merr != nil && kerr == nil {
		return fmt.Errorf("%w: %s holds the keys of a server and no %s, so that nothing is wiped. Choose another directory with "+
			"QORGAU_DATA_DIR, or remove this one yourself", errForeign, dir, memoryName)
	}
	// The lock file stays: a second process could hold the lock of a removed one. The memory goes last: a wipe that was cut
	// short can be repeated. What we do not know stays.
	for _, name := range []string{"pg", "postgres.log", "postgres.log.old", app.KeysetName, memoryName} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("wipe the earlier demo: %w", err)
		}
	}
	return nil
}
