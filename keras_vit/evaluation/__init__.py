"""How good a model is on a whole split."""

from keras_vit.evaluation.calibration import Reliability as Reliability
from keras_vit.evaluation.calibration import reliability as reliability
from keras_vit.evaluation.context import Context as Context
from keras_vit.evaluation.corruptions import corrupt as corrupt
from keras_vit.evaluation.embedding import Embedding as Embedding
from keras_vit.evaluation.embedding import embed as embed
from keras_vit.evaluation.evaluated import Evaluation as Evaluation
from keras_vit.evaluation.features import features_model as features_model
from keras_vit.evaluation.features import features_of as features_of
from keras_vit.evaluation.intervals import Comparison as Comparison
from keras_vit.evaluation.intervals import compare as compare
from keras_vit.evaluation.intervals import interval as interval
from keras_vit.evaluation.intervals import share_interval as share_interval
from keras_vit.evaluation.labels import read_labels as read_labels
from keras_vit.evaluation.least_squares import FewShot as FewShot
from keras_vit.evaluation.least_squares import few_shot as few_shot
from keras_vit.evaluation.logistic_regression import LinearProbe as LinearProbe
from keras_vit.evaluation.logistic_regression import linear_probe as linear_probe
from keras_vit.evaluation.metrics import MetricSums as MetricSums
from keras_vit.evaluation.metrics import evaluate as evaluate
from keras_vit.evaluation.metrics import evaluation_of as evaluation_of
from keras_vit.evaluation.nearest_neighbours import Neighbours as Neighbours
from keras_vit.evaluation.nearest_neighbours import neighbours as neighbours
from keras_vit.evaluation.parts import Part as Part
from keras_vit.evaluation.predictions import Predictions as Predictions
from keras_vit.evaluation.predictions import predictions_of as predictions_of
from keras_vit.evaluation.report import write_report as write_report
from keras_vit.evaluation.resolution import Resolutions as Resolutions
from keras_vit.evaluation.resolution import resolutions as resolutions
from keras_vit.evaluation.temperature import fit_temperature as fit_temperature
from keras_vit.evaluation.temperature import scaled as scaled
from keras_vit.evaluation.under_corruptions import Robustness as Robustness
from keras_vit.evaluation.under_corruptions import robustness as robustness
from keras_vit.renamed import old_names

__getattr__ = old_names(
    __name__, Answers="Predictions", answers_of="predictions_of", Tally="MetricSums"
)
