# Orderflow's commands; `make help` lists them. All work on a bare Debian or Ubuntu with make and git.
SHELL := /bin/bash
# Stopping and looking work without .venv, too.
STACK = $$(command -v .venv/bin/python || echo python3) -m deploy.local
.DEFAULT_GOAL := help

.PHONY: help
help: ## lists these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / /' | awk '{ printf "  make %-22s", $$1; $$1 = ""; print }'

.PHONY: run
run: bootstrap ## installs and starts everything, then plays an order's journey
	@echo
	@echo '  !!  AUTHENTICATION IS OFF in this local run: whoever reaches its loopback ports may do anything  !!'
	@echo
	@$(STACK) up
	@eval "$$($(STACK) env)" && ORDERFLOW_GRPCURL="$$($(STACK) grpcurl)" .venv/bin/ordersctl demo
	@$(STACK) status || true
	@echo
	@echo '  Go on:  make status   make logs   make down'

.PHONY: down
down: ## stops what `make run` started, and nothing else
	@$(STACK) down

.PHONY: status
status: ## shows each process, its address, health and log file
	@$(STACK) status || true

.PHONY: logs
logs: ## follows the logs of `make run`
	@tail -n 5 -F .local/run/logs/*.log

.PHONY: clean
clean: ## stops what runs of this work tree and forgets its data
	@$(STACK) clean --profile run
	@$(STACK) clean --profile test

.PHONY: test
test: bootstrap ## all tests, two at a time, on real servers of their own; with make check, what a change must pass; PYTEST_ARGS=... for pytest
	@deploy/local/test.sh $(PYTEST_ARGS)

.PHONY: test-long
test-long: bootstrap ## the long forms of tests that `make test` runs in short: a thousand commands, 100,000 orders; takes a few minutes
	@ORDERFLOW_TEST_LONG=1 deploy/local/test.sh -m long tests $(PYTEST_ARGS)

.PHONY: polyglot
polyglot: bootstrap ## plays the conformance scenarios in each language whose tools are here; languages=... for some
	@deploy/local/polyglot.sh $(languages)

.PHONY: bench-write
bench-write: bootstrap ## measures the write side's figures on the test profile's servers; names=... for some
	@$(STACK) --profile test up --servers-only
	@.venv/bin/python -m benchmarks.write $(names); status=$$?; $(STACK) --profile test down; exit $$status

.PHONY: bench-write-large
bench-write-large: bootstrap ## the same for appends into ten million events; takes about ten minutes and 10 GB
	@$(STACK) --profile test up --servers-only
	@.venv/bin/python -m benchmarks.write.large; status=$$?; $(STACK) --profile test down; exit $$status

.PHONY: bench-projector
bench-projector: bootstrap ## measures the projector's figures on the test profile's servers; names=... for some
	@$(STACK) --profile test up --servers-only
	@.venv/bin/python -m benchmarks.projector $(names); status=$$?; $(STACK) --profile test down; exit $$status

.PHONY: bench-projector-large
bench-projector-large: bootstrap ## the same for the memory that a million events take; takes about half an hour
	@$(STACK) --profile test up --servers-only
	@.venv/bin/python -m benchmarks.projector.memory; status=$$?; $(STACK) --profile test down; exit $$status

.PHONY: bench-query
bench-query: bootstrap ## measures the query service's figures on the test profile's servers; names=... for some
	@$(STACK) --profile test up --servers-only
	@.venv/bin/python -m benchmarks.query $(names); status=$$?; $(STACK) --profile test down; exit $$status

.PHONY: bench-query-large
bench-query-large: bootstrap ## the same for what a million orders cost; takes about half an hour
	@$(STACK) --profile test up --servers-only
	@.venv/bin/python -m benchmarks.query.large; status=$$?; $(STACK) --profile test down; exit $$status

.PHONY: bench-telemetry
bench-telemetry: bootstrap ## measures what telemetry costs, on the test profile's servers; names=... for some
	@$(STACK) --profile test up --servers-only
	@.venv/bin/python -m benchmarks.telemetry $(names); status=$$?; $(STACK) --profile test down; exit $$status

.PHONY: check
check: bootstrap ## format, lint, types, imports, protos and unit tests, in under a minute
	@deploy/local/check.sh

.PHONY: proto
proto: bootstrap ## regenerates generated/ and docs/reference.md from protos/
	@scripts/generate-protos
	@scripts/generate-reference >docs/reference.md

.PHONY: artefacts
artefacts: bootstrap ## builds what a release ships, into dist/: contracts, service config, wheels, checksums
	@scripts/make-artefacts

.PHONY: lock
lock: ## pins the Python packages of pyproject.toml in requirements.txt
	@$$(deploy/local/bootstrap.sh --uv) pip compile pyproject.toml --extra dev --generate-hashes --universal \
		--python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --quiet $(LOCK_ARGS) \
		--output-file requirements.txt

.PHONY: grpcurl
grpcurl: bootstrap ## puts grpcurl into the cache and prints its path
	@$(STACK) grpcurl

.PHONY: jaeger
jaeger: bootstrap ## builds Jaeger into the cache, some minutes once; `make run` then shows traces
	@$(STACK) jaeger

.PHONY: bootstrap
bootstrap:
	@deploy/local/bootstrap.sh
