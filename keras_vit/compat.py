"""What other libraries have no public name for, each with the versions it is true of.

Each function imports its library when it is called. The versions are those that
`setup.py` admits: keras>=3.15,<4, tensorflow>=2.20,<2.22, ai-edge-quantizer>=0.4,
uvicorn>=0.54,<1. Verified with Keras 3.15.1, TensorFlow 2.21.0, ai-edge-quantizer
0.10.0 and uvicorn 0.54.0.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # whose public name `tf.distribute.Strategy` no checker resolves
    from tensorflow.python.distribute.distribute_lib import Strategy as Strategy


def _inner(module: str, name: str = "") -> Any:
    """Import a module that is not public, or what it calls `name`."""
    try:
        found = importlib.import_module(module)
        return getattr(found, name) if name else found
    except (ImportError, AttributeError) as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"Expected {module}{name and '.' + name}, which keras_vit needs. Received: "
            f"a version of {package} without it ({error}). Install a version of it "
            "that keras_vit.compat lists."
        ) from error


def keras_global_state() -> Any:
    """Return Keras's module of global attributes: `keras.src.backend.common`."""
    return _inner("keras.src.backend.common.global_state")


def flatten_layers(layer: Any, include_self: bool = True) -> list[Any]:
    """List the layers in a Keras layer at any depth: `Layer._flatten_layers`."""
    return list(layer._flatten_layers(include_self=include_self))


def operation_of(tensor: Any) -> Any:
    """Return the operation that computes a Keras tensor: its `_keras_history`."""
    return tensor._keras_history.operation


def node_of(tensor: Any) -> tuple[Any, list[Any]]:
    """Return that operation and its inputs: `Operation._inbound_nodes`."""
    operation, index, _ = tensor._keras_history
    nodes = operation._inbound_nodes
    return operation, nodes[index].input_tensors if nodes else []


def run_through_graph(network: Any, inputs: list[Any], operation_fn: Any) -> Any:
    """Run a functional model's operations: `Function._run_through_graph`."""
    return network._run_through_graph(inputs, operation_fn=operation_fn)


def untrack_variable(owner: Any, variable: Any) -> None:
    """Have a layer or an optimizer forget a variable: `_untrack_variable`."""
    owner._untrack_variable(variable)


def set_iterations(optimizer: Any, count: Any) -> None:
    """Replace a Keras optimizer's count of steps: `Optimizer._iterations`."""
    optimizer._untrack_variable(optimizer.iterations)
    optimizer._iterations = count


def learning_rate_or_schedule(optimizer: Any) -> Any:
    """Return what a Keras optimizer was given as its rate: `_learning_rate`."""
    return optimizer._learning_rate


def copy_decay_exclusions(source: Any, target: Any) -> None:
    """Copy what `Optimizer.exclude_from_weight_decay` set, which no config has."""
    for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if hasattr(source, name):
            setattr(target, name, getattr(source, name))


def graph_collection(key: Any) -> list[Any]:
    """Return a list that the graph being traced keeps: `get_collection_ref`."""
    import tensorflow as tf

    return tf.compat.v1.get_default_graph().get_collection_ref(key)


def constant_graph(function: Any) -> Any:
    """Return a `tf.ConcreteFunction` with its variables as constants."""
    module = "tensorflow.python.framework.convert_to_constants"
    return _inner(module, "convert_variables_to_constants_v2")(function)


def litert_schema() -> Any:
    """Return the classes that read a .tflite file."""
    return _inner("tensorflow.lite.python.schema_py_generated")


def litert_converter_error() -> Any:
    """Return the exception of TensorFlow's LiteRT converter."""
    return _inner("tensorflow.lite.python.convert_phase", "ConverterError")


def quantizer_part(module: str, name: str) -> Any:
    """Return `name` of an inner module of ai-edge-quantizer."""
    return _inner(f"ai_edge_quantizer.{module}", name)


def h11_protocol() -> Any:
    """Return uvicorn's class of a connection, whose methods `serving` overrides."""
    return _inner("uvicorn.protocols.http.h11_impl", "H11Protocol")
