"""A classifier on disk: a model, and the names of its classes beside it."""

import dataclasses
import json
import pathlib
from dataclasses import dataclass

import keras

from keras_vit import layers as layers  # Keras finds a file's layers once they exist
from keras_vit.decoding import OF_OLD_FILES, Decoding, decoding_of
from keras_vit.files import written_whole
from keras_vit.logits import class_names_for, logits_model
from keras_vit.preprocessing import carried_by, resolve

PREPROCESSING = "preprocessing.json"  # a SavedModel's, in its assets
LABELS = "labels.txt"  # a name a line, in the order of the logits


@dataclass(frozen=True)
class Classifier:
    """A model and what its logits mean.

    Attributes:
        model: a Keras model of logits, or a `ServedModel`.
        class_names: in the order of the logits; `None` where none are known.
    """

    model: object
    class_names: tuple[str, ...] | None


def save_model(model, path, class_names):
    """Writes a `.keras` file, and `labels.txt` beside it, each whole or not at all.

    Args:
        model: a Keras model that gives a logit for each class, or features.
        path: of the `.keras` file.
        class_names: in the order of the logits; `None`, of features: no
            `labels.txt`.
    """
    path = pathlib.Path(path)
    with written_whole(path) as scratch:
        model.save(scratch)
        keras.models.load_model(scratch)
    if class_names is not None:
        with written_whole(path.parent / LABELS) as scratch:
            write_labels(scratch, class_names)


def write_labels(path, class_names):
    """Writes the names of classes, one a line."""
    path.write_text("".join(f"{name}\n" for name in class_names), encoding="utf-8")


def write_preprocessing(path, model):
    """Writes how a SavedModel's images are to be read and resized by who asks it."""
    path.write_text(json.dumps(preprocessing_note(model)) + "\n")


def preprocessing_note(model):
    """Return how a model's images are resized and read, as JSON has it.

    The fields of its `Preprocessing`, and of its `Decoding` under `"decoding"`.
    """
    decoding = decoding_of(model).as_json()
    return dataclasses.asdict(carried_by(model)) | {"decoding": decoding}


def read_notes(path):
    """Return the `Preprocessing` and the `Decoding` that a SavedModel brings along.

    Args:
        path: of its folder.

    Returns:
        Both; `None` for the first if nothing is said of it.
    """
    note = pathlib.Path(path) / "assets" / PREPROCESSING
    if not note.is_file():
        return None, OF_OLD_FILES
    fields = json.loads(note.read_text())
    decoding = fields.pop("decoding", None)
    return resolve(fields), Decoding(**decoding) if decoding else OF_OLD_FILES


def load_classifier(path):
    """Loads what `train` and `export` left.

    A `.keras` file may be of any classifier: one of probabilities, or of a
    single output, is given as the model of logits that
    `keras_vit.logits.logits_model` makes of it.

    Args:
        path: of a run's folder, a `.keras` file, or a SavedModel: the folder
            of one version or that of all, of which the newest counts.

    Returns:
        A `Classifier`.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if what is there is none of these.

    Example:

    >>> load_classifier("runs/fashion_mnist").class_names[0]  # doctest: +SKIP
    'T-shirt/top'
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"No model at {path}: there is no such file or folder.")
    if (path / "model.keras").is_file():
        path = path / "model.keras"
    if path.suffix == ".keras" and path.is_file():
        model = logits_model(_load_keras(path))
        return Classifier(model, class_names_for(model, _labels(path.parent)))
    versions = [int(p.name) for p in path.glob("[0-9]*") if p.name.isdigit()]
    if versions:
        path = path / str(max(versions))
    if (path / "saved_model.pb").is_file():
        return Classifier(ServedModel(path), _labels(path / "assets"))
    raise ValueError(
        f"No model at {path}. Expected a run's folder with model.keras, a .keras file, "
        "or a SavedModel."
    )


def name_of(path):
    """What a saved model is called: by its run, or by the folder of its versions."""
    path = pathlib.Path(path).resolve()
    if path.name == "model.keras" or path.name.isdigit():
        return path.parent.name
    return path.name.removesuffix(".keras")


def _load_keras(path):
    try:
        model = keras.models.load_model(path)
    except Exception as error:  # of zip, JSON, HDF5 and Keras: all mean the same
        raise ValueError(f"{path} cannot be loaded: {error}") from error
    given, told = model.input_shape, model.output_shape
    if len(given) != 4 or None in given[1:] or given[3] != 3 or len(told) != 2:
        raise ValueError(
            "Expected a model from images (None, height, width, 3) of a known size to "
            f"outputs (None, classes). Received: {path}, from {given} to {told}"
        )
    return model


def _labels(folder):
    path = folder / LABELS
    if not path.is_file():
        return None
    return tuple(path.read_text(encoding="utf-8").splitlines())


class ServedModel:
    """A SavedModel, used as a Keras model is: by its signature `pixels`."""

    def __init__(self, path):
        import tensorflow as tf

        self._loaded = tf.saved_model.load(str(path))
        self._as_tensor = tf.convert_to_tensor
        self._serve = self._loaded.signatures.get("pixels")
        given = self._serve and self._serve.structured_input_signature[1].get("images")
        told = self._serve and self._serve.structured_outputs.get("logits")
        if given is None or told is None:
            raise ValueError(
                "Expected a SavedModel whose signature 'pixels' takes 'images' and "
                "gives 'logits', as export writes it; export once wrote others, whose "
                f"models have to be exported again. Received: {path}, with "
                f"{', '.join(self._loaded.signatures) or 'no signature'}"
            )
        self.input_shape, self.output_shape = tuple(given.shape), tuple(told.shape)
        self.preprocessing, self.decoding = read_notes(path)

    def predict_on_batch(self, images):
        """Logits `(B, K)` of images `(B, H, W, 3)`."""
        return self._answers(images)["logits"]

    def probabilities(self, images):
        """Probabilities `(B, K)` of images `(B, H, W, 3)`."""
        return self._answers(images)["probabilities"]

    def _answers(self, images):
        told = self._serve(images=self._as_tensor(images, "float32"))
        return {name: value.numpy() for name, value in told.items()}
