# From a fresh clone with git, make and Python >= 3.11: `make test`, `make lab`. Everything is put into
# .venv, Node included (it comes as a Python wheel); nothing of the system's Node is used.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TOOLS := $(VENV)/.build-tools
NODE_MODULES := labextension/node_modules/.installed
FRONT_END := analyst_kernel/_labextension/package.json

FRONT_END_SOURCES := $(shell find labextension/src labextension/style labextension/schema -type f 2>/dev/null)
KERNELSPEC := $(shell find analyst_kernel/sandbox/kernelspec -type f 2>/dev/null)
# JupyterLab refuses to run as root unless it is told that this is meant.
ALLOW_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore
# A company's own certificates, where the system knows them, hold for Node too.
export NODE_USE_SYSTEM_CA := 1
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# Images of containers set this; without compiled files every command and kernel compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

JLPM := cd labextension && jlpm

.PHONY: help install system-deps check test test-fast coverage test-ui test-live test-labs test-pythons lab demo demonstrations screenshots codegen bench fuzz dev

help: ## Show what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(INSTALLED) ## Install everything into .venv (quick when nothing changed)
	@echo "Installed in $(VENV)."

$(TOOLS): pyproject.toml .ci/find-python
	@python=$$(.ci/find-python); \
	"$(BIN)/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Making $(VENV) with $$python"; "$$python" -m venv --clear $(VENV); }
	@python -m pip install --quiet --upgrade pip
	@python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], "editables", "pip>=25.1", sep="\n")' > $@.txt
	@python -m pip install --quiet -r $@.txt
	@touch $@

$(NODE_MODULES): labextension/package.json labextension/yarn.lock labextension/.yarnrc.yml $(TOOLS)
	@echo "Installing the front end's packages"
	@log=$$(mktemp); ($(JLPM) install --immutable) > "$$log" 2>&1 || { cat "$$log"; rm -f "$$log"; exit 1; }; rm -f "$$log"
	@touch $@

$(FRONT_END): labextension/tsconfig.json $(FRONT_END_SOURCES) $(NODE_MODULES)
	@echo "Building the front end"
	@log=$$(mktemp); ($(JLPM) build) > "$$log" 2>&1 || { cat "$$log"; rm -f "$$log"; exit 1; }; rm -f "$$log"
	@touch $@

$(INSTALLED): pyproject.toml README.md labextension/install.json $(KERNELSPEC) $(FRONT_END) $(TOOLS)
	@echo "Installing the package"
	@python -m pip install --quiet --no-build-isolation --editable . --group dev
	@touch $@

system-deps: ## Install what the tests need from the system (Chromium, bubblewrap, a font)
	@.ci/system-deps

check: $(INSTALLED) ## Lint, types, arrows, front end, generated files
	ruff check --quiet
	ruff format --check --quiet
	mypy --no-error-summary
	@log=$$(mktemp); lint-imports --no-cache > "$$log" || { cat "$$log"; rm -f "$$log"; exit 1; }; rm -f "$$log"
	python -m analyst_kernel.protocol.schema | diff -q - labextension/src/protocol/schema.json \
	  || { echo "The wire changed: run \`make codegen\`."; exit 1; }
	$(JLPM) codegen:check && jlpm check

# Tracing branches makes what starts kernels and servers a quarter slower, so it is done where it costs
# little; `make coverage` does it everywhere.
test: system-deps $(INSTALLED) ## Every test, in the browser too; the front end's; the notebooks. With branch coverage of what needs nothing real
	@rm -rf $(RESULTS) && mkdir -p $(RESULTS) build/coverage
	@failed=0; \
	pytest -q -n 2 -m "not real" --cov --cov-report=term:skip-covered \
	  --junit-xml=$(RESULTS)/python.xml || failed=1; \
	echo "With real kernels, servers and browsers:"; \
	pytest -q -n 4 --dist loadfile -m real --junit-xml=$(RESULTS)/real.xml || failed=1; \
	($(JLPM) test --reporter=default --reporter=junit --outputFile.junit=../$(RESULTS)/front-end.xml) || failed=1; \
	if compgen -G 'notebooks/*.ipynb' > /dev/null; then \
	  echo "The notebooks of notebooks/, run again and compared:"; \
	  export JUPYTER_DATA_DIR="$(CURDIR)/build/jupyter-data" ANALYST_GRANTS="$(CURDIR)/notebooks/data"; \
	  pytest -q $(NBVAL) --junit-xml=$(RESULTS)/notebooks.xml notebooks || failed=1; \
	fi; \
	.ci/summary $(RESULTS) || failed=1; \
	exit $$failed

