package app_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/pg/pgtest"
)

func TestOrganisations(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	o, _ := options(t, pgtest.Clone(t))
	started(t, o)
	tools, err := app.Attach(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tools.Close(ctx) }()
	id, err := tools.AddOrganisation(ctx, " Құқық қорғаушылар ")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "  ", strings.Repeat("ә", 201), "Құқық қорғаушылар"} {
		if _, err := tools.AddOrganisation(ctx, bad); !errors.Is(err, app.ErrBadOrganisation) {
			t.Errorf("name %q: %v", bad, err)
		}
	}
	all, err := tools.Organisations(ctx)
	if err != nil || len(all) != 2 || all[1].ID != id || all[1].Name != "Құқық қорғаушылар" {
		t.Fatalf("listed %+v, %v", all, err)
	}
	first := all[0].ID
	for _, bad := range []app.Share{{Owner: id, Reader: id}, {Owner: id, Reader: uuid.New()}, {Owner: id, Reader: first, Cities: []string{"Алматы"}}} {
		if err := tools.ShareOrganisation(ctx, bad); !errors.Is(err, app.ErrBadOrganisation) {
			t.Errorf("share %+v: %v", bad, err)
		}
	}
	for _, cities := range [][]string{{"almaty"}, nil} {
		if err := tools.ShareOrganisation(ctx, app.Share{Owner: id, Reader: first, Cities: cities}); err != nil {
			t.Fatal(err)
		}
		all, err := tools.Organisations(ctx)
		if err != nil || len(all[1].SharedTo) != 1 || all[1].SharedTo[0].Reader != first || len(all[1].SharedTo[0].Cities) != len(cities) {
			t.Errorf("shares are %+v, %v", all[1].SharedTo, err)
		}
	}
}

func TestAttachSaysThatTheDatabaseIsEmpty(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	url := pgtest.Clone(t)
	o, _ := options(t, url)
	tools, err := app.AttachData(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tools.DB.Pool.Exec(ctx, "drop table keyset_mark"); err != nil {
		t.Fatal(err)
	}
	if err := tools.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := app.Attach(ctx, o); err == nil || !strings.Contains(err.Error(), "qorgau migrate up") {
		t.Errorf("the error is %v", err)
	}
}
