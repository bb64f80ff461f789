"""Draw the attention rollout of a model over images, as in the paper's Fig. 6.

    python examples/attention.py [MODEL [PICTURE ...]]

MODEL is a run's folder; without one, a small model is trained on the embedded
images first, which takes a minute or two. Pictures are image files or folders
of them; without any, those of the run. Writes `attention.png` into the current
folder.
"""

import pathlib
import sys

import keras_vit
from keras_vit import figures
from keras_vit.classifier import Classifier


def main(folder: str | None = None, *pictures: str, path: str = "attention.png"):
    """Draw the attention rollout of a model over pictures."""
    run = pathlib.Path(folder) if folder is not None else None
    run = run or keras_vit.train("fashion_mnist", name="attention").folder
    model = Classifier.of(run)
    chosen = pictures or [run / "images"]
    images, names, *_ = keras_vit.inspect.read_images(model, chosen, limit=24)

    maps = keras_vit.inspect.attention_rollout(model, images)
    maps = maps * maps[0].size  # 1: uniform attention
    figure = figures.maps_over_pictures(
        images,
        maps,
        keras_vit.inspect.cell_size(model),
        names,
        title="Attention rollout",
        label="Attention relative to uniform attention (1: uniform)",
    )
    figures.write(figure, path)
    print(f"{path}: {len(names)} pictures, shares up to {maps.max():.1f} times even")


if __name__ == "__main__":
    main(*sys.argv[1:])
