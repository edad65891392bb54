# Two commands: `make parity MODEL=rubert` and `make test`. Both make their own virtual environment first.
PYTHON ?= python3
VENV ?= .venv
MODEL ?= rubert
ARGS ?=
JOBS ?= 2
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Beside the one that `make test` runs: another casing, and the other architectures.
FAMILIES := --model danish-bert --model gpt2 --model openai-gpt --model transfo-xl-wt103 --model xlnet-base-cased

.PHONY: help parity lint test test-all test-all-only bench clean

help:
	@echo "make parity MODEL=rubert   prove a model on every runtime; the report lands in reports/"
	@echo "make test                  lint, tests, suites at tiny scale (under 10 minutes)"
	@echo "make test-all              besides: wheel, transformers 5, spaCy package, browser, documents, benches, faults"
	@echo "make bench                 the measures that the README quotes"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

parity: $(READY)
	$(BIN)/python -m pytest suites/ --model $(MODEL) $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -q -n $(JOBS)
	$(BIN)/python -m pytest -q suites/ --model rubert --scale tiny -n $(JOBS) --dist loadgroup

test-all: test test-all-only

# What `make test` leaves out: each of these makes environments or starts a browser; and the harness itself on trial.
test-all-only: $(READY)
	$(BIN)/python -m pytest -q suites/ $(FAMILIES) --scale tiny -n $(JOBS) --dist loadgroup
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile tests/slow
	$(BIN)/parity faults rubert --scale tiny --sound 60
	$(BIN)/parity faults gpt2 --scale tiny --sound 20

bench: $(READY)
	$(BIN)/python bench/convert.py
	$(BIN)/python bench/convert_gpt2_xl.py
	$(BIN)/python bench/compare.py
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/goldens.py
	$(BIN)/python bench/floor.py
	$(BIN)/python bench/precision.py
	$(BIN)/python bench/generated.py
	$(BIN)/python bench/run.py

clean:
	rm -rf $(VENV) .venv-* build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
