"""One version of a SavedModel in memory."""

from dataclasses import dataclass

import numpy as np

from keras_vit.model_files import LABELS, read_notes


@dataclass(frozen=True)
class Input:
    """What a signature takes under one name.

    Attributes:
        dtype: such as `float32`; `string` for bytes.
        shape: of one of a batch; `None` where any size will do.
    """

    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self):
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.dtype} ({sizes})"


@dataclass(frozen=True)
class Signature:
    """One of a model's functions.

    Attributes:
        inputs: an `Input` for each name.
        call: from tensors by name to tensors by name.
    """

    inputs: dict[str, Input]
    call: object


class Servable:
    """A version that answers.

    Args:
        path: of the version's folder.
        version: its number.

    Attributes:
        signatures: a `Signature` for each name; those whose inputs have a batch
            of any size in front.
        definitions: what the model's file says of them, as TensorFlow Serving
            tells it.
        compiled: whether XLA compiles it, which it does anew for each size of a
            batch.
        batch_size: the most images that are worth asking about at once.
        max_pixels: of an image file, above which the model does not decode it.

    Raises:
        ValueError: if the file cannot be served, or if it has another number of
            classes than names.
    """

    def __init__(self, path, version):
        import tensorflow as tf

        self.path, self.version, self.batch_size = path, version, 1
        self._tf = tf
        self._loaded = tf.saved_model.load(str(path))  # holds the variables
        self.signatures = {}
        for name, function in sorted(self._loaded.signatures.items()):
            inputs = _inputs(function)
            if inputs is not None:
                self.signatures[name] = Signature(inputs, function)
        if not self.signatures:
            raise ValueError("no signature takes a batch of any size")
        self._check_labels()
        self.max_pixels = read_notes(self.path)[1].max_pixels
        graph = _graph(path)
        self.definitions = _definitions(graph)
        self.compiled = any(
            one.attr["_XlaMustCompile"].b for one in graph.graph_def.library.function
        )

    def sizes(self):
        """The sizes of batches that the model is run with, where it is compiled."""
        powers = [2**n for n in range(self.batch_size.bit_length())]
        return sorted({*powers, self.batch_size})

    def run(self, signature, inputs):
        """Answers a batch, which is filled up to one of `sizes` if need be.

        Args:
            signature: a key of `signatures`.
            inputs: for each name of its inputs an array `(B, ...)`, or a list of
                B bytes.

        Returns:
            Arrays `(B, ...)` by name; bytes as objects.
        """
        signature, count = self.signatures[signature], len(next(iter(inputs.values())))
        more = 0
        if self.compiled:
            more = min((n - count for n in self.sizes() if n >= count), default=0)
        tensors = {
            name: self._tf.convert_to_tensor(_filled(inputs[name], more), one.dtype)
            for name, one in signature.inputs.items()
        }
        told = signature.call(**tensors)
        return {name: value.numpy()[: -more or None] for name, value in told.items()}

    def _check_labels(self):
        path = self.path / "assets" / LABELS
        if not path.is_file():
            return
        count = len(path.read_text(encoding="utf-8").splitlines())
        for name, signature in self.signatures.items():
            logits = signature.call.structured_outputs.get("logits")
            if logits is not None and logits.shape[-1] not in (None, count):
                raise ValueError(
                    f"{LABELS} names {count} classes, but {name} gives "
                    f"{logits.shape[-1]} logits"
                )


def _inputs(function):
    """The inputs of a signature; `None` if they cannot be batched."""
    inputs = {}
    for name, spec in function.structured_input_signature[1].items():
        if not spec.shape.rank or spec.shape[0] is not None:
            return None
        if spec.dtype.name == "string" and spec.shape.rank != 1:
            return None
        inputs[name] = Input(spec.dtype.name, tuple(spec.shape[1:]))
    return inputs or None


def _filled(values, more):
    """A batch whose last element comes so many times more."""
    if not more:
        return values
    if isinstance(values, list):
        return values + values[-1:] * more
    return np.concatenate([values, np.repeat(values[-1:], more, axis=0)])


def _graph(path):
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = (path / "saved_model.pb").read_bytes()
    return SavedModel.FromString(file).meta_graphs[0]


def _definitions(graph):
    from google.protobuf.json_format import MessageToDict

    return {
        name: MessageToDict(
            one,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for name, one in sorted(graph.signature_def.items())
    }
