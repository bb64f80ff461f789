"""Draws what a model reads of pictures: attention rollout, as in the paper's Fig. 6.

    python examples/attention.py [MODEL [PICTURE ...]]

MODEL is a run's folder; without one, a small model is trained on the embedded
images first, which takes a minute or two. Pictures are image files or folders
of them; without any, those that the run left. Writes `attention.png` into the
current folder.
"""

import pathlib
import sys

import keras_vit
from keras_vit import figures
from keras_vit.inspect.images import images_of_files
from keras_vit.model_files import load_classifier
from keras_vit.preprocessing import carried_by


def main(folder=None, *pictures, path="attention.png"):
    """Reads pictures as the model's evaluation does, and draws what it reads."""
    if folder is None:
        folder = keras_vit.train("fashion_mnist", name="attention").folder
    model = load_classifier(folder).model
    size, way = model.input_shape[1:3], carried_by(model)
    pictures = pictures or [pathlib.Path(folder) / "images"]
    images, names = images_of_files(pictures, size, way, limit=24)

    maps = keras_vit.inspect.attention_rollout(model, images)
    maps = maps * maps[0].size  # 1: what each patch would have if all had as much
    figure = figures.maps_over_pictures(
        images,
        maps,
        keras_vit.inspect.cell_size(model),
        names,
        title="Attention rollout",
        label="Share of what is read (1: as if all patches were read alike)",
    )
    figures.write(figure, path)
    print(f"{path}: {len(names)} pictures, shares up to {maps.max():.1f} times even")


if __name__ == "__main__":
    main(*sys.argv[1:])
