# Two commands: `make demo` and `make test`. Both create .venv on first use and are quick afterwards.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# A file's tests stay in one process, which makes their common fixtures once; the order is that of tests/conftest.py.
# One process more than the two cores that they need: tests of daemons and servers wait for much of their time.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
# Hundreds of commands are started by the tests: each would compile abkit anew.
unexport PYTHONDONTWRITEBYTECODE
# Several test processes share the cores: threads that spin while they wait would only take turns from each other.
TEST_ENV := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive

.PHONY: demo test test-only test-long check style types audit hashes check-hashes install clean

demo: $(VENV)/.demo
	$(BIN)/abkit demo

# Types take a minute of one core where mypy has not seen them before: they are checked beside the first tests.
test: $(VENV)/.dev style
	$(MAKE) --no-print-directory --jobs 2 types test-only

test-only: $(VENV)/.dev
	$(TEST_ENV) $(PYTEST)

# What takes minutes and repeats in more places what `make test` shows once.
test-long: $(VENV)/.dev
	$(TEST_ENV) $(PYTEST) -m long

check: style types

style: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

# Licences of what is installed, and known vulnerabilities of what is pinned; says so, and ends with 3, where pip-audit
# cannot be installed or reaches no data.
audit: $(VENV)/.dev
	-test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/python -m pip install --quiet pip-audit; }
	$(BIN)/python tools/audit.py --pip-audit $(VENV)/audit/bin/pip-audit

# The digests that PyPI has of every package at the versions of constraints.txt: run it when those have changed.
hashes check-hashes: $(VENV)/.dev
	-test -x $(VENV)/hashes/bin/uv || { $(PYTHON) -m venv $(VENV)/hashes && $(VENV)/hashes/bin/python -m pip install --quiet uv; }
	$(BIN)/python tools/hashes.py --uv $(VENV)/hashes/bin/uv $(if $(filter check-hashes,$@),--check)

install: $(VENV)/.dev

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "abkit needs Python 3.11 or newer; say which with: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[model,demo,web]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
