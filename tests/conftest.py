import contextlib
import gc
import os
import pathlib
import random
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What XLA compiles here runs a few times: optimizing its code takes longer than that.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# As many workers as cores: threads of one worker wait for those of the other.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.utils.naming import reset_uids

pytest.register_assert_rewrite("support")

# Most graphs run a few times, too: as they are traced, without passes over them.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

sys.modules.setdefault("triton", None)  # PyTorch's compiler: none beside TensorFlow's


# Each takes a minute, some of the slow ones several: last, it would leave one worker
# alone.
LONGEST = (
    "test_killed.py",
    "test_replicas.py",
    "test_workers.py",
    "test_hosts.py",
    "test_layouts.py",
    "test_endings.py",
    "test_run.py",
    "test_step.py",
    "test_process.py",
    "test_commands.py",
    "test_export.py",
    "test_saved_model.py",
)


def pytest_addoption(parser):
    parser.addoption(
        "--turn",
        metavar="K/N",
        help="of the slow tests only those of turn K, from 1, of N, and what is "
        "tried in every turn; the N turns together are all",
    )


@pytest.hookimpl(tryfirst=True)  # before what is slow is left out
def pytest_collection_modifyitems(config, items):
    """Mark cases as slow that `one_in` leaves out, and begin with the longest files.

    So the workers end together.
    """
    from support.turns import in_turn, numbered

    for item, number in numbered(items):
        mark = item.get_closest_marker("one_in")
        if mark is not None and number % mark.args[0]:
            item.add_marker(pytest.mark.slow)
    if config.getoption("turn"):
        turn, turns = map(int, config.getoption("turn").split("/"))
        chosen = in_turn(items, turn, turns)
        kept = set(chosen)
        config.hook.pytest_deselected(items=[i for i in items if i not in kept])
        items[:] = chosen
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_collection_finish():
    """Have the collector look at what tests leave, and not at libraries.

    How seldom it does is set where `support` is imported.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def fresh_session():
    keras.utils.clear_session()
    random.seed(0)  # which Keras draws the seeds of its initializers from


@pytest.fixture(autouse=True)
def same_weights():
    """No test depends on the weights that it happens to draw."""
    random.seed(0)


@pytest.fixture(autouse=True)
def fresh_layer_names():
    """What `clear_session` does to names, and no more than that.

    It also has TensorFlow make every graph ready anew that it runs again, which
    for a model that a module's tests share takes up to a second a test.
    """
    reset_uids()


@pytest.fixture(autouse=True, scope="session")
def exports_are_checked_here():
    """Those of what modules share, too."""
    from support.fresh_process import HERE, exports_checked

    with exports_checked(HERE):
        yield


@pytest.fixture(autouse=True)
def exports_are_checked_as_for_users(request):
    """Where a test of exporting itself asks for it by `pytest.mark.fresh_process`."""
    from support.fresh_process import AS_FOR_USERS, exports_checked

    marked = request.node.get_closest_marker("fresh_process")
    with exports_checked(AS_FOR_USERS) if marked else contextlib.nullcontext():
        yield


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def fixtures():
    return pathlib.Path(__file__).parent / "fixtures"
