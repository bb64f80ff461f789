"""Measure the few-shot accuracy of a model's frozen features.

    python examples/few_shot.py [MODEL]

MODEL is a run's folder or a .keras file, such as `examples/classify.py` writes to
`runs/fashion_mnist`, which is the default. The head is not used: a linear
classifier is fitted to the features of 1, 5, 10 and 25 images of each class, three
times, as in the ViT paper.
"""

import sys

import keras_vit
from keras_vit import data
from keras_vit.evaluation import features_of, few_shot


def main(path: str = "runs/fashion_mnist", dataset: data.Dataset | str | None = None):
    """Print the accuracy for each number of training images, mean and deviation."""
    if not isinstance(dataset, data.Dataset):
        dataset = data.load(dataset or "fashion_mnist_sample")
    classifier = keras_vit.Classifier.of(path)
    train, test = (
        (features_of(classifier, split), split.labels)
        for split in (dataset.train, dataset.test)
    )
    found = few_shot(train, test, dataset.num_classes)
    print(f"{len(test[1]):,} test images, {train[0].shape[1]} features")
    print("of each class   top-1 (%)")
    for shots, mean, deviation in zip(
        found.shots, found.mean[:, 0], found.deviation[:, 0], strict=True
    ):
        print(f"{shots:13}   {100 * mean:.1f} ± {100 * deviation:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
