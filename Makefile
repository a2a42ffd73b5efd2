# What a person working here runs. `go test -p 1 -timeout 30m ./...` and `go run ./cmd/qorgau demo` need nothing from this file.
CODEGEN := go tool oapi-codegen
LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GENERATED := $(shell find api internal pkg -name '*.gen.*' | sort)

.PHONY: generate
# generate: everything that is made from openapi.yaml, always the same from the same input.
generate:
	$(CODEGEN) -config api/oapi-codegen.yaml openapi.yaml
	$(CODEGEN) -config internal/httpapi/oapi-codegen.yaml openapi.yaml
	$(CODEGEN) -config internal/httpapi/oapi-codegen.spec.yaml openapi.yaml
	$(CODEGEN) -config pkg/client/oapi-codegen.yaml openapi.yaml
	cp openapi.yaml internal/httpapi/openapi.gen.yaml

.PHONY: check formatted vetted generated linted
# check: everything but the tests. The linter is compiled on its first use: two to three minutes, once per version.
check: formatted vetted generated linted

formatted:
	@wrong="$$(gofmt -l api cmd internal pkg)"; test -z "$$wrong" || { echo "gofmt -w these: $$wrong"; exit 1; }

vetted:
	go vet ./...

# generated: what is committed is what openapi.yaml gives. The fresh files stay, ready to be committed.
generated:
	@before="$$(sha256sum $(GENERATED))"; $(MAKE) --no-print-directory generate && \
	{ echo "$$before" | sha256sum --quiet --check - || { echo "generated code was not that of openapi.yaml; it is now: commit it"; exit 1; }; }

linted:
	$(LINT) run ./...

.PHONY: test kills bench bench-send bench-push day faults run
# test: what CI runs, against a real PostgreSQL that the tests start by themselves.
test:
	go test -p 1 -timeout 30m ./...

# kills: the server killed with SIGKILL twenty times under load; prints what was acknowledged, what is there, and who was told.
kills:
	QORGAU_KILLS=20 go test -count=1 -v -run 'TestKilled/under_load' ./internal/smoke/

# bench: batches against a bare transaction, memory, commit to push, and matching against 10 k, 100 k and 1 M searches, in one
# run (about eight minutes; the million is written first); then the law, its clocks, a long chain, and the list by need.
bench:
	QORGAU_BENCH_MILLION=1 go test -run '^$$' -bench 'Qorgau(Batches|Push|Match|Bus|Forced)$$' -benchtime 1x -timeout 30m ./internal/smoke/
	go test -p 1 -run '^$$' -bench '^Benchmark(Clocks|Burst|TenThousandEvents|ListByNeed|Day)$$' -benchtime 5x ./internal/law ./internal/rights ./internal/detention
	$(MAKE) --no-print-directory bench-send
	$(MAKE) --no-print-directory bench-push

# bench-send: who goes where, alone (some five minutes): over HTTP the board whole, unchanged and changed, suggestions among 500 lawyers, 5,000 streams with their memory
# and idle CPU, a phone that was away; in process the same parts and the fan-out; a thousand races of two who accept.
bench-send:
	go test -run '^$$' -bench 'Qorgau(Board|Streams|Away)$$' -benchtime 1x -timeout 20m ./internal/smoke/
	go test -p 1 -run '^$$' -bench '^Benchmark(Board|Suggest|FanOut)$$' -benchtime 100x ./internal/board ./internal/dispatch ./internal/live
	go test -count=1 -v -run '^TestOneWinnerInAThousandRaces$$' ./internal/dispatch

# bench-push: told on their phones, alone (some five minutes): from a notice's commit to the provider at 50 and at 1,000 a second, and 300,000 at once beside a bare loop
# over the Firebase SDK (QORGAU_BENCH_PUSHES sets less).
bench-push:
	go test -run '^$$' -bench 'Qorgau(Handover|FanOut)$$' -benchtime 1x -timeout 30m -v ./internal/smoke/

# day: a whole day of a country against a server of its own, compared with the simulator's ledger (a quarter of an hour on two cores).
# SEED and SCALE may be given; its data lies below TMPDIR.
day:
	go run ./cmd/qorgau simulate --day $(if $(SEED),--seed $(SEED)) $(if $(SCALE),--scale $(SCALE))

# faults: every way by which people are told is broken, workers and PostgreSQL are killed, and the table says what became of the news. SEED, ONLY (a pattern of
# "fault/channel") and SCALE (of the flood) may be given; its data lies below TMPDIR.
faults:
	go run ./cmd/qorgau simulate --faults $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only '$(ONLY)') $(if $(SCALE),--scale $(SCALE))

# run: a server with data to play with, on http://127.0.0.1:8080.
run:
	go run ./cmd/qorgau demo

.PHONY: names-score names-fit names-data
# names-score: name matching measured on labelled pairs, which are not in this repository: NAMES_DATA is the folder that holds them. Fitted
# on one half, reported on the other; each rule left out; 120 thousand and a million people.
names-score: names-data
	go run ./cmd/qorgau names score --data "$(NAMES_DATA)" --ablate --sizes 120000,1000000

# names-fit: the weights of name matching, fitted anew on PAIRS (or on NAMES_DATA's own) among the people of NAMES_DATA.
names-fit: names-data
	go run ./cmd/qorgau names fit --data "$(NAMES_DATA)" $(if $(PAIRS),--pairs "$(PAIRS)") --out pkg/names/data/model.tsv.new
	mv pkg/names/data/model.tsv.new pkg/names/data/model.tsv

NAMES_DATA ?= $(if $(PAIRS),$(dir $(PAIRS)))
names-data:
	@test -n "$(NAMES_DATA)" || { echo "say where the labelled pairs are: make names-score NAMES_DATA=folder (dev-pairs.tsv, background-names.txt.gz), or make names-fit PAIRS=file"; exit 2; }

# names-attacks: a whole country-day dumped and attacked without its keys: which names of searches are guessed (some ten minutes, 2 GB).
.PHONY: names-attacks
names-attacks:
	QORGAU_NAMES_ATTACKS=1 go test -count=1 -v -timeout 60m -run TestADumpTellsNoNames ./internal/smoke/
