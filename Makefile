# Everything a user or an engineer does with this repository, one verb each. `make help` lists them.
export PYTHON
RUN_VENV := .venv/run
DEV_VENV := .venv/dev
DEV := $(DEV_VENV)/bin
# What the manifests name. A registry of your own: make images IMAGES=registry.example/media
IMAGES := localhost/media-appliance
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.PHONY: help run test test-fast test-long check format fuzz soak faults bench lock wheels crds docs sbom images packages kubectl-media clean
.DEFAULT_GOAL := help

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_VENV)/ready ## Central, PostgreSQL and a streamer on this machine, with a demo stream
	@exec $(RUN_VENV)/bin/python -m media_central

test: $(DEV_VENV)/ready ## What every commit must pass; says what each part took, and what was skipped
	$(DEV)/python -m tests

test-fast: $(DEV_VENV)/ready ## Unit tests only: seconds
	$(DEV)/python -m tests unit

test-long: $(DEV_VENV)/ready ## And what takes long: all ways in and out, upgrades, faults, storms
	$(DEV)/python -m tests --long

check: $(DEV_VENV)/ready ## Format, lint, types, import rules
	$(DEV)/ruff format --check .
	$(DEV)/ruff check .
	$(DEV)/mypy
	$(DEV)/lint-imports
	$(DEV)/python -m media_api.crd --check
	$(DEV)/python -m media_docs --check

format: $(DEV_VENV)/ready ## Let ruff format and mend what it can
	$(DEV)/ruff format .
	$(DEV)/ruff check --fix .

fuzz: $(DEV_VENV)/ready ## Made-up bytes on every reader of strangers' data: SECONDS=60 SEED=1 TARGETS=
	$(DEV)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(TARGETS)

soak: $(DEV_VENV)/ready ## Slopes of memory, descriptors, threads, log under load: MINUTES=10
	$(DEV)/python -m tests.soak --minutes $(or $(MINUTES),10)

faults: $(DEV_VENV)/ready ## Each kind of process killed under viewers of each protocol: TIMES=20
	FAULTS_TIMES=$(or $(TIMES),20) $(DEV)/python -m tests.bench faults

bench: $(DEV_VENV)/ready ## Figures: start-up, fan-out, first picture, density, reload
	$(DEV)/python -m tests.bench

crds: $(DEV_VENV)/ready ## Write what is made from the code: CRDs, tables of README and docs
	$(DEV)/python -m media_api.crd
	$(DEV)/python -m media_docs

lock: $(DEV_VENV)/ready ## Pin all dependencies anew
	cd requirements && ./lock.sh ../$(DEV)/uv
	requirements/wheels.sh $(CURDIR)/$(DEV)/uv

wheels: $(DEV_VENV)/ready ## That all of it has wheels for amd64 and arm64, of each Python that is served
	requirements/wheels.sh $(CURDIR)/$(DEV)/uv

sbom: $(DEV_VENV)/ready ## A CycloneDX bill of materials of both images, in dist/sbom
	$(DEV)/python packaging/bill_of_materials.py dist/sbom

images: docs ## Build both container images (needs a Docker engine)
	docker build -t flussonic/streamer -t $(IMAGES)/streamer:$(VERSION) -f streamer-image/Dockerfile .
	docker build -t flussonic/central -t $(IMAGES)/central:$(VERSION) -f central-image/Dockerfile .

docs: $(DEV_VENV)/ready ## The documentation, which both programs then serve under /docs
	$(DEV)/python -m media_docs --check
	$(DEV)/sphinx-build -q -W --keep-going -j auto -d .cache/docs/doctrees -b html docs web/media_web/site
	$(DEV)/python -m media_docs.operations web/media_web/site/operations.js

packages: docs ## Debian packages flussonic and flussonic-central, in dist (for this Debian's Python)
	packaging/debian/build.sh $(DEV)/uv $(VERSION) dist

kubectl-media: ## The plugin `kubectl media` and its manifest for krew, in dist
	packaging/kubectl/build.sh $(VERSION) dist

clean: ## Remove virtual environments and caches; the data of `make run` in .data stays
	rm -rf .venv .cache web/media_web/site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist

include tests/cluster/cluster.mk

# A virtual environment is ready once exactly the pinned versions are in it.
$(RUN_VENV)/ready: requirements/run.lock pyproject.toml
	@requirements/make-venv.sh $(RUN_VENV) requirements/run.lock

$(DEV_VENV)/ready: requirements/dev.lock pyproject.toml
	@requirements/make-venv.sh $(DEV_VENV) requirements/dev.lock
