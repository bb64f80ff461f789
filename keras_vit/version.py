"""The version of the package, readable without Keras."""

VERSION = "0.1.0"
