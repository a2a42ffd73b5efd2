// Package arch holds no code that runs: its tests are the rules of the house, written so that breaking one is a red build
// and not a matter of who reviews.
//
// A rule earns its place when breaking it costs something that a later reader could not see: a name in a log, a cycle
// between features, a clock that no test can move, a column that a seized disk gives away. Each test walks the whole
// repository by reading its files (it runs nothing and asks the network nothing), and each violation is printed as
// file:line, what was found, and why the rule stands. Exceptions are lists with reasons in these tests; an exception that
// nothing needs any more fails too, so that the lists stay true.
//
// The files: imports_test.go (who may know whom), tree_test.go (where code lies, package docs), size_test.go (budgets),
// clock_test.go (time and skipped tests), words_test.go (what no committed file may say), data_test.go (jobs and GORM),
// columns_test.go (docs/security/plain-columns.md against a migrated database).
package arch
