// Package client speaks the API of Qorgau for apps, tools and tests.
//
// It exists because the network of the day is bad: answers are lost after the server has acted, tokens run out in the
// middle of a batch, and an anonymous caller may be asked to prove patience. The package carries that, so that its user
// writes what to say and not how often to say it.
//
// # Who speaks
//
//   - [Client] speaks for anyone: health, keys, opening a session, starting a search.
//   - [Staff] speaks for a lawyer, operator, coordinator or admin. It opens a session with an invitation, keeps it
//     alive, and hands what must survive a crash to a [TokenStore] before it is sent.
//   - [Relative] speaks for the owner of one search, with the secret that her phone made.
//
// Each of them has every operation of openapi.yaml as a generated method; those that end in WithResponse decode the
// answer. A few methods by hand shorten what is done most.
//
// # Invariants
//
//   - Every request may be repeated without harm, so the client repeats it by itself: on a broken connection, 429, 502,
//     503, 504, and 409 in_flight, after Retry-After or a pause that grows, with jitter. POST and PATCH carry an
//     Idempotency-Key for that. What is created carries a client_id of the caller's, which holds longer than any key.
//     A body given as a plain io.Reader is sent once only.
//   - Whatever the server refuses comes back as a [*Problem]. No answer with a status of 400 or more is ever returned as a
//     success.
//   - Errors never hold a query string or a body: names of people travel there, and errors are logged.
package client
