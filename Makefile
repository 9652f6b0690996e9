# Caregate's commands. Needed: Python 3.11 or later, make, a package index. Everything else is made in .venv.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
# hundreds of processes would each compile all they import
unexport PYTHONDONTWRITEBYTECODE

# the first Python that is new enough and can make virtual environments
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	"$$p" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
V := .venv
RUN := $(V)/bin/
PIP := $(V)/bin/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PURE := gateway/model/*,gateway/policy/*,gateway/ruleset/*,gateway/mapping/*
# the tests of the pure packages, run under coverage; the others would be a third slower for nothing
PURE_TESTS := tests/model tests/policy tests/rules tests/mapping tests/yamlfile tests/fuzz/test_fuzz_bounds.py
ONLY ?=
BESIDE ?=
# more tests at a time than there are cores, for they wait a good deal; six at most: each process starts database servers of its own
AT_ONCE = -n $(shell $(RUN)python -c 'import os; print(min(6, (os.cpu_count() or 1) + 2))') --dist loadfile --no-loadscope-reorder

.PHONY: help demo test check lint types contracts packs coverage quick pure rest bench long fuzz soak scenarios lock reference clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(V)/bin/python:
	@test -n "$(PYTHON)" || { echo "Caregate needs Python 3.11 or later with venv; name one with: make PYTHON=/path/to/python3"; exit 2; }
	@echo "making $(V) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(V)

$(V)/.demo: pyproject.toml constraints.txt | $(V)/bin/python
	@echo "installing what the demo needs (a minute, once)"
	@$(PIP) --editable '.[demo]'
	@touch $@

$(V)/.test: pyproject.toml constraints.txt | $(V)/bin/python
	@echo "installing what the tests need (a few minutes, once)"
	@$(PIP) --editable '.[test]'
	@touch $@ $(V)/.demo

demo: $(V)/.demo ## the whole way through the house, in seconds: a feed in, e-mails out, every refusal named
	@$(RUN)python -m tests.demo

test: $(V)/.test ## everything: style, types, contracts, rule and mapping tests, pytest with its coverage gates
	@echo "== style"; $(MAKE) --no-print-directory lint
	@echo "== types, contracts, rules and mappings, the pure packages; beside them every other test"
	@$(MAKE) --no-print-directory coverage BESIDE='types contracts packs'

check: $(V)/.test ## the quick part: style, types, contracts, rules, and every test that is not slow
	@$(MAKE) --no-print-directory lint types contracts packs
	@$(RUN)python -m pytest -q -m 'not slow'

lint: $(V)/.test ## ruff: format and rules
	@$(RUN)ruff format --check .
	@$(RUN)ruff check .

types: $(V)/.test ## mypy --strict
	@$(RUN)mypy

contracts: $(V)/.test ## what may import what
	@$(RUN)lint-imports

packs: $(V)/.test ## the shipped rules and mappings: lint, and the tests beside them, which decide every condition
	@$(RUN)caregate lint
	@$(RUN)caregate test --require-coverage 100

coverage: $(V)/.test ## pytest, with 100 % of branches on the pure packages by the tests that are theirs
	@mkdir -p build
	@rm -rf build/*.xml build/cache
	@trap '$(RUN)python .ci/skipped.py build/pure.xml build/tests.xml build/again.xml' EXIT; \
	$(MAKE) --no-print-directory -j2 quick rest

# one after the other on one core while `rest` has the others; told in one piece
quick: $(V)/.test
	@bad=0; for part in $(BESIDE) pure; do echo "== $$part"; $(MAKE) --no-print-directory "$$part" || { bad=1; break; }; done > build/quick.log 2>&1 || true; \
	cat build/quick.log; exit $$bad

pure: $(V)/.test
	@$(RUN)coverage erase
	@$(RUN)coverage run -m pytest -p no:cacheprovider -q --junitxml=build/pure.xml $(PURE_TESTS)
	@$(RUN)coverage report --include='$(PURE)' --skip-covered --show-missing --fail-under=100

rest: $(V)/.test
	@$(RUN)python -m pytest $(AT_ONCE) -o cache_dir=build/cache --junitxml=build/tests.xml $(addprefix --ignore=,$(PURE_TESTS)) \
	|| $(RUN)python .ci/again.py $$? build/cache build/tests.xml build/again.xml

bench: $(V)/.test ## figures as JSON lines; a part with ONLY=mllp
	@$(RUN)python -m tests.bench $(if $(ONLY),--only $(ONLY))

long: $(V)/.test ## the slow tests alone
	@$(RUN)python -m pytest -m slow

fuzz: $(V)/.test ## a million inputs, coverage-guided, for which our claims must hold; fewer with RUNS=20000
	@$(RUN)python -m tests.fuzz --runs $(or $(RUNS),1000000)

soak: $(V)/.test ## a million messages over 75 days of a jumping clock; fewer with SOAK=200000
	@$(RUN)python -m tests.soak

scenarios: $(V)/.test ## 100,000 random lives while everything fails: nothing leaves twice; SCENARIOS=5000 STORE=postgresql SEED=7
	@$(RUN)python -m tests.scenarios --scenarios $(or $(SCENARIOS),100000) --seed $(or $(SEED),1) --store $(or $(STORE),sqlite)

lock: $(V)/.test ## constraints.txt anew from pyproject.toml: exact versions of everything, no index names
	@$(V)/bin/python -m pip --disable-pip-version-check install --quiet 'pip-tools>=7.4'
	@mkdir -p build
	@$(RUN)pip-compile --quiet --upgrade --strip-extras --all-extras --allow-unsafe --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file=build/constraints.txt pyproject.toml
	@{ echo '# Exact versions that were tested together. Refresh with: make lock'; grep -v ' @ ' build/constraints.txt; } > constraints.txt

reference: $(V)/.test ## rules/REFERENCE.md, mappings/REFERENCE.md, rules/PHI.md and connectors/sinks/schemas anew, from what they describe
	@$(RUN)caregate rules reference --out rules/REFERENCE.md
	@$(RUN)caregate mappings reference --out mappings/REFERENCE.md
	@$(RUN)caregate phi . --markdown rules/PHI.md
	@$(RUN)caregate sinks schemas --out connectors/sinks/schemas

clean: ## remove what was made
	rm -rf $(V) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage
