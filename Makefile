# `make tables` regenerates every table, `make test` checks everything, `make docs` builds the site in site/; each sets
# itself up in a fresh clone.

PYTHON ?= python3
VENV ?= .venv
CORES ?= 1
# One more than the two cores of the smallest machine: some tests wait, for processes and for kills.
WORKERS ?= 3
PROFILE ?= quick
N ?= 20
# https://download.pytorch.org/whl/cpu has PyTorch without CUDA.
TORCH_INDEX ?=

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS := $(VENV)/.docs

# Modules are compiled when they are first imported, and kept: else every job would compile torch again.
unexport PYTHONDONTWRITEBYTECODE

# Snakemake keeps a cache at home and fails without one; where nothing can be written, it goes beside its other files.
CACHE = "$${XDG_CACHE_HOME:-$$HOME/.cache}"
ifneq ($(shell mkdir -p $(CACHE) 2>/dev/null && test -w $(CACHE) && echo yes),yes)
export XDG_CACHE_HOME := $(CURDIR)/.snakemake/cache
endif

.PHONY: tables test lint types unit faults docs install lock clean

tables: $(STAMP)
	@$(BIN)/snakemake tables --cores $(CORES) --config profile=$(PROFILE)

# At once: mypy computes on one core only.
test: $(STAMP)
	@$(MAKE) -s -j 3 lint types unit

lint: $(STAMP)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check --quiet

types: $(STAMP)
	@$(BIN)/mypy

# What a file's tests share is made once, and the files come in their order: the longest first.
unit: $(STAMP)
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# The fault farm of the suite, N times as long.
faults: $(STAMP)
	@UHN_FAULTS=$(N) $(BIN)/pytest -q -n $(WORKERS) tests/faults

# Strictly, and not quietly, which would hide warnings from the count: a broken link or a page that is in no list is an error.
docs: $(DOCS)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "site/index.html"

$(DOCS): $(STAMP)
	@echo "installing what the site needs into $(VENV) ..."
	@$(BIN)/pip install -q --no-input --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) workflow/install.py $(VENV) $(TORCH_INDEX)

# One set of versions for every supported Python; those that stand stay where they can, UPGRADE=-U takes the newest.
# PyTorch itself names the versions of the CUDA libraries that it wants.
lock: $(STAMP)
	@$(BIN)/pip install -q uv
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-annotate --no-header $(UPGRADE) \
	    --extra test --extra digits --extra slurm --extra s3 --extra docs pyproject.toml -o constraints.txt
	@sed -i -E -e '/^(cuda|nvidia|triton)\b/d' -e '1i # Tested versions (Python 3.11 and later), by "make lock". Use: pip install -c constraints.txt -e ".[test]"' constraints.txt

clean:
	rm -rf $(VENV) $(VENV).lock work logs site .snakemake results/quick results/smoke
