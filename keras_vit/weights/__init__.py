"""Published weights -> our names -> a model, and back."""

from keras_vit.releases import list_weights as list_weights
from keras_vit.weights.checkpoint import find_checkpoint as find_checkpoint
from keras_vit.weights.imagenet import decode_predictions as decode_predictions
from keras_vit.weights.imagenet import imagenet_classes as imagenet_classes
from keras_vit.weights.load import load_weights as load_weights
from keras_vit.weights.rebuild import replace_head as replace_head
from keras_vit.weights.rebuild import resize as resize
from keras_vit.weights.save import save_weights as save_weights
from keras_vit.weights.token_merging import merge_tokens as merge_tokens
