import functools
import json
import math
import resource

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

import keras_vit
from keras_vit import inspect, layers
from keras_vit.baselines import ResNet
from keras_vit.inspect.costs import RULES
from keras_vit.layers import BasicResNetStem, ConvStem, ResNetDStem, ResNetStem
from support.choice_table import CHOICES
from support.models import tiny_vit

PUBLISHED = {  # GMACs, as timm measures them
    ("ViT_B16", 224): 17.58,
    ("ViT_B16", 384): 55.54,
    ("ViT_L16", 224): 61.60,
    ("ViT_H14", 224): 167.40,
    ("R50_ViT_B16", 224): 21.66,
    ("R50_ViT_L32", 224): 19.58,
}
PRODUCTS = ("MatMul", "BatchMatMulV2", "Conv2D", "DepthwiseConv2dNative")


def hybrid(**arguments):
    sizes = {"image_size": (48, 64), "patch_size": 2, "stem": ResNetStem((1, 2), 0.5)}
    return tiny_vit(**(sizes | arguments))


def with_own_stem(**arguments):
    """A stem of branches, of a model in a model, and of a layer used twice."""
    images = keras.Input((16, 24, 3))
    x = keras.layers.ZeroPadding2D(1)(images)
    x = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    again = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)
    y = again(keras.layers.ReLU()(again(keras.layers.BatchNormalization()(x))))
    x = keras.layers.Add()([x, y])
    x = keras.layers.Concatenate()(
        [x, keras.layers.DepthwiseConv2D(3, padding="same")(y)]
    )
    weighed = keras.layers.Activation("swish")(keras.layers.Rescaling(0.5)(x))
    x = keras.layers.Multiply()([x, weighed])
    x = keras.layers.SeparableConv2D(8, 3, depth_multiplier=2, padding="same")(x)
    x = keras.Sequential([keras.layers.MaxPooling2D(2), keras.layers.Conv2D(4, 1)])(x)
    return tiny_vit(stem=keras.Model(images, x), patch_size=1, **arguments)


MODELS = {
    **{
        name: functools.partial(tiny_vit, **arguments)
        for name, arguments in CHOICES.items()
    },
    "token": tiny_vit,
    "gap": lambda: tiny_vit(pooling="gap", class_token=True, representation_size=12),
    "map": lambda: tiny_vit(pooling="map", layer_scale=0.1, qk_norm=True),
    "registers": lambda: tiny_vit(
        num_registers=3, distillation=True, patch_size=(4, 8)
    ),
    "relative": lambda: tiny_vit(position_embedding="relative"),
    "rotary": lambda: tiny_vit(
        position_embedding="rope_2d", fc_norm=True, pooling="gap"
    ),
    "shared": lambda: tiny_vit(position_embedding_at="every_layer_shared"),
    "merging": lambda: tiny_vit(token_merging=2, pooling="gap", num_registers=1),
    "merging until one is left": lambda: tiny_vit(
        token_merging=9, qk_norm=True, num_layers=4
    ),
    "hybrid": hybrid,
    "hybrid of ResNet-D": lambda: hybrid(
        stem=ResNetDStem((1, 2), 0.25), image_size=(36, 60), patch_size=1
    ),
    "hybrid of basic blocks": lambda: hybrid(
        stem=BasicResNetStem((1, 2), 0.25), image_size=(36, 60), patch_size=1
    ),
    "hybrid of convolutions": lambda: hybrid(stem=ConvStem((6, 8))),
    "own stem": with_own_stem,
    "resnet": lambda: ResNet(
        blocks=(1, 1), width_factor=0.5, num_classes=3, image_size=32
    ),
}


def profiled(model):
    """The multiply-adds of one image by TensorFlow's profiler: half its FLOPs."""
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        spec
    )
    graph = convert_variables_to_constants_v2(function).graph
    ask = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    ask["output"] = "none"
    nodes = tf.compat.v1.profiler.profile(graph, cmd="op", options=ask)
    total = 0
    while nodes.children:  # a chain, each operation below the one before it
        (nodes,) = nodes.children
        total += nodes.float_ops if nodes.name in PRODUCTS else 0
    return total / 2


@pytest.mark.one_in(6)
@pytest.mark.parametrize("name", MODELS)
def test_multiply_adds_are_those_of_tensorflows_profiler(name):
    model = MODELS[name]()
    told = inspect.summary(model)
    assert told.multiply_adds == profiled(model)
    assert told.uncounted == ()
    assert told.multiply_adds == sum(row.multiply_adds for row in told.rows)


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_shapes_are_those_of_the_model(name):
    model = MODELS[name]()
    told = inspect.summary(model)
    assert told.parameters == model.count_params()
    assert told.parameters == sum(row.parameters for row in told.rows)
    assert told.activation_bytes == sum(row.activation_bytes for row in told.rows)
    shapes = {row.name: row.output_shape for row in told.rows}
    for layer in model.layers[1:]:
        if layer.name != "positions":  # is called more than once, so has no one output
            output, *_ = keras.tree.flatten(layer.output)
            assert shapes.pop(layer.name) == output.shape[1:]
    assert set(shapes) <= {"positions"}


def test_every_layer_of_the_package_has_a_rule():
    classes = [one for one in vars(layers).values() if isinstance(one, type)]
    own = [one for one in classes if issubclass(one, keras.layers.Layer)]
    assert len(own) > 10
    assert all(set(one.__mro__) & RULES.keys() for one in own)


