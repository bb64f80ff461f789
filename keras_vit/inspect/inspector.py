"""The models that look into a model, kept as long as it lives."""

import weakref

_INSPECTORS = weakref.WeakKeyDictionary()


def inspector(model, make, *arguments):
    """Gives `make(model, *arguments)`, the same for the same.

    A new one would be traced anew, which takes longer than to run it.

    Args:
        model: a Keras model. What is kept goes when it does.
        make: makes a Keras model of its layers, that does not hold the model
            itself.
        arguments: of that, all hashable.
    """
    kept = _INSPECTORS.setdefault(model, {})
    if (make, *arguments) not in kept:
        kept[make, *arguments] = make(model, *arguments)
    return kept[make, *arguments]
