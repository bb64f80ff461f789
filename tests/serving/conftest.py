import shutil

import pytest

from support.serving import stand_in
from support.serving.local import Local


@pytest.fixture(scope="session")
def pets(tmp_path_factory):
    """A folder with version 1 of the stand-in."""
    folder = tmp_path_factory.mktemp("savedmodels") / "pets"
    stand_in.write(folder / "1")
    return folder


@pytest.fixture(scope="session")
def second(tmp_path_factory):
    """A version 2 that answers otherwise, and has no attention."""
    folder = tmp_path_factory.mktemp("newer")
    return stand_in.write(folder / "2", bias=7.0, attention=False)


@pytest.fixture(scope="module")
def local(pets):
    with Local(pets) as server:
        yield server


@pytest.fixture
def own_pets(pets, tmp_path):
    """A copy of version 1, to be changed."""
    shutil.copytree(pets, tmp_path / "pets")
    return tmp_path / "pets"
