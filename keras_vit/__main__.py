"""`python -m keras_vit`, which is the command `keras-vit`."""

import runpy

if __name__ == "__main__":
    runpy.run_module("keras_vit_command", run_name="__main__")
