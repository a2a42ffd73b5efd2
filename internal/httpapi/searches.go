package httpapi

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/department"
	"github.com/qorgau/qorgau/internal/detention"
	"github.com/qorgau/qorgau/internal/watch"
)

// CreateSearch starts a standing search: for a relative without any proof of who she is, for a caller by staff.
func (s *Server) CreateSearch(ctx context.Context, r CreateSearchRequestObject) (CreateSearchResponseObject, error) {
	b := r.Body
	channels, err := addressesOf(b.Channels, !staffCalls(ctx))
	if err != nil {
		return nil, err
	}
	n := watch.NewSearch{ClientID: b.ClientID, Secret: b.Secret, Name: b.Name, AlsoKnownAs: b.AlsoKnownAs, BirthYear: orZero(b.BirthYear),
		Sex: string(orZero(b.Sex)), Relation: orZero(b.Relation), Language: string(orZero(b.Language)), City: orZero(b.City),
		OrganisationID: b.OrganisationID, Channels: channels, CallNote: orZero(b.CallNote), CallBack: b.CallBackAt, Proof: proofOf(b.Proof), Source: string(SourceOf(ctx))}
	if n.Language == "" {
		n.Language = LanguageOf(ctx)
	}
	if p, staff := account.From(ctx); staff {
		n.By = &p
	}
	made, err := s.Watch.Create(ctx, n)
	if err != nil {
		return nil, shown(err, challengeWire)
	}
	return CreateSearch201JSONResponse{ID: made.ID, State: api.SearchState(made.State), ExpiresAt: made.ExpiresAt.UTC()}, nil
}

// ListSearches is for operators and coordinators.
func (s *Server) ListSearches(ctx context.Context, r ListSearchesRequestObject) (ListSearchesResponseObject, error) {
	p, _ := account.From(ctx)
	f := watch.SearchFilter{State: watch.SearchState(orZero(r.Params.State)), Query: orZero(r.Params.Q), Limit: limitOf(r.Params.Limit)}
	var err error
	if f.Query != "" {
		f.Skip, err = readSkip(r.Params.Cursor)
	} else {
		f.Before, err = readCursor(r.Params.Cursor)
	}
	if err != nil {
		return nil, err
	}
	page, more, err := s.Watch.ListSearches(ctx, p, f)
	if err != nil {
		return nil, err
	}
	out := api.SearchPage{Items: make([]api.Search, len(page))}
	for i, v := range page {
		out.Items[i] = searchWire(v, true)
	}
	switch {
	case f.Query != "":
		out.NextCursor = skipCursor(f.Skip+len(page), more)
	case len(page) > 0:
		out.NextCursor = cursorOf(page[len(page)-1].ID, more)
	}
	return ListSearches200JSONResponse{Body: out}, nil
}

// GetSearch reads what is known.
func (s *Server) GetSearch(ctx context.Context, r GetSearchRequestObject) (GetSearchResponseObject, error) {
	var v watch.View
	var err error
	who := callerOf(ctx)
	if who.Staff != nil {
		v, err = s.Watch.GetSearch(ctx, *who.Staff, r.ID)
	} else {
		v, err = s.Watch.Read(ctx, r.ID, who.Secret)
	}
	if err != nil {
		return nil, err
	}
	body := searchWire(v, who.Staff != nil)
	return GetSearch200JSONResponse{Body: body, Headers: GetSearch200ResponseHeaders{ETag: s.searchTag(body)}}, nil
}

// PatchSearch changes, renews or closes.
func (s *Server) PatchSearch(ctx context.Context, r PatchSearchRequestObject) (PatchSearchResponseObject, error) {
	revision, err := ifMatch(r.Params.IfMatch)
	if err != nil {
		return nil, err
	}
	who := callerOf(ctx)
	b := r.Body
	v, err := s.Watch.Patch(ctx, who, r.ID, watch.SearchPatch{Revision: revision, Name: b.Name, AlsoKnownAs: setOf(b.AlsoKnownAs),
		BirthYear: setOf(b.BirthYear), Sex: sexOf(setOf(b.Sex)), Relation: setOf(b.Relation), CallNote: setOf(b.CallNote), CallBack: b.CallBackAt, City: setOf(b.City), Language: (*string)(b.Language),
		Close: b.State != nil, CloseReason: orZero(b.CloseReason), Proof: proofOf(b.Proof)})
	if err != nil {
		return nil, shown(shown(err, challengeWire), func(v watch.View) api.Search { return searchWire(v, who.Staff != nil) })
	}
	body := searchWire(v, who.Staff != nil)
	return PatchSearch200JSONResponse{Body: body, Headers: PatchSearch200ResponseHeaders{ETag: s.searchTag(body)}}, nil
}

// EraseSearch ends the telling at once.
func (s *Server) EraseSearch(ctx context.Context, r EraseSearchRequestObject) (EraseSearchResponseObject, error) {
	by, err := s.Watch.Erase(ctx, callerOf(ctx), r.ID)
	if err != nil {
		return nil, err
	}
	return EraseSearch202JSONResponse{ErasedBy: by.UTC()}, nil
}

// GetChannels lists where news is told.
func (s *Server) GetChannels(ctx context.Context, r GetChannelsRequestObject) (GetChannelsResponseObject, error) {
	list, err := s.Watch.Channels(ctx, callerOf(ctx), r.ID)
	if err != nil {
		return nil, err
	}
	return GetChannels200JSONResponse{Body: channelsWire(list)}, nil
}

