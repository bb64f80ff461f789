"""What other libraries have no public name for, each with the versions it is true of.

Each function imports its library when it is called, and where a version lacks what it
asks for it says so, before anything is done with it. Verified with the versions that
each names; `setup.py` admits those beside them.
"""

from typing import TYPE_CHECKING

from keras_vit.compat.beam_options import add_beam_options as add_beam_options
from keras_vit.compat.connections import http_protocol as http_protocol
from keras_vit.compat.keras_models import flatten_layers as flatten_layers
from keras_vit.compat.keras_models import names_from_the_start as names_from_the_start
from keras_vit.compat.keras_models import node_of as node_of
from keras_vit.compat.keras_models import run_through_graph as run_through_graph
from keras_vit.compat.keras_models import untrack_variable as untrack_variable
from keras_vit.compat.keras_models import (
    weights_without_values as weights_without_values,
)
from keras_vit.compat.keras_optimizers import copied_for_replicas as copied_for_replicas
from keras_vit.compat.keras_optimizers import learning_rate_of as learning_rate_of
from keras_vit.compat.quantizer import min_max_calibrator as min_max_calibrator
from keras_vit.compat.quantizer import (
    quantizer_float_casting as quantizer_float_casting,
)
from keras_vit.compat.quantizer import quantizer_recipe as quantizer_recipe
from keras_vit.compat.tensorflow_graphs import constant_graph as constant_graph
from keras_vit.compat.tensorflow_graphs import (
    litert_converter_error as litert_converter_error,
)
from keras_vit.compat.tensorflow_graphs import litert_schema as litert_schema

if TYPE_CHECKING:
    from tensorflow.python.distribute.distribute_lib import (
        Strategy as Strategy,  # `tf.distribute.Strategy`, which no checker resolves
    )
