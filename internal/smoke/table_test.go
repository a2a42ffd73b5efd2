package smoke_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
)

// reach says what someone of a role gets of a thing: done, or the status of the refusal.
type reach func(a *actor, t *thing) int

const (
	done     = 0
	hidden   = http.StatusNotFound     // it does not exist, as far as they can tell
	denied   = http.StatusForbidden    // no grant of theirs allows it, whatever the id
	unproven = http.StatusUnauthorized // no proof that holds
	// inSight: they may know that it is there, and may not do this to it.
	inSight = 1000 + http.StatusForbidden
	// wrong: what they named in the body is none of theirs.
	wrong = http.StatusBadRequest
)

func everyone(*actor, *thing) int { return done }
func never(*actor, *thing) int    { return denied }

func one(ok bool, otherwise int) int {
	if ok {
		return done
	}
	return otherwise
}

// The words of domain.md, "Who sees and does what".

func (a *actor) owns(t *thing) bool   { return t.org == a.org }
func (a *actor) covers(t *thing) bool { return a.owns(t) && a.in(t.city) }
func (a *actor) isLent(t *thing) bool {
	return a.org == ours && a.in(t.city) && (t.org == shared || t.org == elsewhere && t.city == outside)
}

// their: what they logged, whom they represent, the department of their present shift; a session; oneself.
func their(a *actor, t *thing) int { return one(t.owner == a.name, hidden) }

func ofCity(a *actor, t *thing) int { return one(a.covers(t) && !t.canary, hidden) }
func ofCityWithCanaries(a *actor, t *thing) int {
	return one(a.covers(t), hidden)
}
func ofCityOrLent(a *actor, t *thing) int {
	return one((a.covers(t) || a.isLent(t)) && !t.canary, hidden)
}
func ofCityWithCanariesOrLent(a *actor, t *thing) int {
	return one(a.covers(t) || a.isLent(t) && !t.canary, hidden)
}
func ownOrganisation(a *actor, t *thing) int { return one(a.owns(t), hidden) }

// concerned: the alerts of this table are none of a lawyer's.
func concerned(*actor, *thing) int { return hidden }

// A relative's own search is hers: staff read it, and change only what staff entered for a caller.
func entered(a *actor, t *thing) int {
	if !a.covers(t) {
		return hidden
	}
	return one(t.entered, inSight)
}

// Both records must be in reach.
func bothSides(a *actor, t *thing) int {
	search := thing{org: t.searcher, city: t.about}
	return one(a.covers(&search) && (a.covers(t) || a.isLent(t)) && !t.canary, hidden)
}
func bothSidesWithCanaries(a *actor, t *thing) int {
	plain := *t
	plain.canary = t.canary && !a.owns(t)
	return bothSides(a, &plain)
}

// The directory is everyone's; changing it is for who coordinates in the city.
func coordinating(a *actor, t *thing) int { return one(a.in(t.city), inSight) }
func planting(a *actor, t *thing) int     { return one(a.in(t.city), denied) }
func arranging(a *actor, t *thing) int {
	if !a.owns(t) {
		return hidden
	}
	return one(a.in(t.city), inSight)
}

func overAccount(a *actor, t *thing) int {
	if !a.owns(t) {
		return hidden
	}
	return one(!t.admin, inSight)
}
func inviting(a *actor, t *thing) int {
	if t.admin {
		return denied
	}
	return one(a.in(t.city), wrong)
}
func invitingAnyone(a *actor, t *thing) int { return one(a.in(t.city), wrong) }
func forOwnOrganisation(a *actor, t *thing) int {
	return one(a.owns(t), wrong)
}
func dictation(*actor, *thing) int  { return wrong }
func closedDoor(*actor, *thing) int { return unproven }

// row is one line of the table. ok are the statuses that show that the door was open (none: 200, 201, 202, 204): a refusal for
// another reason than who asks will do, and changes nothing. listed: reach says what a list shows, not whether it may be asked.
type row struct {
	operation, on                                                           string
	lawyer, operator, coordinator, admin, relative, nobody, fallen, strange reach
	method, path, body                                                      string
	headers                                                                 []string
	ok                                                                      []int
	listed                                                                  bool
}

func (r row) reachOf(a *actor) reach {
	orElse := func(f, otherwise reach) reach {
		if f == nil {
			return otherwise
		}
		return f
	}
	switch a.column {
	case lawyerColumn:
		return r.lawyer
	case operatorColumn:
		return r.operator
	case coordinatorColumn:
		return r.coordinator
	case adminColumn:
		return r.admin
	case relativeColumn:
		return orElse(r.relative, closedDoor)
	case grantlessColumn:
		return orElse(r.fallen, never)
	}
	if a.strange {
		return orElse(r.nobody, closedDoor)
	}
	return orElse(r.strange, closedDoor)
}

var stale = []string{"If-Match", `"0"`}

