"""A data set's name -> batches of (images, labels).

Images are RGB pixels in [0, 255] everywhere.
"""

from keras_vit.data.arrays import from_arrays as from_arrays
from keras_vit.data.caching import cached as cached
from keras_vit.data.dataset import Dataset as Dataset
from keras_vit.data.inputs import NamedSplit as NamedSplit
from keras_vit.data.inputs import split_of as split_of
from keras_vit.data.inspection import Inspection as Inspection
from keras_vit.data.inspection import inspect as inspect
from keras_vit.data.records import Records as Records
from keras_vit.data.sources import load as load
from keras_vit.data.splits import Files as Files
from keras_vit.data.splits import Split as Split
