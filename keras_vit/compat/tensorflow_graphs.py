"""Of TensorFlow: graphs, and the .tflite files that are made of them."""

from __future__ import annotations

from typing import Any

from keras_vit.compat.versions import of_tensorflow


def constant_graph(function: Any) -> Any:
    """Return a `tf.ConcreteFunction` with its variables as constants.

    Interface: `convert_variables_to_constants_v2`. Verified: tensorflow 2.21.0.
    """
    with of_tensorflow("convert_variables_to_constants_v2"):
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )
    return convert_variables_to_constants_v2(function)


def litert_schema() -> Any:
    """Return the module of the classes that read a .tflite file.

    Interface: `tensorflow.lite.python.schema_py_generated`. Verified: tensorflow
    2.21.0.
    """
    with of_tensorflow("tensorflow.lite.python.schema_py_generated"):
        from tensorflow.lite.python import schema_py_generated
    return schema_py_generated


def litert_converter_error() -> type[Exception]:
    """Return what `tf.lite.TFLiteConverter` raises.

    Interface: `tensorflow.lite.python.convert_phase.ConverterError`. Verified:
    tensorflow 2.21.0.
    """
    with of_tensorflow("tensorflow.lite.python.convert_phase.ConverterError"):
        from tensorflow.lite.python.convert_phase import ConverterError
    return ConverterError