// AcknowledgeNotice is "I have seen it".
func (s *Server) AcknowledgeNotice(ctx context.Context, r AcknowledgeNoticeRequestObject) (AcknowledgeNoticeResponseObject, error) {
	if err := s.Watch.Acknowledge(ctx, callerOf(ctx), r.ID, r.Body.NoticeID); err != nil {
		return nil, err
	}
	return AcknowledgeNotice204Response{}, nil
}

// AnswerQuestion is "he is with us", or not.
func (s *Server) AnswerQuestion(ctx context.Context, r AnswerQuestionRequestObject) (AnswerQuestionResponseObject, error) {
	if err := s.Watch.Answer(ctx, callerOf(ctx), r.ID, watch.Answer{ClientID: r.Body.ClientID, Question: r.Body.QuestionID,
		With: r.Body.Answer == api.QuestionAnswerAnswerYes}); err != nil {
		return nil, err
	}
	return AnswerQuestion204Response{}, nil
}

// callerOf is who opens a search: staff by their token, a relative by her secret.
func callerOf(ctx context.Context) watch.Caller {
	if p, staff := account.From(ctx); staff {
		return watch.Caller{Staff: &p}
	}
	secret, _ := watch.SecretFrom(ctx)
	return watch.Caller{Secret: secret}
}

func sexOf(s *detention.Set[api.Sex]) *detention.Set[string] {
	if s == nil {
		return nil
	}
	return &detention.Set[string]{Value: string(s.Value), Clear: s.Clear}
}

func proofOf(p *api.Proof) *watch.Proof {
	if p == nil {
		return nil
	}
	return &watch.Proof{Token: p.Token, Nonce: p.Nonce}
}

func challengeWire(c watch.Challenge) api.Challenge {
	return api.Challenge{Token: c.Token, Algorithm: api.ChallengeAlgorithm(c.Algorithm), Difficulty: c.Difficulty, ExpiresAt: c.ExpiresAt}
}

func searchWire(v watch.View, staff bool) api.Search {
	out := api.Search{ID: v.ID, State: api.SearchState(v.Shown), Name: v.Name, AlsoKnownAs: orEmpty(v.AlsoKnownAs), BirthYear: orNil(v.BirthYear),
		Sex: (*api.Sex)(orNil(v.Sex)), Relation: orNil(v.Relation), CallNote: orNil(v.CallNote), Language: (*api.Language)(orNil(v.Language)), City: v.City,
		CheckedAt: v.CheckedAt.UTC(), CreatedAt: v.CreatedAt.UTC(), ExpiresAt: v.ExpiresAt.UTC(), CloseReason: orNil(v.CloseReason),
		Notices: make([]api.Notice, len(v.Notices)), Matches: make([]api.SearchMatch, len(v.Matches)), Revision: int64(v.Revision)}
	for i, n := range v.Notices {
		out.Notices[i] = api.Notice{ID: n.ID, Kind: api.NoticeKind(n.Kind), CreatedAt: n.CreatedAt.UTC(), SeenAt: inUTC(n.SeenAt)}
		if n.SubjectKind == "match" {
			out.Notices[i].MatchID = &n.Subject
		}
	}
	out.Inquiries = make([]api.InquiryTold, len(v.Inquiries))
	for i, q := range v.Inquiries {
		out.Inquiries[i] = api.InquiryTold{AskedAt: q.AskedAt.UTC(), Answer: api.InquiryAnswer(q.Answer), Department: *departmentToldWire(q.Department)}
	}
	if v.Shown != watch.Closed {
		out.NextUpdateBy = utcOf(v.NextUpdateBy)
	}
	for i, m := range v.Matches {
		out.Matches[i] = searchMatchWire(m, staff)
	}
	if staff {
		out.OrganisationID, out.EnteredBy = &v.OrganisationID, v.EnteredBy
	}
	return out
}

func searchMatchWire(m watch.ToldMatch, staff bool) api.SearchMatch {
	t := m.Told
	out := api.SearchMatch{ID: m.ID, Tier: api.MatchTier(m.Tier), State: api.MatchState(m.State), Since: m.Since.UTC(), AsOf: m.AsOf.UTC(),
		Status: api.SearchMatchStatus(m.Status), Department: departmentToldWire(m.Department), PlaceKind: (*api.PlaceKind)(orNil(t.PlaceKind)),
		Place: orNil(t.Place), PlaceSince: inUTC(t.Since), Release: (*api.Release)(orNil(t.Release)), Sentence: sentenceWire(t.Sentence)}
	if h := t.Hearing; h != nil {
		out.Hearing = &api.HearingTold{At: inUTC(h.At), Place: orNil(h.Place)}
		if h.Court != nil {
			out.Hearing.Court = departmentToldWire(*h.Court)
		}
	}
	if q := m.Told.Question; q != nil && m.Told.Open() {
		out.Question = &api.Question{ID: q.ID, Kind: api.QuestionKindWithYou, AskedAt: q.AskedAt}
	}
	if m.Lawyer != "" {
		out.Lawyer = new(api.SearchMatchLawyer(m.Lawyer))
	}
	if staff && m.DetentionID != uuid.Nil {
		out.DetentionID = &m.DetentionID
	}
	return out
}

func departmentToldWire(d department.FamilyView) *api.DepartmentTold {
	return &api.DepartmentTold{Name: d.Name, City: d.City, Verified: d.Verified, VerifiedAt: utcOf(d.At), Address: orNil(d.Address), Phone: orNil(d.Phone), Hotline: orNil(d.Hotline),
		Parcels: orNil(d.Parcels), ParcelsAt: utcOf(d.ParcelsAt)}
}

// searchTag is the ETag of a search; the time of reading is no news.
func (s *Server) searchTag(body api.Search) string {
	body.CheckedAt = time.Time{}
	return s.recordTag(body.Revision, body)
}
