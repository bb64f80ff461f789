"""Private interfaces of other libraries lie in one folder, and are as it says."""

import argparse
import ast
import pathlib
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import compat
from support.models import tiny_vit

ROOT = pathlib.Path(keras_vit.__file__).parent
TREES = {
    str(path.relative_to(ROOT)): ast.parse(path.read_text())
    for path in sorted(ROOT.rglob("*.py"))
}
OWN, OTHERS = (
    {name: tree for name, tree in TREES.items() if name.startswith("compat/") is own}
    for own in (True, False)
)
# Modules below a package that say by no underscore that they are private.
INNER = {"src", "python", "protocols", "impl"}
# Packages whose modules are all their own affair.
CLOSED = {"ai_edge_quantizer", "uvicorn"}
# Public in spite of their names: of named tuples, of `os`.
PUBLIC = {"_replace", "_asdict", "_fields", "_exit"}
# Public by its name, but of TensorFlow 1's graphs.
PRIVATE = {"get_collection_ref"}


def is_private_module(name):
    """Whether a full name, as `keras.src.backend`, leads into what is private."""
    package, *below = name.split(".")
    if package in ("keras_vit", "__future__"):
        return False
    if package in CLOSED and len(below) > 1:
        return True
    return any(part in INNER or is_private_name(part) for part in below)


def is_private_name(name):
    return name.startswith("_") and not name.startswith("__")


def defined_here():
    """Names with an underscore that this package gives to what it defines."""
    names = set()
    for node in (node for tree in TREES.values() for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.keyword) and node.arg:  # of vars(self).update
            names.add(node.arg)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and ast.unparse(node.value) in ("self", "cls", "layer", "part")
        ):
            names.add(node.attr)
    return names


