"""What a model is worth on a whole split."""

from keras_vit.evaluation.answers import Answers as Answers
from keras_vit.evaluation.answers import answers_of as answers_of
from keras_vit.evaluation.calibration import Reliability as Reliability
from keras_vit.evaluation.calibration import reliability as reliability
from keras_vit.evaluation.context import Context as Context
from keras_vit.evaluation.corruptions import corrupt as corrupt
from keras_vit.evaluation.intervals import Comparison as Comparison
from keras_vit.evaluation.intervals import compare as compare
from keras_vit.evaluation.intervals import interval as interval
from keras_vit.evaluation.labels import read_labels as read_labels
from keras_vit.evaluation.metrics import Evaluation as Evaluation
from keras_vit.evaluation.metrics import Tally as Tally
from keras_vit.evaluation.metrics import evaluate as evaluate
from keras_vit.evaluation.metrics import evaluation_of as evaluation_of
from keras_vit.evaluation.parts import Part as Part
from keras_vit.evaluation.report import write_report as write_report
from keras_vit.evaluation.resolution import Resolutions as Resolutions
from keras_vit.evaluation.resolution import resolutions as resolutions
from keras_vit.evaluation.temperature import fit_temperature as fit_temperature
from keras_vit.evaluation.temperature import scaled as scaled
from keras_vit.evaluation.under_corruptions import Robustness as Robustness
from keras_vit.evaluation.under_corruptions import robustness as robustness
