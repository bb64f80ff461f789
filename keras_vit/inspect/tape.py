"""The steps of a model, written down without taking them.

A model is run on shapes. Each layer has a rule that writes the steps it takes
on a tape: what a step reads and makes, its multiply-adds, and what the
gradients will read of it.
"""

import functools
import math
from dataclasses import dataclass

import keras

# Operations outside layers that multiply and add, for which there is no rule.
PRODUCTS = {"Conv", "DepthwiseConv", "Dot", "Einsum", "Matmul", "Tensordot"}


@dataclass(frozen=True)
class Memory:
    """Room for `size` numbers. Two of one size are not the same."""

    size: int
    number: int


@dataclass(frozen=True, eq=False)
class Value:
    """An array of one image: its shape, which begins with 1, and its memory.

    A view shares the memory of another value.
    """

    shape: tuple[int, ...]
    memory: Memory

    @property
    def size(self):
        """Its numbers."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Step:
    """One computation.

    Attributes:
        layer: the model's layer that it belongs to; `None` outside layers.
        read: the memory it reads.
        made: the memory it fills.
        multiply_adds: of products; of what works number by number, none.
        kept: the memory that its gradient reads.
    """

    layer: str | None
    read: tuple[Memory, ...]
    made: Memory
    multiply_adds: int
    kept: tuple[Memory, ...]


class Tape:
    """The steps of a model, in order.

    Args:
        rules: a class, or one it is made from, to a function of a tape, a
            layer of the class and the values it is called with.

    Attributes:
        steps: of `Step`.
        shapes: of what each layer of the model gives, by its name.
        uncounted: names of what no rule counts.
    """

    def __init__(self, rules):
        self.rules = rules
        self.steps, self.shapes, self.uncounted = [], {}, []
        self._layer, self._count = None, 0

    def value(self, shape):
        """A new value, such as the model's input."""
        self._count += 1
        return Value(tuple(shape), Memory(math.prod(shape), self._count))

    def make(self, shape, *values, multiply_adds=0, kept=(), keeps_made=False):
        """Writes a step that makes a value of other values."""
        made = self.value(shape)
        kept = (*kept, made) if keeps_made else kept
        read = tuple(value.memory for value in values)
        kept = tuple(value.memory for value in kept)
        step = Step(self._layer, read, made.memory, multiply_adds, kept)
        self.steps.append(step)
        return made

    def run(self, operation, *args, **kwargs):
        """Writes the steps of a layer, or of an operation outside layers."""
        known = (one for one in type(operation).__mro__ if one in self.rules)
        rule = self.rules.get(next(known, None))
        if rule is None:
            return self.run_unknown(operation, *args, **kwargs)
        given = keras.tree.flatten((args, kwargs))
        return rule(self, operation, *(one for one in given if _is_value(one)))

    def run_network(self, network, value, rows=False):
        """Writes the steps of a functional model, perhaps as those of its layers."""
        run = self._run_row if rows else self.run
        if isinstance(network, keras.Sequential):
            for layer in network.layers:
                value = run(layer, value)
            return value
        return network._run_through_graph(
            [value], operation_fn=lambda operation: functools.partial(run, operation)
        )

    def _run_row(self, operation, *args, **kwargs):
        if not isinstance(operation, keras.layers.Layer):
            self._layer = None
            return self.run(operation, *args, **kwargs)
        self._layer = operation.name
        made = self.run(operation, *args, **kwargs)
        self.shapes[operation.name] = keras.tree.flatten(made)[0].shape
        return made

    def run_unknown(self, operation, *args, **kwargs):
        """Writes a step of what has no rule: shaped by Keras, no multiply-adds."""
        values = [one for one in keras.tree.flatten((args, kwargs)) if _is_value(one)]
        args, kwargs = keras.tree.map_structure(
            lambda one: keras.KerasTensor(one.shape) if _is_value(one) else one,
            (args, kwargs),
        )
        told = operation.compute_output_spec(*args, **kwargs)
        is_layer = isinstance(operation, keras.layers.Layer)
        weights = operation.weights if is_layer else ()
        matrices = any(len(weight.shape) > 1 for weight in weights)
        if type(operation).__name__ in PRODUCTS or matrices:
            self.uncounted.append(operation.name)
        kept = values if is_layer else ()
        return keras.tree.map_structure(
            lambda one: self.make(one.shape, *values, kept=kept), told
        )


def _is_value(one):
    return isinstance(one, Value)
