# Each target makes its own .venv first if there is none. Python 3.11, 3.12 or 3.13 and make are all that is needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
TEST := $(VENV)/.test
DOCS := $(VENV)/.docs
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar=off --constraint=constraints.txt
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
VERSION := import sys; print("%d.%d" % sys.version_info[:2])
KERASSEG := $(BIN)/kerasseg

.DEFAULT_GOAL := help
.PHONY: help hello demo quick test test-all lint format bench paper readme docs

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

hello:
	@echo "demo: trains edge_small on 400 drawn pictures, scores it, converts it to int8, checks the file: 5 to 8 minutes on 2 cores$(if $(wildcard $(CORE)),, after 2 GB of packages)"

# The same command again resumes or repeats it.
demo: hello $(CORE) ## the main job on pictures that need no download; writes demo/
	$(KERASSEG) train --model=edge_small --dataset=shapes --size=128,128 --backbone_weights=none \
	  --epochs=14 --learning_rate=1e-3 --eval_every=2 --workdir=demo/run
	$(KERASSEG) evaluate --workdir=demo/run --output_dir=demo/evaluate
	$(KERASSEG) convert --workdir=demo/run --recipe=int8
	$(KERASSEG) predict --tflite=demo/run/int8.tflite docs/shapes --output_dir=demo/overlays
	$(KERASSEG) check --workdir=demo/run --tflite=demo/run/int8.tflite --per_layer --report=demo/run/check.json
	$(KERASSEG) report --workdir=demo/run
	$(KERASSEG) web --tflite=demo/run/int8.tflite --workdir=demo/run --output_dir=demo/web || \
	  $(KERASSEG) web --tflite=demo/run/int8.tflite --workdir=demo/run --output_dir=demo/web --runtime=cdn
	@echo "a page of the run:        demo/run/report.html"
	@echo "the model in the browser: $(BIN)/python -m http.server --directory demo/web, then http://localhost:8000/"

quick: lint ## lint and the tests that are not slow: under 90 seconds
	$(BIN)/python -m pytest -m "not slow"

test: lint ## lint and the suite, all but two tests that fill new environments
	$(BIN)/python -m pytest -m "not install"

# SESSIONS='python3.12 colab' runs a part.
test-all: $(TEST) ## the quick tests, and train, convert, check, on every Python that is there and on Colab's versions; new environments
	$(BIN)/nox --noxfile=noxfile.py $(if $(SESSIONS),--sessions $(SESSIONS))

lint: $(TEST) ## ruff, the directions of imports, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(TEST) ## what ruff can mend, mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(TEST) ## the input pipeline beside a training step; DATA_DIR=CamVid
	$(BIN)/python benchmarks/input_pipeline.py --data_dir=$(DATA_DIR)

# Hours on a CPU; the same command resumes. PAPER='--models=v3large_sliced,edge_small' makes a part.
paper: $(TEST) ## the paper's comparison, made again; DATA_DIR=CamVid
	$(BIN)/python benchmarks/paper.py --data_dir=$(DATA_DIR) $(PAPER)

readme: $(TEST) ## the tables of README.md, BUILD.md and docs/ from results/*.json
	$(BIN)/python benchmarks/readme.py

docs: $(DOCS) ## the site, into build/site; a warning or a dead link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(DOCS): $(CORE)
	$(PIP) --editable '.[docs]'
	@touch $(DOCS)

$(CORE): setup.cfg pyproject.toml constraints.txt
	@if $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  there=$$($(BIN)/python -c '$(VERSION)'); \
	  [ "$(origin PYTHON)" = file ] || [ "$$there" = "$$($(PYTHON) -c '$(VERSION)' 2>/dev/null)" ] || \
	    { echo "error: $(VENV) is of Python $$there, PYTHON=$(PYTHON) is not; remove $(VENV), or leave PYTHON out"; exit 2; }; \
	  $(BIN)/python -c '$(SUPPORTED)' || \
	    { echo "error: $(VENV) is of Python $$there; kerasseg takes Python 3.11, 3.12 and 3.13: remove $(VENV), or have it made by one of these"; exit 2; }; \
	else \
	  command -v $(PYTHON) >/dev/null || { echo "error: there is no $(PYTHON); install Python 3.11, 3.12 or 3.13, or write make PYTHON=path"; exit 2; }; \
	  $(PYTHON) -c '$(SUPPORTED)' || { echo "error: $(PYTHON) is $$($(PYTHON) -V 2>&1); kerasseg takes Python 3.11, 3.12 and 3.13: write make PYTHON=python3.12"; exit 2; }; \
	  echo "$(PYTHON) -m venv $(VENV)"; $(PYTHON) -m venv --clear $(VENV); \
	fi
	$(PIP) --editable .
	@touch $(CORE)

$(TEST): $(CORE)
	$(PIP) --editable '.[test]'
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar=off --retries=1 --timeout=20 'torch==2.13.*' \
	  --index-url=https://download.pytorch.org/whl/cpu || echo "no PyTorch: the tests of KERAS_BACKEND=torch will skip"
	$(PYTHON) -m venv $(VENV)/mediapipe && $(VENV)/mediapipe/bin/python -m pip install --disable-pip-version-check --progress-bar=off \
	  --retries=1 --timeout=20 'mediapipe==1.2.3' || echo "no MediaPipe: its test will skip"
	@touch $(TEST)
