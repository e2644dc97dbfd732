.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
NEU := $(wildcard ../shared/datasets/neu-cls)
export STEELFLOW_NEU_DIR ?= $(abspath $(NEU))

.PHONY: help install demo simulate screenshots test test-slow lint bench docs zoo clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: .venv/installed  ## everything, into .venv (the other targets do it when needed)

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[all,dev]'
	@touch $@

demo: .venv/installed  ## a synthetic plant in an embedded S3: nights, drift, labels, retraining; less than five minutes
	$(BIN)/steelflow demo

simulate: .venv/installed  ## a month in fast-forward, beside the same month with no retraining; some fifteen minutes
	$(BIN)/steelflow simulate

test: .venv/installed  ## lint, types and the fast tests
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -m 'not slow'

test-slow: .venv/installed  ## the tests that take longer: crashes, faults, a real Prefect service
	$(BIN)/python -m pytest -m slow

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed  ## images per second by stage and end to end, against the bound of this machine
	$(BIN)/steelflow bench

screenshots: .venv/installed  ## every page of the dashboard, light and dark, into docs/screenshots (needs Chromium)
	$(BIN)/python tests/support/screenshots.py docs/screenshots .steelflow/screenshots

docs: .venv/installed  ## docs/api.md, from the docstrings of the Python API
	$(BIN)/python docs/api.py > docs/api.md

zoo: .venv/installed  ## train and judge every architecture (DEVICE=cuda: minutes on a GPU, days on two cores)
	PATH=$(BIN):$$PATH sh infra/zoo.sh $(STEELFLOW_NEU_DIR) .steelflow/zoo $(or $(DEVICE),cuda)

clean:
	rm -rf .venv .steelflow .demo .simulation .pytest_cache .mypy_cache .ruff_cache .hypothesis
