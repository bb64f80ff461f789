"""The door of the `keras-vit` command.

TensorFlow writes notices of its own to the error stream while it loads, which
would bury the one line that an error of the user's deserves. They cannot be
switched off from Python, so the stream itself is set aside meanwhile. That
has to happen before anything of `keras_vit` is imported, hence this module
beside the package and not inside.
"""

import os
import sys
import tempfile


def main():
    """Loads the package in silence and runs the command."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    stream = os.dup(2)
    with tempfile.TemporaryFile() as notices:
        os.dup2(notices.fileno(), 2)
        try:
            from keras_vit.cli.main import main as command
        except KeyboardInterrupt:
            os.write(stream, b"keras-vit: interrupted\n")
            return 130
        except BaseException:
            notices.seek(0)
            os.write(stream, notices.read())
            raise
        finally:
            os.dup2(stream, 2)
            os.close(stream)
    return command()


if __name__ == "__main__":
    sys.exit(main())