test-fast: $(INSTALLED) ## What needs no real kernel, server or browser, and the front end's tests: a minute and a half
	pytest -q -n 2 -m "not real" --hypothesis-profile=quick $(ARGS)
	$(JLPM) test --reporter=dot

coverage: system-deps $(INSTALLED) ## Branch coverage of all Python tests together (a quarter of an hour)
	@mkdir -p build/coverage
	pytest -q -n 3 --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=78 $(ARGS)

test-ui: system-deps $(INSTALLED) ## Only the browser tests of the sidebar (pictures: build/ui-pictures)
	pytest -q tests/ui $(ARGS)

# One environment for each provider of live rooms; the plain one is .venv.
LIVE := collaboration server-documents
LIVE_ROOMS := tests/server/notebooks/test_live_room.py
LIVE_VENVS := $(LIVE:%=build/venvs/%/.installed)

build/venvs/%/.installed: $(INSTALLED)
	@echo "Installing the environment with $*"
	@python=$$(.ci/find-python); mkdir -p build/venvs; "$$python" -m venv --clear build/venvs/$*
	@build/venvs/$*/bin/python -m pip install --quiet -r $(TOOLS).txt
	@PATH="$(CURDIR)/build/venvs/$*/bin:$$PATH" build/venvs/$*/bin/python -m pip install --quiet --no-build-isolation --editable '.[$*]' --group dev
	@touch $@

test-live: system-deps $(INSTALLED) $(LIVE_VENVS) ## Notebooks that are open meanwhile, with and without live rooms
	pytest -q tests/live $(ARGS)
	@for name in $(LIVE); do \
	  echo "With $$name:"; \
	  PATH="$(CURDIR)/build/venvs/$$name/bin:$$PATH" build/venvs/$$name/bin/python -m pytest -q tests/live $(LIVE_ROOMS) $(ARGS) || exit 1; \
	done

# The oldest JupyterLab that is supported and those since, each with the Notebook 7 of its time; the
# newest is in .venv. The journeys, the conversation, the notebook and the looks are tried in each.
LABS := 4.4 4.5
LAB_VENVS := $(LABS:%=build/venvs/lab-%/.installed)
LAB_TESTS := $(addprefix tests/ui/test_,journeys.py conversation.py notebook_side.py sidebar_looks.py \
  ecosystem.py notebook_app.py)

build/venvs/lab-%/.installed: $(INSTALLED)
	@echo "Installing the environment with JupyterLab $*"
	@python=$$(.ci/find-python); mkdir -p build/venvs; "$$python" -m venv --clear build/venvs/lab-$*
	@build/venvs/lab-$*/bin/python -m pip install --quiet -r $(TOOLS).txt
	@PATH="$(CURDIR)/build/venvs/lab-$*/bin:$$PATH" build/venvs/lab-$*/bin/python -m pip install --quiet --no-build-isolation --editable . --group dev 'jupyterlab==$*.*'
	@touch $@

test-labs: system-deps $(INSTALLED) $(LAB_VENVS) ## The sidebar in every JupyterLab and Notebook that is supported
	@for version in $(LABS); do \
	  echo "With JupyterLab $$version:"; \
	  PATH="$(CURDIR)/build/venvs/lab-$$version/bin:$$PATH" build/venvs/lab-$$version/bin/python -m pytest -q $(LAB_TESTS) $(ARGS) || exit 1; \
	done

