package app

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/qorgau/qorgau/internal/httpapi"
	"github.com/qorgau/qorgau/internal/watch"
)

// limits are all the paces and thresholds that QORGAU_LIMITS sets.
type limits struct {
	api        httpapi.Limits
	watch      watch.Limits
	wrongCodes int // a minute and process; account.Options says what 0 and below mean
	streams    int // open at once on a node; 0 for any number
}

// The names that httpapi reads for itself.
var apiNames = []string{"account", "account_burst", "secret", "secret_burst"}

// mostStreams is how many streams one node keeps open; who comes later is told to try again. Each costs 67 KiB (docs/performance.md).
const mostStreams = 5000

// readLimits reads QORGAU_LIMITS: "" for the defaults, "off" for none at all (simulations), or name=value,… over the
// defaults. 0 switches one off.
func readLimits(text string) (limits, error) {
	l := limits{watch: watch.DefaultLimits, streams: mostStreams}
	text = strings.TrimSpace(text)
	if text == "off" {
		return limits{wrongCodes: -1, streams: mostStreams}, nil
	}
	counts := map[string]*int{
		"name_free": &l.watch.NameFree, "name_alarm": &l.watch.NameAlarm, "name_most": &l.watch.NameMost,
		"source_free": &l.watch.SourceFree, "told": &l.watch.Told, "reporter": &l.watch.Reporter, "releases": &l.watch.Releases, "wrong_codes": &l.wrongCodes,
		"streams": &l.streams,
	}
	var forAPI []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if slices.Contains(apiNames, name) {
			forAPI = append(forAPI, part)
			continue
		}
		to := counts[name]
		if to == nil {
			known := slices.Sorted(maps.Keys(counts))
			return limits{}, fmt.Errorf("QORGAU_LIMITS: wants \"off\" or name=value with the names %s; %q is none of them",
				strings.Join(append(slices.Clone(apiNames), known...), ", "), name)
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return limits{}, fmt.Errorf("QORGAU_LIMITS: %s wants a whole number, 0 for off", name)
		}
		if *to = n; name == "wrong_codes" && n == 0 {
			*to = -1
		}
	}
	var err error
	if l.api, err = httpapi.ParseLimits(strings.Join(forAPI, ",")); err != nil {
		return limits{}, fmt.Errorf("QORGAU_LIMITS: %w", err)
	}
	return l, nil
}
