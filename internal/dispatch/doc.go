// Package dispatch sends lawyers where they are needed: it says who should go, asks them, and follows who goes until they are there.
//
// Why it exists: when a bus with thirty people arrives somewhere unexpected, the nearest free lawyer must know within a minute, and nobody
// who sleeps is woken.
//
// A dispatch: offered ─▶ accepted ─▶ en_route ─▶ arrived ─▶ done; offered ─▶ unanswered when nobody is left to ask, and back when more are
// asked; accepted or later ─▶ offered when the lawyer gives it back or is locked; cancelled from anywhere before done. An offer: offered ─▶
// accepted | declined | expired | taken (another goes) | cancelled; accepted ─▶ returned.
//
// Invariants. One lawyer goes, whatever races (a unique index beside the row's lock), and a lawyer is on one way at a time. Who has no
// shift now is asked only when a coordinator says so. An offer that runs out is followed by the next by itself; the state and what is told
// of it commit together. Pushes hold no place; what is written to lawyers is sealed.
package dispatch
