"""The figures of a model: one row of `FIGURE_SPECS` for each."""

from keras_vit.inspect.figure_specs import entrance, layers, maps

FIGURE_SPECS = {  # in the order of the report; the keys are the stems of files
    "rollout": maps.ROLLOUT,
    "gradients": maps.GRADIENTS,
    "grad_cam": maps.GRAD_CAM,
    "heads": maps.HEADS,
    "distance": layers.DISTANCE,
    "filters": entrance.FILTERS,
    "positions": entrance.POSITIONS,
    "offsets": entrance.OFFSETS,
    "biases": entrance.BIASES,
    "norms": layers.NORMS,
    "norm_maps": maps.NORM_MAPS,
    "cka": layers.CKA,
}
