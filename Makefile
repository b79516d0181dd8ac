# Each verb works in a fresh clone: the first one makes .venv, which takes minutes once.
PYTHON := $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
BASE := .venv/.base
READY := .venv/.installed
TYPED := $(wildcard src tests benchmarks nano)

.PHONY: demo test check format clean

# What the demo needs is all that a user needs; the rest is for who develops.
demo: $(BASE)
	rm -rf build/demo
	$(BIN)/e5v demo --index build/demo

# Two workers, one thread each: more threads than cores only wait for one another.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(TYPED)

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The environment stays; `rm -rf .venv` has it made anew.
clean:
	rm -rf build/demo dist .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# torch goes first and alone, so that pip settles on its build before anything asks for it;
# hatchling beside it, so that the package is built by the version pinned here.
$(BASE): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch hatchling editables
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable .
	touch $@

$(READY): $(BASE)
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $@
