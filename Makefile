# Phoenix. `make deploy` and `make test` install what they need; `make help` lists the other targets.
# scripts/setup installs the checkout itself into .venv, editable: the command phoenix and Nornir's entry points.

SHELL := /bin/bash
PY := .venv/bin/python
NICE := nice -n 5
# The tests use their own lab, never the operator's: each command gets PHOENIX_LAB, so that neither the environment nor an
# argument of make can change it.
TEST_LAB := $(or $(PHOENIX_TEST_LAB),/var/lib/phoenix-lab-test)
IN_TEST_LAB := PHOENIX_LAB='$(TEST_LAB)'

# $(call mark,STEP) before and after a step records the time for the summary of `make deploy`.
mark = [ -z "$$PHOENIX_TIMES" ] || printf '%s %s\n' $(1) "$$(date +%s.%N)" >>"$$PHOENIX_TIMES"

.DEFAULT_GOAL := help
.PHONY: help setup setup-runtime setup-lab setup-dev deploy artifacts image up down test unit lint bench shell lock

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */\1\t/' | expand -t 12

setup:  ## install system packages, and .venv with the test tools
	@scripts/setup lab dev

setup-runtime:
	@scripts/setup

setup-lab:
	@$(call mark,setup)
	@scripts/setup lab
	@$(call mark,setup)

setup-dev:
	@scripts/setup dev

deploy: export PHOENIX_TIMES := $(CURDIR)/.times
deploy:  ## set up, start the lab and deploy the whole estate to it
	@rm -f .times
	@$(MAKE) --no-print-directory setup-lab
	@# The programs may have to be compiled. The lab's image does not need them, so both are built at once.
	@$(MAKE) --no-print-directory -j2 artifacts up
	@$(call mark,deployment)
	@$(PY) runbooks/deploy.py --lab
	@$(call mark,deployment)
	@awk -f scripts/times.awk .times

artifacts: setup-runtime  ## obtain step, step-ca and Traefik
	@$(call mark,programs)
	@$(NICE) $(PY) runbooks/artifacts.py
	@$(call mark,programs)

image: setup-lab
	@$(call mark,image)
	@$(PY) -m phoenix.lab.prepare
	@$(call mark,image)

up: image  ## start the lab, building its image the first time
	@$(call mark,lab)
	@$(PY) runbooks/lab.py up
	@$(call mark,lab)

down: setup-lab  ## stop the lab; leave no process, mount or bridge
	@$(PY) runbooks/lab.py down

# The tests begin with an empty lab, even after a run that was killed.
test: setup lint  ## the whole suite, including the lab's tests; fails if the lab cannot run
	@[ '$(abspath $(PHOENIX_LAB))' != '$(abspath $(TEST_LAB))' ] || { \
		echo "PHOENIX_LAB names the tests' lab $(TEST_LAB), which make test removes:" \
			"unset PHOENIX_LAB, or set PHOENIX_TEST_LAB to another directory" >&2; exit 2; }
	@$(IN_TEST_LAB) $(PY) runbooks/lab.py down
	@$(MAKE) --no-print-directory -j2 $(IN_TEST_LAB) artifacts up
	@$(IN_TEST_LAB) $(PY) -m pytest --lab=required; status=$$?; \
		$(IN_TEST_LAB) $(PY) runbooks/lab.py down; exit $$status

unit: setup  ## the tests that need no lab
	@$(PY) -m pytest -m 'not lab' -n 2

lint: setup-dev  ## ruff, mypy, the import rules, shellcheck and perl -c
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy --no-error-summary
	@.venv/bin/lint-imports >.venv/lint-imports.log || { cat .venv/lint-imports.log; exit 1; }
	@scripts/check-programs

bench: setup  ## measure, with the machine's description
	@status=0; for what in help run reconcile trust issue firewall; do $(PY) benchmarks/$$what.py || status=1; done; exit $$status

shell: setup-runtime  ## a shell with .venv active
	@VIRTUAL_ENV=$(CURDIR)/.venv PATH=$(CURDIR)/.venv/bin:$$PATH $${SHELL:-bash}

lock:  ## regenerate the requirement locks from pyproject.toml
	@scripts/lock
