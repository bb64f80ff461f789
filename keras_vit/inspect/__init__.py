"""What a model attends to, what it costs, and how similar two models are."""

from keras_vit.inspect.attention import attention_maps as attention_maps
from keras_vit.inspect.cell import cell_size as cell_size
from keras_vit.inspect.distance import attention_distance as attention_distance
from keras_vit.inspect.distance import mean_distance as mean_distance
from keras_vit.inspect.filters import filter_shares as filter_shares
from keras_vit.inspect.filters import patch_filters as patch_filters
from keras_vit.inspect.filters import root_filters as root_filters
from keras_vit.inspect.heads import head_maps as head_maps
from keras_vit.inspect.images import read_images as read_images
from keras_vit.inspect.inspection_report import report as report
from keras_vit.inspect.model_summary import summary as summary
from keras_vit.inspect.model_summary import unallocated as unallocated
from keras_vit.inspect.offset_biases import relative_biases as relative_biases
from keras_vit.inspect.offset_biases import relative_positions as relative_positions
from keras_vit.inspect.positions import position_similarity as position_similarity
from keras_vit.inspect.positions import position_vectors as position_vectors
from keras_vit.inspect.relevance import grad_cam as grad_cam
from keras_vit.inspect.relevance import gradient_rollout as gradient_rollout
from keras_vit.inspect.rollouts import attention_rollout as attention_rollout
from keras_vit.inspect.rollouts import rollout as rollout
from keras_vit.inspect.similarity import cka as cka
from keras_vit.inspect.similarity import cka_layers as cka_layers
from keras_vit.inspect.tokens import token_norms as token_norms
