"""ONNX, for ONNX Runtime and all that reads it."""

import contextlib
import functools
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from keras_vit.classifier import Classifier
from keras_vit.exporting.graph import OUTPUTS, parameterized
from keras_vit.exporting.metadata import metadata_of
from keras_vit.layers.graph_format import GraphFormat
from keras_vit.verbosity import quiet_loggers

OPSET = 20
CONVERTED = 18  # the last one that tf2onnx writes
DOMAIN = "keras_vit"  # of what is not in that opset, until it is in the later one
MOST_INSIDE = 1_500_000_000  # bytes of weights: a protocol buffer ends at 2 GiB
SMALLEST_BESIDE = 1024  # bytes of a weight: shapes are read before a second file is
PAGE = 4096  # bytes: where a weight begins, so that runtimes map it into memory
GELU = {"gelu_erf": "none", "gelu_tanh": "tanh"}  # activations: `approximate` of Gelu


def write(
    classifier: Classifier, path: pathlib.Path, *, quantize: str = "none"
) -> None:
    """Write an .onnx file and have `onnx` check it.

    It takes `images` (batch, height, width, 3), float32 in [0, 255], and returns
    `logits` and `probabilities`; the batch is any. `labels.txt` and
    `preprocessing.json` are in its metadata. Weights of more than `MOST_INSIDE`
    bytes are written to a second file beside it, by its name with `.data`, as
    ONNX's external data.

    Args:
        classifier: in float32.
        path: of the file.
        quantize: `"none"`; or `"dynamic"`: weights of 8 bits, a scale for each
            channel, activations quantised as they come, by ONNX Runtime.
    """
    import onnx
    import tf2onnx

    function, variables = parameterized(classifier, _graph_format())
    names = {"images:0": "images"} | {f"{name}:0": name for name in variables}
    inputs = [tensor.name for tensor in function.inputs]
    names |= {
        output.name: name
        for output, name in zip(function.outputs, OUTPUTS, strict=True)
    }
    with quiet_loggers("tf2onnx", "tensorflow"):
        converted, _ = tf2onnx.convert.from_graph_def(
            function.graph.as_graph_def(),
            input_names=inputs,
            output_names=[output.name for output in function.outputs],
            opset=CONVERTED,
            tensors_to_rename=names,
            custom_op_handlers={"PyFunc": (_operation, [])},
            extra_opset=[onnx.helper.make_opsetid(DOMAIN, 1)],
        )
    converted = _with_gelu(converted)
    for name, text in metadata_of(classifier).items():
        converted.metadata_props.add(key=name, value=text)
    onnx.checker.check_model(converted, full_check=True)
    with _file_of_weights(path, variables) as data:
        _hold(converted.graph, variables, data)
    for value in [*converted.graph.input, *converted.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(converted, path)
    onnx.checker.check_model(path)
    if quantize == "dynamic":
        _quantize(path)


def _quantize(path: pathlib.Path) -> None:
    """Replace a file by one whose products are of 8 bits.

    Weights are unsigned: of signed ones processors without VNNI saturate the sums of
    pairs, which on Fashion-MNIST changed three times as many predictions.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with quiet_loggers("root"), tempfile.TemporaryDirectory() as folder:
        small = pathlib.Path(folder) / path.name
        unsigned = QuantType.QUInt8
        quantize_dynamic(path, small, per_channel=True, weight_type=unsigned)
        shutil.copyfile(small, path)
    _beside(path).unlink(missing_ok=True)  # a quarter of them fits into the file


def _graph_format() -> GraphFormat:
    """What ONNX has as one operation, as calls that `_operation` knows by name.

    Nothing calls them: they stand for what the converter writes.
    """
    import tensorflow as tf

    def standing_for(name, x, *inputs):
        out: Any = tf.numpy_function(lambda x, *_: x, [x, *inputs], x.dtype, name=name)
        out.set_shape(x.shape)
        return out

    names = ("layer_normalization", *GELU)
    operations = {name: functools.partial(standing_for, name) for name in names}
    return GraphFormat(has_loops=False, operations=operations)


def _operation(context: Any, node: Any, name: str, args: Any) -> None:
    """Write a call of `_graph_format` as the operation that it stands for."""
    own = name.rpartition("/")[2]
    kinds = (one for one in ("layer_normalization", *GELU) if own.startswith(one))
    kind = next(kinds, None)
    if kind is None:
        raise ValueError(f"Expected operations of TensorFlow. Received: Python, {name}")
    read, shapes, dtypes = node.input, node.output_shapes, node.output_dtypes
    if kind == "layer_normalization":
        epsilon = float(node.inputs[3].get_tensor_value())
        operation, read, domain = "LayerNormalization", read[:3], ""
        attributes: dict[str, Any] = {"axis": -1, "epsilon": epsilon}
    else:
        operation, domain = "Gelu", DOMAIN
        attributes = {"approximate": GELU[kind]}
    outputs = node.output
    context.remove_node(node.name)
    context.make_node(
        operation,
        read,
        attr=attributes,
        outputs=outputs,
        shapes=shapes,
        dtypes=dtypes,
        name=name,
        domain=domain,
    )


def _with_gelu(model: Any) -> Any:
    """Return the model in the opset that has Gelu, which the converter's has not."""
    from onnx import version_converter

    model = version_converter.convert_version(model, OPSET)
    for node in model.graph.node:
        if node.domain == DOMAIN:
            node.domain = ""
    imports = [one for one in model.opset_import if one.domain != DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(imports)
    return model


@contextlib.contextmanager
def _file_of_weights(
    path: pathlib.Path, variables: dict[str, Any]
) -> Iterator[BinaryIO | None]:
    """Yield the file beside an .onnx file for its weights; `None` where they fit."""
    if sum(4 * one.shape.num_elements() for one in variables.values()) <= MOST_INSIDE:
        yield None
        return
    with open(_beside(path), "wb") as data:
        yield data


def _beside(path: pathlib.Path) -> pathlib.Path:
    """Return the path of the file of an .onnx file's weights."""
    return path.with_name(f"{path.name}.data")


def _initializer(array: np.ndarray, name: str, data: BinaryIO | None) -> Any:
    """Return an array as a tensor of the graph, its values in `data` if it is large."""
    from onnx import TensorProto, helper, numpy_helper

    if data is None or array.nbytes < SMALLEST_BESIDE:
        return numpy_helper.from_array(array, name)
    data.seek(-data.tell() % PAGE, 1)
    tensor = TensorProto(
        name=name,
        dims=array.shape,
        data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
        data_location=TensorProto.EXTERNAL,
    )
    place = {
        "location": pathlib.Path(data.name).name,
        "offset": data.tell(),
        "length": array.nbytes,
    }
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    data.write(np.ascontiguousarray(array).data)
    return tensor


def _hold(graph: Any, variables: dict[str, Any], data: BinaryIO | None) -> None:
    """Make weights that are inputs of a graph its initializers, by Keras's names."""
    inputs = [one for one in graph.input if one.name not in variables]
    computed = _fold(graph, variables)
    used = {name for node in _nodes(graph) for name in node.input}
    used |= {one.name for one in graph.output}
    constants = [one for one in graph.initializer if one.name in used]
    names = {}
    for name in sorted(used & variables.keys()):
        path = variables[name].path
        names[name] = path if path not in names.values() else f"{path}:{name}"
        array = variables[name].numpy()
        constants.append(_initializer(array, names[name], data))
    for name in sorted(used & computed.keys()):
        constants.append(_initializer(computed[name], name, data))
    del graph.input[:], graph.initializer[:]
    graph.input.extend(inputs)
    graph.initializer.extend(constants)
    for node in _nodes(graph):
        for place, name in enumerate(node.input):
            node.input[place] = names.get(name, name)


def _fold(graph: Any, variables: dict[str, Any]) -> dict[str, np.ndarray]:
    """Compute what depends on weights alone, such as a kernel's other order of axes.

    The nodes that did are taken from the graph.

    Returns:
        Arrays by the names that they have in the graph.
    """
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    constants = {one.name: one for one in graph.initializer}
    computed: dict[str, np.ndarray] = {}

    def value(name):
        if name in constants:
            return numpy_helper.to_array(constants[name])
        return computed[name] if name in computed else variables[name].numpy()

    others = []
    for node in graph.node:  # each behind those that it reads
        read = {name for name in node.input if name}
        of_weights = read & (variables.keys() | computed.keys())
        if of_weights and not read - of_weights - constants.keys():
            results = ReferenceEvaluator(node).run(None, {n: value(n) for n in read})
            computed |= dict(zip(node.output, map(np.asarray, results), strict=True))
        else:
            others.append(node)
    del graph.node[:]
    graph.node.extend(others)
    return computed


def _nodes(graph: Any) -> Iterator[Any]:
    """Yield the nodes of a graph and of the graphs inside them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)
