package pg_test

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

// empty is a database without a single table. Its statements may take a millisecond, which no migration can keep to.
func empty(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	host := pgtest.New(t)
	if _, err := host.Pool.Exec(ctx, "create database empty template template0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = host.Pool.Exec(ctx, "drop database empty with (force)") })
	u, err := url.Parse(host.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/empty"
	return u.String()
}

// Nodes that start at once migrate one after another; whoever comes later finds it done.
func TestMigrate(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	address := empty(t)
	db := opened(t, pg.Options{URL: address})
	before, err := db.Migrations(ctx)
	if err != nil || len(before) == 0 {
		t.Fatalf("migrations of an empty database: %v, %v", before, err)
	}
	for _, m := range before {
		if m.Applied {
			t.Errorf("%s is applied in an empty database", m.Name)
		}
	}

	began := time.Now()
	var nodes sync.WaitGroup
	for range 6 {
		// A limit on statements is for requests: building an index over a year of rows takes longer.
		node := opened(t, pg.Options{URL: address + "&statement_timeout=1"})
		nodes.Go(func() {
			if err := node.Migrate(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
	t.Logf("6 nodes at once: %s", time.Since(began))
	after, err := db.Migrations(ctx)
	if err != nil || len(after) != len(before) {
		t.Fatalf("migrations of a migrated database: %v, %v", after, err)
	}
	for _, m := range after {
		if !m.Applied {
			t.Errorf("%s is not applied", m.Name)
		}
	}

	const shape = `select (select count(*) from goose_db_version) || ' ' || (select count(*) from river_migration) || ' ' ||
		(select md5(string_agg(table_name || column_name || data_type, ',' order by table_name, column_name))
		from information_schema.columns where table_schema = 'public')`
	var once, twice string
	if err := db.Pool.QueryRow(ctx, shape).Scan(&once); err != nil {
		t.Fatal(err)
	}
	if err := db.Migrate(ctx); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if err := db.Pool.QueryRow(ctx, shape).Scan(&twice); err != nil || once != twice {
		t.Errorf("the second time changed %s into %s (%v)", once, twice, err)
	}
	if n := count(t, db, "select count(*) from goose_db_version where version_id > 0"); n != len(after) {
		t.Errorf("%d migrations were noted, want %d: each once", n, len(after))
	}
	if n := count(t, db, "select count(*) from pg_indexes where indexname in ('river_job_args_index', 'river_job_metadata_index')"); n != 0 {
		t.Errorf("%d indexes that every job would pay for", n)
	}
	if n := count(t, db, "select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())"); n != 0 {
		t.Errorf("%d locks are still held", n)
	}
}
