"""The door of the `keras-vit` command.

`import keras_vit` loads Keras and TensorFlow, which takes seconds. Help, lists and
every mistake in a flag, a name or a path need none of it, so the command comes in
by this module beside the package: it puts a package without content in the place
of `keras_vit`, whose modules can be imported from it, and lets the command read its
words. Only where there is work to be done is `keras_vit/__init__.py` executed, in
that same module, and from then on all is as after `import keras_vit`.

TensorFlow writes notices of its own to the error stream while it loads, which
would bury the one line that an error of the user's deserves. They cannot be
switched off from Python, so the stream itself is set aside meanwhile.
"""

import importlib.util
import os
import sys
import tempfile
import types


class _NotExecuted(types.ModuleType):
    """A package whose `__init__.py` has not been executed."""


def main() -> int:
    """Run the command and return its exit status."""
    _place("keras_vit")
    from keras_vit.cli.main import main as command

    return command(load=_load_in_silence)


def _place(name: str) -> None:
    """Put a package into `sys.modules` without executing it, unless it is there."""
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is not None:
        package = importlib.util.module_from_spec(spec)
        package.__class__ = _NotExecuted
        sys.modules[name] = package


def _load_in_silence() -> None:
    """Execute the package and its command's modules; show notices if that fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stream = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            _execute(sys.modules["keras_vit"])
        except KeyboardInterrupt:
            raise
        except BaseException:
            notices.seek(0)
            os.write(stream, notices.read())
            raise
        finally:
            os.dup2(stream, 2)
            os.close(stream)


def _execute(package: types.ModuleType) -> None:
    """Execute a package that was placed; any other is left alone."""
    spec = package.__spec__
    if type(package) is _NotExecuted and spec is not None and spec.loader is not None:
        object.__setattr__(package, "__class__", types.ModuleType)
        spec.loader.exec_module(package)


if __name__ == "__main__":
    sys.exit(main())
