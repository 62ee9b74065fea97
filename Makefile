# Every house-keeping task is one command. `make demo` and `make test` do all their own set-up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: demo picture test without-cluster unit cluster node lint types generate check-generated bench bench-admission bench-backups bench-upgrades audit images check-images sbom lock clean
.DEFAULT_GOAL := test

$(STAMP): pyproject.toml requirements/dev.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: install it, or run 'make PYTHON=/path/to/python3'"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: run make PYTHON=/path/to/python3")'
	@echo "setting up $(VENV) from requirements/dev.txt"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(STAMP)
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/pytest tests/unit

cluster: $(STAMP)
	$(BIN)/pytest --durations=10 tests/cluster

# Real pods: root and Linux; else skipped, and the reason is said. The slow ones are for whoever changes what they are
# about: `make node NODE=`.
NODE ?= -m "not slow"
node: $(STAMP)
	$(BIN)/pytest --durations=10 $(NODE) tests/node

# Side by side, where TOGETHER says so: the simulated cluster takes about as long as all the rest.
test: lint types check-generated
	@$(MAKE) --no-print-directory $(TOGETHER) without-cluster cluster

without-cluster:
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory node

demo: $(STAMP)
	@$(BIN)/python scripts/demo.py $(KEEP)

# The picture in the README: the transcript of a real run.
picture: $(STAMP)
	FORCE_COLOR=1 $(BIN)/python scripts/picture.py docs/demo.svg "make demo" $(BIN)/python scripts/demo.py

# Everything below bundle/, catalog/ and docs/ that is made from code.
generate: $(STAMP)
	$(BIN)/balise generate
	$(BIN)/balise catalog build
	$(BIN)/balise explain --all --format markdown --output docs/checks.md

# What is generated is up to date, and no upgrade to it strands anybody.
check-generated: $(STAMP)
	$(BIN)/balise generate --check
	$(BIN)/balise catalog build --check
	$(BIN)/balise explain --all --format markdown --output docs/checks.md --check
	$(BIN)/balise prove --catalog catalog --bundles bundle

bench: $(STAMP)
	$(BIN)/python tests/bench/catalogs.py
	$(BIN)/python tests/bench/plans.py
	PYTHONPATH=tests $(BIN)/python tests/bench/applications.py $(BENCH)

# Needs root and Linux, as a real node does.
bench-backups: $(STAMP)
	PYTHONPATH=tests $(BIN)/python tests/bench/backups.py $(BENCH)

bench-admission: $(STAMP)
	PYTHONPATH=tests $(BIN)/python tests/bench/admission.py $(BENCH)

bench-upgrades: $(STAMP)
	PYTHONPATH=tests $(BIN)/python tests/bench/upgrades.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The images of the last commit, into dist/images; the same commit gives the same digests. IMAGES has options of
# scripts/images.py, such as `IMAGES="--base-image registry.example/python@sha256:..."`.
images: $(STAMP)
	$(BIN)/python scripts/images.py build $(IMAGES)

# Built twice, and compared.
check-images: $(STAMP)
	$(BIN)/python scripts/images.py check $(IMAGES)

# What is in them, in CycloneDX.
sbom: images
	$(BIN)/balise sbom dist/images/timonier --lock requirements/runtime.txt --output dist/timonier.cdx.json
	$(BIN)/balise sbom dist/images/timonier-mover --output dist/timonier-mover.cdx.json

# Known vulnerabilities of all that is locked, from PyPI. What could not be asked about fails as well: silence is no answer.
$(VENV)/audit/.installed: requirements/audit.txt
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/audit.txt
	@touch $@

audit: $(VENV)/audit/.installed
	$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes --progress-spinner off $(patsubst %,-r %,$(wildcard requirements/*.txt))

# Dependencies are chosen in pyproject.toml and locked, with hashes, in requirements/.
lock: $(STAMP)
	$(PYTHON) -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install --quiet uv
	$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements/runtime.txt
	$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links pyproject.toml --group dev -c requirements/runtime.txt -o requirements/dev.txt
	$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --group build -c requirements/dev.txt -o requirements/build.txt
	$(VENV)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --group audit -c requirements/dev.txt -o requirements/audit.txt
