//go:build unix

package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// private are the settings that nobody may loosen. The log is the point: PostgreSQL would copy personal data
// into it in five ways. A statement with its literals (log_statement, and log_min_error_statement beside every
// error), the parameters of a statement (log_parameter_*), the row that broke a constraint (the DETAIL of an error
// and the query text after a crash; terse drops DETAIL, HINT and CONTEXT), and the first line of an error
// itself: `invalid input syntax for type uuid: "…"` repeats the value. So errors of statements are not logged at
// all (log_min_messages = log ranks above error): our own code receives them and knows what it may tell.
var private = map[string]string{
	"log_min_messages":                  "log",
	"log_min_error_statement":           "panic",
	"log_error_verbosity":               "terse",
	"log_parameter_max_length":          "0",
	"log_parameter_max_length_on_error": "0",
	"log_statement":                     "none",
	"log_min_duration_statement":        "-1",
	"log_min_duration_sample":           "-1",
	"log_transaction_sample_rate":       "0",
	"log_duration":                      "off",
	"debug_print_parse":                 "off",
	"debug_print_rewritten":             "off",
	"debug_print_plan":                  "off",
	// Reached through the socket alone, and that by its owner alone.
	"listen_addresses":        "",
	"port":                    fmt.Sprint(port),
	"unix_socket_permissions": "0700",
	"ssl":                     "off",
}

// small suits a machine with two cores and two gigabytes that also runs the server: an eighth of the memory for
// the cache, connections for a pool and a few tools, compressed full-page images because the disks of such
// machines are slow. jit costs more than it saves on short queries.
var small = map[string]string{
	"max_connections":      "200",
	"shared_buffers":       "256MB",
	"wal_compression":      "on",
	"fsync":                "on",
	"timezone":             "UTC",
	"log_timezone":         "UTC",
	"lc_messages":          "C",
	"jit":                  "off",
	"log_checkpoints":      "off",
	"cluster_name":         "qorgau",
	"log_line_prefix":      "%m [%p] ",
	"client_encoding":      "UTF8",
	"update_process_title": "off",
}

// careless gives up what a test does not need: its data need not outlive the machine.
var careless = map[string]string{
	"fsync":              "off",
	"synchronous_commit": "off",
	"full_page_writes":   "off",
	"shared_buffers":     "128MB",
}

// settingsFor merges the settings of o in order of rising weight.
func settingsFor(o Options) (map[string]string, error) {
	all := maps.Clone(small)
	if o.Ephemeral {
		maps.Copy(all, careless)
	}
	for name, value := range o.Settings {
		name = strings.ToLower(name)
		if _, taken := private[name]; taken || name == "unix_socket_directories" {
			return nil, fmt.Errorf("PostgreSQL setting %s cannot be changed: it keeps personal data and the socket private", name)
		}
		all[name] = value
	}
	maps.Copy(all, private)
	return all, nil
}

// arguments gives the settings as command-line options: nothing in the data directory (a hand-edited
// postgresql.conf, ALTER SYSTEM) outranks them.
func arguments(settings map[string]string, socketDir string) []string {
	// PostgreSQL takes a comma-separated list here; quoting keeps a comma in a path from splitting it.
	args := []string{"-c", `unix_socket_directories="` + strings.ReplaceAll(socketDir, `"`, `""`) + `"`}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// fingerprint tells whether an orphan runs with the settings that are wanted now.
func fingerprint(settings map[string]string) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(sum, "%s=%s\x00", name, settings[name])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