// The table of domain.md, an operation of openapi.yaml a line. Columns: lawyer, operator, coordinator, admin; then, where it
// is not 401 and 403, a relative with a secret, nobody, someone without a grant in force. {id}, {org}, {second}, {place}, {new},
// {secret} and {name} come from the thing that it is tried on.
var table = []row{
	// Getting in is for everyone; a code or token that is none of theirs opens nothing.
	public("openSession", "POST", "/v1/sessions", `{"invitation": "AAAA-BBBB-CCCC", "device": {"name": "x", "platform": "web"}}`, closedDoor),
	public("refreshSession", "POST", "/v1/sessions/refresh", `{"refresh_token": "rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"}`, closedDoor),
	public("lockByBuddy", "POST", "/v1/locks", `{"code": "0000-0000-0000"}`, closedDoor),
	// A gateway signs what it brings; nobody here can.
	public("hearSms", "POST", "/v1/sms", `{"id": "x", "at": "2026-07-01T12:00:00Z", "from": "+77015550101", "text": "HELP"}`, closedDoor),
	public("getHealth", "GET", "/healthz", "", everyone),
	public("getReadiness", "GET", "/readyz", "", everyone),
	public("getSigningKeys", "GET", "/.well-known/jwks.json", "", everyone),
	public("getSpec", "GET", "/openapi.yaml", "", everyone),
	public("getDocs", "GET", "/docs", "", everyone),

	// The law is everyone's.
	public("listChannelKinds", "GET", "/v1/channel-kinds", "", everyone),
	public("listCustodyLimits", "GET", "/v1/custody-limits", "", everyone),
	public("getChecklist", "GET", "/v1/checklist", "", everyone),
	public("getChecklistPdf", "GET", "/v1/checklist.pdf?lang=kk", "", everyone),
	public("listObstructionTypes", "GET", "/v1/obstruction-types", "", everyone),

	// Audit: coordinators of their organisation, admins of all. First, while it is short.
	{operation: "listAudit", on: "entry", lawyer: never, operator: never, coordinator: ownOrganisation, admin: everyone, path: "/v1/audit", listed: true},

	// Oneself: everyone who is signed in.
	own("getMe", "nothing", everyone, "GET", "/v1/me", ""),
	own("getPushToken", "nothing", everyone, "GET", "/v1/me/push-token", ""),
	own("putPushToken", "nothing", everyone, "PUT", "/v1/me/push-token", `{"token": "a-token-of-a-phone"}`),
	own("deletePushToken", "nothing", everyone, "DELETE", "/v1/me/push-token", ""),
	own("getOwnChannels", "nothing", everyone, "GET", "/v1/me/channels", ""),
	own("putOwnChannels", "nothing", everyone, "PUT", "/v1/me/channels", `{"channels": []}`),
	own("confirmOwnChannel", "nothing", hiddenFrom, "POST", "/v1/me/channels/{channel_id}/confirm", `{"code": "000000"}`), // it is nobody's
	own("acknowledgeOwnNotice", "nothing", hiddenFrom, "POST", "/v1/me/acknowledgements", `{"notice_id": "{new}"}`),
	own("inviteOwnDevice", "nothing", everyone, "POST", "/v1/me/invitations", ""),
	own("makeBuddyCode", "nothing", everyone, "POST", "/v1/me/buddy-code", ""),
	own("dropBuddyCode", "nothing", everyone, "DELETE", "/v1/me/buddy-code", ""),
	// A calendar is for who has shifts; its address is its proof, and this one is nobody's.
	{operation: "getCalendarFeed", on: "nothing", lawyer: everyone, operator: never, coordinator: everyone, admin: never, path: "/v1/me/calendar"},
	{operation: "mintCalendarFeed", on: "nothing", lawyer: everyone, operator: never, coordinator: everyone, admin: never, method: "POST", path: "/v1/me/calendar"},
	{operation: "dropCalendarFeed", on: "nothing", lawyer: everyone, operator: never, coordinator: everyone, admin: never, method: "DELETE", path: "/v1/me/calendar"},
	public("readCalendarFeed", "GET", "/v1/calendars/{secret}/shifts.ics", "", hiddenFrom),
	own("listSessions", "session", their, "GET", "/v1/sessions", ""),
	own("getSession", "session", their, "GET", "/v1/sessions/{id}", ""),
	own("endSession", "session", their, "DELETE", "/v1/sessions/{id}", ""),

	// A detention: logged by everyone anywhere; read by the lawyer whose it is and in the cities of a grant; lent for reading.
	{operation: "logDetentions", on: "department", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never,
		method: "POST", path: "/v1/detentions/batch", body: `{"department_id": "{place}", "detainees": [{"client_id": "{new}", "description": "мужчина"}]}`},
	{operation: "listDetentions", on: "detention", lawyer: their, operator: ofCityOrLent, coordinator: ofCityWithCanariesOrLent, admin: never, path: "/v1/detentions", listed: true},
	{operation: "getDetention", on: "detention", lawyer: their, operator: ofCityOrLent, coordinator: ofCityWithCanariesOrLent, admin: never, path: "/v1/detentions/{id}"},
	{operation: "listEvents", on: "detention", lawyer: their, operator: ofCityOrLent, coordinator: ofCityWithCanariesOrLent, admin: never, path: "/v1/detentions/{id}/events"},
	{operation: "listDuplicates", on: "detention", lawyer: their, operator: ofCityOrLent, coordinator: ofCityWithCanariesOrLent, admin: never, path: "/v1/detentions/{id}/duplicates"},
	{operation: "patchDetention", on: "detention", lawyer: their, operator: ofCity, coordinator: ofCityWithCanaries, admin: never,
		method: "PATCH", path: "/v1/detentions/{id}", body: `{"note": "x"}`, headers: stale, ok: []int{412}},
	{operation: "addEvent", on: "detention", lawyer: their, operator: ofCity, coordinator: ofCityWithCanaries, admin: never,
		method: "POST", path: "/v1/detentions/{id}/events", body: `{"client_id": "{new}", "kind": "request_made", "happened_at": "2026-01-01T00:00:00Z", "source": "seen"}`},
	// Who decides whether two records are of one person is responsible for both. Told apart first: afterwards they are merged.
	{operation: "listProposedMerges", on: "nothing", lawyer: never, operator: everyone, coordinator: everyone, admin: never, path: "/v1/duplicates"},
	{operation: "rejectDuplicate", on: "detention logged twice", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never,
		method: "POST", path: "/v1/detentions/{id}/duplicates/{other_id}/reject", body: `{"reason": "x"}`},
	{operation: "mergeDetentions", on: "detention logged twice", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never,
		method: "POST", path: "/v1/detentions/{id}/merge", body: `{"client_id": "{new}", "other_id": "{second}", "reason": "x"}`},
	{operation: "unmergeDetention", on: "detention merged", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never,
		method: "POST", path: "/v1/detentions/{id}/unmerge", body: `{"client_id": "{new}", "reason": "x"}`, ok: []int{201, 409}},
	{operation: "getDetentionTotals", on: "department", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never, path: "/v1/detention-totals?department_id={place}"},
	// Clocks, checklist and answers are read and written as the record is. When items are asked for is the organisation's, set by coordinators.
	{operation: "getClocks", on: "detention", lawyer: their, operator: ofCityOrLent, coordinator: ofCityWithCanariesOrLent, admin: never, path: "/v1/detentions/{id}/clocks"},
	{operation: "getPersonChecklist", on: "detention", lawyer: their, operator: ofCityOrLent, coordinator: ofCityWithCanariesOrLent, admin: never, path: "/v1/detentions/{id}/checklist"},
	{operation: "listObservations", on: "detention", lawyer: their, operator: ofCityOrLent, coordinator: ofCityWithCanariesOrLent, admin: never, path: "/v1/detentions/{id}/observations"},
	{operation: "addObservation", on: "detention", lawyer: their, operator: ofCity, coordinator: ofCityWithCanaries, admin: never,
		method: "POST", path: "/v1/detentions/{id}/observations", body: `{"client_id": "{new}", "item": "WATER_FOOD", "value": "breached"}`},
	{operation: "fillChecklist", on: "detention", lawyer: their, operator: ofCity, coordinator: ofCityWithCanaries, admin: never,
		method: "POST", path: "/v1/detentions/{id}/checklist", body: `{"observations": [{"client_id": "{new}", "item": "WATER_FOOD", "value": "observed"}]}`},
	{operation: "getChecklistSettings", on: "nothing", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never, path: "/v1/checklist-settings"},
	{operation: "putChecklistSettings", on: "nothing", lawyer: never, operator: never, coordinator: everyone, admin: never,
		method: "PUT", path: "/v1/checklist-settings", body: `{"items": [{"code": "TOILET_ACCESS", "due_minutes": 60, "repeat_minutes": 120}]}`},
	{operation: "getOwnChecklistPdf", on: "nothing", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never, path: "/v1/me/checklist.pdf"},
	{operation: "reportRights", on: "nothing", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never, path: "/v1/reports/rights"},
	{operation: "putRepresentation", on: "detention to act for", lawyer: their, operator: ofCity, coordinator: ofCity, admin: never,
		method: "PUT", path: "/v1/detentions/{id}/representation", body: `{"account_id": "{second}"}`},
	{operation: "endRepresentation", on: "detention acted for", lawyer: their, operator: ofCity, coordinator: ofCity, admin: never,
		method: "DELETE", path: "/v1/detentions/{id}/representation?account_id={second}"},
	{operation: "plantCanary", on: "department", lawyer: never, operator: never, coordinator: planting, admin: never,
		method: "POST", path: "/v1/canaries", body: `{"client_id": "{new}", "name": "Жоқадам Ешқашан", "department_id": "{place}"}`},

	// Searches and contacts: cities of the grant, or none given; a relative her own.
	{operation: "createSearch", on: "organisation", lawyer: never, operator: forOwnOrganisation, coordinator: forOwnOrganisation, admin: never, nobody: everyone,
		method: "POST", path: "/v1/searches", body: `{"client_id": "{new}", "secret": "sssssssssssssssssssssssssssssssssssssssssss", "name": "Тұманбай Ырысты", "organisation_id": "{second}", "language": "ru"}`},
	{operation: "listNotices", on: "notice", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never, path: "/v1/notices", listed: true},
	{operation: "redriveNotice", on: "notice", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never, method: "POST", path: "/v1/notices/{id}/redrive", ok: []int{204, 409}},
	{operation: "listSearches", on: "search", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never, path: "/v1/searches", listed: true},
	search("getSearch", "search", ofCity, "GET", "", ""),
	search("patchSearch", "search", entered, "PATCH", "", `{"relation": "x"}`),
	search("getChannels", "search", ofCity, "GET", "/channels", ""),
	search("confirmChannel", "search", entered, "POST", "/channels/{channel_id}/confirm", `{"code": "000000"}`), // it is confirmed already
	search("makeSearchSmsCode", "search", entered, "POST", "/sms-code", ""),
	search("dropSearchSmsCode", "search", entered, "DELETE", "/sms-code", ""),
	search("putChannels", "search", entered, "PUT", "/channels", `{"channels": []}`),
	search("acknowledgeNotice", "search", ofCity, "POST", "/acknowledgements", `{"notice_id": "{second}"}`),
	refusedAs(http.StatusBadRequest, search("answerQuestion", "search", ofCity, "POST", "/answers", `{"client_id": "00000000-0000-0000-0000-000000000000", "question_id": "{new}", "answer": "no"}`)),
	{operation: "putPromise", on: "search", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never,
		method: "PUT", path: "/v1/searches/{id}/promise", body: `{"by": "2020-01-01T00:00:00Z"}`, ok: []int{400}},
	search("eraseSearch", "search to erase", entered, "DELETE", "", ""),

	// Matches, holds, alerts: operators and coordinators.
	{operation: "listMatches", on: "match", lawyer: never, operator: bothSides, coordinator: bothSidesWithCanaries, admin: never, path: "/v1/matches", listed: true},
	{operation: "getMatch", on: "match", lawyer: never, operator: bothSides, coordinator: bothSidesWithCanaries, admin: never, path: "/v1/matches/{id}"},
	{operation: "decideMatch", on: "match", lawyer: never, operator: bothSides, coordinator: bothSidesWithCanaries, admin: never,
		method: "POST", path: "/v1/matches/{id}/decision", body: `{"decision": "reject", "reason": "x"}`},
	{operation: "listHolds", on: "hold", lawyer: never, operator: ownOrganisation, coordinator: ownOrganisation, admin: never, path: "/v1/holds", listed: true},
	{operation: "decideHold", on: "hold", lawyer: never, operator: ownOrganisation, coordinator: ownOrganisation, admin: never,
		method: "POST", path: "/v1/holds/{id}/decision", body: `{"decision": "reject", "reason": "x"}`},
	// What came by SMS is for who coordinates there; of a report whose place nobody knows, for all who coordinate.
	{operation: "listSmsReports", on: "sms report", lawyer: never, operator: never, coordinator: ofCity, admin: never, path: "/v1/sms-reports", listed: true},
	{operation: "decideSmsReport", on: "sms report", lawyer: never, operator: never, coordinator: ofCity, admin: never,
		method: "POST", path: "/v1/sms-reports/{id}/decision", body: `{"decision": "refuse"}`},
	{operation: "listCalls", on: "call", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never, path: "/v1/calls", listed: true},
	{operation: "claimCall", on: "call", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never, method: "POST", path: "/v1/calls/{id}/claim", ok: []int{200, 409}},
	{operation: "releaseCall", on: "call", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never, method: "POST", path: "/v1/calls/{id}/release", ok: []int{200, 409}},
	{operation: "reportCall", on: "call", lawyer: never, operator: ofCity, coordinator: ofCity, admin: never,
		method: "POST", path: "/v1/calls/{id}/report", body: `{"outcome": "no_answer"}`, ok: []int{200, 409}},
	{operation: "listChannelHealth", on: "nothing", lawyer: never, operator: everyone, coordinator: everyone, admin: never, path: "/v1/channel-health"},
	{operation: "pauseChannelKind", on: "nothing", lawyer: never, operator: never, coordinator: everyone, admin: never, method: "POST", path: "/v1/channel-kinds/{kind}/pause", body: `{"minutes": 1}`},
	{operation: "resumeChannelKind", on: "nothing", lawyer: never, operator: never, coordinator: everyone, admin: never, method: "POST", path: "/v1/channel-kinds/{kind}/resume"},
	{operation: "listAlerts", on: "alert", lawyer: concerned, operator: ownOrganisation, coordinator: ownOrganisation, admin: never, path: "/v1/alerts", listed: true},
	{operation: "acknowledgeAlert", on: "alert", lawyer: concerned, operator: ownOrganisation, coordinator: ownOrganisation, admin: never, method: "POST", path: "/v1/alerts/{id}/acknowledge"},

	// The board: the cities of a grant, and for a lawyer their department; what is out of sight is not counted. Calls for lawyers: who
	// coordinates there, and who was asked.
	{operation: "getBoard", on: "nothing", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never, path: "/v1/board"},
	// A stream would not end; with a place that cannot be, who may listen is told so.
	{operation: "streamBoard", on: "nothing", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never, path: "/v1/board/stream",
		headers: []string{"Last-Event-ID", "x"}, ok: []int{400}},
	{operation: "suggestLawyers", on: "department", lawyer: never, operator: never, coordinator: planting, admin: never, path: "/v1/dispatch-suggestions?department_id={place}"},
	{operation: "createDispatch", on: "department", lawyer: never, operator: never, coordinator: planting, admin: never,
		method: "POST", path: "/v1/dispatches", body: `{"client_id": "{new}", "department_id": "{place}", "account_ids": ["{new}"]}`, ok: []int{400}},
	{operation: "listDispatches", on: "dispatch", lawyer: their, operator: never, coordinator: ofCity, admin: never, path: "/v1/dispatches", listed: true},
	{operation: "getDispatch", on: "dispatch", lawyer: their, operator: never, coordinator: ofCity, admin: never, path: "/v1/dispatches/{id}"},
	acting("acceptDispatch", "accept"), acting("setDispatchEnRoute", "en-route"), acting("arriveDispatch", "arrive"), acting("finishDispatch", "done"),
	acting("declineDispatch", "decline"),
	{operation: "offerDispatch", on: "dispatch", lawyer: never, operator: never, coordinator: ofCity, admin: never,
		method: "POST", path: "/v1/dispatches/{id}/offers", body: `{"account_ids": ["{new}"]}`, ok: []int{400, 409}},
	{operation: "cancelDispatch", on: "dispatch", lawyer: never, operator: never, coordinator: ofCity, admin: never, method: "POST", path: "/v1/dispatches/{id}/cancel", ok: []int{200, 409}},

	// What is said of a door is a lawyer's own statement; an operator or coordinator says whose they write down, and here names nobody.
	{operation: "reportAccess", on: "department", lawyer: everyone, operator: dictation, coordinator: dictation, admin: never,
		method: "POST", path: "/v1/departments/{id}/access-reports", body: `{"client_id": "{new}", "status": "refused", "pretext": "x"}`},
	{operation: "listAccessReports", on: "access report", lawyer: their, operator: ofCity, coordinator: ofCity, admin: never, path: "/v1/departments/{id}/access-reports", listed: true},
	{operation: "getAccess", on: "department", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never, path: "/v1/departments/{id}/access"},
	{operation: "recordObstruction", on: "department", lawyer: everyone, operator: dictation, coordinator: dictation, admin: never,
		method: "POST", path: "/v1/obstructions", body: `{"client_id": "{new}", "department_id": "{place}", "code": "LONG_WAIT", "at": "2026-01-01T00:00:00Z"}`},
	{operation: "listObstructions", on: "obstruction", lawyer: their, operator: ofCity, coordinator: ofCity, admin: never, path: "/v1/obstructions", listed: true},

	// Exports need a second person, who reads them first; others asked for these. Whether one is named in them is a lawyer's own word.
	{operation: "askExport", on: "department", lawyer: never, operator: never, coordinator: planting, admin: everyone,
		method: "POST", path: "/v1/exports", body: `{"client_id": "{new}", "department_id": "{place}", "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}`},
	{operation: "listExports", on: "export", lawyer: never, operator: never, coordinator: ofCity, admin: everyone, path: "/v1/exports", listed: true},
	{operation: "getEvidence", on: "export", lawyer: never, operator: never, coordinator: ofCity, admin: everyone, path: "/v1/exports/{id}/evidence"},
	{operation: "decideExport", on: "export", lawyer: never, operator: never, coordinator: ofCity, admin: everyone,
		method: "POST", path: "/v1/exports/{id}/decision", body: `{"decision": "reject"}`},
	{operation: "getEvidenceNaming", on: "nothing", lawyer: everyone, operator: never, coordinator: never, admin: never, path: "/v1/me/evidence-naming"},
	{operation: "putEvidenceNaming", on: "nothing", lawyer: everyone, operator: never, coordinator: never, admin: never,
		method: "PUT", path: "/v1/me/evidence-naming", body: `{"named": true}`},

	// The directory is shared: read by all who work here, changed by who coordinates there. Assemblies are an organisation's.
	{operation: "listDepartments", on: "department", lawyer: everyone, operator: everyone, coordinator: everyone, admin: everyone, path: "/v1/departments", listed: true},
	{operation: "getDepartment", on: "department", lawyer: everyone, operator: everyone, coordinator: everyone, admin: everyone, path: "/v1/departments/{id}"},
	{operation: "createDepartment", on: "department", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never,
		method: "POST", path: "/v1/departments", body: `{"client_id": "{new}", "kind": "vehicle", "name": "Автозак", "city": "{city}"}`},
	{operation: "patchDepartment", on: "department", lawyer: never, operator: never, coordinator: coordinating, admin: never,
		method: "PATCH", path: "/v1/departments/{id}", body: `{"address": "x"}`, headers: stale, ok: []int{412}},
	// Inquiries: recorded by everyone who logs, anywhere; what is read of them is in their scope.
	{operation: "listInquiries", on: "department", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never, path: "/v1/departments/{id}/inquiries"},
	{operation: "recordInquiry", on: "department", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never,
		method: "POST", path: "/v1/departments/{id}/inquiries", body: `{"client_id": "{new}", "name": "Тұманбай Ырысты", "answer": "no_answer"}`},
	// What changed: as lists of detentions; what is out of sight is not told.
	{operation: "listChanges", on: "nothing", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never, path: "/v1/changes"},

	// The lawyers' own safety: one's own timers and alarms; coordinators look after all of their organisation. An alarm asks for no right.
	{operation: "startTimer", on: "nothing", lawyer: wrongBody, operator: wrongBody, coordinator: wrongBody, admin: never,
		method: "POST", path: "/v1/timers", body: `{"client_id": "{new}", "until": "2020-01-01T00:00:00Z"}`},
	{operation: "listTimers", on: "timer", lawyer: their, operator: hiddenFrom, coordinator: ownOrganisation, admin: never, path: "/v1/timers", listed: true},
	{operation: "extendTimer", on: "timer", lawyer: their, operator: hiddenFrom, coordinator: hiddenFrom, admin: never,
		method: "POST", path: "/v1/timers/{id}/extend", body: `{"until": "2020-01-01T00:00:00Z"}`, ok: []int{400}},
	{operation: "endTimer", on: "timer", lawyer: their, operator: hiddenFrom, coordinator: hiddenFrom, admin: never, method: "POST", path: "/v1/timers/{id}/end"},
	refusedAs(http.StatusBadRequest, own("raiseAlarm", "nothing", everyone, "POST", "/v1/alarms", `{"client_id": "00000000-0000-0000-0000-000000000000", "test": true}`)),
	{operation: "listAlarms", on: "alarm", lawyer: their, operator: hiddenFrom, coordinator: ownOrganisation, admin: hiddenFrom, fallen: hiddenFrom, path: "/v1/alarms", listed: true},
	{operation: "getAlarm", on: "alarm", lawyer: their, operator: hiddenFrom, coordinator: ownOrganisation, admin: hiddenFrom, fallen: hiddenFrom, path: "/v1/alarms/{id}"},
	{operation: "acknowledgeAlarm", on: "alarm", lawyer: never, operator: never, coordinator: ownOrganisation, admin: never, method: "POST", path: "/v1/alarms/{id}/acknowledge"},
	// That its lawyer is detained is for coordinators alone, and never for who raised it.
	{operation: "detainFromAlarm", on: "provisional", lawyer: never, operator: never, coordinator: ownOrganisation, admin: never,
		method: "POST", path: "/v1/alarms/{id}/detention", body: `{}`},
	{operation: "confirmAlarmDetention", on: "provisional", lawyer: never, operator: never, coordinator: ownOrganisation, admin: never,
		method: "POST", path: "/v1/alarms/{id}/detention/confirm", body: `{}`, ok: []int{400}},
	{operation: "refuseAlarmDetention", on: "provisional", lawyer: never, operator: never, coordinator: ownOrganisation, admin: never,
		method: "POST", path: "/v1/alarms/{id}/detention/refuse"},

	// The roster: one's own shifts, and those of the cities of a coordinator.
	{operation: "planShifts", on: "department", lawyer: never, operator: never, coordinator: never400, admin: never,
		method: "POST", path: "/v1/shifts", body: `{"shifts": [{"client_id": "{new}", "account_id": "{new}", "department_id": "{place}", "starts_at": "2026-01-01T00:00:00Z", "ends_at": "2026-01-01T01:00:00Z"}]}`},
	{operation: "listShifts", on: "shift", lawyer: their, operator: never, coordinator: ofCity, admin: never, path: "/v1/shifts", listed: true},
	{operation: "getShift", on: "shift", lawyer: their, operator: never, coordinator: ofCity, admin: never, path: "/v1/shifts/{id}"},
	{operation: "getHandOver", on: "shift", lawyer: their, operator: never, coordinator: ofCity, admin: never, path: "/v1/shifts/{id}/hand-over", ok: []int{200, 409}},
	{operation: "confirmShift", on: "shift", lawyer: their, operator: never, coordinator: onlyTheirs, admin: never, method: "POST", path: "/v1/shifts/{id}/confirm"},
	{operation: "checkIn", on: "shift", lawyer: their, operator: never, coordinator: onlyTheirs, admin: never,
		method: "POST", path: "/v1/shifts/{id}/check-in", body: `{"client_id": "{new}"}`},
	{operation: "checkOut", on: "shift", lawyer: their, operator: never, coordinator: onlyTheirs, admin: never, method: "POST", path: "/v1/shifts/{id}/check-out"},
	{operation: "cancelShift", on: "shift", lawyer: theirsToKeep, operator: never, coordinator: ofCity, admin: never, method: "POST", path: "/v1/shifts/{id}/cancel"},
	{operation: "checkInAnywhere", on: "nothing", lawyer: wrongBody, operator: never, coordinator: wrongBody, admin: never, method: "POST", path: "/v1/check-ins", body: `{"client_id": "{new}"}`},
	{operation: "getCoverage", on: "assembly", lawyer: never, operator: never, coordinator: ownOrganisation, admin: never, path: "/v1/assemblies/{id}/coverage"},
	{operation: "copyShifts", on: "assembly", lawyer: never, operator: never, coordinator: ownOrganisation, admin: never,
		method: "POST", path: "/v1/assemblies/{id}/copy-shifts", body: `{"from_assembly_id": "{new}"}`, ok: []int{400}},
	{operation: "listAssemblies", on: "assembly", lawyer: ownOrganisation, operator: ownOrganisation, coordinator: ownOrganisation, admin: never, path: "/v1/assemblies", listed: true},
	{operation: "getAssembly", on: "assembly", lawyer: ownOrganisation, operator: ownOrganisation, coordinator: ownOrganisation, admin: never, path: "/v1/assemblies/{id}"},
	{operation: "createAssembly", on: "department", lawyer: everyone, operator: everyone, coordinator: everyone, admin: never,
		method: "POST", path: "/v1/assemblies", body: `{"client_id": "{new}", "title": "x", "city": "{city}", "starts_at": "2026-12-16T06:00:00Z"}`},
	{operation: "patchAssembly", on: "assembly", lawyer: never, operator: arranging, coordinator: arranging, admin: never,
		method: "PATCH", path: "/v1/assemblies/{id}", body: `{"title": "y"}`, headers: stale, ok: []int{412}},

	// Accounts: coordinators their organisation's except admins, admins all.
	{operation: "inviteAccount", on: "invitation", lawyer: never, operator: never, coordinator: inviting, admin: invitingAnyone,
		method: "POST", path: "/v1/accounts", body: `{"client_id": "{new}", "name": "Жаңа", "role": "{name}", "cities": ["{city}"]}`},
	{operation: "listAccounts", on: "account", lawyer: never, operator: never, coordinator: ownOrganisation, admin: everyone, path: "/v1/accounts", listed: true},
	{operation: "getAccount", on: "account", lawyer: never, operator: never, coordinator: ownOrganisation, admin: everyone, path: "/v1/accounts/{id}"},
	{operation: "patchAccount", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: everyone,
		method: "PATCH", path: "/v1/accounts/{id}", body: `{"name": "x"}`, headers: stale, ok: []int{412}},
	{operation: "putCredentials", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: everyone,
		method: "PUT", path: "/v1/accounts/{id}/credentials", body: `{"languages": ["kk"], "minors": true, "migrants": false}`, headers: stale, ok: []int{412}},
	{operation: "approveAccount", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: everyone, method: "POST", path: "/v1/accounts/{id}/approve", ok: []int{409}},
	{operation: "reinviteAccount", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: everyone, method: "POST", path: "/v1/accounts/{id}/invitations"},
	// An admin's word is not for coordinators to take back, and an admin coordinates nobody.
	{operation: "retractReports", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: never,
		method: "POST", path: "/v1/accounts/{id}/retract-reports", body: `{"client_id": "{new}", "reason": "x"}`},
	// Who reports by SMS from which number, and with what codes. 409: the number was given to another here a moment ago, or nobody has one.
	{operation: "putSmsNumber", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: everyone,
		method: "PUT", path: "/v1/accounts/{id}/sms-number", body: `{"phone": "+77015550101", "language": "ru"}`, ok: []int{200, 409}},
	{operation: "printSmsSheet", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: everyone, method: "POST", path: "/v1/accounts/{id}/sms-sheet", ok: []int{201, 409}},
	{operation: "dropSmsNumber", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: everyone, method: "DELETE", path: "/v1/accounts/{id}/sms-number"},
	{operation: "voidSmsSheet", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: everyone, method: "DELETE", path: "/v1/accounts/{id}/sms-sheet"},
	{operation: "lockAccount", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: everyone, method: "POST", path: "/v1/accounts/{id}/lock"},
	{operation: "unlockAccount", on: "account", lawyer: never, operator: never, coordinator: overAccount, admin: everyone, method: "POST", path: "/v1/accounts/{id}/unlock"},
	// Who has no PIN yet is told so; who sets one stays in.
	{operation: "enterPin", on: "nothing", lawyer: everyone, operator: everyone, coordinator: everyone, admin: everyone, fallen: everyone,
		method: "PUT", path: "/v1/me/pin-entry", body: `{"pin": "271828"}`, ok: []int{409}},
	own("shutSession", "nothing", everyone, "DELETE", "/v1/me/pin-entry", ""),
	own("setPin", "nothing", everyone, "PUT", "/v1/me/pin", `{"pin": "271828"}`),
}

