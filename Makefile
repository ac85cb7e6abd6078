# `make demo` and `make test` each need nothing but Python 3.11 or later: they make .venv and install into it.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p > /dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null && echo $$p && break; done)
JOBS ?= 2
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help install demo test lint format wheel bench bench-quick fuzz docs clean
.DEFAULT_GOAL := help

help:  ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(READY)

install: $(READY)  ## make .venv and install the package with its development tools

demo: $(READY)  ## the credit-card story from messy script to audited update, in demo-out/
	$(BIN)/lester-duck demo --customers 1000 -o demo-out

test: $(READY)  ## every test and doctest
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q

lint: $(READY)  ## style, unused code, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/lint-imports

format: $(READY)  ## apply the safe fixes of the linter
	$(BIN)/ruff check --fix .

wheel: $(READY)  ## build the wheel and look into it
	$(BIN)/python -m pytest -q tests/packaging

bench: $(READY)  ## every benchmark at full size; raw figures go to bench/results/
	@mkdir -p bench/results
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python $$script --json bench/results/$$(basename $$script .py).json || exit 1; done

bench-quick: $(READY)  ## every benchmark, under 50 seconds each
	@mkdir -p bench/results
	@for script in bench/*.py; do echo "== $$script"; $(BIN)/python $$script --quick --json bench/results/$$(basename $$script .py)-quick.json || exit 1; done

fuzz: $(READY)  ## the random tests with many more examples
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-2000} $(BIN)/python -m pytest -n $(JOBS) -q -o faulthandler_timeout=0 tests -k 'random or fuzz or property'

docs: $(READY)  ## write the reference pages from the code
	$(BIN)/python -m lester_duck.cli.reference docs/reference

clean:  ## remove what make made
	rm -rf .venv build dist demo-out .pytest_cache .ruff_cache .import_linter_cache .hypothesis
