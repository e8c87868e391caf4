# Two commands set up all they need from python3 with venv, make and git: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
YOLO_VENV ?= .venv-yolo
READERS_VENV ?= .venv-readers
DEMO ?= demo
SEED ?= 1
SOURCES = pyproject.toml constraints.txt
# Which tests: all that need no torch and no simulator of others.
SELECT ?= not yolo and not sitl

# Of the wheelhouse: where, which extras, which Pythons on Windows.
WHEELHOUSE ?= wheelhouse
EXTRAS ?= web,report
WINDOWS ?= 3.12

.PHONY: demo test test-yolo check bench docs wheelhouse web readers clean python

# What the review page runs in the browser: from npm by lock file, into a folder that is not committed and goes into the wheel.
WEB = counts/review/web
VENDOR = counts/review/vendor

demo: $(VENV)/.base
	$(VENV)/bin/overfly demo --seed $(SEED) --out $(DEMO)

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest -m "$(SELECT)" -n auto

test-yolo: $(YOLO_VENV)/.yolo
	$(YOLO_VENV)/bin/python -m pytest -m yolo

check: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --config setup.cfg

# Every benchmark in one run, into benchmarks/results.json and docs/scoreboard.md; peers that are not installed are named there.
bench: $(VENV)/.dev
	$(VENV)/bin/python benchmarks/scoreboard.py $(BENCH)

# The site, in site/: it opens from a folder, without a server or a network.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "site/index.html"

# A folder of wheels for machines without internet, Windows too: see docs/install/without-internet.md.
wheelhouse: $(VENV)/.base web
	$(VENV)/bin/python install/wheelhouse.py $(WHEELHOUSE) --extras $(EXTRAS) --windows $(WINDOWS)

# Others' readers of what overfly exports that cannot be installed beside it: EarthRanger's and SMART's clients want an old pydantic,
# and what holds the schemas of EML 2.2 an old Python. Tests use them where they are.
readers: $(READERS_VENV)/.readers

$(READERS_VENV)/.readers: | python
	$(PYTHON) -m venv $(READERS_VENV)
	$(READERS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check 'gundi-core>=1.14' 'smartconnect-client>=1.16' 'earthranger-client>=1.19'
	$(READERS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python 'pyemllib>=0.2'
	touch $@

web: $(WEB)/node_modules/.built

$(WEB)/node_modules/.built: $(WEB)/package-lock.json
	@command -v npm >/dev/null || { echo "npm is not installed: apt-get install npm"; exit 1; }
	cd $(WEB) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	mkdir -p $(VENDOR)
	cp $(WEB)/node_modules/htmx.org/dist/htmx.min.js $(WEB)/node_modules/maplibre-gl/dist/maplibre-gl.css \
	  $(WEB)/node_modules/maplibre-gl/dist/maplibre-gl-csp.js $(WEB)/node_modules/maplibre-gl/dist/maplibre-gl-csp-worker.js \
	  $(WEB)/node_modules/pmtiles/dist/pmtiles.js $(WEB)/node_modules/openseadragon/build/openseadragon/openseadragon.min.js $(VENDOR)/
	touch $@

clean:
	rm -rf $(VENDOR) $(WEB)/node_modules $(VENV) $(YOLO_VENV) $(READERS_VENV) build dist site $(WHEELHOUSE) .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A venv without pip is what Debian gives when python3-venv is missing: say so before anything half-made is left behind.
python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "overfly runs on Python 3.11 to 3.13; $(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) cannot make virtual environments: apt-get install python3-venv (then run make again)"; exit 1; }

$(VENV)/bin/python: | python
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(SOURCES) | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.dev: $(SOURCES) | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# Without the half gigabyte of window libraries that it asks for: a test types at its console.
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps 'MAVProxy>=1.8.70'
	touch $@ $(VENV)/.base

$(YOLO_VENV)/.yolo: $(SOURCES) | python
	$(PYTHON) -m venv $(YOLO_VENV)
	$(YOLO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,yolo]'
	touch $@
