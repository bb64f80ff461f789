"""What `--help` prints."""

import textwrap
import types
from collections.abc import Mapping

from absl import flags

INDENT = "      "


def overview(commands: Mapping[str, types.ModuleType]) -> str:
    """Return the commands with a line each."""
    lines = [f"  {name:<14}{command.SUMMARY}" for name, command in commands.items()]
    return "\n".join(
        [
            "Vision Transformers for Keras.",
            "",
            "usage: keras-vit COMMAND [--flag=value ...]",
            "",
            *lines,
            "",
            "keras-vit COMMAND --help lists its flags.",
        ]
    )


def help_of(title: str, command: types.ModuleType, values: flags.FlagValues) -> str:
    """Return a command's flags with a paragraph each."""
    lines = [command.SUMMARY, "", f"usage: {title} {command.USAGE}", ""]
    for name in sorted(flag for flag in values if len(flag) > 1):
        flag = values[name]
        text = (flag.help or "").partition(";\n")[0]  # without absl's note on repeating
        if flag.default is not False and flag.default not in (None, []):
            text += f" Default: {flag.default}"
        lines += [
            f"  --{name}=...",
            *textwrap.wrap(text, 88, initial_indent=INDENT, subsequent_indent=INDENT),
        ]
    return "\n".join(lines)
