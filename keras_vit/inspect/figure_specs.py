"""The figures of a model: one row of `FIGURE_SPECS` for each."""

from keras_vit.inspect.distance import DISTANCE
from keras_vit.inspect.filters import FILTERS
from keras_vit.inspect.heads import HEADS
from keras_vit.inspect.offset_biases import BIASES, OFFSETS
from keras_vit.inspect.positions import POSITIONS
from keras_vit.inspect.relevance import GRAD_CAM, GRADIENT_ROLLOUT
from keras_vit.inspect.rollouts import ROLLOUT
from keras_vit.inspect.similarity import CKA
from keras_vit.inspect.tokens import NORM_MAPS, NORMS

FIGURE_SPECS = {  # in the order of the report; the keys are the stems of files
    "rollout": ROLLOUT,
    "gradients": GRADIENT_ROLLOUT,
    "grad_cam": GRAD_CAM,
    "heads": HEADS,
    "distance": DISTANCE,
    "filters": FILTERS,
    "positions": POSITIONS,
    "offsets": OFFSETS,
    "biases": BIASES,
    "norms": NORMS,
    "norm_maps": NORM_MAPS,
    "cka": CKA,
}