// Last, because nobody can do anything afterwards: everyone may lock their own account.
var lockingOneself = own("lockAccount", "oneself", their, "POST", "/v1/accounts/{id}/lock", "")

func public(operation, method, path, body string, r reach) row {
	return row{operation: operation, on: "nothing", method: method, path: path, body: body, lawyer: r, operator: r, coordinator: r, admin: r, relative: r, nobody: r, fallen: r, strange: r}
}

func own(operation, on string, r reach, method, path, body string) row {
	return row{operation: operation, on: on, method: method, path: path, body: body, lawyer: r, operator: r, coordinator: r, admin: r, fallen: r,
		listed: method == "GET" && on == "session" && !strings.Contains(path, "{id}")}
}

func search(operation, on string, staff reach, method, below, body string) row {
	r := row{operation: operation, on: on, method: method, path: "/v1/searches/{id}" + below, body: body, lawyer: never, operator: staff, coordinator: staff, admin: never, relative: their}
	if method == "PATCH" {
		r.headers, r.ok = stale, []int{412}
	}
	return r
}

// acting is what who was asked does with a call; who coordinates it sees it, and was not asked.
func acting(operation, act string) row {
	return row{operation: operation, on: "dispatch", lawyer: their, operator: never, coordinator: ofCity, admin: never, method: "POST", path: "/v1/dispatches/{id}/" + act, ok: []int{200, 409}}
}

