// Package api holds the shapes that travel: bodies, parameters and words of openapi.yaml.
//
// It exists so that server, client and tools share one set of types that cannot drift from the contract: api.gen.go is
// generated from it by `make generate` and never edited. The package knows no transport and no rule.
//
// Invariants: an optional member is a pointer, or nil for lists; a list that openapi.yaml requires must be set, since nil
// would travel as null; in a PATCH a member that null clears is a Nullable, in which absent and null differ ([Set] and
// [Clear]); a tolerant fact is raw JSON, as the phone sent it.
package api