# Every newer Python that is installed here, by name or path.
PYTHONS := python3.12 python3.13 python3.14
PYTHON_TESTS := $(filter-out $(addprefix tests/,benchmarks contracts fakes live saved support typing ui __init__.py conftest.py),$(wildcard tests/*))

test-pythons: system-deps $(INSTALLED) ## All but the browser's tests, in every newer Python that is installed
	@for python in $(PYTHONS); do \
	  path=$$(command -v "$$python") && "$$path" -c "" 2> /dev/null || { echo "$$python is not installed here."; continue; }; \
	  venv=build/venvs/$$("$$path" -c 'import sys; print("python-%d.%d" % sys.version_info[:2])'); \
	  echo "With $$("$$path" --version):"; \
	  test -e "$$venv/.installed" || { "$$path" -m venv --clear "$$venv" \
	    && "$$venv/bin/python" -m pip install --quiet -r $(TOOLS).txt \
	    && PATH="$(CURDIR)/$$venv/bin:$$PATH" "$$venv/bin/python" -m pip install --quiet --no-build-isolation --editable . --group dev \
	    && touch "$$venv/.installed"; } || exit 1; \
	  PATH="$(CURDIR)/$$venv/bin:$$PATH" "$$venv/bin/python" -m pytest -q -n 2 --dist loadfile $(PYTHON_TESTS) $(ARGS) || exit 1; \
	done

RESULTS := build/test-results
# Outputs must be what they were; pictures are not compared byte by byte (nbval leaves them out).
NBVAL := --nbval --nbval-sanitize-with tests/contracts/nbval.cfg -p no:cacheprovider

UNTIMED := -o timeout=0 -o faulthandler_timeout=0

bench: $(INSTALLED) ## Measure the budgets (tests/benchmarks), and a thousand kernels one after the other
	pytest -s $(UNTIMED) tests/benchmarks $(ARGS)
	ANALYST_LIVES=1000 pytest -q $(UNTIMED) tests/sandbox/zygote/test_endurance.py

FUZZ_SECONDS := 600
FUZZER := $(VENV)/.fuzzer

# No compiler is asked for: without a wheel there is hypothesis, which the run says.
$(FUZZER): $(INSTALLED)
	@python -m pip install --quiet --only-binary atheris --group fuzz 2> /dev/null || echo "atheris cannot be installed here."
	@touch $@

fuzz: $(FUZZER) ## Fuzz parsers and folds for FUZZ_SECONDS (600) altogether (one: TARGET=words/markdown)
	python -m tests.fuzz all --seconds $(FUZZ_SECONDS) --target "$(TARGET)"

# JupyterLab's own question about its news would lie on the question box at the first start.
LAB_DEFAULTS := $(VENV)/etc/jupyter/labconfig/default_setting_overrides.json

lab: $(INSTALLED) ## Open JupyterLab on notebooks/ (options: ARGS="--no-browser --port 8890")
	@mkdir -p $(dir $(LAB_DEFAULTS))
	@echo '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}' > $(LAB_DEFAULTS)
	@python notebooks/make.py --grant
	@analyst lab --notebook-dir=notebooks $(ALLOW_ROOT) $(ARGS)

demo: $(INSTALLED) ## Ask one question of the shipped data, without a key
	@mkdir -p build/demo && rm -f build/demo/mileage.ipynb
	@analyst ask "How did average city mileage change by model year? Show a line chart." \
	  --data notebooks/data/vehicles.csv --model offline:rules --notebook build/demo/mileage.ipynb

demonstrations: $(INSTALLED) ## Make the notebooks of notebooks/ anew, by asking
	python notebooks/make.py

screenshots: system-deps $(INSTALLED) ## Make the README's pictures anew, from the real product
	python tests/ui/screenshots.py labextension/screenshots

# Not built first: the front end may not compile before its types are made.
codegen: $(NODE_MODULES) ## Make schema.json and generated.ts from the Python wire
	@test -e $(INSTALLED) || $(MAKE) --no-print-directory install
	@mkdir -p build
	python -m analyst_kernel.protocol.schema > build/schema.json
	mv build/schema.json labextension/src/protocol/schema.json
	$(JLPM) codegen

dev: $(INSTALLED) ## JupyterLab with a front end that is rebuilt as you edit (reload the page to see it)
	@mkdir -p build/labextensions && ln -sfn "$(CURDIR)/analyst_kernel/_labextension" build/labextensions/analyst-kernel
	@($(JLPM) watch) & trap 'kill $$!' EXIT; \
	jupyter lab --notebook-dir=notebooks --LabApp.extra_labextensions_path="$(CURDIR)/build/labextensions" $(ALLOW_ROOT) $(ARGS)
