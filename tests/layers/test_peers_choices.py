"""Each choice of a block beside timm's own module, with the same weights."""

import functools

import keras
import numpy as np
import pytest

from keras_vit import layers
from keras_vit.layers.block_config import BlockConfig
from keras_vit.pooling import pooled

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from timm.layers import (  # noqa: E402
    AttentionPoolLatent,
    AttentionRope,
    DiffAttention,
    GluMlp,
    Mlp,
    QuickGELU,
    RelPosBias,
    RelPosMlp,
    RmsNorm,
    RotaryEmbeddingCat,
    RotaryEmbeddingDinoV3,
    RotaryEmbeddingMixed,
    SwiGLU,
)
from timm.layers.pos_embed_sincos import apply_rot_embed_cat  # noqa: E402
from timm.models.beit import Block as BeitBlock  # noqa: E402
from timm.models.eva import EvaBlock  # noqa: E402
from timm.models.vision_transformer import (  # noqa: E402
    DiffParallelScalingBlock,
    ParallelScalingBlock,
    ParallelThingsBlock,
    ResPostBlock,
    global_pool_nlc,
)

LayerNorm = functools.partial(torch.nn.LayerNorm, eps=1e-6)
RMS = functools.partial(RmsNorm, eps=1e-6)
GRIDS = [(3, 5), (4, 2)]
every_grid = pytest.mark.parametrize("grid", GRIDS)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def random(module):
    """Every weight a value, so that none hides behind a 0 or a 1."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(std=0.4)
    return module.eval()


def dense(ours, linear, rows=slice(None)):
    values = {f"{ours}/kernel": linear.weight[rows].T}
    if linear.bias is not None:
        values[f"{ours}/bias"] = linear.bias[rows]
    return values


def norm(ours, theirs):
    if isinstance(theirs, RmsNorm):
        return {f"{ours}/scale": theirs.weight}
    return {f"{ours}/gamma": theirs.weight, f"{ours}/beta": theirs.bias}


def thirds(ours, attention, biases=None):
    """The three parts of one dense layer, with biases of their own or its own."""
    width = attention.qkv.weight.shape[1]
    values = {}
    for number, name in enumerate(("query", "key", "value")):
        rows = slice(number * width, (number + 1) * width)
        values |= dense(f"{ours}/{name}", attention.qkv, rows)
    if biases:
        values |= {f"{ours}/{name}/bias": bias for name, bias in biases.items()}
    return values | dense(f"{ours}/out", attention.proj)


def mlp(ours, theirs):
    return dense(f"{ours}/fc1", theirs.fc1) | dense(f"{ours}/fc2", theirs.fc2)


def same(layer, values, x, expected):
    """Set all weights of a layer, and compare its output."""
    layer.build(x.shape)
    ours = {w.path: w for w in layer.weights if "seed" not in w.path}
    values = {f"{layer.name}/{path}": value for path, value in values.items()}
    assert ours.keys() == values.keys()
    for path, value in values.items():
        ours[path].assign(value.detach().numpy())
    expected = expected.detach().numpy()
    found = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def tokens(grid, others=1, width=32, batch=2):
    return torch.randn(batch, grid[0] * grid[1] + others, width)


@pytest.mark.parametrize("has_norm", [False, True])
def test_a_gated_mlp_is_swiglu(has_norm):
    theirs = random(SwiGLU(32, 24, norm_layer=LayerNorm if has_norm else None))
    values = dense("gate", theirs.fc1_g) | dense("fc1", theirs.fc1_x)
    values |= dense("fc2", theirs.fc2)
    if has_norm:
        values |= norm("norm", theirs.norm)
    config = {"mlp": "gated", "mlp_norm": has_norm}
    x = tokens((3, 5))
    same(layers.MLP(24, "silu", config=config), values, x.numpy(), theirs(x))


def test_a_gated_mlp_without_biases_is_the_packed_one():
    theirs = GluMlp(32, 48, act_layer=torch.nn.GELU, gate_last=False, bias=False)
    random(theirs)
    values = dense("gate", theirs.fc1, slice(24)) | dense("fc2", theirs.fc2)
    values |= dense("fc1", theirs.fc1, slice(24, None))
    ours = layers.MLP(24, "gelu_erf", config={"mlp": "gated", "use_bias": False})
    x = tokens((3, 5))
    same(ours, values, x.numpy(), theirs(x))


@pytest.mark.parametrize(
    ("activation", "theirs"),
    [
        ("gelu_quick", QuickGELU),
        ("silu", torch.nn.SiLU),
        ("gelu_tanh", functools.partial(torch.nn.GELU, approximate="tanh")),
    ],
)
def test_an_activation_is_the_peers(activation, theirs):
    module = random(Mlp(32, 24, act_layer=theirs))
    x = tokens((3, 5))
    values = {path[1:]: value for path, value in mlp("", module).items()}
    same(layers.MLP(24, activation), values, x.numpy(), module(x))


ROTARY = {
    "index": {},
    "of rows first": {"axes": "yx", "temperature": 1e4},
    "stretched": {"reference_grid": (7, 4), "temperature": 1e4},
    "with an offset": {"offset": 1.0, "axes": "yx"},
}


@every_grid
@pytest.mark.parametrize("rotary", ROTARY)
@pytest.mark.parametrize("pairs", ["halves", "neighbours"])
@pytest.mark.parametrize("few", [False, True])
def test_attention_with_rotary_positions_is_the_peers(grid, rotary, pairs, few):
    config = ROTARY[rotary] | {"pairs": pairs}
    rope = RotaryEmbeddingCat(
        8,
        in_pixels=False,
        temperature=config.get("temperature", 100.0),
        ref_feat_shape=config.get("reference_grid"),
        grid_offset=config.get("offset", 0.0),
        grid_indexing="ij" if config.get("axes") == "yx" else "xy",
        rotate_half=pairs == "halves",
    )
    theirs = AttentionRope(
        32,
        num_heads=4,
        qkv_fused=False,
        num_prefix_tokens=2,
        norm_layer=RMS,
        qk_norm=few,
        scale_norm=few,
        rotate_half=pairs == "halves",
        num_kv_heads=2 if few else None,
    )
    random(theirs)
    values = dense("query", theirs.q_proj) | dense("key", theirs.k_proj)
    values |= dense("value", theirs.v_proj) | dense("out", theirs.proj)
    if few:
        values |= norm("query_norm", theirs.q_norm) | norm("key_norm", theirs.k_norm)
        values |= norm("norm", theirs.norm)
    block = BlockConfig.of(
        {
            "norm": "rms",
            "rotary": config,
            "attention_norm": few,
            "num_key_value_heads": 2 if few else None,
        }
    )
    ours = layers.MultiHeadSelfAttention(4, qk_norm=few, grid=grid, config=block)
    x = tokens(grid, others=2)
    expected = theirs(x, rope=rope.get_embed(list(grid)))
    same(ours, values, x.numpy(), expected)


@every_grid
def test_centred_coordinates_are_dinov3s(grid):
    rope = RotaryEmbeddingDinoV3(8, temperature=100.0).eval()
    q = torch.randn(2, 3, grid[0] * grid[1] + 5, 8)
    turned = apply_rot_embed_cat(q[:, :, 5:], rope.get_embed(list(grid)), half=True)
    config = {"coordinates": "centered", "axes": "yx"}
    ours = layers.RotaryPositions(grid, config)
    same(ours, {}, q.numpy(), torch.cat([q[:, :, :5], turned], dim=2))


@every_grid
def test_learned_frequencies_are_the_mixed_ones(grid):
    rope = random(RotaryEmbeddingMixed(24, depth=2, num_heads=3))
    q = torch.randn(2, 3, grid[0] * grid[1] + 1, 8)
    embed = rope.get_embed(list(grid))[1]
    turned = apply_rot_embed_cat(q[:, :, 1:], embed)
    config = {"frequencies": "learned", "pairs": "neighbours"}
    ours = layers.RotaryPositions(grid, config)
    values = {"frequencies": rope.freqs[:, 1]}
    same(ours, values, q.numpy(), torch.cat([q[:, :, :1], turned], dim=2))


@every_grid
@pytest.mark.parametrize("others", [0, 1])
def test_a_table_of_biases_is_the_peers(grid, others):
    theirs = random(RelPosBias(grid, num_heads=3, prefix_tokens=others))
    q = torch.randn(2, 3, grid[0] * grid[1] + others, 8)
    values = {"table": theirs.relative_position_bias_table}
    same(layers.RelativePositionBias(grid), values, q.numpy(), theirs.get_bias())


@every_grid
@pytest.mark.parametrize("others", [0, 2])
def test_a_network_of_biases_is_the_peers(grid, others):
    theirs = RelPosMlp(grid, num_heads=3, hidden_dim=16, prefix_tokens=others)
    random(theirs)
    q = torch.randn(2, 3, grid[0] * grid[1] + others, 8)
    values = {path[1:]: value for path, value in mlp("", theirs.mlp).items()}
    ours = layers.RelativePositionBias(grid, {"form": "mlp", "hidden_dim": 16})
    same(ours, values, q.numpy(), theirs.get_bias())


@every_grid
def test_a_block_with_norms_inside_is_evas(grid):
    theirs = EvaBlock(
        32,
        num_heads=4,
        mlp_ratio=0.75,
        swiglu_mlp=True,
        scale_mlp=True,
        scale_attn_inner=True,
        init_values=0.1,
        attn_only_layer_scale=True,
        norm_layer=LayerNorm,
    )
    random(theirs)
    rope = RotaryEmbeddingCat(
        8, in_pixels=False, temperature=1e4, ref_feat_shape=(4, 4)
    )
    x = tokens(grid)
    expected = theirs(x, rope=rope.get_embed(list(grid)))
    attention = theirs.attn
    biases = {"query": attention.q_bias, "value": attention.v_bias}
    values = norm("norm1", theirs.norm1) | norm("norm2", theirs.norm2)
    values |= thirds("attention", attention, biases)
    values |= norm("attention/norm", attention.norm)
    values |= dense("mlp/gate", theirs.mlp.fc1_g) | dense("mlp/fc1", theirs.mlp.fc1_x)
    values |= dense("mlp/fc2", theirs.mlp.fc2) | norm("mlp/norm", theirs.mlp.norm)
    values |= {"scale1/gamma": theirs.gamma_1}
    ours = layers.TransformerBlock(
        4,
        24,
        "silu",
        layer_scale=0.1,
        grid=grid,
        config={
            "mlp": "gated",
            "qkv_bias": "query_value",
            "attention_norm": True,
            "mlp_norm": True,
            "mlp_layer_scale": False,
            "rotary": {
                "pairs": "neighbours",
                "axes": "yx",
                "temperature": 1e4,
                "reference_grid": (4, 4),
            },
        },
    )
    same(ours, values, x.numpy(), expected)


@every_grid
def test_a_block_with_a_table_of_biases_is_beits(grid):
    theirs = BeitBlock(
        32,
        num_heads=4,
        qkv_bias=True,
        mlp_ratio=2,
        init_values=0.1,
        norm_layer=LayerNorm,
        window_size=grid,
    )
    random(theirs)
    attention = theirs.attn
    biases = {"query": attention.q_bias, "value": attention.v_bias}
    values = norm("norm1", theirs.norm1) | norm("norm2", theirs.norm2)
    values |= thirds("attention", attention, biases) | mlp("mlp", theirs.mlp)
    table = attention.relative_position_bias_table
    values |= {"attention/relative_bias/table": table}
    values |= {"scale1/gamma": theirs.gamma_1, "scale2/gamma": theirs.gamma_2}
    config = {"qkv_bias": "query_value", "relative_bias": {}}
    ours = layers.TransformerBlock(
        4, 64, "gelu_erf", layer_scale=0.1, grid=grid, config=config
    )
    x = tokens(grid)
    same(ours, values, x.numpy(), theirs(x))


def test_a_block_with_norms_at_the_ends_is_the_peers():
    theirs = ResPostBlock(
        32, num_heads=4, qkv_bias=True, mlp_ratio=2, norm_layer=LayerNorm
    )
    random(theirs)
    values = norm("norm1", theirs.norm1) | norm("norm2", theirs.norm2)
    values |= thirds("attention", theirs.attn) | mlp("mlp", theirs.mlp)
    config = {"layout": "res_post_norm"}
    x = tokens((3, 5))
    ours = layers.TransformerBlock(4, 64, "gelu_erf", config=config)
    same(ours, values, x.numpy(), theirs(x))


@pytest.mark.parametrize("qkv_bias", [False, True])
def test_a_parallel_block_is_the_peers(qkv_bias):
    theirs = ParallelScalingBlock(
        32,
        num_heads=4,
        qkv_bias=qkv_bias,
        qk_norm=True,
        mlp_ratio=2,
        init_values=0.1,
        norm_layer=LayerNorm,
    )
    random(theirs)
    parts = {
        "mlp/fc1": slice(64),
        "attention/query": slice(64, 96),
        "attention/key": slice(96, 128),
        "attention/value": slice(128, None),
    }
    values = norm("norm1", theirs.in_norm) | {"scale1/gamma": theirs.ls.gamma}
    for ours, rows in parts.items():
        values |= dense(ours, theirs.in_proj, rows)
    if not qkv_bias:
        values |= {"mlp/fc1/bias": theirs.mlp_bias}
    values |= dense("attention/out", theirs.attn_out_proj)
    values |= dense("mlp/fc2", theirs.mlp_out_proj)
    values |= norm("attention/query_norm", theirs.q_norm)
    values |= norm("attention/key_norm", theirs.k_norm)
    ours = layers.ParallelBlock(
        num_heads=4,
        mlp_dim=64,
        activation="gelu_erf",
        layer_scale=0.1,
        qk_norm=True,
        config={"layout": "parallel", "qkv_bias": "all" if qkv_bias else "none"},
    )
    x = tokens((3, 5))
    same(ours, values, x.numpy(), theirs(x))


def lambdas(ours, theirs):
    names = ("lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2")
    values = {f"{ours}{name}": getattr(theirs, name) for name in names}
    return values | norm(f"{ours}head_norm", theirs.sub_norm)


@every_grid
@pytest.mark.parametrize(("index", "has_norms"), [(0, False), (7, True)])
def test_differential_attention_is_the_peers(grid, index, has_norms):
    theirs = DiffAttention(
        32,
        num_heads=4,
        qkv_bias=True,
        qk_norm=has_norms,
        scale_norm=has_norms,
        norm_layer=LayerNorm,
        depth=index,
    )
    random(theirs)
    values = {path[1:]: value for path, value in thirds("", theirs).items()}
    values |= lambdas("", theirs)
    if has_norms:
        values |= norm("query_norm", theirs.q_norm) | norm("key_norm", theirs.k_norm)
        values |= norm("norm", theirs.norm)
    config = {"attention": "differential", "attention_norm": has_norms}
    ours = layers.DifferentialAttention(
        4, index=index, qk_norm=has_norms, config=config
    )
    x = tokens(grid)
    same(ours, values, x.numpy(), theirs(x))

    one, two = (
        np.exp(np.dot(*(ours.vectors[n].numpy() for n in pair)))
        for pair in ((0, 1), (2, 3))
    )
    rows = keras.ops.convert_to_numpy(ours.scores(x.numpy())).sum(-1)
    np.testing.assert_allclose(
        rows, 1 - (one - two + ours.lambda_init), atol=1e-5 * max(one, two)
    )


@every_grid
def test_a_parallel_block_of_differential_attention_is_the_peers(grid):
    theirs = DiffParallelScalingBlock(
        32, num_heads=4, qkv_bias=True, mlp_ratio=2, norm_layer=LayerNorm, depth=3
    )
    random(theirs)
    values = norm("norm1", theirs.in_norm)
    for path, rows in {
        "mlp/fc1": slice(64),
        "attention/query": slice(64, 96),
        "attention/key": slice(96, 128),
        "attention/value": slice(128, None),
    }.items():
        values |= dense(path, theirs.in_proj, rows)
    values |= lambdas("attention/", theirs)
    kernel, bias = theirs.out_proj.weight, theirs.out_proj.bias
    values |= {"attention/out/kernel": kernel[:, :32].T, "attention/out/bias": bias / 2}
    values |= {"mlp/fc2/kernel": kernel[:, 32:].T, "mlp/fc2/bias": bias / 2}
    ours = layers.ParallelBlock(
        num_heads=4,
        mlp_dim=64,
        activation="gelu_erf",
        index=3,
        config={"layout": "parallel", "attention": "differential"},
    )
    x = tokens(grid)
    same(ours, values, x.numpy(), theirs(x))


@every_grid
@pytest.mark.parametrize("branches", [2, 3])
def test_a_block_of_branches_is_the_peers(grid, branches):
    theirs = ParallelThingsBlock(
        32,
        num_heads=4,
        num_parallel=branches,
        qkv_bias=True,
        mlp_ratio=2,
        init_values=0.1,
        norm_layer=LayerNorm,
    )
    random(theirs)
    values = {}
    for number, (first, second) in enumerate(
        zip(theirs.attns, theirs.ffns, strict=True)
    ):
        root = f"branch_{number}/" if number else ""
        values |= norm(f"{root}norm1", first.norm) | norm(f"{root}norm2", second.norm)
        values |= thirds(f"{root}attention", first.attn)
        values |= mlp(f"{root}mlp", second.mlp)
        values |= {f"{root}scale1/gamma": first.ls.gamma}
        values |= {f"{root}scale2/gamma": second.ls.gamma}
    ours = layers.BranchedBlock(
        num_heads=4,
        mlp_dim=64,
        activation="gelu_erf",
        layer_scale=0.1,
        config={"num_branches": branches},
    )
    x = tokens(grid)
    same(ours, values, x.numpy(), theirs(x))


@pytest.mark.parametrize(
    ("kind", "theirs"), [("gap", "avg"), ("max", "max"), ("gap_max", "avgmax")]
)
@pytest.mark.parametrize("prefix_tokens", [False, True])
def test_pooling_is_the_peers(kind, theirs, prefix_tokens):
    x = tokens((3, 5), others=3)
    config = layers.PoolingConfig(kind=kind, prefix_tokens=prefix_tokens)
    found = pooled(keras.ops.convert_to_tensor(x.numpy()), config, 3, attention={})
    expected = global_pool_nlc(x, theirs, 3, prefix_tokens)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("others", [0, 2])
def test_attention_pooling_is_the_peers(others):
    theirs = AttentionPoolLatent(32, num_heads=4, mlp_ratio=2, norm_layer=LayerNorm)
    random(theirs)
    x = tokens((3, 5), others)
    values = {"probe": theirs.latent} | dense("attention/query", theirs.q)
    values |= dense("attention/key", theirs.kv, slice(32))
    values |= dense("attention/value", theirs.kv, slice(32, None))
    values |= dense("attention/out", theirs.proj)
    values |= norm("norm", theirs.norm) | mlp("mlp", theirs.mlp)
    ours = layers.AttentionPooling(4, 64, "gelu_erf")
    same(ours, values, x.numpy(), theirs(x))
