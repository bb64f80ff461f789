"""One of timm's Vision Transformers, there and back: what `coverage.py` tries."""

import fnmatch
import functools
import json
import pathlib
import re
import tempfile
import warnings

import numpy as np
import timm
import torch
from safetensors.numpy import save_file
from timm.models import _registry as registry

import keras_vit
from keras_vit.weights import save_weights
from keras_vit.weights.sources.timm_architectures import ARCHITECTURES

MODULES = (
    *("vision_transformer", "vision_transformer_hybrid", "vision_transformer_relpos"),
    *("deit", "eva", "beit", "naflexvit"),
)
CLASSES = 5


def names(patterns):
    """The names of timm's Vision Transformers that fit a pattern, by module."""
    found = {
        name: entry.__module__.rpartition(".")[2]
        for name, entry in sorted(registry._model_entrypoints.items())
    }
    return {
        name: module
        for name, module in found.items()
        if module in MODULES and any(fnmatch.fnmatch(name, p) for p in patterns)
    }


def tried(name):
    """The row of a name: differences there and back, or why it is refused."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = pathlib.Path(folder)
        theirs, arguments = built(name)
        image = np.random.default_rng(1).integers(0, 256, (1, *size(theirs), 3))
        image = image.astype(np.float32)
        expected = output(theirs, image)
        written(theirs, name, arguments, folder / "there")
        try:
            model = keras_vit.ViT(weights=folder / "there", image_size=size(theirs))
        except (ValueError, TypeError) as error:
            return {"refused": " ".join(str(error).split())[:300]}
        result = {"loaded": difference(np.asarray(model(image)), expected)}
        result["bare"] = bare(theirs, model, image, expected, folder / "bare")
        try:
            (folder / "back").mkdir()
            path = folder / "back" / "model.safetensors"
            save_weights(model, path, "timm", architecture=name)
            again = read(folder / "back", path)
        except (ValueError, TypeError, RuntimeError) as error:
            return result | {"not_back": " ".join(str(error).split())[:300]}
        return result | {"back": difference(output(again, image), expected)}


def built(name):
    """A model of timm's with two blocks and random weights, and what was changed."""
    entry = ARCHITECTURES.get(name, {})
    arguments = {"depth": 2, "num_classes": CLASSES}
    if isinstance(entry.get("num_kv_heads"), list):
        heads = entry["num_kv_heads"]
        arguments["num_kv_heads"] = [heads[0], min(heads)]
    if entry.get("class") != "NaFlexVit":
        patch = patch_of(name)
        arguments["img_size"] = (4 * patch, 5 * patch)
    model = timm.create_model(name, **arguments)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for path, weight in model.named_parameters():
            scale = 1 / np.sqrt(weight[0].numel()) if weight.ndim > 1 else 0.1
            values = torch.randn(weight.shape, generator=generator) * scale
            if weight.ndim == 1 and path.endswith(("weight", "gamma")):
                # A stem's branches are small, as trained ones: others amplify rounding.
                values += 0.2 if re.search(r"\.(norm|bn)3\.", path) else 1
            weight.copy_(values)
        for path, statistic in model.named_buffers():
            if path.endswith(("running_mean", "running_var")):
                values = 0.1 * torch.randn(statistic.shape, generator=generator)
                is_mean = path.endswith("mean")
                statistic.copy_(values if is_mean else 0.5 + values.abs())
    return model.eval(), arguments


@functools.cache
def patch_of(name):
    """The pixels from a patch to the next, as the name has them."""
    with torch.device("meta"):
        return timm.create_model(name).patch_embed.feat_ratio()


def size(model):
    """(height, width) of its images."""
    if hasattr(model, "embeds"):
        side = model.embeds.patch_size[0]
        return 4 * side, 5 * side
    return tuple(model.patch_embed.img_size)


def output(model, image):
    """The output of timm's model for pixels in [0, 255]."""
    mean, std = (np.float32(model.pretrained_cfg[key]) for key in ("mean", "std"))
    x = torch.from_numpy(((image / 255 - mean) / std).transpose(0, 3, 1, 2))
    with torch.no_grad():
        return model(x).numpy()


def difference(ours, theirs):
    """The largest difference over the largest output; of other shapes: 1."""
    if ours.shape != theirs.shape:
        return 1.0
    return float(f"{np.abs(ours - theirs).max() / np.abs(theirs).max():.1e}")


def written(model, name, arguments, folder):
    """Write weights and `config.json` as timm's `save_for_hf` does."""
    folder.mkdir()
    state = {k: v.numpy().copy() for k, v in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    config = {
        "architecture": name,
        "num_classes": CLASSES,
        "num_features": model.num_features,
        "global_pool": model.global_pool,
        "model_args": {k: v for k, v in arguments.items() if k != "num_classes"},
        "pretrained_cfg": {
            key: value
            for key, value in model.pretrained_cfg.items()
            if key in ("mean", "std", "interpolation", "crop_pct", "crop_mode")
        },
    }
    (folder / "config.json").write_text(json.dumps(config))


def bare(theirs, model, image, expected, folder):
    """Whether the file is refused without settings, or how far off it is."""
    folder.mkdir()
    state = {k: v.numpy().copy() for k, v in theirs.state_dict().items()}
    save_file(state, folder / "bare.safetensors")
    heads = {"num_heads": model.get_layer("block_00").num_heads}
    mean, std = (
        [255 * value for value in theirs.pretrained_cfg[key]] for key in ("mean", "std")
    )
    try:
        alone = keras_vit.ViT(
            weights=folder / "bare.safetensors",
            image_size=image.shape[1:3],
            source_grid=model.get_layer("patch_encoder").grid,
            pixel_mean=mean,
            pixel_std=std,
            **heads,
        )
    except ValueError:
        return "refused"
    return difference(np.asarray(alone(image)), expected)


def read(folder, path):
    """Build timm's model of what was written, and load it strictly."""
    from safetensors.torch import load_file

    config = json.loads((folder / "config.json").read_text())
    model = timm.create_model(
        config["architecture"],
        num_classes=config["num_classes"],
        pretrained_cfg_overlay=config["pretrained_cfg"],
        **config["model_args"],
    )
    model.load_state_dict(load_file(path), strict=True)
    return model.eval()
