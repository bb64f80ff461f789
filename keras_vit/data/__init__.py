"""A data set's name -> batches of (images, labels).

Images are RGB pixels in [0, 255] everywhere. Modules are loaded when they are first
asked for: to read image files needs no TensorFlow.
"""

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_vit.data.arrays import from_arrays as from_arrays
    from keras_vit.data.caching import cached as cached
    from keras_vit.data.dataset import Dataset as Dataset
    from keras_vit.data.inputs import NamedSplit as NamedSplit
    from keras_vit.data.inputs import split_of as split_of
    from keras_vit.data.inspection import Inspection as Inspection
    from keras_vit.data.inspection import inspect as inspect
    from keras_vit.data.records import Records as Records
    from keras_vit.data.sources import load as load
    from keras_vit.data.splits import Files as Files
    from keras_vit.data.splits import Split as Split

_NAMES = {
    "Dataset": "dataset",
    "Files": "splits",
    "Inspection": "inspection",
    "NamedSplit": "inputs",
    "Records": "records",
    "Split": "splits",
    "cached": "caching",
    "from_arrays": "arrays",
    "inspect": "inspection",
    "load": "sources",
    "split_of": "inputs",
}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        module = importlib.import_module(f"keras_vit.data.{_NAMES[name]}")
        return getattr(module, name)
    if name[0] != "_" and find_spec(f"keras_vit.data.{name}"):
        return importlib.import_module(f"keras_vit.data.{name}")
    raise AttributeError(f"module 'keras_vit.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
