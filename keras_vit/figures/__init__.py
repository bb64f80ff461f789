"""Figures. Numbers in, a matplotlib figure out; nothing is computed here."""

from keras_vit.figures.batch import training_batch as training_batch
from keras_vit.figures.data import data_histograms as data_histograms
from keras_vit.figures.depth import attention_distance as attention_distance
from keras_vit.figures.depth import similarity_of_layers as similarity_of_layers
from keras_vit.figures.depth import token_norms as token_norms
from keras_vit.figures.drawing import png_of as png_of
from keras_vit.figures.drawing import write as write
from keras_vit.figures.entrance import patch_filters as patch_filters
from keras_vit.figures.entrance import position_similarity as position_similarity
from keras_vit.figures.entrance import relative_positions as relative_positions
from keras_vit.figures.maps import head_maps as head_maps
from keras_vit.figures.maps import map_over_picture as map_over_picture
from keras_vit.figures.maps import maps_over_pictures as maps_over_pictures
from keras_vit.figures.representation import embedding as embedding
from keras_vit.figures.representation import few_shot as few_shot
from keras_vit.figures.representation import linear_probe as linear_probe
from keras_vit.figures.representation import neighbours as neighbours
from keras_vit.figures.results import confused_pairs as confused_pairs
from keras_vit.figures.results import confusion_matrix as confusion_matrix
from keras_vit.figures.results import learning_curves as learning_curves
from keras_vit.figures.results import reliability_diagram as reliability_diagram
from keras_vit.figures.robustness import resolution_curves as resolution_curves
from keras_vit.figures.robustness import robustness_lines as robustness_lines
from keras_vit.figures.robustness import robustness_table as robustness_table
from keras_vit.figures.sheets import contact_sheet as contact_sheet
from keras_vit.figures.transfer import rate_sweep as rate_sweep
