import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parent))

import keras
import numpy as np
import pytest
from keras.src.utils.naming import reset_uids

import keras_vit
from keras_vit.exporting import runtime_check

sys.modules.setdefault("triton", None)  # PyTorch's compiler: none beside TensorFlow's


@pytest.fixture(autouse=True, scope="module")
def fresh_session():
    keras.utils.clear_session(free_memory=False)  # collecting takes 0.2 s


@pytest.fixture(autouse=True)
def fresh_layer_names():
    """What `clear_session` does to names, and no more than that.

    It also has TensorFlow make every graph ready anew that it runs again, which
    for a model that a module's tests share takes up to a second a test.
    """
    reset_uids()


@pytest.fixture(autouse=True)
def exports_are_checked_here(request, monkeypatch):
    """A process for every export would take the suite minutes.

    Tests of exporting itself ask for it by `pytest.mark.fresh_process`.
    """
    if request.node.get_closest_marker("fresh_process"):
        return

    monkeypatch.setattr(runtime_check, "SECONDS", 0)
    monkeypatch.setattr(
        "keras_vit.exporting.checking.run_in_fresh_process", runtime_check.run
    )


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def fixtures():
    return pathlib.Path(__file__).parent / "fixtures"


def tiny_vit(**arguments):
    """A ViT of 8,000 parameters for images of 16 x 24 in patches of 8."""
    sizes = {
        "image_size": (16, 24),
        "patch_size": 8,
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 16,
        "mlp_dim": 32,
        "num_classes": 5,
    }
    return keras_vit.ViT(**(sizes | arguments))


def randomize(model, rng, scale=0.3):
    """Gives every weight a value, so that none hides behind a 0 or a 1."""
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(rng.normal(scale=scale, size=weight.shape))
    return model


def numbered(count):
    """A split whose image i is filled with i, and whose label is i."""
    labels = np.arange(count)
    images = np.broadcast_to(labels[:, None, None, None], (count, 4, 6, 3))
    return keras_vit.data.Split(images.astype(np.uint8), labels)