@pytest.mark.slow
def test_published_multiply_adds_follow_without_the_memory_of_the_weights():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for (name, size), published in PUBLISHED.items():
        with inspect.unallocated():
            model = getattr(keras_vit, name)(image_size=size)
        told = inspect.summary(model)
        assert told.multiply_adds / 1e9 == pytest.approx(published, rel=0.01), name
        assert told.parameters == model.count_params()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 500e3  # KB; the weights of H/14 alone have 2.5 million


def block_keeps(n, d, m, h, extra=0):
    """Inputs of two norms, of qkv, of q, k and v's products, of out, of fc1 and
    fc2 and of GELU; and the softmax.
    """
    return (8 + extra) * n * d + 2 * n * m + h * n * n


@pytest.mark.parametrize(
    ("arguments", "tokens", "extra"),
    [
        ({}, 7, 0),
        ({"num_registers": 2}, 9, 0),
        ({"layer_scale": 0.1}, 7, 2),  # what is scaled
        ({"qk_norm": True}, 7, 2),  # q and k before it
        ({"position_embedding": "rope_2d"}, 7, 0),
    ],
)
def test_training_keeps_what_gradients_read(arguments, tokens, extra):
    told = inspect.summary(tiny_vit(**arguments))
    rows = {row.name: row.activation_bytes for row in told.rows}
    block = 4 * block_keeps(tokens, 16, 32, 2, extra)
    assert rows == {
        "preprocessing": 0,
        "patches": 0,
        "patch_encoder": 4 * 6 * 8 * 8 * 3,  # the patches, which meet a kernel
        "block_00": block,
        "block_01": block,
        "norm": 4 * tokens * 16,
        "pooling": 0,
        "features": 0,
        "head": 4 * 16,
    }


def test_training_keeps_no_softmax_of_many_tokens():
    with inspect.unallocated():
        model = tiny_vit(image_size=(256, 264))  # 32 x 33 patches and the class token
    n = 32 * 33 + 1
    rows = {row.name: row.activation_bytes for row in inspect.summary(model).rows}
    assert rows["block_00"] == 4 * (block_keeps(n, 16, 32, 2) - 2 * n * n)


def test_training_keeps_what_a_resnet_reads():
    stem = ResNetStem((2,), 0.5, name="stem")
    told = inspect.summary(tiny_vit(image_size=(16, 24), patch_size=2, stem=stem))
    full, half, quarter = 16 * 24, 8 * 12, 4 * 6
    root = 3 * full + 2 * 32 * half + 32 * quarter  # pixels, convolved, relu; pooled
    inner = 2 * 2 * 32 * quarter  # what two norms and two ReLUs leave
    unit = inner + 2 * 128 * quarter  # before the last norm; the last ReLU
    projection = 128 * quarter  # before its norm
    kept = root + unit + projection + unit
    rows = {row.name: row.activation_bytes for row in told.rows}
    assert rows["stem"] == 4 * kept
    assert rows["patch_encoder"] == 4 * 128 * quarter


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        # The residual, what goes into the GELU and what comes out of it.
        ({"image_size": 8, "mlp_dim": 999}, 2 * 16 + 2 * 2 * 999),
        # The residual, v, the logits and their softmax.
        (
            {"patch_size": 1, "mlp_dim": 1, "num_heads": 8, "image_size": 8},
            2 * 65 * 16 + 2 * 8 * 65**2,
        ),
        # The pixels, and the pixels normalised.
        ({"patch_size": 32, "image_size": (64, 96), "mlp_dim": 1}, 2 * 64 * 96 * 3),
    ],
)
def test_inference_holds_what_a_step_and_later_ones_need(arguments, numbers):
    assert inspect.summary(tiny_vit(**arguments)).peak_bytes == 4 * numbers


def test_what_no_rule_counts_is_named():
    images = keras.Input((16, 24, 3))
    x = keras.layers.Conv2DTranspose(4, 3, name="transposed")(images)
    stem = keras.Model(images, keras.ops.matmul(x, np.ones((4, 5), "float32")))
    told = inspect.summary(tiny_vit(stem=stem))
    assert told.uncounted[0] == "transposed"
    assert told.uncounted[1].startswith("matmul")
    assert "Multiply-adds not counted: transposed, matmul" in str(told)


def test_a_summary_is_a_table_and_json():
    told = inspect.summary(tiny_vit())
    lines = str(told).splitlines()
    width = math.ceil(max(map(len, lines[:-1])))
    assert all(len(line) <= width for line in lines[:-1])
    assert lines[4].split()[:5] == ["block_00", "TransformerBlock", "7", "x", "16"]
    assert lines[10].split()[0] == "total"
    assert f"{told.multiply_adds:,}" in lines[10]
    read = json.loads(told.to_json())
    assert read["multiply_adds"] == told.multiply_adds
    assert read["rows"][2]["output_shape"] == [7, 16]
    assert len(read["rows"]) == len(told.rows)


def test_the_dtype_changes_nothing(tmp_path):
    expected = inspect.summary(tiny_vit(name="vit"))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = tiny_vit(name="vit")
        model.save(tmp_path / "model.keras")
    finally:
        keras.config.set_dtype_policy("float32")
    assert inspect.summary(model) == expected
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert inspect.summary(loaded) == expected


def test_a_model_whose_layers_are_not_known_is_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(ValueError, match="Expected a functional or seq"):
        inspect.summary(Own())
    images = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match="whose input has a known size"):
        inspect.summary(keras.Model(images, keras.layers.Conv2D(1, 1)(images)))
