# The commands of this repository. `make help` lists them.

GO       ?= go
BIN      := $(CURDIR)/bin
SHARED   ?= ../shared
LINT_VER := v2.15.0

export CGO_ENABLED ?= 0

.DEFAULT_GOAL := help
.PHONY: help build test lint generate check-generated golden conformance language-score messages bench pgo fuzz ui5 approuter cover mutate soak check check-all clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## Build the command line to bin/cds
	$(GO) build -o $(BIN)/cds ./cmd/cds

test: ## Run all tests
	$(GO) test -pgo=off ./... # else what the command links would be compiled a second time for its own tests

lint: $(BIN)/golangci-lint ## Check formatting and run the linters
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "not gofmt-clean:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(BIN)/golangci-lint run --allow-parallel-runners ./...

$(BIN)/golangci-lint:
	GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VER)

generate: ## Regenerate the code of the samples
	$(GO) run ./cmd/cds gen samples/bookshop

check-generated: ## Fail if the code of the samples is not what the generator makes
	$(GO) run ./cmd/cds gen --check samples/bookshop

golden: ## Rewrite golden files from what the code does now; look at the diff
	CDS_UPDATE=1 $(GO) test ./...

conformance: ## Compare with recorded answers; prints the score by file and fails below the thresholds
	@scripts/conformance $(SHARED)

language-score: ## Compile the recorded models to each target; prints the score by target
	@scripts/language-score

messages: ## Rewrite docs/messages.md from the catalogue of messages
	$(GO) run ./cmd/cds explain --markdown >docs/messages.md.new && mv docs/messages.md.new docs/messages.md

bench: ## Benchmarks: start, reads against the reference server, allocations
	@scripts/bench $(SHARED)

pgo: ## Make cmd/cds/default.pgo anew, the profile that the command is optimized by; after make bench
	@scripts/pgo $(SHARED)

fuzz: ## Run every fuzz target for FUZZTIME (10s)
	@scripts/fuzz $(or $(FUZZTIME),10s) $(LANGUAGE_FUZZTIME)

ui5: ## Install OpenUI5, for the test of the bookshop in a browser
	@scripts/ui5

approuter: ## Install the approuter, for the test of XSUAA behind a login
	@scripts/approuter

mutate: ## Change single checks on rights, MUTANTS (100, 0 for all) by SEED, and see that tests notice; the table goes to bin/mutants.md
	@mkdir -p $(BIN)
	CDS_MUTANTS=$(or $(MUTANTS),100) CDS_SEED=$(or $(SEED),1) CDS_MUTANT_TABLE=$(BIN)/mutants.md $(GO) test -count=1 -timeout 6h -v -run TestMutants ./runtime/internal/mutate

soak: ## Compare answers with the naive oracle, and of databases that differ in hidden values: CASES (10000) requests on each database
	CDS_DIFF=$$(( $(or $(CASES),10000) / 30 + 1 )) $(GO) test -count=1 -timeout 6h -v -run 'TestReads|TestWrites' ./runtime/internal/difftest
	CDS_TAINT=$$(( $(or $(CASES),10000) / 30 + 1 )) $(GO) test -count=1 -timeout 6h -v -run TestTaint ./runtime/internal/tainttest

cover: ## Test coverage by package
	$(GO) test -cover ./... | grep -v 'no test files'

check: test lint check-generated conformance ## What CI runs

check-all: check ## More, for before an issue is called done: race detector and longer fuzzing
	CGO_ENABLED=1 $(GO) test -race ./...
	CDS_DIFF=2000 $(GO) test ./runtime/internal/difftest
	@scripts/fuzz $(or $(FUZZTIME),60s)

clean: ## Remove what was built
	rm -rf $(BIN)
