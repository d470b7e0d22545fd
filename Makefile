# Two commands do all set-up on a fresh machine, and are quick the second time:
#   make demo    runs an app on real data        make test    runs all tests
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Where this is set, each of the thousand processes that the tests start would compile all of atoll anew.
unexport PYTHONDONTWRITEBYTECODE

VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
            "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet install
PYTEST := $(BIN)/python -m pytest
SOURCE := pyproject.toml src/atoll/_version.py
FAST   := tests --ignore=tests/chaos --ignore=tests/federation --ignore=tests/cli --ignore=tests/kill --ignore=tests/templates
CPUS   := $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n < 4 ? n : 4)))

.PHONY: help system demo test test-long chaos check lint types floors dead deps fast bench lock format clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# -- what is installed --------------------------------------------------------------------------------------

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Atoll needs Python 3.11 or newer: none found. Name one with make PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; } || \
	  { echo "$(PYTHON) can't make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) with $$("$(PYTHON)" --version)"
	@rm -rf $(VENV)
	@"$(PYTHON)" -m venv $(VENV)

# base.txt and demo.txt are parts of dev.txt, in the same versions: one environment holds all three.
$(VENV)/.demo: $(BIN)/python requirements/demo.txt $(SOURCE)
	@echo "installing what the demo needs"
	@$(PIP) --require-hashes -r requirements/demo.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(BIN)/python requirements/dev.txt requirements/torch.txt requirements/on-torch.txt requirements/samples.txt $(SOURCE)
	@echo "installing what the tests need"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) -r requirements/torch.txt
	@$(PIP) --require-hashes --no-deps -r requirements/on-torch.txt -r requirements/samples.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.demo

# -- the two commands ---------------------------------------------------------------------------------------

demo: $(VENV)/.demo ## an app from its template, run on real data (installs what it needs)
	@rm -rf demo && mkdir demo
	@export PATH="$(CURDIR)/$(BIN):$$PATH" ATOLL_HOME="$(CURDIR)/demo/home"; \
	  cd demo; set -x; \
	  atoll new my-app --template numpy; cd my-app; \
	  atoll run; atoll show @latest; atoll pull @latest -o ../model.safetensors
	@echo; echo "the app is demo/my-app and the model demo/model.safetensors; now try:"; echo
	@echo "    source $(BIN)/activate && cd demo/my-app && atoll run --nodes 50 --seed 7"

test: $(VENV)/.dev system ## everything but what takes minutes (installs what it needs)
	@$(MAKE) --jobs=$(CPUS) lint types floors dead deps
	@$(PYTEST) -n $(CPUS) --dist loadfile -m "not long and not chaos"

SYSTEM := dataset-fashion-mnist
system:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! dpkg -s $(SYSTEM) >/dev/null 2>&1; then \
	  echo "installing $(SYSTEM)"; { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(SYSTEM) >/dev/null 2>&1; } || \
	  echo "could not install $(SYSTEM); the tests that need it are skipped"; fi

# -- while working ------------------------------------------------------------------------------------------

check: $(VENV)/.dev lint types floors dead deps fast ## in about a minute: linters, types, floors, unit, conformance and docs tests

test-long: $(VENV)/.dev ## the tests that take minutes
	@$(PYTEST) -m long --timeout 3600

chaos: $(VENV)/.dev ## the long ordeals of a deployed federation; SEED=N repeats one
	@$(PYTEST) -s -m chaos --timeout 7200 tests/chaos

fast: $(VENV)/.dev
	@$(PYTEST) -n $(CPUS) --dist loadfile -m "not long and not chaos" $(FAST)

lint: $(VENV)/.dev
	@$(BIN)/ruff check --quiet

types: $(VENV)/.dev
	@$(BIN)/mypy --no-error-summary

floors: $(VENV)/.dev
	@$(BIN)/lint-imports --no-logo >.import_linter.log 2>&1 || { cat .import_linter.log; exit 1; }

dead: $(VENV)/.dev
	@found=$$($(BIN)/vulture | grep '^src/' | grep -v /templates/ || true); \
	  [ -z "$$found" ] || { echo "$$found" >&2; exit 1; }  # tests and templates count as uses

deps: $(VENV)/.dev
	@$(BIN)/deptry . >.deptry.log 2>&1 || { cat .deptry.log; exit 1; }

format: $(VENV)/.dev ## let ruff mend and lay out the sources that have changed since the last commit
	@$(BIN)/ruff check --quiet --fix
	@git diff --name-only --diff-filter=d HEAD -- '*.py' | xargs -r $(BIN)/ruff format --quiet

# `make bench noop` runs benchmarks/noop.py; so does `make bench NAME=noop`.
ifeq (bench,$(firstword $(MAKECMDGOALS)))
NAME ?= $(word 2,$(MAKECMDGOALS))
$(filter-out bench,$(MAKECMDGOALS)):
	@:
endif
bench: $(VENV)/.dev ## make bench NAME: measure; without a name: what can be measured
	@if [ -n "$(NAME)" ]; then $(BIN)/python benchmarks/$(NAME).py $(ARGS); \
	 else echo "make bench NAME, one of:"; ls benchmarks | sed -n 's/^\([a-z].*\)\.py$$/  \1/p'; fi

# The locks hold hashes and neither an address nor torch, whose builds differ from machine to machine.
COMPILE = env UV_CUSTOM_COMPILE_COMMAND= $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
          --no-emit-index-url --no-annotate --no-header --override requirements/no-torch.txt $(UPGRADE)
LOCK    = $(COMPILE) pyproject.toml requirements/base.in
EXTRAS  = samples pandas polars plot s3 oidc jax keras
lock: $(VENV)/.dev ## pin the newest allowed versions again (UPGRADE=--upgrade takes newer ones)
	@$(LOCK) requirements/dev.in $(EXTRAS:%=--extra %) -o requirements/dev.txt
	@$(LOCK) requirements/demo.in -c requirements/dev.txt -o requirements/demo.txt
	@$(LOCK) -c requirements/dev.txt -o requirements/base.txt
	@$(COMPILE) requirements/on-torch.in -c requirements/dev.txt -o requirements/on-torch.txt
	@$(COMPILE) requirements/samples.in --no-deps -o requirements/samples.txt

clean: ## forget what was installed and made
	@rm -rf $(VENV) demo dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .import_linter.log .deptry.log
