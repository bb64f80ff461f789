"""Executes the notebooks from top to bottom and stores what they show.

    pip install -e '.[test,notebooks]'
    python examples/notebooks/refresh.py [NOTEBOOK ...]

They run in a temporary folder, in order, so that those that follow find the model that
the first has trained. What is stored has no progress bars, no logs and nothing that
tells of the machine. A notebook that fails stays as it was.
"""

import base64
import io
import os
import pathlib
import sys
import tempfile

import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = pathlib.Path(__file__).parent
QUIET = {
    "TQDM_DISABLE": "1",  # else bars draw over themselves, once for every update
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
SECONDS = 600  # for a cell, on a machine that does other things too


def main(*paths):
    """Executes these notebooks, by default all, and stores their outputs."""
    os.environ.update(QUIET)
    paths = [pathlib.Path(path) for path in paths] or sorted(HERE.glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as room:
        for path in paths:
            notebook = nbformat.read(path, as_version=4)
            where = {"metadata": {"path": room}}
            NotebookClient(
                notebook, timeout=SECONDS, resources=where, record_timing=False
            ).execute()
            clean(notebook)
            nbformat.write(notebook, path)
            print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


def clean(notebook):
    """Leaves what a reader wants, and what is the same the next time."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells, 1):
        cell.id, cell.metadata = f"cell-{number:02d}", {}
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)


def joined(outputs):
    """The outputs of a cell without logs, and what was printed in a row as one."""
    kept = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if kept and kept[-1].get("name") == output.get("name") == "stdout":
            kept[-1].text += output.text
        else:
            kept.append(output)
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = smaller(output.data["image/png"])
    return kept


def smaller(png):
    """A picture in base64 with a palette of 256 colours: a third of the bytes."""
    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    file = io.BytesIO()
    picture.quantize(256, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


if __name__ == "__main__":
    main(*sys.argv[1:])
