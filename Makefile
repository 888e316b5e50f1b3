# `make tables` regenerates every table, `make test` checks everything; both set themselves up in a fresh clone.

PYTHON ?= python3
VENV ?= .venv
CORES ?= 1
WORKERS ?= 2
PROFILE ?= quick
N ?= 20

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Modules are compiled when they are first imported, and kept: else every job would compile torch again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: tables test lint types unit faults install clean

tables: $(STAMP)
	@$(BIN)/snakemake tables --cores $(CORES) --config profile=$(PROFILE)

test: lint types unit

lint: $(STAMP)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet

types: $(STAMP)
	@$(BIN)/mypy

unit: $(STAMP)
	@$(BIN)/pytest -q -n $(WORKERS)

# The fault farm of the suite, N times as long.
faults: $(STAMP)
	@UHN_FAULTS=$(N) $(BIN)/pytest -q -n $(WORKERS) tests/faults

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) ..."
	@$(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@

clean:
	rm -rf $(VENV) work logs .snakemake results/quick results/smoke
