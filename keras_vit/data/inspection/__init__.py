"""A data set -> what is in it, and what is wrong with it, before any training.

reading     an image -> its facts
scanning    a split -> a row of facts an image, on all cores
copies      rows of all splits -> images that are there more than once
summaries   rows of a split -> numbers
findings    numbers -> sentences
report      all that -> files
inspection  all of them together
"""

from keras_vit.data.inspection.inspection import Inspection as Inspection
from keras_vit.data.inspection.inspection import inspect as inspect
