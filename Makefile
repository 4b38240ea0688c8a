# Every target does its own set-up: it needs Python 3.11 (PYTHON=...) and make, nothing else.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SANITIZED := build/sanitized

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

sanitize: $(READY)  ## the tests of the kernels with AddressSanitizer and UBSan in the C code: needs gcc
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED) && cp -r layermix_gen tests pyproject.toml $(SANITIZED)
	cd $(SANITIZED) && $(abspath $(BIN))/python -m layermix_gen.kernels.compiling layermix_gen/kernels \
		gcc -g -fsanitize=address,undefined -fno-sanitize-recover=all
	cd $(SANITIZED) && PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
		LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
		$(abspath $(BIN))/python -m pytest --capture=sys tests/kernels --ignore tests/kernels/test_compiling.py \
		tests/faults/test_kernel_bytes.py

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

wheel: $(READY)  ## wheels in dist/ for Linux with glibc 2.17 or newer, compiled with zig
	for machine in x86_64 aarch64; do \
		LAYERMIX_GEN_PLATFORM=manylinux_2_17_$$machine $(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
		|| exit 1; \
	done
	$(BIN)/python -m tests.kernels.glibc dist/*-manylinux_*.whl

clean:
	rm -rf $(VENV) build dist demo-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