def private_uses(tree, ours=frozenset()):
    """Yield the lines that use what is private of others, and what they use."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{one.name}" for one in node.names]
        elif isinstance(node, ast.Attribute):
            private = is_private_name(node.attr) or node.attr in PRIVATE
            if private and node.attr not in ours | PUBLIC:
                yield node.lineno, ast.unparse(node)
            continue
        else:
            continue
        yield from ((node.lineno, name) for name in names if is_private_module(name))


def test_private_interfaces_of_others_are_used_in_one_folder():
    ours = defined_here()
    wrong = [
        f"{name}:{line} uses {used}: give it a function in keras_vit/compat/"
        for name, tree in OTHERS.items()
        for line, used in private_uses(tree, ours)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "from keras.src.backend.common import global_state",
        "import tensorflow.python.framework.ops",
        "from tensorflow.lite.python import schema_py_generated",
        "from keras._tf_keras import layers",
        "from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol",
        "from ai_edge_quantizer.calibrator import Calibrator",
        "inside = layer._flatten_layers()",
        "graph.get_collection_ref(1)",
        "optimizer._iterations = 1",
    ],
)
def test_the_search_finds_what_is_private(line):
    assert len(list(private_uses(ast.parse(line)))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "import tensorflow as tf",
        "from ai_edge_quantizer import Quantizer",
        "from keras_vit.version import __version__",
        "changed = row._replace(a=1)",
        "kind.__name__",
    ],
)
def test_the_search_passes_what_is_public(line):
    assert not list(private_uses(ast.parse(line)))


def test_every_function_says_its_interface_and_the_versions():
    """In which another test of this file calls it."""
    calls = pathlib.Path(__file__).read_text()
    functions = [
        node
        for name, tree in OWN.items()
        for node in tree.body
        if name != "compat/versions.py"
        and isinstance(node, ast.FunctionDef)
        and node.name[0] != "_"
    ]
    assert {node.name for node in functions} == {
        name for name, value in vars(compat).items() if callable(value)
    }
    for node in functions:
        text = " ".join((ast.get_docstring(node) or "").split())
        assert "Interface: " in text and "Verified: " in text, node.name
        assert f"compat.{node.name}(" in calls, node.name


def test_what_a_version_lacks_is_named_before_anything_is_done():
    other = types.SimpleNamespace()
    for call in (
        lambda: compat.flatten_layers(other),
        lambda: compat.node_of(other),
        lambda: compat.run_through_graph(other, [], lambda operation: operation),
        lambda: compat.untrack_variable(other, None),
        lambda: compat.learning_rate_of(other),
        lambda: compat.copied_for_replicas(other, 0.1),
    ):
        with pytest.raises(ImportError, match=r"Expected .* Install keras 3\.15\.1"):
            call()


def test_layers_are_numbered_from_the_start_for_a_while():
    _, _, number = keras.layers.Dense(1).name.rpartition("_")
    with compat.names_from_the_start():
        assert [keras.layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"]
    next_number = int(number) + 1 if number.isdigit() else 1
    assert keras.layers.Dense(1).name == f"dense_{next_number}"


def test_weights_have_paths_and_shapes_but_no_values_for_a_while():
    weights = keras.layers.Dense(2)
    with compat.weights_without_values():
        weights.build((None, 3))
    assert [(w.name, w.shape) for w in weights.weights] == [
        ("kernel", (3, 2)),
        ("bias", (2,)),
    ]
    with keras.StatelessScope():  # at its end Keras gives values to what has none
        pass
    assert all(weight._value is None for weight in weights.weights)
    other = keras.layers.Dense(2)
    other.build((None, 3))
    assert np.isfinite(other.kernel.numpy()).all()


def test_layers_are_found_at_any_depth():
    model = tiny_vit()
    block = model.get_layer("block_00")
    inside = compat.flatten_layers(model)
    assert inside[0] is model and block.attention in inside
    assert compat.flatten_layers(model, include_self=False) == inside[1:]
    weights = {weight.path for layer in inside[1:] for weight in layer.weights}
    assert weights == {weight.path for weight in model.weights}


def test_a_tensor_knows_what_computes_it_and_of_what():
    images = keras.Input((3,))
    dense = keras.layers.Dense(2)
    hidden = dense(images)
    assert compat.node_of(hidden) == (dense, [images])
    operation, inputs = compat.node_of(hidden + 1)
    assert type(operation).__name__ == "Add" and inputs[0] is hidden
    assert compat.node_of(images)[1] == []


def test_a_functional_model_runs_by_other_operations():
    images = keras.Input((3,))
    layers = [keras.layers.Dense(2, name="a"), keras.layers.Dense(2, name="b")]
    model = keras.Model(images, layers[1](layers[0](images)))
    seen = []

    def watched(operation):
        seen.append(operation.name)
        return operation

    x = np.ones((1, 3), "float32")
    y = compat.run_through_graph(model, [keras.ops.convert_to_tensor(x)], watched)
    np.testing.assert_array_equal(y, model(x))
    assert seen == ["a", "b"]


def test_a_layer_forgets_a_variable():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    compat.untrack_variable(layer, layer.bias)
    assert [one.name for one in layer.weights] == ["kernel"]


def test_an_optimizer_knows_its_schedule():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    assert compat.learning_rate_of(keras.optimizers.SGD(schedule)) is schedule
    rate = compat.learning_rate_of(keras.optimizers.SGD(0.5))
    assert rate.numpy() == 0.5


@pytest.mark.parametrize("kind", ["SGD", "AdamW", "Lion"])
def test_a_copy_for_replicas_updates_as_the_original_does(kind, rng):
    """On one replica, where there is nothing to sum."""
    original = getattr(keras.optimizers, kind)(0.1, weight_decay=0.01)
    original.exclude_from_weight_decay(var_names=["bias"])
    values = rng.normal(size=(3,)), rng.normal(size=(2,))
    names = "kernel", "bias"
    mine, its = (
        [keras.Variable(v, name=n) for v, n in zip(values, names, strict=True)]
        for _ in range(2)
    )
    copy = compat.copied_for_replicas(original, 0.1)
    for optimizer, weights in ((copy, mine), (original, its)):
        optimizer.build(weights)
    for _ in range(3):
        gradients = [tf.constant(rng.normal(size=v.shape), "float32") for v in values]
        copy.apply(gradients, mine)
        original.apply(gradients, its)
    for one, other in zip(mine, its, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6)
    assert copy.iterations.numpy() == 3
    assert copy.iterations.aggregation == "none" != original.iterations.aggregation


def test_a_graph_has_constants_for_variables():
    variable = tf.Variable([2.0])

    @tf.function(input_signature=[tf.TensorSpec([1])])
    def double(x):
        return x * variable

    frozen = compat.constant_graph(double.get_concrete_function())
    variable.assign([5.0])
    assert not frozen.variables
    assert frozen(tf.constant([3.0]))[0].numpy() == 6


def tflite():
    """A .tflite file of one dense layer: x in (1, 4), y = x w."""
    weight = tf.constant(np.linspace(-1, 1, 12).reshape(4, 3), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([1, 4], name="images")])
    def serve(images):
        return {"y": images @ weight}

    module = tf.Module()
    module.serve = serve
    function = serve.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([function], module).convert()


def test_a_tflite_file_is_read_by_its_schema():
    schema = compat.litert_schema()
    graph = schema.Model.GetRootAs(tflite(), 0).Subgraphs(0)
    (images,) = graph.InputsAsNumpy()
    assert graph.Tensors(images).ShapeAsNumpy().tolist() == [1, 4]
    assert schema.BuiltinOperator.FULLY_CONNECTED == 9  # schema.fbs of TensorFlow


def test_a_conversion_that_fails_raises_the_error_of_the_converter():
    @tf.function(input_signature=[tf.TensorSpec([2, 2])])
    def serve(x):
        return tf.linalg.svd(x, compute_uv=False)  # which LiteRT has not

    function = serve.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    with pytest.raises(compat.litert_converter_error(), match="Svd"):
        converter.convert()


def test_a_calibration_keeps_the_smallest_and_the_largest_value():
    pytest.importorskip("ai_edge_quantizer")
    recipe = compat.quantizer_recipe()
    recipe.add_static_config(".*", "FULLY_CONNECTED", 8, 8)
    calibrator = compat.min_max_calibrator(tflite(), 1)
    for value in (-7.0, 3.0, 11.0):
        images = np.full((1, 4), value, "float32")
        calibrator.calibrate({"serving_default": [{"images": images}]}, recipe)
    ranges = calibrator.get_model_qsvs()
    of_images = next(one for name, one in ranges.items() if "images" in name)
    assert np.min(of_images["min"]) == -7 and np.max(of_images["max"]) == 11


def test_casting_of_weights_has_a_key():
    quantizer = pytest.importorskip("ai_edge_quantizer").Quantizer(tflite())
    casting = compat.quantizer_float_casting()
    quantizer.add_weight_only_config(".*", "FULLY_CONNECTED", 16, algorithm_key=casting)
    result = quantizer.quantize(enable_progress_report=False)
    schema = compat.litert_schema()
    graph = schema.Model.GetRootAs(bytes(result.quantized_model), 0).Subgraphs(0)
    types_ = {graph.Tensors(i).Type() for i in range(graph.TensorsLength())}
    assert schema.TensorType.FLOAT16 in types_


def test_a_connection_has_what_the_server_overrides():
    uvicorn = pytest.importorskip("uvicorn")
    from uvicorn.server import ServerState

    config = uvicorn.Config(lambda: None, log_config=None)
    config.load()
    protocol = compat.http_protocol()(
        config, ServerState(), app_state={}, _loop=types.SimpleNamespace()
    )
    for name in ("loop", "transport", "scope", "send_400_response"):
        assert hasattr(protocol, name)


def test_options_of_beam_are_known_by_a_parser():
    pytest.importorskip("apache_beam")
    from apache_beam.options.pipeline_options import DirectOptions

    parser = argparse.ArgumentParser(add_help=False)
    compat.add_beam_options(DirectOptions, parser)
    known, others = parser.parse_known_args(["--direct_num_workers=2", "--of_nobody"])
    assert known.direct_num_workers == 2 and others == ["--of_nobody"]
