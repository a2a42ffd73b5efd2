// Package smoke holds the promises of the service as tests of the whole program: one file per promise, each talking to a
// running server through pkg/client only, as an app would, with every answer held against openapi.yaml.
//
// It has no code of its own outside tests: the harness (harness_test.go) starts the server of internal/app on a free port, on
// a database of the test's own, with the FCM stand-in for phones and a clock that the test moves.
package smoke
