"""What other libraries have no public name for, each with the versions it is true of.

Each function imports its library when it is called, and where a version lacks what it
asks for it says so, before anything is done with it. Verified with the versions that
each names; `setup.py` admits those beside them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras
    from tensorflow.python.distribute.distribute_lib import (
        Strategy as Strategy,  # `tf.distribute.Strategy`, which no checker resolves
    )
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


@contextlib.contextmanager
def _of_version(interface: str, package: str, verified: str) -> Iterator[None]:
    """Say which version is expected where an interface is absent from another one."""
    try:
        yield
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"Expected {interface}, as {package} {verified} has it. Received: another "
            f"version of {package}, or none ({error}). Install {package} {verified}."
        ) from error


_of_keras = functools.partial(_of_version, package="keras", verified="3.15.1")
_of_tensorflow = functools.partial(_of_version, package="tensorflow", verified="2.21.0")


@contextlib.contextmanager
def names_from_the_start() -> Iterator[None]:
    """Number layers without a name as in a process that has built no others.

    Interface: the attribute `object_name_uids` of Keras's global state, from which
    `auto_name` counts. Verified: keras 3.15.1.
    """
    from collections import defaultdict

    with _of_keras("keras.src.backend.common.global_state"):
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

    with _of_keras("keras.src.backend.common.global_state"):
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
    with _of_keras("keras.Layer._flatten_layers"):
        flatten = layer._flatten_layers
    return list(flatten(include_self=include_self))


def node_of(tensor: Any) -> tuple[Any, list[Any]]:
    """Return the layer or operation that computes a Keras tensor, and its inputs.

    Interface: `KerasTensor._keras_history`, `Operation._inbound_nodes`. Verified:
    keras 3.15.1.
    """
    with _of_keras("keras.KerasTensor._keras_history and Operation._inbound_nodes"):
        operation, index, _ = tensor._keras_history
        nodes = operation._inbound_nodes
    return operation, nodes[index].input_tensors if nodes else []


def run_through_graph(
    network: keras.Model, inputs: list[Any], operation_fn: Callable[[Any], Any]
) -> Any:
    """Run a functional model, each of its operations by what `operation_fn` returns.

    Interface: `Function._run_through_graph`. Verified: keras 3.15.1.
    """
    with _of_keras("keras.Function._run_through_graph"):
        run = network._run_through_graph
    return run(inputs, operation_fn=operation_fn)


def untrack_variable(layer: Any, variable: Any) -> None:
    """Have a layer forget a variable.

    Interface: `Layer._untrack_variable`. Verified: keras 3.15.1.
    """
    with _of_keras("keras.Layer._untrack_variable"):
        untrack = layer._untrack_variable
    untrack(variable)


def learning_rate_of(optimizer: keras.optimizers.Optimizer) -> Any:
    """Return a variable or the schedule that is an optimizer's learning rate.

    The public `learning_rate` is its value now. Interface:
    `Optimizer._learning_rate`. Verified: keras 3.15.1.
    """
    with _of_keras("keras.optimizers.Optimizer._learning_rate"):
        return optimizer._learning_rate


@functools.cache
def _on_each_replica() -> type[Any]:
    """Return what lets each replica make the same update, of summed gradients.

    Keras's own would sum them once more and leave the replica for it, which no
    condition allows. Stands before `keras.optimizers.Optimizer` in the order in which
    methods are found, and so behind what the rule itself overrides.
    """
    import keras

    class OnEachReplica(keras.optimizers.Optimizer):
        def _backend_update_step(
            self, grads: Any, trainable_variables: Any, learning_rate: Any
        ) -> None:
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                self.update_step(gradient, variable.value, learning_rate)

        def _apply_weight_decay(self, variables: Any) -> None:
            if self.weight_decay is None:
                return
            decay = self.weight_decay * self.learning_rate
            for variable in variables:
                if self._use_weight_decay(variable.value):
                    share = keras.ops.cast(decay, variable.dtype)
                    variable.assign_sub(variable * share)

    return OnEachReplica


def copied_for_replicas(
    optimizer: keras.optimizers.Optimizer, learning_rate: Any
) -> keras.optimizers.Optimizer:
    """Return a new optimizer with the same arguments, applied on each replica.

    Its gradients are summed over the replicas already; each replica makes the same
    update, and counts by a variable of its own.

    Interface: of `keras.optimizers.Optimizer` the methods `_backend_update_step`,
    `_apply_weight_decay`, `_use_weight_decay` and `_untrack_variable`, the attributes
    `_iterations`, `_exclude_from_weight_decay` and its `_pattern`. Verified: keras
    3.15.1.

    Args:
        optimizer: one of Keras's; it stays as it is.
        learning_rate: of the copy, a number or a schedule.
    """
    import keras

    kind, base = type(optimizer), keras.optimizers.Optimizer
    with _of_keras("the private methods of keras.optimizers.Optimizer"):
        for name in ("_backend_update_step", "_apply_weight_decay"):
            getattr(base, name)
        for name in ("_use_weight_decay", "_untrack_variable"):
            getattr(base, name)
        _ = optimizer._iterations
    config = optimizer.get_config() | {"learning_rate": learning_rate}
    copied: Any = type(kind.__name__, (kind, _on_each_replica()), {})
    copied = copied.from_config(config)
    for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"):
        if hasattr(optimizer, name):  # set by a method, so in no config
            setattr(copied, name, getattr(optimizer, name))
    # A count of which each replica has its own, as of everything else.
    count = keras.Variable(
        0, dtype="int64", trainable=False, aggregation="none", name="iteration"
    )
    copied._untrack_variable(copied.iterations)
    copied._iterations = count
    return copied


def graph_collection(key: Any) -> list[Any]:
    """Return a list that lives as long as the graph that is being traced.

    Interface: `tf.Graph.get_collection_ref`, of TensorFlow 1. Verified: tensorflow
    2.21.0.
    """
    import tensorflow as tf

    with _of_tensorflow("tf.Graph.get_collection_ref"):
        return tf.compat.v1.get_default_graph().get_collection_ref(key)


def constant_graph(function: Any) -> Any:
    """Return a `tf.ConcreteFunction` with its variables as constants.

    Interface: `convert_variables_to_constants_v2`. Verified: tensorflow 2.21.0.
    """
    with _of_tensorflow("convert_variables_to_constants_v2"):
        from tensorflow.python.framework.convert_to_constants import (
            convert_variables_to_constants_v2,
        )
    return convert_variables_to_constants_v2(function)


def litert_schema() -> Any:
    """Return the module of the classes that read a .tflite file.

    Interface: `tensorflow.lite.python.schema_py_generated`. Verified: tensorflow
    2.21.0.
    """
    with _of_tensorflow("tensorflow.lite.python.schema_py_generated"):
        from tensorflow.lite.python import schema_py_generated
    return schema_py_generated


def litert_converter_error() -> type[Exception]:
    """Return what `tf.lite.TFLiteConverter` raises.

    Interface: `tensorflow.lite.python.convert_phase.ConverterError`. Verified:
    tensorflow 2.21.0.
    """
    with _of_tensorflow("tensorflow.lite.python.convert_phase.ConverterError"):
        from tensorflow.lite.python.convert_phase import ConverterError
    return ConverterError


def quantizer_recipe() -> Any:
    """Return a new recipe of ai-edge-quantizer's, which a calibration takes.

    Interface: `ai_edge_quantizer.recipe_manager.RecipeManager`. Verified:
    ai-edge-quantizer 0.10.0.
    """
    name = "ai_edge_quantizer.recipe_manager.RecipeManager"
    with _of_version(name, "ai-edge-quantizer", "0.10.0"):
        from ai_edge_quantizer.recipe_manager import RecipeManager
    return RecipeManager()


def quantizer_float_casting() -> Any:
    """Return ai-edge-quantizer's key of casting weights to float16.

    Interface: `ai_edge_quantizer.algorithm_manager.AlgorithmName`. Verified:
    ai-edge-quantizer 0.10.0.
    """
    name = "ai_edge_quantizer.algorithm_manager.AlgorithmName.FLOAT_CASTING"
    with _of_version(name, "ai-edge-quantizer", "0.10.0"):
        from ai_edge_quantizer.algorithm_manager import AlgorithmName

        return AlgorithmName.FLOAT_CASTING


def min_max_calibrator(file: bytes, num_threads: int) -> Any:
    """Return a calibrator that keeps the smallest and the largest value of each tensor.

    The public `Quantizer.calibrate` keeps a moving average. Interface:
    `ai_edge_quantizer.calibrator.Calibrator` and `utils.qsv_utils.min_max_update`.
    Verified: ai-edge-quantizer 0.10.0.
    """
    name = "ai_edge_quantizer.calibrator.Calibrator, utils.qsv_utils.min_max_update"
    with _of_version(name, "ai-edge-quantizer", "0.10.0"):
        from ai_edge_quantizer.calibrator import Calibrator
        from ai_edge_quantizer.utils.qsv_utils import min_max_update
    return Calibrator(file, num_threads=num_threads, qsv_update_func=min_max_update)


def http_protocol() -> type[HttpToolsProtocol]:
    """Return uvicorn's class of a connection, which `serving` stands in front of.

    Interface: `uvicorn.protocols.http.httptools_impl.HttpToolsProtocol`, the
    `loop`, `transport` and `scope` of an object of it, the last one new with the first
    byte of a request, and its `send_400_response`, which is replaced. Verified:
    uvicorn 0.54.0.
    """
    name = "uvicorn.protocols.http.httptools_impl.HttpToolsProtocol"
    with _of_version(name, "uvicorn with httptools", "0.54.0"):
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

        HttpToolsProtocol.send_400_response  # noqa: B018
    return HttpToolsProtocol


def add_beam_options(kind: Any, parser: Any) -> None:
    """Add the options that a class of Apache Beam's defines to a parser.

    Interface: `PipelineOptions._add_argparse_args`, which classes of options override.
    Verified: apache-beam 2.77.0.

    Args:
        kind: a subclass of `PipelineOptions`.
        parser: an `argparse.ArgumentParser`.
    """
    if any("_add_argparse_args" in vars(one) for one in kind.__mro__):
        kind._add_argparse_args(parser)
