package watch

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/finder"
	"github.com/qorgau/qorgau/internal/hotline"
	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
)

// AfterCorrection follows a corrected record: names and years are matched anew, who was told on the strength of the old ones
// hears that it does not stand, and a department that had been mistyped is put right on her phone.
func (p *Post) AfterCorrection(ctx context.Context, c detention.Corrected) error {
	a := anew{event: c.EventID, actor: c.ActorID}
	if c.Named || c.Told {
		look, err := p.finder.Look(ctx)
		if err != nil {
			return err
		}
		if err := p.compareMatched(ctx, look, c.DetentionID, a); err != nil {
			return err
		}
		if c.Named {
			if err := p.matchDetention(ctx, look, c.DetentionID, nil, a); err != nil {
				return err
			}
		}
	}
	if c.Moved {
		return p.tellChange(ctx, change{detention: c.DetentionID, event: c.EventID, actor: c.ActorID, kind: push.Correction})
	}
	return nil
}

// compareMatched settles again every pair that the detention is matched in, also those that the index no longer finds.
func (p *Post) compareMatched(ctx context.Context, look *finder.Look, id uuid.UUID, a anew) error {
	return p.onFreshRecords(ctx, func(tx *pg.Tx) error {
		records, err := recordsOf(ctx, tx, id)
		if err != nil {
			return err
		}
		found, err := p.detentions.Load(ctx, tx, records...)
		if err != nil || len(found) == 0 || found[0].State == detention.Withdrawn {
			return err // what is withdrawn is taken back by the withdrawal's own job
		}
		var pairs []pair
		for _, d := range found {
			rows, err := tx.Query(ctx, comparedAgain, pgx.NamedArgs{"detention": d.ID, "now": tx.Now})
			if err != nil {
				return fmt.Errorf("matched searches: %w", err)
			}
			searches, err := p.collectSearches(ctx, tx, rows)
			if err != nil {
				return err
			}
			pairs = append(pairs, compareAll(look, searches, d)...)
		}
		return p.settle(ctx, tx, pairs, a)
	})
}

// comparedAgain: a search of another organisation is compared again while the record is shared with it, or was told.
var comparedAgain = "select " + searchColumns + ` from searches s join matches m on m.search_id = s.id join detentions d on d.id = m.detention_id
	where d.id = @detention and s.state = 'open' and (m.notified_at is not null or ` + fmt.Sprintf(reach, "s.organisation_id") + `) order by s.id`

func (p *Post) matchedSearches(ctx context.Context, tx *pg.Tx, records []uuid.UUID) ([]Search, error) {
	rows, err := tx.Query(ctx, "select "+searchColumns+` from searches s where s.id in (select search_id from matches where detention_id = any($1::uuid[]))
		and s.state = 'open' order by s.id`, records)
	if err != nil {
		return nil, fmt.Errorf("matched searches: %w", err)
	}
	return p.collectSearches(ctx, tx, rows)
}

// AfterEvent follows an event that changed where or how someone is held.
func (p *Post) AfterEvent(ctx context.Context, h detention.Happened) error {
	if h.State == detention.Withdrawn {
		return p.afterWithdrawal(ctx, h)
	}
	return p.tellChange(ctx, change{detention: h.DetentionID, event: h.EventID, actor: h.ActorID, kind: push.Update})
}

