"""Bytes of image files -> pixels, by TensorFlow's own operations alone.

What is in here is saved with a graph: no Python, no Pillow, no file.
"""

from keras_vit.exporting.served_images.batch import read_images as read_images
