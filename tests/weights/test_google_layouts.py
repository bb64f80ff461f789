"""Every layout of Google's files beside big_vision's equations in NumPy."""

import math

import numpy as np
import pytest
from scipy.ndimage import zoom

import keras_vit

D, HEADS, MLP, LAYERS, P, CLASSES = 24, 3, 40, 2, 4, 5


def params(rng, pool, grid=(3, 3), **choices):
    """Arrays of big_vision's `vit.py` by name, whose table has no class token."""

    def normal(*shape):
        return rng.normal(scale=0.3, size=shape).astype("float32")

    def norm(name):
        return {f"{name}/scale": normal(D), f"{name}/bias": normal(D)}

    def attention(name):
        found = {
            f"{name}/{part}/{kind}": normal(*shape)
            for part in ("query", "key", "value")
            for kind, shape in (
                ("kernel", (D, HEADS, D // HEADS)),
                ("bias", (HEADS, D // HEADS)),
            )
        }
        out = {"kernel": normal(HEADS, D // HEADS, D), "bias": normal(D)}
        return found | {f"{name}/out/{kind}": array for kind, array in out.items()}

    def mlp(name):
        found = {}
        for number, (inputs, outputs) in enumerate(((D, MLP), (MLP, D))):
            found[f"{name}/Dense_{number}/kernel"] = normal(inputs, outputs)
            found[f"{name}/Dense_{number}/bias"] = normal(outputs)
        return found

    w = {"embedding/kernel": normal(P, P, 3, D), "embedding/bias": normal(D)}
    if choices.get("positions", True):
        w["pos_embedding"] = normal(1, grid[0] * grid[1], D)
    if choices.get("patch_norm"):
        w |= norm("patchln_post")
    if pool == "tok":
        w["cls"] = normal(1, 1, D)
    for block in range(LAYERS):
        name = f"Transformer/encoderblock_{block}"
        w |= norm(f"{name}/LayerNorm_0") | norm(f"{name}/LayerNorm_1")
        w |= attention(f"{name}/MultiHeadDotProductAttention_0")
        w |= mlp(f"{name}/MlpBlock_0")
    w |= norm("Transformer/encoder_norm")
    if pool == "map":
        w["MAPHead_0/probe"] = normal(1, 1, D)
        w |= attention("MAPHead_0/MultiHeadDotProductAttention_0")
        w |= norm("MAPHead_0/LayerNorm_0") | mlp("MAPHead_0/MlpBlock_0")
    if choices.get("rep"):
        w |= {"pre_logits/kernel": normal(D, 7), "pre_logits/bias": normal(7)}
    width = 7 if choices.get("rep") else D
    if choices.get("head", True):
        w |= {"head/kernel": normal(width, CLASSES), "head/bias": normal(CLASSES)}
    return w


def forward(w, images, pool):
    """What big_vision computes of pixels in [-1, 1], in float64."""
    w = {name: array.astype("float64") for name, array in w.items()}

    def dense(name, x):
        return x @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    def norm(name, x):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
        return x * w[f"{name}/scale"] + w[f"{name}/bias"]

    def attend(name, queries, x):
        q, k, v = (
            np.einsum("bnd,dhf->bhnf", y, w[f"{name}/{part}/kernel"])
            + w[f"{name}/{part}/bias"][:, None]
            for part, y in (("query", queries), ("key", x), ("value", x))
        )
        a = np.einsum("bhmf,bhnf->bhmn", q, k) / math.sqrt(D // HEADS)
        a = np.exp(a - a.max(-1, keepdims=True))
        a = a / a.sum(-1, keepdims=True)
        y = np.einsum("bhmn,bhnf->bmhf", a, v)
        return (
            np.einsum("bmhf,hfd->bmd", y, w[f"{name}/out/kernel"])
            + (w[f"{name}/out/bias"])
        )

    def mlp(name, x):
        x = dense(f"{name}/Dense_0", x)
        x = x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
        return dense(f"{name}/Dense_1", x)

    rows, columns = images.shape[1] // P, images.shape[2] // P
    patches = images.reshape(len(images), rows, P, columns, P, 3)
    x = np.einsum("brpcqi,pqid->brcd", patches, w["embedding/kernel"])
    x = x.reshape(len(images), rows * columns, D) + w["embedding/bias"]
    if "patchln_post/scale" in w:
        x = norm("patchln_post", x)
    x = x + (w["pos_embedding"] if "pos_embedding" in w else sincos(rows, columns))
    if pool == "tok":
        x = np.concatenate([np.repeat(w["cls"], len(x), axis=0), x], axis=1)
    for block in range(LAYERS):
        name = f"Transformer/encoderblock_{block}"
        y = norm(f"{name}/LayerNorm_0", x)
        x = x + attend(f"{name}/MultiHeadDotProductAttention_0", y, y)
        x = x + mlp(f"{name}/MlpBlock_0", norm(f"{name}/LayerNorm_1", x))
    x = norm("Transformer/encoder_norm", x)
    if pool == "map":
        probe = np.repeat(w["MAPHead_0/probe"], len(x), axis=0)
        y = attend("MAPHead_0/MultiHeadDotProductAttention_0", probe, x)
        x = y + mlp("MAPHead_0/MlpBlock_0", norm("MAPHead_0/LayerNorm_0", y))
        x = x[:, 0]
    else:
        x = x[:, 0] if pool == "tok" else x.mean(1)
    if "pre_logits/kernel" in w:
        x = np.tanh(dense("pre_logits", x))
    return dense("head", x) if "head/kernel" in w else x


def sincos(rows, columns):
    omega = 1 / 10_000 ** (np.arange(D // 4) / (D // 4 - 1))
    y, x = np.mgrid[:rows, :columns]
    y, x = y.reshape(-1, 1) * omega, x.reshape(-1, 1) * omega
    return np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=1)


def prefixed(prefix, **beside):
    def spell(w):
        others = {name: np.zeros(shape, "float32") for name, shape in beside.items()}
        return {f"{prefix}{name}": array for name, array in w.items()} | others

    return spell


def scanned(w):
    """All blocks in one array, along its first axis."""
    found = {}
    for name, array in w.items():
        if "encoderblock_" not in name:
            found[name] = array
        elif "encoderblock_0" in name:
            parts = [w[name.replace("_0/", f"_{b}/", 1)] for b in range(LAYERS)]
            found[name.replace("encoderblock_0", "encoderblock")] = np.stack(parts)
    return found


def in_encoder(w):
    """Positions inside the encoder, as before 2022."""
    w = dict(w)
    return w | {"Transformer/pos_embedding": w.pop("pos_embedding")}


def with_class_row(place):
    """A table with the class token's row first, of which it is the sum."""

    def spell(w):
        w = dict(w)
        row = np.full((1, 1, D), 0.25, "float32")
        table = np.concatenate([row, w.pop("pos_embedding")], axis=1)
        if "cls" in w:
            w["cls"] = w["cls"] - row
        return w | {place: table}

    return spell


def before_linen(w):
    """The names of vision_transformer's published files."""
    numbers = {
        "MultiHeadDotProductAttention_0": "MultiHeadDotProductAttention_1",
        "LayerNorm_1": "LayerNorm_2",
        "MlpBlock_0": "MlpBlock_3",
    }
    found = {}
    for name, array in w.items():
        for new, old in numbers.items():
            if name.startswith("Transformer/encoderblock"):
                name = name.replace(f"/{new}/", f"/{old}/")
        found[name] = array
    return with_class_row("Transformer/posembed_input/pos_embedding")(found)


def inlined(w):
    """The parts of pooling beside the encoder."""
    return {name.removeprefix("MAPHead_0/"): array for name, array in w.items()}


def naflex(w):
    """Patches that lie flat, and a table of rows and columns."""
    table = w["pos_embedding"].reshape(3, 3, D)
    kernel = w["embedding/kernel"].reshape(-1, D)
    return w | {"pos_embedding": table, "embedding/kernel": kernel}


def chain(*spellings):
    def spell(w):
        for one in spellings:
            w = one(w)
        return w

    return spell


def as_it_is(w):
    return w


TEXTS = {"params/txt/Encoder_0/encoder_norm/scale": (8,), "params/t": (1,)}
LAYOUTS = {  # pooling, what else there is, how it is spelt
    "gap": ("gap", {}, as_it_is),
    "gap by sines": ("gap", {"positions": False, "rep": True}, prefixed("params/")),
    "tok": ("tok", {}, prefixed("params/")),
    "map": ("map", {}, prefixed("params/")),
    "map without a head": ("map", {"head": False}, as_it_is),
    "the optimizer beside": ("gap", {}, prefixed("opt/target/", **{"opt/step": (1,)})),
    "SigLIP": ("map", {"head": False}, prefixed("params/img/", **TEXTS)),
    "SigLIP 2, scanned": (
        "map",
        {"head": False},
        chain(scanned, prefixed("params/img/", **TEXTS)),
    ),
    "scanned": ("gap", {}, chain(scanned, prefixed("params/"))),
    "LiT": ("tok", {}, prefixed("img/", **{"txt/BertModel_0/x": (2,), "t": (1,)})),
    "LiT, older": ("tok", {}, chain(before_linen, prefixed("img/", t=(1,)))),
    "LiT in an optimizer": ("tok", {}, prefixed("opt/target/img/", t=(1,))),
    "vision_transformer": ("tok", {}, before_linen),
    "vision_transformer in an optimizer": (
        "tok",
        {"rep": True},
        chain(before_linen, prefixed("opt/target/")),
    ),
    "in the encoder": ("gap", {}, in_encoder),
    "in the encoder, tok": ("tok", {}, chain(in_encoder, prefixed("opt/target/"))),
    "a class row at the root": ("tok", {}, with_class_row("pos_embedding")),
    "a class row in the encoder": (
        "tok",
        {},
        with_class_row("Transformer/pos_embedding"),
    ),
    "a class row of none": ("gap", {}, with_class_row("Transformer/pos_embedding")),
    "an inlined probe": ("map", {}, inlined),
    "an older inlined probe": ("map", {}, chain(in_encoder, inlined)),
    "NaFlex": ("map", {"head": False}, chain(naflex, prefixed("params/img/"))),
    "NaFlex, scanned": ("gap", {"patch_norm": True}, chain(naflex, scanned)),
}


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, (2, 12, 12, 3)).astype("float32")


@pytest.mark.one_in(2)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_of_each_layout_gives_what_big_vision_computes(
    layout, rng, images, tmp_path, recwarn
):
    pool, choices, spell = LAYOUTS[layout]
    w = params(rng, pool, **choices)
    np.savez(tmp_path / "weights.npz", **spell(w))
    size = {} if choices.get("positions", True) else {"image_size": 12}
    model = keras_vit.ViT(weights=tmp_path / "weights.npz", **size)
    assert model.input_shape[1:3] == (12, 12)
    expected = forward(w, images / 127.5 - 1, pool)
    allowed = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(model(images), expected, atol=allowed)
    assert not [str(one.message) for one in recwarn if "weights.npz" in str(one)]


@pytest.mark.parametrize("layout", ["tok", "SigLIP", "LiT, older", "in the encoder"])
def test_positions_go_to_another_grid_as_when_big_vision_loads_them(
    layout, rng, tmp_path
):
    pool, choices, spell = LAYOUTS[layout]
    w = params(rng, pool, **choices)
    np.savez(tmp_path / "weights.npz", **spell(w))
    images = rng.uniform(0, 255, (2, 20, 16, 3)).astype("float32")
    table = w["pos_embedding"].reshape(3, 3, D)
    w["pos_embedding"] = zoom(table, (5 / 3, 4 / 3, 1), order=1).reshape(1, -1, D)
    model = keras_vit.ViT(weights=tmp_path / "weights.npz", image_size=(20, 16))
    expected = forward(w, images / 127.5 - 1, pool)
    allowed = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(model(images), expected, atol=allowed)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("grid", [(5, 4), (2, 3), (7, 1)])
def test_naflex_positions_go_to_another_grid_by_antialiased_half_pixels(
    grid, rng, tmp_path, recwarn
):
    jax = pytest.importorskip("jax")
    w = params(rng, "gap")
    np.savez(tmp_path / "weights.npz", **naflex(w))
    size = (grid[0] * P, grid[1] * P)
    images = rng.uniform(0, 255, (2, *size, 3)).astype("float32")
    table = w["pos_embedding"].reshape(3, 3, D)
    scale = np.array(grid) / 3
    resized = jax.image.scale_and_translate(
        table, (*grid, D), (0, 1), scale, np.zeros(2), "bilinear", antialias=True
    )
    w["pos_embedding"] = np.asarray(resized).reshape(1, -1, D)
    model = keras_vit.ViT(weights=tmp_path / "weights.npz", image_size=size)
    expected = forward(w, images / 127.5 - 1, "gap")
    allowed = 2e-5 * np.abs(expected).max()
    np.testing.assert_allclose(model(images), expected, atol=allowed)
    assert not [str(one.message) for one in recwarn if "weights.npz" in str(one)]


def test_a_norm_before_the_projection_is_refused(rng, tmp_path):
    w = naflex(params(rng, "gap"))
    w |= {"patchln_pre/scale": np.ones(48), "patchln_pre/bias": np.zeros(48)}
    np.savez(tmp_path / "naflex.npz", **w)
    with pytest.raises(ValueError, match="patchln_pre"):
        keras_vit.ViT(weights=tmp_path / "naflex.npz")
