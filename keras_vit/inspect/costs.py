"""Which rule each layer has: what it computes and keeps, for a `Tape`."""

from keras_vit.inspect import block_costs, keras_costs, stem_costs

RULES = block_costs.RULES | stem_costs.RULES | keras_costs.RULES
