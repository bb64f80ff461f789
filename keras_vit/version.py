"""The version of the package, readable without Keras."""

VERSION = "0.2.0"
