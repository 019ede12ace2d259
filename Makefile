# Each target makes its own .venv first if there is none. Only Python 3.11 and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint bench readme

demo: $(STAMP)
	$(BIN)/python benchmarks/demo.py --output_dir=demo

test: lint
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python benchmarks/input_pipeline.py --data_dir=$(DATA_DIR)

readme: $(STAMP)
	$(BIN)/python benchmarks/readme.py

$(STAMP): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar=off --editable '.[test]'
	touch $(STAMP)
