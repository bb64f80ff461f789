"""Published weights -> our names -> a model, and back."""

from keras_vit.weights.load import load_weights as load_weights
