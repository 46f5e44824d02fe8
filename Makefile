# Every target does its own set-up: it needs make and Python 3.11 or newer, nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# A stamp is newer than what it was made from, or the step runs again.
READY  := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench fuzz lock clean

help:  ## say what there is
	@sed -n 's/^\([a-z]*\): .*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null \
	  || sed -n 's/^\([a-z]*\): .*## \(.*\)/  make \1  \2/p' Makefile

demo: $(READY)  ## run the main job once, on a real Temporal server, and show its trace
	$(BIN)/nexus-gateway demo

test: $(READY)  ## run all tests; ARGS="-k tokens -x" goes to pytest
	$(BIN)/python -m pytest $(SEVERAL) $(ARGS)

# Most of a test is waiting. Each process has a Temporal server of its own, which is why there are no more of them.
SEVERAL := --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(READY)  ## check style, types and which room imports which
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## measure throughput and latency, as ratios; ARGS="--rounds 5" goes to it
	$(BIN)/python -m tests.bench $(ARGS)

fuzz: $(READY)  ## throw broken requests at a gateway; COUNT=1000000 for a long run, SEED=2 for others
	$(BIN)/python -m tests.security.fuzz --count $(COUNT) --seed $(SEED)

COUNT ?= 20000
SEED  ?= 1

lock: $(READY)  ## choose the pinned requirements anew
	$(BIN)/uv pip compile $(LOCK_FLAGS) --extra temporal --extra dev --output-file requirements/dev.txt \
	  pyproject.toml requirements/build.in
	$(BIN)/uv pip compile $(LOCK_FLAGS) --extra temporal --constraint requirements/dev.txt \
	  --output-file requirements/runtime.txt pyproject.toml

# For every platform and Python; no file may say where the packages came from.
LOCK_FLAGS := --quiet --upgrade --universal --generate-hashes --no-emit-index-url --custom-compile-command "make lock"

setup: $(READY)  ## only make the environment

clean:  ## remove everything that was made
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* htmlcov \
	  .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
	  "make: $(PYTHON) is missing or older than Python 3.11; name a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo \
	  "make: $(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed: $(VENV)/.made requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

$(READY): $(VENV)/.installed pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
