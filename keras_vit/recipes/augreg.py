"""The augmentation levels of "How to train your ViT?" (arXiv:2106.10270)."""

from keras_vit.recipes.recipe import Recipe

#            operations, strength of RandAugment; p of MixUp
LEVELS = {
    "none":    (None, 0, None),
    "light1":  (2, 0,  None),
    "light2":  (2, 10, 0.2),
    "medium1": (2, 15, 0.2),
    "medium2": (2, 15, 0.5),
    "strong1": (2, 20, 0.5),
    "strong2": (2, 20, 0.8),
}  # fmt: skip

# From scratch on ImageNet, as in big_vision: sigmoid losses with each class
# rare at first, decay apart from the rate.
RECIPES = {
    f"augreg/imagenet2012_{level}": Recipe.of(
        dataset="imagenet2012",
        model="ViT_B16",
        model_arguments={"representation_size": 768},
        image_size=224,
        head_bias=-6.9,
        train_split="train[:99%]",
        evaluation_preprocessing="big_vision:0.875",
        epochs=300,
        batch_size=4096,
        momentum_dtype="bfloat16",
        warmup_steps=10_000,
        weight_decay=1e-4,
        weight_decay_scaling="schedule",
        loss="sigmoid",
        crop="inception",
        flip=True,
        randaugment_layers=layers,
        randaugment_magnitude=magnitude,
        mixup=mixup,
    )
    for level, (layers, magnitude, mixup) in LEVELS.items()
}
