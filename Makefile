# Each target makes its own .venv first if there is none. Only Python 3.11 and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint bench paper readme

# The main job on pictures that need no download. The same command again resumes or repeats it.
demo: $(STAMP)
	$(BIN)/python -m kerasseg.train --model=edge_small --dataset=shapes --size=128,128 --backbone_weights=none \
	  --epochs=14 --learning_rate=3e-3 --eval_every=2 --workdir=demo/run
	$(BIN)/python -m kerasseg.evaluate --workdir=demo/run --output_dir=demo/evaluate
	$(BIN)/python tflite/convert.py --workdir=demo/run --recipe=int8 --output=demo/shapes_int8.tflite
	$(BIN)/python -m kerasseg.predict --tflite=demo/shapes_int8.tflite docs/shapes/*.png --output_dir=demo/overlays
	$(BIN)/python tflite/check.py --workdir=demo/run --tflite=demo/shapes_int8.tflite --report=demo/check.json

test: lint
	$(BIN)/python -m pytest

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python benchmarks/input_pipeline.py --data_dir=$(DATA_DIR)

# The paper's comparison, hours on a CPU; the same command resumes. PAPER='--models=v3large_sliced,edge_small' makes a part.
paper: $(STAMP)
	$(BIN)/python benchmarks/paper.py --data_dir=$(DATA_DIR) $(PAPER)

readme: $(STAMP)
	$(BIN)/python benchmarks/readme.py

$(STAMP): setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar=off --editable '.[test]'
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar=off --retries=1 --timeout=20 'torch==2.13.*' \
	  --index-url=https://download.pytorch.org/whl/cpu || echo "no PyTorch: the tests of KERAS_BACKEND=torch will skip"
	touch $(STAMP)
