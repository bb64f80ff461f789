"""One step, the loop around it, and a run that writes its results to a folder."""

from keras_vit.training.folder import read_config as read_config
from keras_vit.training.run import Run as Run
from keras_vit.training.run import train as train
from keras_vit.training.transfer_runs import Transfer as Transfer
from keras_vit.training.transfer_runs import transfer as transfer
from keras_vit.training.trials import Outcome as Outcome
from keras_vit.training.trials import Trial as Trial
from keras_vit.training.trials import run_trials as run_trials
from keras_vit.training.vtab import transfer_vtab as transfer_vtab
