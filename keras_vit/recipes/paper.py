"""The ViT paper's recipes (arXiv:2010.11929): Table 3 and Table 4."""

from collections.abc import Iterator
from typing import Any, TypeAlias

from keras_vit.recipes.optimization import Decay
from keras_vit.recipes.recipe import Recipe, changed
from keras_vit.variants import VARIANTS

# Table 4, and section B.1.1: SGD with momentum, a cosine, batches of 512, no
# weight decay, at a resolution of 384. The momentum is kept in bfloat16, as in
# the authors' code, which warms up for 500 steps, or a fifth of a short run.
# The rate is the best of some on a part of the training split that is left
# out; those recipes end in "_dev".
#   data set            steps  dev %  rates tried
_FINE_TUNING = {
    "imagenet2012":      (20_000,  1, (0.003, 0.01, 0.03, 0.06)),
    "cifar100":          (10_000,  2, (0.001, 0.003, 0.01, 0.03)),
    "cifar10":           (10_000,  2, (0.001, 0.003, 0.01, 0.03)),
    "oxford_iiit_pet":   (500,    10, (0.001, 0.003, 0.01, 0.03)),
    "oxford_flowers102": (500,    10, (0.001, 0.003, 0.01, 0.03)),
}  # fmt: skip
LEARNING_RATES = {name: rates for name, (_, _, rates) in _FINE_TUNING.items()}

_FINE_TUNE = Recipe.of(
    dataset=None,
    model="ViT_B16",
    weights="in21k",
    image_size=384,
    batch_size=512,
    optimizer="sgd",
    momentum_dtype="bfloat16",
    base_lr=0.03,
    weight_decay=0.0,
    crop="inception",
    flip=True,
)

_Rows: TypeAlias = dict[str, tuple[int, float, Decay, float, float]]

# Table 3: Adam, batches of 4096, a warm-up of 10,000 steps, images of 224. JFT
# is not public; its recipes are for sets like it, with multi-label images.
#   model         epochs  rate   decay    weight decay  dropout
_JFT: _Rows = {
    "ViT_B32":     (7,  8e-4, "linear", 0.1, 0.0),
    "ViT_B16":     (7,  8e-4, "linear", 0.1, 0.0),
    "ViT_L32":     (7,  6e-4, "linear", 0.1, 0.0),
    "ViT_L16":     (14, 4e-4, "linear", 0.1, 0.0),
    "ViT_H14":     (14, 3e-4, "linear", 0.1, 0.0),
    "R50_ViT_B32": (7,  8e-4, "linear", 0.1, 0.0),
    "R50_ViT_B16": (7,  8e-4, "linear", 0.1, 0.0),
    "R50_ViT_L32": (7,  2e-4, "linear", 0.1, 0.0),
    "R50_ViT_L16": (7,  4e-4, "linear", 0.1, 0.0),
}  # fmt: skip
_IMAGENET21K: _Rows = {
    "ViT_B32": (90, 1e-3, "linear", 0.03, 0.1),
    "ViT_B16": (90, 1e-3, "linear", 0.03, 0.1),
    "ViT_L32": (90, 1e-3, "linear", 0.03, 0.1),
    "ViT_L16": (90, 1e-3, "linear", 0.03, 0.1),
}  # fmt: skip
_IMAGENET: _Rows = {
    "ViT_B32": (300, 3e-3, "cosine", 0.3, 0.1),
    "ViT_B16": (300, 3e-3, "cosine", 0.3, 0.1),
    "ViT_L32": (300, 3e-3, "cosine", 0.3, 0.1),
    "ViT_L16": (300, 3e-3, "cosine", 0.3, 0.1),
}  # fmt: skip

_MULTI_LABEL = {"loss": "sigmoid", "head_bias": -10.0}
_ONE_LABEL = {"loss": "softmax", "head_bias": 0.0}


# Section B.1.2: masked patch prediction with B/16 by Adam with a rate of 2e-4 in
# batches of 4096, a warm-up of 10,000 steps and a cosine. It names no weight decay or
# clipping. On JFT a million steps are 14 epochs; a tenth of them,
# and ImageNet, gave similar gains.
_MASKED = {"jft": (None, 1_000_000), "imagenet2012": ("imagenet2012", 100_000)}


def _masked_patches() -> Iterator[tuple[str, Recipe]]:
    for name, (dataset, steps) in _MASKED.items():
        yield (
            f"paper/masked_patches_{name}_vit_b16",
            Recipe.of(
                dataset=dataset,
                model="ViT_B16",
                image_size=224,
                steps=steps,
                batch_size=4096,
                base_lr=2e-4,
                warmup_steps=10_000,
                weight_decay=0.0,
                clip_norm=None,
                masked_patches="mean_color",
                crop="inception",
                flip=True,
            ),
        )


def _fine_tuning() -> Iterator[tuple[str, Recipe]]:
    for name, (steps, dev, _) in _FINE_TUNING.items():
        own = {"dataset": name, "steps": steps, "warmup_steps": min(500, steps // 5)}
        recipe = changed(_FINE_TUNE, own)
        yield f"paper/finetune_{name}", recipe
        yield (
            f"paper/finetune_{name}_dev",
            changed(
                recipe,
                {
                    "train_split": f"train[:{100 - dev}%]",
                    "eval_split": f"train[{100 - dev}%:]",
                },
            ),
        )
    # The 19 tasks share one setting; --dataset says which.
    vtab = changed(_FINE_TUNE, {"steps": 2500, "warmup_steps": 500, "base_lr": 0.01})
    yield "paper/finetune_vtab", vtab


def _pre_training(
    name: str,
    dataset: str | None,
    rows: _Rows,
    clip_norm: float | None,
    labels: dict[str, Any],
) -> Iterator[tuple[str, Recipe]]:
    for model, (epochs, base_lr, decay, weight_decay, dropout) in rows.items():
        recipe = Recipe.of(
            dataset=dataset,
            model=model,
            # A hidden layer in the head, as wide as a token (section 3.1).
            model_arguments={
                "representation_size": VARIANTS[model].hidden_dim,
                "dropout_rate": dropout,
            },
            image_size=224,
            epochs=epochs,
            batch_size=4096,
            base_lr=base_lr,
            decay=decay,
            warmup_steps=10_000,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            crop="inception",
            flip=True,
            **labels,
        )
        yield f"paper/pretrain_{name}_{model.lower()}", recipe


RECIPES = dict(
    [
        *_fine_tuning(),
        *_pre_training("jft", None, _JFT, None, _MULTI_LABEL),
        *_pre_training("imagenet21k", None, _IMAGENET21K, None, _MULTI_LABEL),
        *_pre_training("imagenet2012", "imagenet2012", _IMAGENET, 1.0, _ONE_LABEL),
        *_masked_patches(),
    ]
)
