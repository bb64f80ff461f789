"""What a run changes of its model while it trains, and undoes afterwards."""

from keras_vit.training.adapters.adapted import adapted as adapted
