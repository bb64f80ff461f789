"""What becomes of gradients: rules, weight decay, factors, and Keras's own."""

from keras_vit.training.optimizers.adam import Adam as Adam
from keras_vit.training.optimizers.build import OF_THE_SCHEDULE as OF_THE_SCHEDULE
from keras_vit.training.optimizers.build import AnyOptimizer as AnyOptimizer
from keras_vit.training.optimizers.build import build_optimizer as build_optimizer
from keras_vit.training.optimizers.build import check_optimizer as check_optimizer
from keras_vit.training.optimizers.build import (
    settings_replaced_by as settings_replaced_by,
)
from keras_vit.training.optimizers.clipping import (
    clip_by_global_norm as clip_by_global_norm,
)
from keras_vit.training.optimizers.decay import NOT_DECAYED as NOT_DECAYED
from keras_vit.training.optimizers.decay import (
    WEIGHT_DECAY_SCALINGS as WEIGHT_DECAY_SCALINGS,
)
from keras_vit.training.optimizers.keras_optimizer import (
    KerasOptimizer as KerasOptimizer,
)
from keras_vit.training.optimizers.multipliers import lr_multipliers as lr_multipliers
from keras_vit.training.optimizers.optimizer import RULES as RULES
from keras_vit.training.optimizers.optimizer import Optimizer as Optimizer
from keras_vit.training.optimizers.sgd import SGD as SGD
