"""The common corruptions of Hendrycks and Dietterich (arXiv:1903.12261)."""

from keras_vit.evaluation.corruptions.applying import SEVERITIES as SEVERITIES
from keras_vit.evaluation.corruptions.applying import TABLES as TABLES
from keras_vit.evaluation.corruptions.applying import check_choices as check_choices
from keras_vit.evaluation.corruptions.applying import corrupt as corrupt
from keras_vit.evaluation.corruptions.applying import table_for as table_for
from keras_vit.evaluation.corruptions.table import COMMON as COMMON
from keras_vit.evaluation.corruptions.table import CORRUPTIONS as CORRUPTIONS
