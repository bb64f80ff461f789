"""One version of a SavedModel in memory."""

import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_vit.served_model import LABELS, read_notes

Inputs = dict[str, np.ndarray | list[bytes]]  # of a batch, by name
Outputs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Input:
    """The type and shape of one input of a signature.

    Attributes:
        dtype: such as `float32`; `string` for bytes.
        shape: of one example, without the batch; `None` where any size is accepted.
    """

    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.dtype} ({sizes})"


@dataclass(frozen=True)
class Signature:
    """One of a model's functions.

    Attributes:
        inputs: an `Input` for each name.
        call: the TensorFlow function, from tensors by name to tensors by name.
    """

    inputs: dict[str, Input]
    call: Any


class Servable:
    """A loaded version of a model.

    Args:
        path: of the version's folder.
        version: its number.

    Attributes:
        path: of the version's folder.
        version: its number.
        signatures: a `Signature` for each name; those whose inputs have a batch
            of any size in front.
        definitions: the signatures in the model's file, as TensorFlow Serving
            describes them.
        compiled: whether XLA compiles it, which it does anew for each size of a
            batch.
        batch_size: the most images that are run at once.
        max_pixels: of an image file, above which the model does not decode it.

    Raises:
        ValueError: if the file cannot be served, or if its number of classes
            differs from its number of names.
    """

    path: pathlib.Path
    version: int
    signatures: dict[str, Signature]
    definitions: dict[str, Any]
    compiled: bool
    batch_size: int
    max_pixels: int

    def __init__(self, path: str | os.PathLike[str], version: int) -> None:
        import tensorflow as tf

        self.path, self.version, self.batch_size = pathlib.Path(path), version, 1
        self._to_tensor: Callable[..., Any] = tf.convert_to_tensor
        self._loaded: Any = tf.saved_model.load(str(path))  # holds the variables
        self.signatures = {}
        for name, function in sorted(self._loaded.signatures.items()):
            inputs = _inputs(function)
            if inputs is not None:
                self.signatures[name] = Signature(inputs, function)
        if not self.signatures:
            raise ValueError("no signature takes a batch of any size")
        self._check_labels()
        self.max_pixels = read_notes(self.path)[1].max_pixels
        graph = _graph(self.path)
        self.definitions = _definitions(graph)
        self.compiled = any(
            one.attr["_XlaMustCompile"].b for one in graph.graph_def.library.function
        )

    def sizes(self) -> list[int]:
        """Return the batch sizes that the model is run with, where it is compiled."""
        powers = [2**n for n in range(self.batch_size.bit_length())]
        return sorted({*powers, self.batch_size})

    def run(self, signature: str, inputs: Inputs) -> Outputs:
        """Run a signature on a batch, which is padded to one of `sizes` if need be.

        Args:
            signature: a key of `signatures`.
            inputs: for each name of its inputs an array `(B, ...)`, or a list of
                B bytes.

        Returns:
            Arrays `(B, ...)` by name; bytes as objects.
        """
        function, count = self.signatures[signature], len(next(iter(inputs.values())))
        more = 0
        if self.compiled:
            more = min((n - count for n in self.sizes() if n >= count), default=0)
        tensors = {
            name: self._to_tensor(_filled(inputs[name], more), one.dtype)
            for name, one in function.inputs.items()
        }
        outputs = function.call(**tensors)
        return {name: value.numpy()[: -more or None] for name, value in outputs.items()}

    def _check_labels(self) -> None:
        path = self.path / "assets" / LABELS
        if not path.is_file():
            return
        count = len(path.read_text(encoding="utf-8").splitlines())
        for name, signature in self.signatures.items():
            logits = signature.call.structured_outputs.get("logits")
            if logits is not None and logits.shape[-1] not in (None, count):
                raise ValueError(
                    f"Expected {logits.shape[-1]} names in {LABELS}, one for each "
                    f"logit of {name}. Received: {count}"
                )


def _inputs(function: Any) -> dict[str, Input] | None:
    """Return the inputs of a signature; `None` if they cannot be batched."""
    inputs: dict[str, Input] = {}
    for name, spec in function.structured_input_signature[1].items():
        if not spec.shape.rank or spec.shape[0] is not None:
            return None
        if spec.dtype.name == "string" and spec.shape.rank != 1:
            return None
        inputs[name] = Input(spec.dtype.name, tuple(spec.shape[1:]))
    return inputs or None


def _filled(values: np.ndarray | list[bytes], more: int) -> np.ndarray | list[bytes]:
    """Return a batch whose last element is repeated so many times more."""
    if not more:
        return values
    if isinstance(values, list):
        return values + values[-1:] * more
    return np.concatenate([values, np.repeat(values[-1:], more, axis=0)])


def _graph(path: pathlib.Path) -> Any:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = (path / "saved_model.pb").read_bytes()
    return SavedModel.FromString(file).meta_graphs[0]


def _definitions(graph: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    return {
        name: MessageToDict(
            one,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for name, one in sorted(graph.signature_def.items())
    }
