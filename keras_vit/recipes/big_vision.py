"""big_vision's plain ViT: "Better plain ViT baselines" (arXiv:2205.01580)."""

from keras_vit.recipes.recipe import Recipe

RECIPES = {
    # 76.5 % on ImageNet after 90 epochs, as published.
    "big_vision/vit_s16_imagenet2012": Recipe.of(
        dataset="imagenet2012",
        model="ViT_S16",
        model_arguments={
            "pooling": "gap",
            "position_embedding": "sincos_2d",
            "representation_size": 384,
        },
        image_size=224,
        train_split="train[:99%]",
        evaluation_preprocessing="big_vision:0.875",
        epochs=90,
        batch_size=1024,
        momentum_dtype="bfloat16",
        warmup_steps=10_000,
        weight_decay=1e-4,
        weight_decay_scaling="schedule",
        crop="inception",
        flip=True,
        randaugment_layers=2,
        randaugment_magnitude=10,
        mixup=0.2,
    ),
}
