"""Of Keras: the names, weights, layers and graph of a model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from keras_vit.compat.versions import of_keras

if TYPE_CHECKING:
    import keras


@contextlib.contextmanager
def names_from_the_start() -> Iterator[None]:
    """Number layers without a name as in a process that has built no others.

    Interface: the attribute `object_name_uids` of Keras's global state, from which
    `auto_name` counts. Verified: keras 3.15.1.
    """
    from collections import defaultdict

    with of_keras("keras.src.backend.common.global_state"):
        from keras.src.backend.common import global_state

        get, put = global_state.get_global_attribute, global_state.set_global_attribute
    key = "object_name_uids"
    before = get(key, defaultdict(int), set_to_default=True)
    put(key, defaultdict(int))
    try:
        yield
    finally:
        put(key, before)


@contextlib.contextmanager
def weights_without_values() -> Iterator[None]:
    """Build layers in this context whose weights have paths and shapes alone.

    Nothing is allocated for them, and they never get values. `keras.StatelessScope`
    keeps them in a list, to give them values when another such scope ends.

    Interface: the attribute `uninitialized_variables` of Keras's global state.
    Verified: keras 3.15.1.
    """
    import keras

    with of_keras("keras.src.backend.common.global_state"):
        from keras.src.backend.common import global_state

        get, put = global_state.get_global_attribute, global_state.set_global_attribute
    key = "uninitialized_variables"
    before = get(key, [])
    put(key, [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        put(key, before)


def flatten_layers(layer: Any, include_self: bool = True) -> list[Any]:
    """List the layers within a Keras layer, at any depth.

    Interface: `Layer._flatten_layers`. Verified: keras 3.15.1.
    """
    with of_keras("keras.Layer._flatten_layers"):
        flatten = layer._flatten_layers
    return list(flatten(include_self=include_self))


def node_of(tensor: Any) -> tuple[Any, list[Any]]:
    """Return the layer or operation that computes a Keras tensor, and its inputs.

    Interface: `KerasTensor._keras_history`, `Operation._inbound_nodes`. Verified:
    keras 3.15.1.
    """
    with of_keras("keras.KerasTensor._keras_history and Operation._inbound_nodes"):
        operation, index, _ = tensor._keras_history
        nodes = operation._inbound_nodes
    return operation, nodes[index].input_tensors if nodes else []


def run_through_graph(
    network: keras.Model, inputs: list[Any], operation_fn: Callable[[Any], Any]
) -> Any:
    """Run a functional model, each of its operations by what `operation_fn` returns.

    Interface: `Function._run_through_graph`. Verified: keras 3.15.1.
    """
    with of_keras("keras.Function._run_through_graph"):
        run = network._run_through_graph
    return run(inputs, operation_fn=operation_fn)


def untrack_variable(layer: Any, variable: Any) -> None:
    """Have a layer forget a variable.

    Interface: `Layer._untrack_variable`. Verified: keras 3.15.1.
    """
    with of_keras("keras.Layer._untrack_variable"):
        untrack = layer._untrack_variable
    untrack(variable)