func hiddenFrom(*actor, *thing) int { return hidden }

// never400: the body names an account that does not exist, whoever asks.
func never400(*actor, *thing) int { return wrong }

// wrongBody: there is no department in it.
func wrongBody(*actor, *thing) int { return wrong }

// onlyTheirs: a coordinator sees the shift of another, and is not on it.
func onlyTheirs(a *actor, t *thing) int { return seenOnly(a.covers(t)) }

// theirsToKeep: a lawyer sees their own shift, and does not call it off.
func theirsToKeep(a *actor, t *thing) int { return seenOnly(t.owner == a.name) }

func seenOnly(seen bool) int {
	if seen {
		return inSight
	}
	return hidden
}

// refusedAs is a row whose body is refused to whoever may do it, and only to them.
func refusedAs(status int, r row) row {
	r.ok = []int{status}
	return r
}

// Who sees and does what: every role, in every state, tries every operation on things of every organisation and city.
func TestWhoSeesAndDoesWhat(t *testing.T) {
	t.Parallel()
	_, texts := withTexts(t)
	w := newWorld(newTown(t, texts))
	everyOperationStands(t)
	tr := &trial{world: w, missing: map[string]answer{}}
	for _, r := range table {
		tr.try(r)
	}
	for _, a := range w.actors {
		if a.locks {
			a.renew(w.ctx)
			for _, x := range w.things["oneself"] {
				if x.owner == a.name {
					tr.cell(lockingOneself, a, x)
				}
			}
			if got := w.ask("GET", "/v1/me", a.bearer, ""); got.status != unproven {
				t.Errorf("%s locked themself and is answered %d", a.name, got.status)
			}
		}
	}
	t.Logf("table: %d cells tried (%d actors, %d operations, %d of them refused as if absent and compared with what is absent, asked for %d times), %d leaked",
		tr.cells, len(w.actors), len(table), tr.twins, len(tr.missing), tr.leaked)
}

