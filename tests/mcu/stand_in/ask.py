"""python ask.py FILE: what TFLite Micro's real kernels give for the bytes in `in`, into `out`."""

import sys
from pathlib import Path

import numpy as np
from tflite_micro.python.tflite_micro import runtime

loaded = runtime.Interpreter.from_file(sys.argv[1], arena_size=2**20)
given = loaded.get_input_details(0)
loaded.set_input(np.frombuffer(Path("in").read_bytes(), given["dtype"]).reshape(given["shape"]), 0)
loaded.invoke()
Path("out").write_bytes(loaded.get_output(0).tobytes())
