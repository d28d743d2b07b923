# Needs make and Python >= 3.11 with pip; everything else is fetched by `setup`, which says what it does.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup check test test-model test-machine test-graph test-engine test-local setup-metal test-metal up drill down bench docs clean

BIN := .venv/bin
SYNCED := .venv/.synced
PYTHON = $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)
export UV = $(or $(shell command -v uv),$(CURDIR)/.uv/bin/uv)
# Both workers of pytest-xdist share what a module sets up.
PARALLEL := -n 2 --dist loadscope
PAGE := .state/drills.html
# The engine starts a Python for each provider. Without its caches each compiles what it imports: an `up` that changes
# nothing took 22 s instead of 13 s.
unexport PYTHONDONTWRITEBYTECODE
# A Python that is not there is named below, not fetched from a site that may be out of reach.
export UV_PYTHON_DOWNLOADS = never

help: ## these lines
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SYNCED) ## the locked environment, the Pulumi engine, a container engine
	@$(BIN)/python -m toolchain setup

check: $(SYNCED) ## format, lint, types, import arrows, generated documents, CI examples; no engine needed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy -p hdinfra -p toolchain
	$(BIN)/lint-imports
	$(BIN)/python -m toolchain.documents --check
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows examples/ci/github.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.gitlab-ci --data-transform gitlab-ci examples/ci/gitlab.yml

test: test-model test-machine test-graph test-engine test-local ## all tiers but metal, cheapest first

test-model: $(SYNCED) ## decisions: properties and rules, plain Python
	$(BIN)/pytest tests/model $(PARALLEL)

test-machine: setup ## rendered files, parsed by the real programs
	$(BIN)/pytest tests/machine $(PARALLEL)

test-graph: $(SYNCED) ## what programs register, without an engine
	$(BIN)/pytest tests/graph $(PARALLEL)

test-engine: setup ## the real engine with stand-in providers
	$(BIN)/pytest tests/engine $(PARALLEL)

test-local: setup ## zones, failures and drills on this computer
	$(BIN)/pytest tests/local

setup-metal: $(SYNCED) ## QEMU and what makes its guests' disks
	@$(BIN)/python -m toolchain metal

# tests/metal/conftest.py says who runs beside whom.
test-metal: setup-metal ## what only a kernel of its own can show: slices, quotas, noisy neighbours, in QEMU
	$(BIN)/pytest tests/metal -n 2

up: setup ## a zone of two clusters on this computer
	$(BIN)/hdinfra up

drill: setup ## every drill on a fresh zone of three clusters, with a page; the zone is removed afterwards
	$(BIN)/hdinfra down --stack drill
	rm -f stacks/drill.lock.yaml
	$(BIN)/hdinfra up --stack drill
	$(BIN)/hdinfra drill all --html $(PAGE); code=$$?; $(BIN)/hdinfra down --stack drill; \
	  echo "the drills' page: $(CURDIR)/$(PAGE)"; exit $$code

down: setup ## remove that zone; only cached images stay
	$(BIN)/hdinfra down

bench: setup ## measured figures beside this computer's own baseline
	$(BIN)/python -m bench

docs: $(SYNCED) ## write the generated documents: docs/rules.md, the JSON schemas, docs/upgrades.md
	$(BIN)/python -m toolchain.documents
	$(BIN)/python -m toolchain.replacements

clean: python ## remove the environment and caches of this checkout; the zone's state only when the zone is down
	$(PYTHON) -m toolchain.clean

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo 'Python 3.11 or newer is needed, and none is on PATH.' >&2; \
	  echo '  fix: on Debian or Ubuntu: sudo apt-get install python3 python3-pip' >&2; exit 1; }

$(SYNCED): pyproject.toml uv.lock | python
	@command -v "$(UV)" >/dev/null || $(MAKE) --no-print-directory .uv/bin/uv
	"$(UV)" sync --locked $(if $(wildcard $(BIN)/python),,--python $(PYTHON))
	@touch $@

.uv/bin/uv: toolchain/uv.txt | python
	@echo 'toolchain: getting uv from PyPI into .uv' >&2
	@$(PYTHON) -m pip --version >/dev/null || { echo 'This Python has no pip.' >&2; \
	  echo '  fix: on Debian or Ubuntu: sudo apt-get install python3-pip' >&2; exit 1; }
	@PIP_ROOT_USER_ACTION=ignore $(PYTHON) -m pip install --quiet --upgrade --target .uv --require-hashes --no-deps -r toolchain/uv.txt
	@touch $@
