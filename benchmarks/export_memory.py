"""Time and memory of exporting, in every format, beside another build of this package.

    python benchmarks/export_memory.py [--models=ViT_S16,ViT_B16]
        [--formats=saved_model,tflite,onnx,openvino] [--before=FOLDER]

The peak is that of the process that exports, above what it had with the model built;
the check runs in another process, which loads the file alone.
"""

import argparse
import json
import pathlib
import tempfile

import numpy as np
from processes import MB, measured, run

SUFFIXES = {"saved_model": "", "tflite": ".tflite", "onnx": ".onnx", "openvino": ".xml"}


def main():
    """Exports in turn and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default="ViT_S16,ViT_B16")
    parser.add_argument("--formats", default=",".join(SUFFIXES))
    parser.add_argument("--before", help="a folder with another build")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(export(*options.only.split(","))))
        return
    builds = {"before": options.before} if options.before else {}
    for name in options.models.split(","):
        for format in options.formats.split(","):
            for build, package in (*builds.items(), ("ours", None)):
                found = run(__file__, [f"--only={name},{format}"], package)
                times = found["peak"] / found["weights"]
                print(
                    f"{name:<9}{format:<13}{build:<8}{found['peak']:>8,.0f} MB, "
                    f"{times:.1f} times the weights{found['seconds']:>7.0f} s",
                    flush=True,
                )


def export(name, format):
    """Export in this process and return what it took."""
    import keras_vit

    model = getattr(keras_vit, name)()
    model.predict_on_batch(np.zeros((1, *model.input_shape[1:]), np.float32))
    weights = 4 * model.count_params() / MB
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / f"model{SUFFIXES[format]}"
        found = measured(lambda: keras_vit.export(model, path, format))
    return found | {"weights": weights}


if __name__ == "__main__":
    main()
