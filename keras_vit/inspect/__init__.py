"""What a model attends to."""

from keras_vit.inspect.attention import attention_maps as attention_maps
from keras_vit.inspect.rollout import attention_rollout as attention_rollout
from keras_vit.inspect.rollout import rollout as rollout
