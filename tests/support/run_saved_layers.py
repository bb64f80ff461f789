"""Loads every `.keras` file of a folder and runs it on the input beside it."""

import os
import pathlib
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np

import keras_vit  # noqa: F401  registers the layers

folder, backend = pathlib.Path(sys.argv[1]), keras.backend.backend()
for path in sorted(folder.glob("*.keras")):
    model = keras.models.load_model(path)
    # By itself, JAX compiles each operation of each shape; here a model as a whole.
    answer = model.predict_on_batch if backend == "jax" else model
    output = keras.ops.convert_to_numpy(answer(np.load(path.with_suffix(".input.npy"))))
    np.save(path.with_suffix(f".{backend}.npy"), output)
