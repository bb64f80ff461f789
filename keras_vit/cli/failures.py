"""What goes wrong in a command, as one line and an exit status."""

import re
import sys

from absl import flags

FAILED = 1
USAGE_ERROR = 2
LONGEST = 240  # characters of what a library says

# Errors that the package raises on purpose: their text is the line.
EXPECTED = (flags.Error, ValueError, OSError, ImportError, RuntimeError)
_OUT_OF_MEMORY = re.compile(
    r"\bOOM\b|out of memory|RESOURCE_EXHAUSTED|allocat\w+ .*(bytes|tensor|memory)", re.I
)


def line_of(error: BaseException) -> tuple[str, int] | None:
    """Return the line that explains an error, and the exit status.

    Returns:
        `None` for an error that nobody expects: its traceback tells more.
    """
    if is_out_of_memory(error):
        return _out_of_memory(error), USAGE_ERROR
    if isinstance(error, FloatingPointError):
        return _in_a_line(str(error)), FAILED
    if _is_of_tensorflow(error):
        return (
            "Expected TensorFlow to finish its work. Received: "
            f"{type(error).__name__}: {_first_line(error)}. Check the files and "
            "settings that it names; KERAS_VIT_TRACEBACK=1 shows where it happened.",
            USAGE_ERROR,
        )
    if isinstance(error, EXPECTED):
        status = getattr(error, "exit_status", USAGE_ERROR)
        return _in_a_line(str(error)).removeprefix("flag "), status
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether memory ran out, in any of Keras's backends or in NumPy."""
    if isinstance(error, MemoryError):
        return True
    names = {one.__name__ for one in type(error).__mro__}
    if "OutOfMemoryError" in names:  # of PyTorch
        return True
    by_a_backend = _is_of_tensorflow(error) or "XlaRuntimeError" in names
    by_a_backend |= "JaxRuntimeError" in names
    return by_a_backend and bool(_OUT_OF_MEMORY.search(str(error)))


def _out_of_memory(error: BaseException) -> str:
    return (
        "Out of memory. Expected a batch to fit into the device's memory. Received: "
        f"{type(error).__name__}: {_first_line(error) or 'no details'}. Lower "
        "batch_size, with accumulation_steps as many times higher for the same "
        "training; or lower image_size; or set remat=true. In training these are "
        "settings: --set batch_size=16."
    )


def _is_of_tensorflow(error: BaseException) -> bool:
    tf = sys.modules.get("tensorflow")
    return tf is not None and isinstance(error, tf.errors.OpError)


def _first_line(error: BaseException) -> str:
    text = getattr(error, "message", None) or str(error)
    lines = [re.sub(r"\{\{.*?\}\}", "", one).strip() for one in text.splitlines()]
    first = next((one for one in lines if one and "Detected at node" not in one), "")
    return _in_a_line(first)[:LONGEST].rstrip(" .")


def _in_a_line(text: str) -> str:
    return " ".join(text.split())
