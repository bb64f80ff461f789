"""Train a ViT on the embedded images for two epochs and classify a few files.

    python examples/classify.py

Writes `runs/fashion_mnist` and `savedmodels/fashion_mnist` into the current
folder. Two epochs are a demonstration; the recipe's ten reach 87 %.
"""

import keras_vit
from keras_vit import recipes


def main(epochs: int = 2):
    """Trains, then names the likeliest classes of the run's own sample images."""
    recipe = recipes.override(recipes.get("fashion_mnist"), [f"epochs={epochs}"])
    run = keras_vit.train(recipe, name="fashion_mnist")
    print(f"test accuracy {run.evaluation.accuracy:.1%}")
    for one in keras_vit.predict(run.folder, run.folder / "images"):
        top = one.top(2)
        print(
            one.path and one.path.name,
            ", ".join(f"{label} {p:.0%}" for label, p in top),
        )


if __name__ == "__main__":
    main()
