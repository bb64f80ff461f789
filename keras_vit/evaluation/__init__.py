"""What a model is worth on a whole split."""

from keras_vit.evaluation.answers import Answers as Answers
from keras_vit.evaluation.answers import answers_of as answers_of
from keras_vit.evaluation.embedding import Embedding as Embedding
from keras_vit.evaluation.embedding import embed as embed
from keras_vit.evaluation.features import features_model as features_model
from keras_vit.evaluation.features import features_of as features_of
from keras_vit.evaluation.few_shot import FewShot as FewShot
from keras_vit.evaluation.few_shot import few_shot as few_shot
from keras_vit.evaluation.intervals import compare as compare
from keras_vit.evaluation.intervals import interval as interval
from keras_vit.evaluation.linear_probe import LinearProbe as LinearProbe
from keras_vit.evaluation.linear_probe import linear_probe as linear_probe
from keras_vit.evaluation.metrics import Evaluation as Evaluation
from keras_vit.evaluation.metrics import Tally as Tally
from keras_vit.evaluation.metrics import evaluate as evaluate
from keras_vit.evaluation.metrics import evaluation_of as evaluation_of
from keras_vit.evaluation.neighbours import Neighbours as Neighbours
from keras_vit.evaluation.neighbours import neighbours as neighbours
from keras_vit.evaluation.parts import Part as Part
from keras_vit.evaluation.report import write_report as write_report
