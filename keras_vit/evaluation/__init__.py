"""What a model is worth on a whole split."""

from keras_vit.evaluation.metrics import Evaluation as Evaluation
from keras_vit.evaluation.metrics import Tally as Tally
from keras_vit.evaluation.metrics import evaluate as evaluate
from keras_vit.evaluation.report import write_report as write_report