// everyOperationStands: what is in the contract is in the table.
func everyOperationStands(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]string{}
	for _, r := range table {
		in[r.operation] = or(r.method, "GET") + " " + strings.SplitN(r.path, "?", 2)[0]
	}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			if in[o.OperationID] != method+" "+path {
				t.Errorf("%s (%s %s) is not in the table of who sees and does what", o.OperationID, method, path)
			}
			delete(in, o.OperationID)
		}
	}
	for operation := range in {
		t.Errorf("the table holds %s, which the contract does not know", operation)
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// trial tries cells and counts.
type trial struct {
	*world
	cells, twins, leaked int
	// missing: what someone is answered who asks this of something that does not exist. Asked once; nothing in it depends on the thing.
	missing map[string]answer
}

func (tr *trial) absent(r row, a *actor, x *thing) answer {
	tr.Helper()
	key := strings.Join([]string{a.name, r.operation, tr.fill(strings.ReplaceAll(r.path+r.body, "{new}", ""), x, uuid.Nil)}, " ")
	got, known := tr.missing[key]
	if !known {
		got = tr.askFor(r, a, x, uuid.New())
		tr.missing[key] = got
	}
	return got
}

func (tr *trial) try(r row) {
	tr.Helper()
	if len(tr.things[r.on]) == 0 {
		tr.Errorf("%s is tried on no %s", r.operation, r.on)
	}
	for _, a := range tr.actors {
		a.renew(tr.ctx)
		if r.listed {
			tr.list(r, a)
			continue
		}
		for _, x := range tr.things[r.on] {
			tr.cell(r, a, x)
		}
	}
}

func (tr *trial) fill(text string, x *thing, id uuid.UUID) string {
	return strings.NewReplacer("{id}", id.String(), "{other_id}", x.second.String(), "{channel_id}", x.second.String(), "{kind}", "fcm", "{org}", tr.orgs[x.org].String(), "{second}", x.second.String(), "{place}", x.place.String(),
		"{new}", uuid.NewString(), "{secret}", strings.Repeat("c", 43), "{city}", x.city, "{name}", strings.TrimPrefix(x.name, x.city+" ")).Replace(text)
}

func (tr *trial) askFor(r row, a *actor, x *thing, id uuid.UUID) answer {
	tr.Helper()
	return tr.ask(or(r.method, "GET"), tr.fill(r.path, x, id), a.bearer, tr.fill(r.body, x, id), r.headers...)
}

func (tr *trial) cell(r row, a *actor, x *thing) {
	tr.Helper()
	tr.cells++
	want := r.reachOf(a)(a, x)
	if r.operation == "lockAccount" {
		tr.exec("delete from locks") // the fourth of ten minutes is another question (account, lock_test.go)
	}
	got := tr.askFor(r, a, x, x.id)
	open := slices.Contains(r.ok, got.status)
	if r.ok == nil {
		open = got.status < 300
	}
	cell := fmt.Sprintf("%s, by %s, on %s %q", r.operation, a.name, r.on, x.name)
	switch {
	case want == done && !open:
		tr.Errorf("%s: refused with %d %s", cell, got.status, got.body)
	case want != done && (open || got.status != want%1000):
		tr.leaked++
		tr.Errorf("LEAK %s: %d, want %d: %s", cell, got.status, want%1000, got.body)
	case (want == hidden || want == denied || want == unproven) && strings.Contains(r.path, "{id}"):
		tr.twins++
		if absent := tr.absent(r, a, x); !got.like(absent) {
			tr.leaked++
			tr.Errorf("LEAK %s: what is there and what is not are told apart:\n%d %v %s\n%d %v %s", cell, got.status, got.header, got.body, absent.status, absent.header, absent.body)
		}
	}
}

// list walks through all pages and holds what is shown against what may be seen.
func (tr *trial) list(r row, a *actor) {
	tr.Helper()
	shown := map[uuid.UUID]bool{}
	cursor := ""
	for {
		got := tr.ask("GET", tr.fill(r.path, &thing{}, almaly)+"?limit=100"+cursor, a.bearer, "")
		if got.status != http.StatusOK {
			tr.refusedList(r, a, got)
			return
		}
		var page struct {
			Items      []struct{ ID uuid.UUID }
			NextCursor string `json:"next_cursor"`
		}
		tr.must(json.Unmarshal(got.body, &page))
		for _, item := range page.Items {
			shown[item.ID] = true
		}
		if page.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + page.NextCursor
	}
	for _, x := range tr.things[r.on] {
		tr.cells++
		want := r.reachOf(a)(a, x)
		switch {
		case want == done && !shown[x.id]:
			tr.Errorf("%s, by %s: does not show %s %q", r.operation, a.name, r.on, x.name)
		case want != done && shown[x.id], want == denied || want == unproven:
			tr.leaked++
			tr.Errorf("LEAK %s, by %s: shows %s %q", r.operation, a.name, r.on, x.name)
		}
	}
}

func (tr *trial) refusedList(r row, a *actor, got answer) {
	tr.Helper()
	for _, x := range tr.things[r.on] {
		tr.cells++
		if want := r.reachOf(a)(a, x); want != got.status {
			tr.Errorf("%s, by %s: refused with %d, want %d", r.operation, a.name, got.status, want)
			return
		}
	}
}
