"""Where exports are checked: in a process of their own, as for users, or in this one.

A process for every export would take the suite minutes.
"""

import contextlib

import pytest

from keras_vit.exporting import checking, runtime_check

AS_FOR_USERS = checking.run_in_fresh_process, runtime_check.SECONDS
HERE = runtime_check.run, 0


@contextlib.contextmanager
def exports_checked(road):
    """Have exports checked by one of the two roads."""
    run, seconds = road
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checking, "run_in_fresh_process", run)
        patch.setattr(runtime_check, "SECONDS", seconds)
        yield
