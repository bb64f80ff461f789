"""Networks of KerasCV: built, trained, saved, loaded and evaluated."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import factories, kerascv_networks
from keras_vit.choices import KERAS_CV_NETWORKS
from keras_vit.inspect import summary, unallocated
from support.training.small import small_dataset

# Parameters without a head, and multiply-adds at 224, of torchvision's models of
# the version 1; a convolution has a bias nowhere.
PUBLISHED = {"ResNet18": (11_176_512, 1.81), "ResNet34": (21_284_672, 3.66)}


def test_an_unknown_network_is_answered_with_a_similar_one():
    with pytest.raises(ValueError, match="Did you mean 'ResNet18'"):
        factories.find("keras_cv:Resnet-18")


@pytest.mark.slow
def test_weights_are_refused_before_kerascv_is_loaded():
    code = (
        "import sys; from keras_vit import factories\n"
        "try: factories.find('keras_cv:ResNet18')(3, weights='imagenet')\n"
        "except ValueError as error: print(error, 'keras_cv' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "has random weights. Expected weights=None" in run.stdout
    assert run.stdout.strip().endswith("False")


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_is_the_published_one(name):
    with unallocated():
        model = kerascv_networks.network(name)(num_classes=None)
        told = summary(model)
    parameters, macs = PUBLISHED[name]
    trainable = sum(np.prod(one.shape) for one in model.trainable_weights)
    assert trainable == parameters
    assert told.multiply_adds / 1e9 == pytest.approx(macs, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", KERAS_CV_NETWORKS)
def test_a_network_trains_and_is_loaded_without_kerascv(name, tmp_path):
    run = keras_vit.train(
        "finetune",
        model=f"keras_cv:{name}",
        dataset=small_dataset(),
        image_size=32,
        steps=2,
        warmup_steps=1,
        batch_size=10,
        folder=tmp_path / "run",
        export=False,
        verbose=0,
    )
    assert run.evaluation.count == 20
    again = keras_vit.evaluate(run.folder, small_dataset())
    assert again.top1 == run.evaluation.top1
    code = (
        "import sys, keras, keras_vit, numpy as np\n"
        f"model = keras.models.load_model({str(run.folder / 'model.keras')!r})\n"
        "assert 'keras_cv' not in sys.modules\n"
        "np.save(sys.argv[1], model(np.full((2, 32, 32, 3), 90.0, 'float32')))"
    )
    where = str(tmp_path / "outputs.npy")
    subprocess.run([sys.executable, "-c", code, where], check=True)
    expected = run.model(np.full((2, 32, 32, 3), 90.0, "float32"))
    np.testing.assert_allclose(np.load(where), expected, atol=1e-5)
    assert all(
        type(one).__module__.partition(".")[0] != "keras_cv" for one in run.model.layers
    )
    other = keras_vit.replace_head(run.model, 5)
    assert other.output_shape == (None, 5)
    assert isinstance(other, keras.Model)
