# Every target does its own set-up: it needs make and a Python from 3.11 on with the module venv (PYTHON=...), nothing else.
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$python -c "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
SMALL := $(VENV)/.small
READY := $(VENV)/.ready
SITE := $(VENV)/.site
LOWEST := build/lowest
AT_LOWEST := building/test_planned.py images reading/test_reader.py test_cli.py test_online.py test_transform.py
ELSEWHERE := kernels-by-zig kernels-portable kernels-unsigned kernels-fused kernels-unvectorized kernels-flushed

# Pip would compile each file of each package, one after another; what is imported is compiled then, by all processes.
INSTALL := $(BIN)/pip install --quiet --no-compile
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help environment kernels demo test test-long test-browser test-lowest sanitize kernels-elsewhere $(ELSEWHERE) lint format docs site \
	bench wheel clean

help:  ## what can be made
	@sed -n 's/^\([a-z-]*\):.*  ## /\1: /p' Makefile

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "expected Python 3.11 or newer with the module venv, found none; install one" \
		"(Debian: apt install python3 python3-venv), or say where one is: make PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(SMALL): pyproject.toml | $(BIN)/python
	$(INSTALL) --editable '.[demo]'
	touch $@

$(READY): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) --constraint constraints.txt torch
	$(INSTALL) --constraint constraints.txt --editable '.[dev]'
	@# Second implementations, for tests: the one asks for another OpenCV and a compiler, the other for an old requests.
	$(INSTALL) --no-deps imagecorruptions-imaug==1.1.5 torchattacks==3.5.1
	touch $(READY)

environment: $(READY)  ## install what lint, test and site need, so that they can run at the same time
	@$(MAKE) --no-print-directory $(SITE)

kernels: $(READY)  ## compile the C code where it has changed
	$(BIN)/python -m layermix_gen.kernels.compiling

demo: $(SMALL)  ## build shards from a few photographs, show samples and a contact sheet
	$(BIN)/python -m layermix_gen.kernels.compiling
	$(BIN)/layermix-gen demo demo-out

test: kernels  ## all tests but those in a browser and the longest
	$(BIN)/pytest -n auto --dist worksteal

test-long: kernels  ## the longest tests: clusters, kills, what waits
	$(BIN)/pytest -m long

test-browser: kernels  ## the gallery in Chromium: needs chromium and chromedriver, as Debian has them
	$(BIN)/pytest -m browser tests/inspection/drawings/test_gallery_browser.py

test-lowest:  ## with the lowest versions that pyproject.toml allows, what needs only the package: needs uv
	uv venv --quiet --clear --python 3.11 $(LOWEST)
	uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --torch-backend cpu --editable '.[all]'
	uv pip freeze --quiet --python $(LOWEST)/bin/python --exclude-editable > $(LOWEST)/constraints.txt
	uv pip install --quiet --python $(LOWEST)/bin/python --torch-backend cpu --constraint $(LOWEST)/constraints.txt \
		hatchling hypothesis 'moto[server]' 'pandas<3' pytest pytest-xdist pyyaml scikit-learn scipy webdataset ziglang
	$(LOWEST)/bin/pytest -n auto $(addprefix tests/,$(AT_LOWEST))

# With other kernels than the package's: what compares pixels, then the harness for longer than in a run of all tests.
COMPARE = -m pytest --capture=sys $(addprefix tests/kernels/test_,digests.py programs.py scaling.py png_rows.py)
HARNESS = -m tests.faults kernel_bytes --rounds 3000

sanitize: $(READY)  ## the tests of the kernels with AddressSanitizer and UBSan in the C code: needs gcc
	$(BIN)/python -m layermix_gen.kernels.compiling build/$@ \
		gcc -g -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all
	export LAYERMIX_GEN_TEST_KERNELS=build/$@ PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 \
		UBSAN_OPTIONS=print_stacktrace=1 \
		LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)"; \
		$(BIN)/python $(COMPARE) && $(BIN)/python $(HARNESS)

# The portable code is what processors without SSE2 and AVX2 run. Elsewhere char has no sign, or products are fused with
# sums unless the compiler is told not to.
kernels-by-zig: COMPILER = $(BIN)/python -m ziglang cc -mcpu=baseline
kernels-portable: COMPILER = gcc -U__SSE2__ -U__AVX2__
kernels-unsigned: COMPILER = gcc -funsigned-char
kernels-fused: COMPILER = gcc -mfma
kernels-unvectorized: COMPILER = gcc -fno-tree-vectorize -fno-inline
# Subnormal numbers are 0 in any process that loads this, or anything that was compiled with -ffast-math. Hypothesis refuses.
kernels-flushed: COMPILER = gcc $(shell gcc -print-file-name=crtfastmath.o)
kernels-flushed: COMPARE = -m pytest tests/kernels/test_digests.py

kernels-elsewhere: $(ELSEWHERE)  ## the same bytes by zig, and by gcc as on other processors: needs x86-64 with FMA, and gcc

$(ELSEWHERE): $(READY)
	$(BIN)/python -m layermix_gen.kernels.compiling build/$@ $(COMPILER)
	LAYERMIX_GEN_TEST_KERNELS=build/$@ $(BIN)/python $(COMPARE)
	LAYERMIX_GEN_TEST_KERNELS=build/$@ $(BIN)/python $(HARNESS)

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(READY)  ## what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: kernels  ## the pages that are made from the code
	$(BIN)/python docs/generate.py

$(SITE): pyproject.toml | $(BIN)/python
	$(INSTALL) --editable '.[docs]'
	touch $@

site: $(SITE)  ## the pages with the API reference and a search, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: kernels  ## how fast builds are
	$(BIN)/python benchmarks/build.py

wheel: $(READY)  ## wheels in dist/ for Linux with glibc 2.17 or newer, compiled with zig
	for machine in x86_64 aarch64; do \
		LAYERMIX_GEN_PLATFORM=manylinux_2_17_$$machine $(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
		|| exit 1; \
	done
	$(BIN)/python -m tests.kernels.glibc dist/*-manylinux_*.whl

clean:  ## remove all that was made
	rm -rf $(VENV) build dist demo-out site .pytest_cache .mypy_cache .ruff_cache .hypothesis
