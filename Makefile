# Each goal does all its own set-up, in .venv, with the versions of constraints.txt.
# Another Python: make PYTHON=python3.12 test   (delete .venv first if it exists)

VENV := .venv
ifeq ($(OS),Windows_NT)
PYTHON ?= python
BIN := $(VENV)/Scripts
VENV_PYTHON := $(BIN)/python.exe
else
PYTHON ?= python3
BIN := $(VENV)/bin
VENV_PYTHON := $(BIN)/python
endif

RUN_READY := $(VENV)/.ready-to-run
DEV_READY := $(VENV)/.ready-to-develop
DEMO := demo-report
PEERS := .venv-crosscheck

# As variables, so that they also hold for what pip fetches to build the package itself.
export PIP_CONSTRAINT := constraints.txt
export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
PIP := $(VENV_PYTHON) -m pip --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test lint types layers bench crosscheck clean

help:
	@echo "make demo    simulate a published trial and leave its report in $(DEMO)/"
	@echo "make test    run the tests"
	@echo "make lint    check style and formatting"
	@echo "make types   check types"
	@echo "make layers  check that imports go down the layers"
	@echo "make bench   measure speed and error beside other solvers, into benchmarks/ (some minutes)"
	@echo "make crosscheck  compare the neural levels with Brian2 and neurolib, in $(PEERS) (some minutes, needs a C++ compiler)"
	@echo "make clean   delete $(VENV), $(DEMO) and all caches"

demo: $(RUN_READY)
	$(BIN)/ketasim run daly2018 --out $(DEMO) --force
	@echo "The report is $(CURDIR)/$(DEMO)/report.html"

test: $(DEV_READY)
	$(VENV_PYTHON) -m pytest -n auto --dist loadscope

lint: $(DEV_READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(DEV_READY)
	$(BIN)/mypy

layers: $(DEV_READY)
	$(BIN)/lint-imports

# Peers that are not installed are left out, and the results say so. numbalsoda is built from source and
# needs a Fortran compiler, so that it is not asked for here: pip install "ketasim[bench]" does.
bench: $(DEV_READY)
	$(VENV_PYTHON) -m benchmarks $(BENCH_OPTIONS)

# In an environment of its own: Brian2 does not load with the NumPy of constraints.txt.
crosscheck: $(DEV_READY) $(PEERS)/.ready
	$(VENV_PYTHON) -m crosscheck.cases $(PEERS)/cases
	$(PEERS)/bin/python crosscheck/circuit_brian2.py $(PEERS)/cases/circuit.npz $(PEERS)/cases/circuit_brian2.npz
	$(PEERS)/bin/python crosscheck/brain_neurolib.py $(PEERS)/cases/brain.npz $(PEERS)/cases/brain_neurolib.npz
	$(VENV_PYTHON) -m crosscheck.compare $(PEERS)/cases

$(PEERS)/.ready: crosscheck/requirements.txt
	$(PYTHON) -m venv --clear $(PEERS)
	PIP_CONSTRAINT= PIP_BUILD_CONSTRAINT= $(PEERS)/bin/python -m pip --quiet install -r crosscheck/requirements.txt
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) $(DEMO) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV_PYTHON):
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { \
		echo "Ketasim needs Python 3.11 or newer, and '$(PYTHON)' is not. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu, install the package python3-venv." >&2; \
		rm -rf $(VENV); exit 1; }

$(RUN_READY): pyproject.toml constraints.txt | $(VENV_PYTHON)
	@echo "Installing Ketasim and what it needs into $(VENV) (once, about a minute)"
	@$(PIP) install --editable .
	@touch $@

$(DEV_READY): pyproject.toml constraints.txt | $(VENV_PYTHON)
	@echo "Installing Ketasim and its development tools into $(VENV) (once, about a minute)"
	@$(PIP) install --editable ".[dev]"
	@touch $@
