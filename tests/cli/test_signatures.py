"""Flags are made of the function that a command calls, and of its docstring."""

import importlib
import inspect

import pytest
from absl import flags

from keras_vit.cli.flag import define
from keras_vit.cli.flag_types import Size, Word
from keras_vit.cli.main import COMMANDS
from keras_vit.cli.model_flag import Model
from keras_vit.cli.signatures import FILES, parameters


def imported(function):
    module = FILES[function].removesuffix("/__init__.py").removesuffix(".py")
    module = importlib.import_module("keras_vit." + module.replace("/", "."))
    return getattr(module, function)


@pytest.mark.parametrize("function", FILES)
def test_a_file_tells_what_the_imported_function_takes(function):
    if function in ("prepare", "run"):
        pytest.importorskip("keras_vit.batch")
    arguments = inspect.signature(imported(function)).parameters
    found = parameters(function)
    named = [n for n, one in arguments.items() if one.kind is not one.VAR_KEYWORD]
    assert list(found) == named
    for name, one in found.items():
        default = arguments[name].default
        if one.default is not None:
            assert one.default == default
        elif isinstance(default, str | bool | float):
            assert name in ("pixel_range", "batch_bytes")  # of a name, an expression


@pytest.mark.parametrize("name", [n for n, one in COMMANDS.items() if one.CALLS])
def test_what_a_flag_does_is_what_the_docstring_says(name):
    command, values = COMMANDS[name], flags.FlagValues()
    define(values, command)
    said = 0
    for flag, row in command.FLAGS.items():
        function, _, argument = (row.of or flag).rpartition(".")
        argument = parameters(function or command.CALLS).get(argument)
        assert values[flag].help, flag
        if not row.help:
            assert argument.help, flag
            said += 1
        # Those that list what they take say it in their own words.
        if not row.help and not isinstance(values[flag].parser, Model | Size | Word):
            assert values[flag].help.startswith(argument.help)
    assert said


def test_a_reference_is_followed_and_code_stands_as_it_is_typed():
    assert parameters("train")["data_dir"].help == parameters("load")["data_dir"].help
    assert "`" not in "".join(one.help for one in parameters("run").values())
    assert parameters("run")["what"].help.startswith("Some of classes, probabilities")
    assert parameters("resize")["patch_size"].help.endswith("if not given: as it is.")
