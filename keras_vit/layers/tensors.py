"""What annotations of layers call the values that they compute with."""

from typing import Any, TypeAlias

import keras

Tensor: TypeAlias = Any  # of the backend, or a Keras tensor
Shape: TypeAlias = tuple[Any, ...]  # integers, and `None` for a size that is unknown
# Keras annotates none of them, and checkers infer from its code that they may be None.
ops: Any = keras.ops
