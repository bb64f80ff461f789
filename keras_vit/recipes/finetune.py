"""A recipe for one's own photographs on one GPU."""

from keras_vit.recipes.recipe import Recipe

RECIPES = {
    # The paper's fine-tuning (Table 4: SGD with momentum, no decay, gradients
    # clipped to 1, cosine) with a batch that a small GPU holds and a small data set
    # fills, its rate between those that linear and square-root scaling give.
    "finetune": Recipe.of(
        model="ViT_S16",
        weights="augreg_in21k",
        image_size=224,
        epochs=20,
        batch_size=32,
        optimizer="sgd",
        base_lr=0.003,
        warmup_steps=10,
        weight_decay=0.0,
        crop="inception",
        crop_area=0.25,
        resize_antialias=True,  # phones take pictures of 12 megapixels and more
        flip=True,
    ),
}
