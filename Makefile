# Needs python3 (3.11 or newer), make and git; everything else is installed into .venv, which a second call re-uses. Only
# a window needs more, Debian packages: root gets them installed, anybody else is told their names.
#   make demo        installs what the main job needs and runs it on mock galaxies
#   make annotate    opens a store of mock galaxies to draw arms in; STORE=DIR opens another, MODEL=RUN proposes masks
#   make test        installs what the tests need and runs them; REAL_DATA=DIR adds those on real galaxies
#   make long-test   the tests that take long, which `make test` leaves out: docs, demo, a Dask cluster, many mocks
#   make newest-test the tests of `make test` once more, on the newest Python of this machine
#   make lint        only the formatting, style and type checks of `make test`
#   make lock        chooses the exact versions of requirements.lock anew
#   make PYTHON=python3.12 demo     another Python than python3
PYTHON ?= python3
REAL_DATA ?=
STORE ?= mock-labels
# The demo's network, where there is one.
MODEL ?= $(patsubst %/config.json,%,$(wildcard demo/run/config.json))
# A process a core; the tests of one file stay together, as they may share a trained run; tests/conftest.py orders files.
PYTEST_ARGS ?= --numprocesses logical --dist loadfile --no-loadscope-reorder
SHELL := /bin/bash
BIN := .venv/bin
FROZEN := pyproject.toml requirements.lock
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable
# One word: pytest takes a folder that stands alone for a place of tests, and looks for its settings there.
REAL_DATA_OPTION = $(if $(REAL_DATA),--real-data='$(REAL_DATA)')

.PHONY: demo annotate test long-test lint newest-test lock clean a-screen window-packages test-window-packages
.DELETE_ON_ERROR:

demo: .venv/.installed
	$(BIN)/flaxgal demo

annotate: a-screen window-packages .venv/.installed-to-annotate $(if $(filter mock-labels,$(STORE)),mock-labels/store.json)
	$(BIN)/flaxgal annotate '$(STORE)' $(if $(MODEL),--model '$(MODEL)')

# Before anything that takes minutes.
a-screen:
	@[ "$$(uname)" != Linux ] || [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || { \
	  echo "make annotate opens a window, and there is no screen here (DISPLAY is not set); log in with one, or with ssh -X" >&2; \
	  exit 1; \
	}

# Galaxies large enough to draw on; under a name of its own until it is whole. Never removed by make: people's work is in it.
mock-labels/store.json: | .venv/.installed-to-annotate
	@rm -rf mock-labels.part && mkdir mock-labels.part
	$(BIN)/flaxgal mock mock-labels.part/cutouts --form cutouts --number 100 \
	  --mock.image-size 192 --mock.effective-radius-pixels 18 45 --mock.signal-to-noise 800 3000 \
	  --mock.arm-contrast 1.5 4
	$(BIN)/flaxgal store add mock-labels.part/store mock-labels.part/cutouts
	@mv mock-labels.part/store mock-labels && rm -rf mock-labels.part

test: test-window-packages lint
	$(BIN)/pytest -m 'not long' $(REAL_DATA_OPTION) $(PYTEST_ARGS)

long-test: test-window-packages .venv/.installed-for-tests
	$(BIN)/pytest -m long $(REAL_DATA_OPTION) $(PYTEST_ARGS)

lint: .venv/.installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# On the newest Python comes the newest JAX.
newest-test: test-window-packages .venv/.installed-for-tests
	@python=$$(.ci/newer_python.sh $(BIN)/python); \
	if [ -z "$$python" ]; then \
	  echo "No Python newer than $$($(BIN)/python -V) on this machine: the tests ran on that one alone."; \
	else \
	  $(MAKE) --no-print-directory NEWEST="$$python" .venv-newest/.installed-for-tests && \
	  echo "The tests once more, on $$(.venv-newest/bin/python -V) with JAX" \
	    "$$(.venv-newest/bin/python -c 'from importlib.metadata import version; print(version("jax"))'):" && \
	  .venv-newest/bin/pytest -m 'not long' $(REAL_DATA_OPTION) $(PYTEST_ARGS); \
	fi

.venv/.installed: $(FROZEN) | .venv/bin/python
	@echo "Installing flaxgal into .venv (some minutes, once)"
	$(BIN)/python $(PIP_INSTALL) .
	@touch $@

.venv/.installed-for-tests: $(FROZEN) | .venv/bin/python
	@echo "Installing flaxgal and what its tests need into .venv (some minutes, once)"
	$(BIN)/python $(PIP_INSTALL) '.[test,dev]'
	@touch .venv/.installed .venv/.installed-to-annotate $@

.venv/.installed-to-annotate: $(FROZEN) | .venv/bin/python
	@echo "Installing flaxgal and its napari plugin into .venv (some minutes, once)"
	$(BIN)/python $(PIP_INSTALL) '.[annotate]'
	@touch .venv/.installed $@

window-packages:
	@.ci/window_packages.sh

test-window-packages:
	@.ci/window_packages.sh screen

.venv-newest/.installed-for-tests: $(FROZEN)
	@echo "Installing flaxgal and what its tests need into .venv-newest (some minutes, once)"
	@[ -x .venv-newest/bin/python ] || .ci/make_venv.sh "$(NEWEST)" .venv-newest
	.venv-newest/bin/python $(PIP_INSTALL) '.[test]'
	@touch $@

.venv/bin/python:
	@.ci/make_venv.sh "$(PYTHON)" .venv

# uv resolves for all platforms and all Pythons at once; it is needed for nothing else.
lock: .venv/.installed-for-tests
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --all-extras --python-version 3.11 --no-emit-index-url \
	  --annotation-style line --custom-compile-command 'make lock' --output-file requirements.lock pyproject.toml

clean:
	rm -rf .venv .venv-newest build dist .pytest_cache .ruff_cache .hypothesis .cache
	find flaxgal annotate tests benchmarks experiments -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
