# Every target does its own set-up: it needs Python 3.11 (PYTHON=...) and make, nothing else.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: kernels demo test test-browser sanitize lint format docs bench wheel clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[demo,dev]'
	@# Second implementations, for tests: the one asks for another OpenCV and a compiler, the other for an old requests.
	$(BIN)/pip install --quiet --no-deps imagecorruptions-imaug==1.1.5 torchattacks==3.5.1
	touch $(READY)

kernels: $(READY)  ## compile the C code where it has changed
	$(BIN)/python -m layermix_gen.kernels.compiling

demo: kernels  ## build shards from a few photographs, show samples and a contact sheet
	$(BIN)/layermix-gen demo demo-out

test: kernels
	$(BIN)/pytest -n auto

test-browser: kernels  ## the gallery in Chromium: needs chromium and chromedriver, as Debian has them
	$(BIN)/pytest -m browser

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: kernels  ## the pages that are made from the code
	$(BIN)/python docs/generate.py

bench: kernels
	$(BIN)/python benchmarks/build.py

clean:
	rm -rf $(VENV) demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
