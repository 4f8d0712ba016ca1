# Every target explains itself: `make` lists them. All of them set up what they need in .venv.

# The first that really runs and is new enough: a name on PATH may be a version manager's empty promise.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for one in python3 python3.14 python3.13 python3.12 python3.11; do $$one -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$one && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

.PHONY: setup
setup: $(READY) ## Make .venv with everything installed (the other targets do it by themselves)

$(READY): pyproject.toml
	@$(or $(PYTHON),false) -c '$(NEW_ENOUGH)' || { echo "fakekube needs Python 3.11 or newer; say which: make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fast,tls]' --group dev --group clients
	@command -v npm >/dev/null || exit 0; npm install --prefix $(VENV)/node --silent --no-audit --no-fund '@kubernetes/client-node@^1.4' || \
		echo "npm has failed: the test of the JavaScript client will be skipped"
	@touch $@

.PHONY: demo
demo: $(READY) ## Watch a pool come up, scale, lose a VM and heal (DEMO_HOLD=1 keeps it running)
	@$(BIN)/python examples/demo.py

.PHONY: test
test: $(READY) ## Run all tests on all cores, the page with the real kubectl included
	@$(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: e2e
e2e: $(READY) ## Run only the tests with the real kubectl, and tell why any are skipped
	@$(BIN)/python -m pytest tests/e2e -rs

.PHONY: conformance
conformance: $(READY) ## Judge the pool controller by every behaviour; the report goes to build/conformance
	@$(BIN)/python -m fakekube conformance --report build/conformance

.PHONY: check
check: $(READY) ## Lint, format, types, contracts between packages, and whether every test can be imported
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@found=$$($(BIN)/python -m pytest --collect-only -qqq -n 0 2>&1) || { echo "$$found"; exit 1; }

.PHONY: bench
bench: $(READY) ## Measure it all, some minutes; python -m benchmarks --help has more
	@$(BIN)/python -m benchmarks

.PHONY: fmt
fmt: $(READY) ## Format the code and sort its imports
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format .

.PHONY: clean
clean: ## Remove .venv and what tools have cached
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
