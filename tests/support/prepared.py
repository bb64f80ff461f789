"""Small data sets as TensorFlow Datasets prepares them."""

import numpy as np
import tensorflow_datasets as tfds


class SmallDataset(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Examples that are given, a list for each split."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, name, features, splits, supervised_keys=None, **options):
        self.name = name
        self._features = tfds.features.FeaturesDict(features)
        self._splits, self._keys = splits, supervised_keys
        super().__init__(**options)

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self, features=self._features, supervised_keys=self._keys
        )

    def _split_generators(self, dl_manager):
        return {name: enumerate(examples) for name, examples in self._splits.items()}

    def _generate_examples(self):
        raise NotImplementedError  # the splits are generators themselves


def prepare(folder, name, features, splits, *, shards=1, **options):
    """Writes a data set as TFRecord files and gives its builder."""
    builder = SmallDataset(name, features, splits, data_dir=folder, **options)
    config = tfds.download.DownloadConfig(num_shards=shards)
    builder.download_and_prepare(download_config=config)
    return builder


def pictures(count, rng, *, label=None, channels=3, size=(12, 16)):
    """Examples of noise, numbered, whose classes are 0 to 4 in turn."""
    for number in range(count):
        yield {
            "image": rng.integers(0, 256, (*size, channels), dtype=np.uint8),
            "label": number % 5 if label is None else label,
            "number": number,
        }


def of_pictures(encoding="png", channels=3):
    """The features of `pictures`."""
    return {
        "image": tfds.features.Image(
            shape=(None, None, channels), encoding_format=encoding
        ),
        "label": tfds.features.ClassLabel(names=[*"abcde"]),
        "number": np.int64,
    }
