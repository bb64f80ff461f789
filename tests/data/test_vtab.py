"""The tasks, on small data sets of the features that the package has today."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_vit.data import load, vtab
from support.prepared import prepare

# By the paper and its code: the number of classes, where the 200 images to choose
# by are taken from, and the test split; of 100 images, so that a number is a per cent.
PUBLISHED = {
    "caltech101": (102, "train[90:92]", "test"),
    "cifar100": (100, "train[90:92]", "test"),
    "dtd": (47, "validation[:2]", "test"),
    "oxford_flowers102": (102, "validation[:2]", "test"),
    "oxford_iiit_pet": (37, "train[80:82]", "test"),
    "sun397": (397, "validation[:2]", "test"),
    "svhn": (10, "train[90:92]", "test"),
    "patch_camelyon": (2, "validation[:2]", "test"),
    "eurosat": (10, "train[60:62]", "train[80:]"),
    "resisc45": (45, "train[60:62]", "train[80:]"),
    "diabetic_retinopathy": (5, "validation[:2]", "test"),
    "clevr_count": (8, "train[90:92]", "validation"),
    "clevr_distance": (6, "train[90:92]", "validation"),
    "dmlab": (6, "validation[:2]", "test"),
    "kitti_distance": (4, "validation[:2]", "test"),
    "dsprites_location": (16, "train[80:82]", "train[90:]"),
    "dsprites_orientation": (16, "train[80:82]", "train[90:]"),
    "smallnorb_azimuth": (18, "test[:2]", "test[5:]"),
    "smallnorb_elevation": (9, "test[:2]", "test[5:]"),
}
SIZES = {"train": 100, "validation": 10, "test": 10}


def clevr_distance(example):
    nearest = example["objects"]["pixel_coords"][:, 2].min()
    return np.flatnonzero(np.array([0, 8, 8.5, 9, 9.5, 10, 100]) < nearest).max()


def kitti_distance(example):
    depths = [1000.0]
    objects = example["objects"]
    for kind, place in zip(objects["type"], objects["location"], strict=True):
        if kind in (0, 1, 2):
            depths.append(place[2])
    return np.flatnonzero(np.array([-100, 8, 20, 999]) < min(depths)).max()


LABELS = {
    "clevr_count": lambda example: len(example["objects"]["size"]) - 3,
    "clevr_distance": clevr_distance,
    "kitti_distance": kitti_distance,
    "dsprites_location": lambda example: int(example["label_x_position"]) * 16 // 32,
    "dsprites_orientation": lambda example: (
        int(example["label_orientation"]) * 16 // 40
    ),
    "smallnorb_azimuth": lambda example: example["label_azimuth"],
    "smallnorb_elevation": lambda example: example["label_elevation"],
}


def features_of(name):
    return tfds.builder(vtab.TASKS[name].data, data_dir="nowhere").info.features


def drawn(feature, rng, white=255):
    """A value of a feature."""
    if isinstance(feature, tfds.features.FeaturesDict):
        return {name: drawn(part, rng, white) for name, part in feature.items()}
    if isinstance(feature, tfds.features.Sequence):
        count = rng.integers(3, 11)
        return [drawn(feature.feature, rng) for _ in range(count)]
    if isinstance(feature, tfds.features.Image):
        shape = [side or 6 for side in feature.shape]
        rows = rng.integers(0, white + 1, (shape[0], 1, 1), dtype=np.uint8)
        return np.broadcast_to(rows, shape)  # which compresses well
    if isinstance(feature, tfds.features.ClassLabel):
        return int(rng.integers(feature.num_classes))
    if isinstance(feature, tfds.features.BBoxFeature):
        return tfds.features.BBox(0.0, 0.0, 1.0, 1.0)
    if isinstance(feature, tfds.features.Text):
        return "any"
    return rng.uniform(7, 30, feature.shape).astype(np.float32)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Gives the folder in which the data set of a task is, and its builder."""
    folder = tmp_path_factory.mktemp("prepared")
    rng, builders = np.random.default_rng(0), {}

    def prepared(name):
        task = vtab.TASKS[name]
        if task.data not in builders:
            data, _, config = task.data.partition("/")
            features = features_of(name)
            splits = {
                split: [drawn(features, rng, task.white) for _ in range(size)]
                for split, size in SIZES.items()
            }
            options = {"config": tfds.core.BuilderConfig(name=config)} if config else {}
            builders[task.data] = prepare(folder, data, features, splits, **options)
        return folder, builders[task.data]

    return prepared


