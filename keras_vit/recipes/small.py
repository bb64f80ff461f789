"""Recipes for a CPU and a few minutes."""

from typing import Any

from keras_vit.recipes.recipe import Recipe

_FASHION_MNIST: dict[str, Any] = {
    "dataset": "fashion_mnist_sample",
    "model": "ViT",
    "model_arguments": {
        "patch_size": 1,
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 64,
        "mlp_dim": 128,
    },
    "stem_blocks": (),
    "image_size": 28,
    "batch_size": 64,
    "base_lr": 3e-3,
    "weight_decay": 0.1,
    "label_smoothing": 0.05,
    "crop": "pad",
    "crop_padding": 1,
}
_NOISE = {"dropout_rate": 0.1, "drop_path_rate": 0.05}
_NOISY: dict[str, Any] = _FASHION_MNIST | {
    "model_arguments": _FASHION_MNIST["model_arguments"] | _NOISE
}

RECIPES = {
    # The paper's hybrid idea (section 3.1) in miniature: the root of the
    # ResNet gives 49 tokens of an image of 28 x 28.
    "fashion_mnist": Recipe.of(**_FASHION_MNIST, epochs=10),
    # Convolutions learn more than attention of so few images, and smaller images cost
    # a quarter: 64 tokens of 32 x 32 pixels in the last quarter of the run, 16 in the
    # first half. Ten minutes on two cores.
    "cifar10": Recipe.of(
        dataset="cifar10",
        model="ViT",
        model_arguments={
            "patch_size": 1,
            "num_layers": 1,
            "num_heads": 3,
            "hidden_dim": 96,
            "mlp_dim": 192,
            "pooling": "gap",
        },
        stem="basic_resnet",
        stem_blocks=(2,),
        stem_width_factor=1.5,
        image_size=32,
        progressive_sizes=(16, 16, 24),
        epochs=6,
        batch_size=64,
        base_lr=3e-3,
        warmup_steps=400,
        weight_decay=0.05,
        label_smoothing=0.05,
        crop="pad",
        crop_padding=3,
        flip=True,
    ),
    # Masked patch prediction (appendix B.1.2) in miniature: 49 patches of 4 x 4
    # pixels. --model=runs/fashion_mnist_masked then begins from it.
    "fashion_mnist_masked": Recipe.of(
        dataset="fashion_mnist_sample",
        model="ViT",
        model_arguments={
            "patch_size": 4,
            "num_layers": 4,
            "num_heads": 4,
            "hidden_dim": 64,
            "mlp_dim": 128,
        },
        image_size=28,
        epochs=10,
        batch_size=64,
        base_lr=2e-3,
        weight_decay=0.0,
        masked_patches="mean_color",
        crop="pad",
        crop_padding=1,
    ),
    # Noisy Student training (arXiv:1911.04252) in miniature. The teacher has the
    # labels of 3,000 images, the student those and what the teacher says of the
    # other 9,000. --teacher=runs/fashion_mnist_noisy_student is the next round.
    "fashion_mnist_labelled_quarter": Recipe.of(
        **_FASHION_MNIST, train_split="train[:25%]", epochs=20
    ),
    "fashion_mnist_noisy_student": Recipe.of(
        **_NOISY,
        train_split="train[:25%]",
        unlabelled_split="train[25%:]",
        pseudo_labels="soft",
        teacher="runs/fashion_mnist_labelled_quarter",
        epochs=5,
        randaugment_layers=1,  # a network so small learns slowly from more
        randaugment_magnitude=3.0,
    ),
}
