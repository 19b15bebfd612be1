# Two commands matter: make run, make test. make help lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GO ?= go
LINT_VERSION := v2.15.0
TOOLS := $(CURDIR)/.tools
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
# Packages with goroutines of their own: the race detector pays there.
RACE := ./alerting/... ./probe/... ./spool/... ./web/... ./telemetry/... ./site ./site/access ./site/guard/... ./site/intake ./site/originals/... ./site/render/...

.PHONY: faults figures help run stop-site start-site demo test test-browser test-s3 test-nfs test-turbo short race long fuzz lint generate bench build course need need-race need-nginx cover clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

need: ## install what running needs (Postgres server binaries), if missing
	@deploy/need postgres

need-race: need ## install what the race detector needs (a C compiler), if missing
	@deploy/need gcc

build: ## build bin/keepwatch
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/keepwatch ./cmd/keepwatch

run: need build ## start the daemon on keepwatch.example.yaml with the built-in PagerDuty stand-in
	@exec deploy/run

stop-site: ## stop the site that make run started: an outage to watch
	@deploy/run stop-site

start-site: ## start the site again
	@deploy/run start-site

demo: need build ## a true two-minute story: outage, page, acknowledgement, recovery, report
	@exec bin/keepwatch demo

need-nginx: ## install what tests of the site behind a proxy need (nginx), if missing
	@deploy/need nginx

test: need-race need-nginx ## run all tests (installs what they need)
	$(GO) test -race -shuffle=on -timeout 15m $(RACE)
	$(GO) test -shuffle=on -timeout 15m $$($(GO) list ./... | grep -vxF "$$($(GO) list $(RACE) ./faults)")
	$(GO) test -tags failpoints -shuffle=on -timeout 15m -parallel 16 ./faults

test-browser: need ## the pages in a real Chromium (installs it: 440 MB); screenshots go to artifacts/
	@deploy/need chromium
	@rm -rf artifacts && mkdir -p artifacts
	$(GO) test -tags browser -run Browser -timeout 15m -artifacts -outputdir $(CURDIR)/artifacts ./web ./reports/page ./site/pages ./site/guard

test-turbo: ## the renderer with libjpeg-turbo, as in the container image (installs it and a C compiler)
	@deploy/need gcc turbojpeg
	$(GO) test -tags turbojpeg ./site/render/...

VERSITYGW_VERSION := v1.8.0
test-s3: ## originals on a real S3 server (builds versitygw into .tools: a minute, once)
	@test -x $(TOOLS)/versitygw-$(VERSITYGW_VERSION) || { \
	  echo "installing versitygw $(VERSITYGW_VERSION) into .tools (about a minute, once)"; \
	  GOBIN=$(TOOLS) $(GO) install github.com/versity/versitygw/cmd/versitygw@$(VERSITYGW_VERSION) && \
	  mv $(TOOLS)/versitygw $(TOOLS)/versitygw-$(VERSITYGW_VERSION); }
	KEEPWATCH_TEST_VERSITYGW=$(TOOLS)/versitygw-$(VERSITYGW_VERSION) $(GO) test -count=1 -run '^TestRealS3$$' -v ./site/originals

test-nfs: ## originals on real NFSv4.1, two clients, in User-Mode Linux (installs them and an NFS server: 42 MB)
	@deploy/need nfs
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	  CGO_ENABLED=0 $(GO) test -c -o "$$dir/originals.test" ./site/originals && \
	  site/originals/testdata/nfs/run "$$dir/originals.test"

short: ## only the tests that need no Postgres
	$(GO) test -short -shuffle=on ./...

race: need-race ## every test under the race detector
	$(GO) test -race -shuffle=on -timeout 30m ./...

long: need-race ## the long forms: 1,000,000 on-call comparisons, New Relic faults, 60 kills, five simulated weeks (half an hour)
	KEEPWATCH_LONG=1 $(GO) test -count=1 -timeout 60m -run 'Oracle|Handoff|Fault' -v ./oncall ./telemetry
	KEEPWATCH_LONG=1 $(GO) test -count=1 -timeout 10m -run 'Slowloris' -v ./site/guard
	KEEPWATCH_LONG=1 $(GO) test -count=1 -timeout 60m -run 'TestKilledAtRandom|TestScripts/(newrelic|simulate|verify)' -v ./cmd/keepwatch

SEED ?= 0
faults: need ## the fault suite: 14 kinds of harm, 0 pages lost; writes docs/faults.md (20 minutes; SEED=… ROW=… replays one)
	@deploy/need uml
	$(GO) run ./faults -seed "$(SEED)" -row "$(ROW)"

figures: need ## only the figures of the fault suite
	$(GO) run ./faults -seed "$(SEED)" -figures

FUZZTIME ?= 1m
fuzz: ## one minute for each fuzz target (FUZZTIME=10s for less)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; done

lint: ## golangci-lint with the rules of CONVENTIONS.md
	@test -x $(TOOLS)/golangci-lint-$(LINT_VERSION) || { \
	  echo "installing golangci-lint $(LINT_VERSION) into .tools (about two minutes, once)"; \
	  GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION) && \
	  mv $(TOOLS)/golangci-lint $(TOOLS)/golangci-lint-$(LINT_VERSION); }
	$(TOOLS)/golangci-lint-$(LINT_VERSION) run ./...

generate: ## write docs/config.md anew from the field comments
	$(GO) run ./config/gendocs

course: need need-nginx ## the load of the course: 1,000 visitors, 15 minutes, without and with bots (half an hour)
	KEEPWATCH_LONG=1 $(GO) test -run '^$$' -bench WholeCourse -benchtime 1x -timeout 60m ./bench

bench: need need-nginx ## the figures of performance.md that exist by now, as ratios in one run
	$(GO) run ./bench

cover: need ## the share of statements that the tests reach
	$(GO) test -coverprofile=coverage.out ./... && $(GO) tool cover -func=coverage.out | tail -1

clean: ## remove what building made (not ./data)
	rm -rf bin .tools artifacts coverage.out bench.json
