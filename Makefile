# podferry: everything a reader needs. `make` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: help setup parts check check-monitoring test test-unit test-lab test-faults fuzz chaos coverage image generate demo rescue-study bench bench-scale bench-simulator study clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: ## tools of the machine, the virtual environment, nothing else
	@bash tools/setup.sh

generate: setup ## write the generated files anew (CRD, wrapper)
	@$(PY) -m podferry.cli.generate

check: setup ## ruff, mypy --strict, import contracts, generated files up to date
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(PY) -m podferry.cli.generate --check

check-monitoring: setup ## alert rules, their tests and the dashboard, by the real promtool (fetched once)
	@$(PY) -m tools.check_monitoring

test-unit: setup ## everything that needs no cluster
	@$(VENV)/bin/pytest -m "not lab and not faults" tests

parts: setup ## build Kubernetes, containerd and runc into the cache (cold: minutes)
	@[ "$$(id -u)" != 0 ] || $(VENV)/bin/podferry lab build

test-lab: parts ## the tests on a real cluster made on this machine (root)
	@$(VENV)/bin/pytest -m lab tests

test-faults: parts ## kill or replace each part of a real cluster in each step of a move, and move the world around it
	@$(VENV)/bin/pytest -m faults -s tests/lab/faults tests/lab/world tests/lab/test_an_upgrade_interrupts_no_move.py

test: check check-monitoring test-unit test-lab ## all checks and all tests

FUZZ_SECONDS ?= 120
fuzz: setup ## nonsense for every parser of foreign bytes (FUZZ_SECONDS=120)
	@$(PY) -m tools.fuzz $(FUZZ_SECONDS)

SEEDS ?= 1000
chaos: setup ## random faults in virtual time (SEEDS=1000); the whole matrix: python -m tools.chaos --help
	@$(PY) -m tools.chaos --seeds $(SEEDS)

coverage: setup ## lines and branches of core, agent and wrapper that the tests without a cluster run
	@$(VENV)/bin/coverage run -m pytest -q -m "not lab and not faults" tests
	@$(VENV)/bin/coverage report --skip-empty --sort=cover

image: setup ## the container image of controller and agent, without Docker
	@$(VENV)/bin/podferry image

demo: setup ## a node is rescued before kubelet evicts, beside the same without podferry (DEMO="--scene move": a move)
	@$(VENV)/bin/podferry demo $(DEMO)

rescue-study: setup ## recorded curves on real kubelets, off, DryRun and Act, some 90 minutes; writes docs/explanation/rescue-study.md (RESCUE=--quick)
	@$(PY) -m tools.rescue_study $(RESCUE)

bench: setup bench-simulator ## moves beside the same by hand, some 25 minutes; writes docs/reference/benchmarks.md (BENCH=--quick)
	@$(PY) -m tools.bench $(BENCH)

bench-simulator: setup ## the simulator beside its plain reference, minutes; writes docs/reference/simulator-speed.md
	@$(PY) -m tools.bench_simulator

bench-scale: setup ## the controller among 1,000 nodes and 30,000 pods (root, some 20 minutes, 5 GiB); writes docs/reference/benchmarks-scale.md
	@$(PY) -m tools.bench_scale

WORKERS ?= 2
STUDY := docs/explanation/study
study: setup ## the 60,000 runs behind docs/explanation/heuristics-study.md (WORKERS=2)
	@for each in without-moves claims policies sensitivity transfer; do \
	  $(VENV)/bin/podferry simulate --sweep $(STUDY)/$$each.yaml --workers $(WORKERS) -o csv \
	    --report $(STUDY)/$$each.html > $(STUDY)/$$each.csv.new && \
	  mv $(STUDY)/$$each.csv.new $(STUDY)/$$each.csv || exit 1; done
	@$(PY) -m tools.study

clean: ## remove the virtual environment and the tools' caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build dist *.egg-info
