"""Fine-tune a pre-trained ViT on your own photographs, and classify one of them.

    python examples/finetune_folder.py photos
    python examples/finetune_folder.py photos --model=ViT_Ti16 --picture=new.jpg
    python examples/finetune_folder.py photos --weights=mine.npz epochs=5 base_lr=0.01

`photos` holds a folder of images for each class, or `train/` and `test/` that do;
without a test split, a fifth is held out. The weights, pre-trained on
ImageNet-21k, are downloaded once; `--weights` takes another release's name or a file,
`--model` also a model that you trained before. What follows are settings of the recipe
`finetune`. Writes `runs/finetune` and `savedmodels/finetune`, and prints the accuracy
on the test photographs and the likeliest classes of one of them:

    3 classes, 240 photographs to train on, 60 to test on
    test accuracy 95.0 %
    photos/cat/0012.jpg: cat 97 %, dog 2 %, fox 1 %
"""

import argparse
from collections.abc import Sequence
from typing import Any

import keras_vit
from keras_vit import data, recipes


def main(
    folder: str,
    model: str | None = None,
    weights: str | None = None,
    picture: str | None = None,
    settings: Sequence[str] = (),
):
    """Train on a folder and predict one picture: by default its first for testing."""
    dataset = data.load(folder)
    trained, tested = len(dataset.train), len(dataset.test)
    print(
        f"{dataset.num_classes} classes, {trained} photographs to train on, "
        f"{tested} to test on"
    )
    recipe = recipes.get("finetune")
    batch: dict[str, Any] = {
        "batch_size": min(recipe.run.batch_size, trained)
    }  # of a small folder
    run = keras_vit.train(
        recipe,
        dataset=folder,
        model=model,
        weights=weights,
        name="finetune",
        **(batch | recipes.read_settings(settings)),
    )
    print(f"test accuracy {100 * run.evaluation.accuracy:.1f} %")
    for one in keras_vit.predict(run.folder, picture or dataset.test.name(0)):
        top = one.top(3)
        print(f"{one.path}:", ", ".join(f"{name} {p:.0%}" for name, p in top))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("settings", nargs="*", help="of the recipe, as key=value")
    parser.add_argument("--model", help="a factory's name or a saved model")
    parser.add_argument("--weights", help="a release's name or a file")
    parser.add_argument("--picture", help="to be classified at the end")
    main(**vars(parser.parse_args()))
