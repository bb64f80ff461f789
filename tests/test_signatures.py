"""A docstring's arguments stand in the order of the signature."""

import importlib
import inspect
import pkgutil
import re

import keras_vit

ARGS = re.compile(r"^Args:\n((?:(?: .*)?\n)+)", re.M)
NAME = re.compile(r"^ {4}(\*{0,2}\w+(?:, \*{0,2}\w+)*):", re.M)


def public_functions():
    """Every function that the package or one of its packages gives, by its name."""
    found = {}
    packages = [keras_vit]
    for one in pkgutil.iter_modules(keras_vit.__path__):
        if one.name != "cli":
            packages.append(importlib.import_module(f"keras_vit.{one.name}"))
    for module in packages:
        names = keras_vit.__all__ if module is keras_vit else vars(module)
        for name in list(names):
            one = getattr(module, name)
            home = getattr(one, "__module__", "")
            if name[0] == "_" or not str(home).startswith("keras_vit"):
                continue
            if inspect.isclass(one):
                for method, value in vars(one).items():
                    if method[0] != "_" and inspect.isfunction(value):
                        found[f"{module.__name__}.{name}.{method}"] = value
            elif inspect.isfunction(one):
                found[f"{module.__name__}.{name}"] = one
    return found


def documented(function):
    """The names under `Args:` in a docstring, in order."""
    section = ARGS.search((inspect.getdoc(function) or "") + "\n")
    names = NAME.findall(section[1]) if section else []
    return [name.strip("* ") for line in names for name in line.split(",")]


def out_of_order(function):
    """Names of a docstring that are no arguments or stand in another order."""
    names = documented(function)
    arguments = list(inspect.signature(function).parameters)
    return names if names != [name for name in arguments if name in names] else []


def test_arguments_are_documented_in_the_order_of_the_signature():
    functions = public_functions()
    assert len(functions) > 150
    assert len([one for one in functions.values() if documented(one)]) > 80
    wrong = {name: out_of_order(one) for name, one in functions.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_the_order_and_the_names_are_looked_at():
    def swapped(one, other):
        """Do nothing.

        Args:
            other: the second.
            one: the first.
        """

    def renamed(one):
        """Do nothing.

        Args:
            two: no argument.
        """

    assert out_of_order(swapped) == ["other", "one"]
    assert out_of_order(renamed) == ["two"]


def test_the_general_model_explains_every_option():
    from keras_vit.model_options import ViTOptions

    arguments = set(inspect.signature(keras_vit.model.ViT).parameters)
    assert set(documented(keras_vit.model.ViT)) == arguments
    assert {*ViTOptions.__annotations__} - {
        "weights",
        "source_grid",
        "architecture",
    } <= arguments
