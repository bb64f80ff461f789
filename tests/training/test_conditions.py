import keras
import pytest

from keras_vit.data.augmentation import Augmentation
from keras_vit.recipes import AugmentationSettings
from keras_vit.training.conditions import conditions_of
from keras_vit.training.tasks.classification import Classification
from support.models import tiny_vit


@pytest.fixture(scope="module")
def plain():
    return tiny_vit(num_classes=2)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ()),
        ({"crop": "pad"}, ()),  # by no pixel
        ({"repeats": 3}, ()),  # of the same pixels
        ({"crop": "pad", "crop_padding": 2}, ("augmented",)),
        ({"crop": "inception"}, ("augmented",)),
        ({"crop": "random_resized"}, ("augmented",)),
        ({"flip": True}, ("augmented",)),
        ({"randaugment_layers": 2}, ("augmented",)),
        ({"random_erasing": 0.2}, ("augmented",)),
        ({"mixup": 0.2}, ("mixup",)),
        ({"flip": True, "cutmix": 1.0, "mixup": 0.1}, ("augmented", "mixup", "cutmix")),
    ],
)
def test_a_recipe_says_how_training_images_differ(plain, settings, expected):
    augmentation = Augmentation.of(AugmentationSettings(**settings))
    assert conditions_of(plain, augmentation) == expected


def test_layers_that_augment_count(plain):
    layers = (keras.layers.RandomFlip(),)
    assert conditions_of(plain, Augmentation(layers=layers)) == ("augmented",)


@pytest.mark.parametrize(
    "rate",
    ["dropout_rate", "attention_dropout_rate", "drop_path_rate", "patch_dropout_rate"],
)
def test_whatever_a_model_drops_counts(rate):
    model = tiny_vit(num_classes=2, **{rate: 0.1})
    assert conditions_of(model, Augmentation()) == ("dropout",)


def test_a_layer_inside_another_counts():
    inner = keras.Sequential([keras.layers.Dropout(0.5)])
    model = keras.Sequential([keras.Input((4, 4, 3)), inner])
    assert conditions_of(model, Augmentation()) == ("dropout",)


def test_a_task_says_how_its_loss_differs():
    assert Classification().loss_conditions() == ()
    task = Classification(
        keras.losses.CategoricalFocalCrossentropy(from_logits=True),
        0.1,
        class_weights="balanced",
    )
    assert task.loss_conditions() == (
        "loss of the run",
        "smoothed labels",
        "class weights",
    )