def test_the_tasks_are_those_of_the_paper():
    assert {*vtab.TASKS} == {*PUBLISHED}


# Of each kind of label, and of each place to choose by and to test on, one at least.
QUICK = ("cifar100", "dtd", "eurosat", *LABELS.keys() - {"dsprites_orientation"})


@pytest.mark.one_in(2)
@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in PUBLISHED
    ],
)
def test_a_task_has_the_published_images_labels_and_classes(
    name, prepared, monkeypatch
):
    monkeypatch.setattr(vtab, "_TRAINING", 8)
    monkeypatch.setattr(vtab, "_VALIDATION", 2)
    folder, builder = prepared(name)
    dataset = load(f"vtab/{name}", data_dir=folder)
    num_classes, chosen_by, test = PUBLISHED[name]
    assert dataset.num_classes == num_classes
    of_record = LABELS.get(name, lambda example: example["label"])
    config = tfds.ReadConfig(interleave_cycle_length=1)
    for split, published in (
        (dataset.train, f"train[:8]+{chosen_by}"),
        (dataset.test, test),
    ):
        expected = builder.as_dataset(split=published, read_config=config)
        expected = [*expected.as_numpy_iterator()]
        np.testing.assert_array_equal(split.labels, [*map(of_record, expected)])
        pixels = expected[-1]["image"] * np.uint8(255 // vtab.TASKS[name].white)
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        np.testing.assert_array_equal(split.image(len(split) - 1), pixels)


def test_black_and_white_images_are_of_0_and_255(prepared):
    folder, _ = prepared("dsprites_location")
    test = load("vtab/dsprites_location", data_dir=folder).test
    assert {*np.unique([test.image(index) for index in range(10)])} == {0, 255}


@pytest.mark.parametrize(
    ("name", "feature"),
    [("clevr_distance", "pixel_coords"), ("kitti_distance", "location")],
)
def test_distances_are_parted_where_the_paper_parts_them(name, feature):
    seen = set()
    grid = np.arange(7, 30, 0.25, np.float32)
    for distance in [*grid, *np.nextafter(grid, np.float32(99))]:
        place = np.array([[0, 0, 99], [0, 0, distance]], np.float32)
        example = {"objects": {feature: place, "type": np.array([3, 0])}}
        label = int(vtab.TASKS[name].label.function(example))
        assert label == LABELS[name](example), distance
        seen.add(label)
    assert len(seen) == {"clevr_distance": 6, "kitti_distance": 3}[name]


def test_a_scene_without_a_vehicle_has_a_class_of_its_own():
    """In KITTI a car is of type 0, a pedestrian of type 3."""
    label = vtab.TASKS["kitti_distance"].label
    for types, depths, expected in (
        ([3, 3], [5, 6], "no vehicle"),
        ([], np.zeros((0,)), "no vehicle"),
        ([3, 0], [5, 8], "up to 8 m"),
        ([2, 1], [20.5, 8.1], "8 to 20 m"),
        ([2], [20.5], "over 20 m"),
    ):
        location = np.zeros((len(types), 3), np.float32)
        location[:, 2] = depths
        objects = {"type": np.array(types, np.int64), "location": location}
        assert label.classes[int(label.function({"objects": objects}))] == expected


def test_a_task_has_800_images_to_train_on_and_200_to_choose_by(tmp_path, rng):
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(2, 2, 3)),
            "label": tfds.features.ClassLabel(num_classes=10),
        }
    )
    splits = {"train": 2100, "test": 5}
    splits = {
        name: [drawn(features, rng) for _ in range(size)]
        for name, size in splits.items()
    }
    prepare(tmp_path, "svhn_cropped", features, splits, shards=3)
    dataset = load("vtab/svhn", data_dir=tmp_path)
    assert len(dataset.train) == 1000
    for part, records in (
        ("train[:800]", range(800)),
        ("train[800:]", range(1890, 2090)),
    ):
        assert [*dataset.split(part).indices] == [*records]


def test_an_unknown_task_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="one of vtab/caltech101, vtab/cifar100.*"):
        load("vtab/imagenet")
