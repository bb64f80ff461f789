"""A model -> files that run elsewhere."""

from keras_vit.exporting.export import export as export
