"""What optimizers keep of each weight: its dtype, stored and computed."""

from typing import Any

import tensorflow as tf


def storable(dtype: str) -> str:
    """Return the dtype of a variable: TensorFlow sends no bfloat16 to other workers."""
    several = isinstance(
        tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy
    )
    return "float32" if several else dtype


def rounded(value: Any, dtype: str, variable: Any) -> Any:
    """Round a value to `dtype`, for a variable that may hold more."""
    return tf.cast(tf.cast(value, dtype), variable.dtype)
