"""Several runs that are compared: trials, learning rates, transfer to data sets."""

from keras_vit.experiments.transfer_runs import Transfer as Transfer
from keras_vit.experiments.transfer_runs import transfer as transfer
from keras_vit.experiments.trials import Outcome as Outcome
from keras_vit.experiments.trials import Trial as Trial
from keras_vit.experiments.trials import run_trials as run_trials
from keras_vit.experiments.vtab import transfer_vtab as transfer_vtab
