"""A model -> files that run elsewhere."""

from keras_vit.export_formats import FORMATS as FORMATS
from keras_vit.export_formats import SCHEMES as SCHEMES
from keras_vit.exporting.export_model import export as export
from keras_vit.exporting.report import Report as Report
from keras_vit.exporting.report import read_report as read_report
