"""The flags of a command, made of the function that it calls.

A command's `FLAGS` names them; the function's signature has their types and defaults,
its docstring their descriptions. A `Flag` says what differs on a command line.
"""

import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from absl import flags

from keras_vit.cli.flag_types import Parser, parser_of
from keras_vit.cli.signatures import Parameter, parameters

T = TypeVar("T")
_OF_FUNCTION: Any = object()


class Flag(NamedTuple):
    """A flag, as far as it is not as the function's argument.

    Attributes:
        parser: reads its text; by default, what the argument's type calls for.
        help: by default, what the docstring says of the argument.
        default: the argument's by default.
        of: the argument, `"name"`, or `"function.name"` of another function than the
            command calls; by default, the argument that is called as the flag is.
        repeated: whether it may be given several times.
    """

    parser: "Parser[Any] | None" = None
    help: str = ""
    default: Any = _OF_FUNCTION
    of: str = ""
    repeated: bool = False


def define(values: flags.FlagValues, command: types.ModuleType) -> None:
    """Define the flags of a command.

    Args:
        values: where they are defined.
        command: a module with `FLAGS`, a dict of each `Flag` by its name, and
            `CALLS`, the function, a key of `signatures.FILES`; `""`: none.
    """
    for name, flag in command.FLAGS.items():
        argument = _argument(name, flag, command.CALLS)
        default = argument.default if flag.default is _OF_FUNCTION else flag.default
        parser = flag.parser or parser_of(name, argument.annotation)
        full_help = getattr(parser, "full_help", str)
        help = flag.help or full_help(argument.help)
        if isinstance(parser, flags.BooleanParser):
            boolean = flags.BooleanFlag(name, default, help)
            boolean.parser = parser
            flags.DEFINE_flag(boolean, values)
        elif flag.repeated:
            serializer = flags.ArgumentSerializer()
            help = f"{help} May be repeated."
            flags.DEFINE_multi(parser, serializer, name, [], help, flag_values=values)
        else:
            flags.DEFINE(parser, name, default, help, flag_values=values)


def arguments(
    values: flags.FlagValues, calls: str, table: Mapping[str, Flag]
) -> dict[str, Any]:
    """Return what flags say of the arguments of the function that a command calls.

    Args:
        values: the flags.
        calls: the function, a key of `signatures.FILES`.
        table: each `Flag` by its name.

    Returns:
        The arguments by their names, without those that have neither value nor
        default.
    """
    found = {flag.of or name: values[name].value for name, flag in table.items()}
    known = parameters(calls)
    return {n: value for n, value in found.items() if n in known and value is not None}


def check_all(values: flags.FlagValues) -> None:
    """Check every flag that has a value by its parser's `check`, where it has one.

    Raises:
        ValueError, OSError: naming the flag.
    """
    for name in values:
        check = getattr(values[name].parser, "check", None)
        if check is not None and values[name].value is not None:
            with_flag(name, check, values[name].value)


def with_flag(name: str, check: Callable[..., T], *args: Any) -> T:
    """Return what a check returns; what it raises names the flag.

    Raises:
        ValueError, OSError: of the kind that the check raises.
    """
    try:
        return check(*args)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"--{name}: {error}") from error
    except ValueError as error:
        raise ValueError(f"--{name}: {error}") from error


def _argument(name: str, flag: Flag, calls: str) -> Parameter:
    function, _, argument = (flag.of or name).rpartition(".")
    known = parameters(function or calls) if function or calls else {}
    return known.get(argument, Parameter("str", None, ""))
