"""Private interfaces of other libraries lie in one file, and are as it says."""

import ast
import pathlib
from collections import defaultdict

import keras
import pytest
import tensorflow as tf

import keras_vit
from keras_vit import compat

ROOT = pathlib.Path(keras_vit.__file__).parent
INNER = ("keras.src", "tensorflow.python", "tensorflow.lite.python")
INNER += ("ai_edge_quantizer.", "uvicorn.protocols")
# Public in spite of their names: of named tuples, of `os`.
PUBLIC = {"_replace", "_asdict", "_exit", "_fields"}
OURS = {"_parts_to_quantize"}  # looked for in layers of ours, by its name


def private_uses(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{one.name}" for one in node.names]
        elif isinstance(node, ast.Attribute):
            names = [ast.unparse(node)] if is_private(node) else []
        else:
            continue
        for name in names:
            private = isinstance(node, ast.Attribute) or name.startswith(INNER)
            if private:
                yield f"{path.relative_to(ROOT)}:{node.lineno} {name}"


def is_private(node):
    if node.attr == "get_collection_ref":
        return True
    if not node.attr.startswith("_") or node.attr.startswith("__"):
        return False
    own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
    return not own and node.attr not in PUBLIC | OURS | defined()


def defined():
    if not DEFINED:
        for path in ROOT.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    DEFINED.add(node.name)
                elif isinstance(node, ast.Attribute | ast.Name) and isinstance(
                    node.ctx, ast.Store
                ):
                    own = isinstance(node, ast.Name) or (
                        ast.unparse(node.value) in ("self", "cls")
                    )
                    if own:
                        DEFINED.add(getattr(node, "attr", getattr(node, "id", "")))
    return DEFINED


DEFINED = set()


def test_private_interfaces_of_others_are_used_in_one_file():
    paths = [path for path in sorted(ROOT.rglob("*.py")) if path.name != "compat.py"]
    wrong = [use for path in paths for use in private_uses(path)]
    assert not wrong, "\n".join(wrong)
    assert list(private_uses(ROOT / "compat.py"))  # or the search finds nothing


def test_what_a_version_lacks_is_named_in_the_error():
    with pytest.raises(ImportError, match=r"Expected keras\.src\.no_such_module"):
        compat._inner("keras.src.no_such_module")


def test_graph_of_a_keras_model():
    inputs = keras.Input((3,))
    outer = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    outputs = outer(inputs)
    model = keras.Model(inputs, outputs)
    assert compat.operation_of(outputs) is outer
    assert compat.node_of(outputs) == (outer, [inputs])
    assert outer.layers[0] in compat.flatten_layers(model)
    assert model not in compat.flatten_layers(model, include_self=False)
    x = keras.ops.ones((1, 3))
    run = compat.run_through_graph(model, [x], lambda operation: operation)
    assert (run.numpy() == model(x).numpy()).all()


def test_state_of_keras():
    state = compat.keras_global_state()
    state.set_global_attribute("kv_test", 3)
    assert state.get_global_attribute("kv_test") == 3
    key = "object_name_uids"
    before = state.get_global_attribute(key, defaultdict(int), True)
    state.set_global_attribute(key, defaultdict(int))
    try:
        assert keras.layers.Dense(1).name == "dense"
    finally:
        state.set_global_attribute(key, before)


def test_state_of_a_layer_and_of_an_optimizer():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    compat.untrack_variable(layer, layer.bias)
    assert [one.name for one in layer.weights] == ["kernel"]
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    source, target = (keras.optimizers.AdamW(schedule) for _ in range(2))
    assert compat.learning_rate_or_schedule(source) is schedule
    weight = keras.Variable([1.0], name="bias")
    source.exclude_from_weight_decay(var_names=["bias"])
    compat.copy_decay_exclusions(source, target)
    assert not target._use_weight_decay(weight)
    count = keras.Variable(7, dtype="int64", trainable=False)
    compat.set_iterations(target, count)
    assert target.iterations is count


def test_graphs_of_tensorflow():
    variable = tf.Variable([2.0])
    seen = []

    @tf.function(input_signature=[tf.TensorSpec([1])])
    def double(x):
        compat.graph_collection("kv").append(1)
        seen.extend(compat.graph_collection("kv"))
        return x * variable

    frozen = compat.constant_graph(double.get_concrete_function())
    assert seen == [1] and not frozen.variables
    assert frozen(tf.constant([3.0]))[0].numpy() == 6


def test_classes_of_converters_and_of_the_server():
    assert compat.litert_schema().BuiltinOperator.FULLY_CONNECTED == 9  # schema.fbs
    assert issubclass(compat.litert_converter_error(), Exception)
    pytest.importorskip("ai_edge_quantizer")
    parts = ("calibrator", "Calibrator"), ("recipe_manager", "RecipeManager")
    parts += ("quantizer", "Quantizer"), ("algorithm_manager", "AlgorithmName")
    parts += (("utils.qsv_utils", "min_max_update"),)
    for module, name in parts:
        assert compat.quantizer_part(module, name).__name__ == name
    pytest.importorskip("uvicorn")
    for method in ("send_400_response", "timeout_keep_alive_handler"):
        assert callable(getattr(compat.h11_protocol(), method))
