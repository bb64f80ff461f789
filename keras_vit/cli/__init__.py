"""The command: flags -> one call -> lines of output."""

from keras_vit.cli.main import main as main