// afterWithdrawal takes back every match of an entry that was a mistake. Nobody finds it by name any more.
func (p *Post) afterWithdrawal(ctx context.Context, h detention.Happened) error {
	return p.db.InTx(ctx, func(tx *pg.Tx) error {
		searches, matches, err := p.lockMatched(ctx, tx, h.DetentionID)
		if err != nil {
			return err
		}
		silent, _, err := p.firstOfEach(ctx, tx, matches)
		if err != nil {
			return err
		}
		for _, m := range matches {
			switch {
			case m.told() && silent[m.ID]:
				m.State, m.ReviewReason, m.HoldID = retracted, nil, nil
				if err := p.keep(ctx, tx, m); err != nil {
					return err
				}
			case m.told():
				if _, err := p.takeBack(ctx, tx, m, searches[m.SearchID], h.EventID, h.ActorID); err != nil {
					return err
				}
			case m.State == proposed:
				m.State, m.ReviewReason, m.HoldID = retracted, nil, nil
				if err := p.keep(ctx, tx, m); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// lockMatched locks a person's records and their open searches in the order that all writers of matches keep, and reads the matches.
func (p *Post) lockMatched(ctx context.Context, tx *pg.Tx, id uuid.UUID) (map[uuid.UUID]Search, []MatchRow, error) {
	records, err := recordsOf(ctx, tx, id)
	if err != nil {
		return nil, nil, err
	}
	if _, err := tx.Exec(ctx, "select 1 from detentions where id = any($1::uuid[]) order by id for no key update", records); err != nil {
		return nil, nil, fmt.Errorf("lock detention: %w", err)
	}
	if _, err := tx.Exec(ctx, `select 1 from searches s where s.id in (select search_id from matches where detention_id = any($1::uuid[]))
		order by s.id for no key update`, records); err != nil {
		return nil, nil, fmt.Errorf("lock searches: %w", err)
	}
	found, err := p.matchedSearches(ctx, tx, records)
	if err != nil {
		return nil, nil, err
	}
	searches := make(map[uuid.UUID]Search, len(found))
	for _, s := range found {
		searches[s.ID] = s
	}
	rows, err := tx.Query(ctx, "select "+matchColumns+" from matches m where m.detention_id = any($1::uuid[]) order by m.id", records)
	if err != nil {
		return nil, nil, fmt.Errorf("read matches: %w", err)
	}
	matches, err := pgx.CollectRows(rows, pgx.RowToStructByPos[MatchRow])
	if err != nil {
		return nil, nil, fmt.Errorf("read matches: %w", err)
	}
	return searches, slices.DeleteFunc(matches, func(m MatchRow) bool { _, open := searches[m.SearchID]; return !open }), nil
}

type change struct {
	detention, event, actor uuid.UUID
	kind                    string
}

// tellChange tells the families who know of a detention that something changed, and puts it where they read it. A change that
// must be told by voice raises a call instead of a push. Above the reporter's limit both the notice and what they read wait.
func (p *Post) tellChange(ctx context.Context, c change) error {
	return p.db.InTx(ctx, func(tx *pg.Tx) error {
		searches, matches, err := p.lockMatched(ctx, tx, c.detention)
		if err != nil {
			return err
		}
		silent, records, err := p.firstOfEach(ctx, tx, matches)
		if err != nil {
			return err
		}
		if records, err = p.withCustodies(ctx, tx, records); err != nil {
			return err
		}
		waiting := map[uuid.UUID]bool{}
		for _, m := range matches {
			waiting[m.SearchID] = waiting[m.SearchID] || m.told() && m.HoldID != nil
		}
		for _, m := range matches {
			d, there := records[m.DetentionID]
			switch {
			case !m.told() || !there || d.State == detention.Withdrawn || d.Disclosure == detention.Sealed:
				// what withdrew or sealed it has a job of its own, which may come later
			case silent[m.ID] && m.HoldID != nil, silent[m.ID] && waiting[m.SearchID]:
				// the family's first record of the person waits for a second person; this one shows no more
			case silent[m.ID]:
				if m, err = p.shown(ctx, tx, m, searches[m.SearchID], d); err == nil {
					err = p.keep(ctx, tx, m)
				}
			default:
				err = p.tellChangeOf(ctx, tx, m, searches[m.SearchID], d, c)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// tellChangeOf is tellChange for one match. A release that was told and does not hold is retracted: of all news it is the one on which
// a family acts.
func (p *Post) tellChangeOf(ctx context.Context, tx *pg.Tx, m MatchRow, s Search, d detention.Detention, c change) error {
	if news, err := p.news(ctx, tx, m, s, d); err != nil || !news {
		return err // this job ran before, or a later event has told more already, or nothing that she may know changed
	}
	if m.HoldID != nil {
		alone, err := p.tellsByItself(ctx, tx, m, c)
		if err != nil {
			return err
		}
		if !alone {
			return p.notify(ctx, tx, notice{match: m, search: s, kind: c.kind, turn: c.event, reporter: c.actor, hold: *m.HoldID, says: d.State})
		}
		m.HoldID, m.ReviewReason = nil, nil
		if err := p.push.Supersede(ctx, tx, m.ID, push.Update, push.Correction); err != nil {
			return err
		}
	}
	if c.kind == push.Retraction {
		return p.retractNews(ctx, tx, m, s, d, c)
	}
	if tellable(d.State) == callHotline {
		m, err := p.shown(ctx, tx, m, s, d)
		if err != nil {
			return err
		}
		if err := p.keep(ctx, tx, m); err != nil {
			return err
		}
		return hotline.Due(ctx, tx, s.OrganisationID, s.ID)
	}
	hold, err := p.holdFor(ctx, tx, c.actor, aboutOf(d.State))
	if err != nil {
		return err
	}
	if hold == uuid.Nil && c.kind == push.Correction && *m.ToldState == string(detention.Released) && d.State != detention.Released {
		return p.retractNews(ctx, tx, m, s, d, c)
	}
	if hold == uuid.Nil {
		if m, err = p.shown(ctx, tx, m, s, d); err != nil {
			return err
		}
	} else {
		reason := ReasonReporterLimit
		m.ReviewReason, m.HoldID = &reason, &hold
	}
	if err := p.keep(ctx, tx, m); err != nil {
		return err
	}
	return p.notify(ctx, tx, notice{match: m, search: s, kind: c.kind, turn: c.event, reporter: c.actor, hold: hold, says: d.State})
}

// tellsByItself tells whether a change may be told of a match whose earlier news waits for a second person. What a family reads is the
// record as it is, with what waits in it; so all later changes wait too, whoever reports them. Only the word of somebody else that the
// person is free stands beside the one that waits; a relative's word is nobody's in particular, and waits.
func (p *Post) tellsByItself(ctx context.Context, tx *pg.Tx, m MatchRow, c change) (bool, error) {
	var alone bool
	err := tx.QueryRow(ctx, `select coalesce((select h.state <> 'open' or h.about = 'release' and exists (select 1 from detention_events e
			where e.id = $2 and e.kind = 'released' and e.recorded_by <> h.reporter_id) from holds h where h.id = $1), true)`, *m.HoldID, c.event).Scan(&alone)
	if err != nil {
		return false, fmt.Errorf("look at what waits: %w", err)
	}
	return alone, nil
}

// withCustodies reads the chains of all these records at once.
func (p *Post) withCustodies(ctx context.Context, tx *pg.Tx, records map[uuid.UUID]detention.Detention) (map[uuid.UUID]detention.Detention, error) {
	list := slices.Collect(maps.Values(records))
	if err := p.detentions.WithCustody(ctx, tx, list); err != nil {
		return nil, err
	}
	for _, d := range list {
		records[d.ID] = d
	}
	return records, nil
}
