# Phoenix. `make deploy` and `make test` are all there is to set up; the rest is for convenience.
# The project is put on the virtual environment's path by a .pth file (see scripts/setup), not by an editable
# install: that needs no network and no build backend, and cannot go stale.

SHELL := /bin/bash
PY := .venv/bin/python
NICE := nice -n 5

.DEFAULT_GOAL := help
.PHONY: help setup deploy artifacts up down test unit lint bench shell lock

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */\1\t/' | expand -t 12

setup:
	@scripts/setup

deploy: setup  ## set up, start the lab and deploy the whole estate to it
	@# The artifacts may have to be compiled; the lab's image needs none of them, so both are made at once.
	@$(MAKE) --no-print-directory -j2 artifacts up
	@$(PY) runbooks/deploy.py --lab

artifacts: setup  ## obtain step, step-ca and Traefik
	@$(NICE) $(PY) runbooks/artifacts.py

up: setup  ## start the lab, building its image the first time
	@$(PY) runbooks/lab.py up

down: setup  ## stop the lab and leave nothing of it running or mounted
	@$(PY) runbooks/lab.py down

# The tests have a lab of their own, so that they leave alone the one that was deployed to. They begin from nothing: what a
# run that was killed left there is no deployment.
test: export PHOENIX_LAB := $(or $(PHOENIX_LAB),/var/lib/phoenix-lab-test)
test: setup lint  ## the whole suite, the lab's tests included; fails where the lab cannot run
	@$(PY) runbooks/lab.py down
	@$(MAKE) --no-print-directory -j2 artifacts up
	@$(PY) -m pytest --lab=required; status=$$?; $(PY) runbooks/lab.py down; exit $$status

unit: setup  ## the tests that need no lab
	@$(PY) -m pytest -m 'not lab' -n 2

lint: setup  ## ruff, mypy and the import rules
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports >.venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }

bench: setup  ## measure, with the machine's description
	@status=0; for what in run reconcile trust issue firewall; do $(PY) benchmarks/$$what.py || status=1; done; exit $$status

shell: setup  ## a shell with .venv active
	@VIRTUAL_ENV=$(CURDIR)/.venv PATH=$(CURDIR)/.venv/bin:$$PATH $${SHELL:-bash}

lock:  ## remake the requirement locks from pyproject.toml
	@scripts/lock
