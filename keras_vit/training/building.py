"""A recipe -> the model, the optimizer and the step of a run."""

import contextlib
import fnmatch
import logging
import math
import pathlib
from collections.abc import Sequence

import keras

from keras_vit import layers
from keras_vit.classifier import Classifier
from keras_vit.data.augmentation import Augmentation
from keras_vit.factories import FACTORIES, arguments_of, find
from keras_vit.foreign_arguments import RENAMED
from keras_vit.layers.quantized import check_not_quantized
from keras_vit.meaning import meaning_of, set_meaning, with_outputs
from keras_vit.preprocessing import resolve
from keras_vit.recipes import Recipe
from keras_vit.served_model import ServedModel
from keras_vit.training.examination import OfLabels, OfMaskedPatches
from keras_vit.training.low_rank import LowRankAdaptation
from keras_vit.training.masked_patches import MaskedPatchPrediction
from keras_vit.training.objectives import distilled, masked, supervised
from keras_vit.training.optimizers import SGD, Adam, Optimizer, lr_multipliers
from keras_vit.training.schedules import LearningRate
from keras_vit.training.trainability import restorer
from keras_vit.weights import replace_head

LOG = logging.getLogger(__name__)

# Arguments of a ViT's factory that are settings of a recipe by themselves.
OF_A_VIT = (
    *("weights", "patch_size", "position_embedding", "position_embedding_at"),
    "patch_dropout_rate",
)


def build_model(recipe, num_classes, class_names=None):
    """Builds the model that a recipe trains, or loads it.

    Args:
        recipe: whose `model` is a factory's name or the path of a saved model,
            of which a head for other classes gives way to a new one.
        num_classes: of the data set; `None`: no head.
        class_names: of the data set, if they are known.

    Returns:
        A Keras model.

    Raises:
        ValueError: for a model that there is not, or that cannot be trained.
    """
    factory = find(recipe.model)
    if factory is None:
        model = with_head(_load_model(recipe.model), num_classes, class_names)
        keep_meaning(model, recipe)
        return model
    arguments = dict(recipe.model_arguments)
    for name in OF_A_VIT:
        if getattr(recipe, name):
            arguments[name] = getattr(recipe, name)
    with _precision(recipe.precision):
        if recipe.stem_blocks is not None:
            arguments["stem"] = layers.ResNetStem(
                recipe.stem_blocks, recipe.stem_width_factor, name="stem"
            )
        _check_takes(recipe.model, factory, arguments)
        model = factory(
            num_classes=num_classes, image_size=recipe.image_size, **arguments
        )
    if recipe.head_bias:
        _set_head_bias(model, recipe.head_bias)
    keep_meaning(model, recipe)
    return model


def keep_meaning(
    model: keras.Model, recipe: Recipe, class_names: Sequence[str] | None = None
) -> None:
    """Have a model keep the classes that it is trained on, and how it is evaluated.

    They replace what it kept: a fine-tuned model must not have the names of its
    old classes. A model from elsewhere, without a layer for it, gets one when
    it is saved (see `keras_vit.model_files.save_model`).

    Args:
        model: to be trained.
        recipe: whose loss says what makes probabilities of logits.
        class_names: of the data set; `None`: unknown, or no labels are learnt.

    Raises:
        ValueError: if the recipe says how the model is evaluated, and the model
            has no layer for it.
    """
    if recipe.evaluation_preprocessing:
        set_meaning(model, preprocessing=resolve(recipe.evaluation_preprocessing))
    if recipe.masked_patches == "none" and with_outputs(model) is model:
        set_meaning(model, class_names=class_names, activation=recipe.loss)


def prepare(model, recipe, seed=0):
    """Freezes the layers that a recipe freezes, adapts others, and sets `remat`.

    Returns:
        A `contextlib.ExitStack`, to be closed when the model is trained:
        which merges what was adapted, and has no layer stay frozen.

    Raises:
        ValueError: if a pattern matches no layer, or nothing is left to train.
            The model is then as it was.
    """
    with contextlib.ExitStack() as undo:
        undo.callback(restorer(model))
        _freeze(model, recipe.freeze)
        for layer in model.layers:
            if recipe.remat and hasattr(layer, "remat"):
                layer.remat = True
        if recipe.lora_rank:
            rank, alpha = recipe.lora_rank, recipe.lora_alpha or None
            adaptation = LowRankAdaptation(
                model, rank, alpha, recipe.lora_targets, seed
            )
            undo.callback(adaptation.merge)
        return undo.pop_all()


def _freeze(model, patterns):
    names = [layer.name for layer in model.layers]
    for pattern in patterns:
        matching = fnmatch.filter(names, pattern)
        if not matching:
            raise ValueError(
                f"freeze: no layer matches {pattern!r}. Expected some of "
                f"{', '.join(names)}"
            )
        for name in matching:
            model.get_layer(name).trainable = False
    if not model.trainable_variables:
        raise ValueError("freeze leaves nothing to be trained.")


def build_optimizer(model, recipe, total_steps):
    """Gives the optimizer of a recipe for a model."""
    rule = {
        "sgd": lambda: SGD(recipe.momentum, recipe.momentum_dtype),
        "adam": lambda: Adam(
            recipe.momentum, recipe.beta2, momentum_dtype=recipe.momentum_dtype
        ),
    }
    return Optimizer(
        model.trainable_variables,
        rule[recipe.optimizer](),
        LearningRate(
            recipe.base_lr,
            total_steps,
            recipe.warmup_steps,
            recipe.decay,
            recipe.cooldown_steps,
        ),
        weight_decay=recipe.weight_decay,
        weight_decay_scaling=recipe.weight_decay_scaling,
        lr_multipliers=lr_multipliers(model, recipe.layer_decay, recipe.lr_multipliers),
    )


def trained_model(model, recipe):
    """The model that the step trains: the run's own, or one around it."""
    if recipe.masked_patches == "none":
        return model
    return MaskedPatchPrediction(model, recipe.masked_patches)


def build_examination(trained, model, recipe, seed):
    """Gives how the run's model is looked at, as part of the one that is trained."""
    preprocessing = meaning_of(model).preprocessing
    if recipe.masked_patches == "none":
        return OfLabels(model, recipe.loss, preprocessing)
    return OfMaskedPatches(trained, model, seed, preprocessing)


def build_objective(model, recipe, teacher=None):
    """Gives what a recipe minimises, of a `trained_model`.

    Raises:
        ValueError: if distillation lacks a teacher, or a teacher its use.
    """
    check_teacher(recipe, teacher)
    if recipe.masked_patches != "none":
        return masked(model)
    if teacher is None or recipe.distillation == "none":
        return supervised(model, recipe.loss, recipe.label_smoothing)
    return distilled(
        model,
        teacher.model,
        recipe.distillation,
        recipe.temperature,
        recipe.distillation_alpha,
        recipe.loss,
        recipe.label_smoothing,
    )


def check_teacher(recipe, teacher):
    """Refuses a teacher without a use, and uses without a teacher."""
    kinds = recipe.distillation, recipe.pseudo_labels
    if (kinds == ("none", "none")) != (teacher is None):
        raise ValueError(
            "A teacher goes with distillation=soft or hard, or with pseudo_labels=soft "
            "or hard, and those with a teacher. Received: "
            f"distillation={kinds[0]}, pseudo_labels={kinds[1]}, "
            f"{'no' if teacher is None else 'a'} teacher"
        )
    if teacher is None or recipe.distillation == "none":
        return
    if isinstance(teacher.model, ServedModel):
        raise ValueError(
            "A SavedModel cannot be the teacher of distillation, which is called in "
            "each step. Pass a run's folder or a .keras file. "
            f"Received: {teacher.name!r}"
        )


def augmentation_of(recipe):
    """Gives what a recipe changes in training images."""
    randaugment = recipe.randaugment_layers, recipe.randaugment_magnitude
    return Augmentation(
        crop=recipe.crop,
        crop_area=(recipe.crop_area, 1.0),
        crop_padding=recipe.crop_padding,
        flip=recipe.flip,
        randaugment=randaugment if recipe.randaugment_layers else None,
        erasing=recipe.random_erasing,
        mixup=recipe.mixup,
        cutmix=recipe.cutmix,
        repeats=recipe.repeats,
    )


def clip_of(recipe):
    """The largest norm of a gradient; `None`: any."""
    return None if math.isinf(recipe.clip_norm) else recipe.clip_norm


def _check_takes(name, factory, arguments):
    """Refuses settings of a ViT where another model is to be built."""
    clash = sorted(arguments.keys() - {*arguments_of(factory), *RENAMED})
    if clash:
        raise ValueError(
            f"{name} has no {', '.join(clash)}. Expected a ViT, or a recipe that "
            "leaves them open."
        )


def _load_model(path):
    if not path or not pathlib.Path(path).exists():
        raise ValueError(
            "model must be a factory's name or an existing path. Expected one of "
            f"{', '.join(FACTORIES)}, or one of Keras's such as "
            f"keras:EfficientNetV2B0. Received: {path!r}"
        )
    classifier = Classifier.of(path)
    trainable(classifier, repr(path))
    return classifier


def trainable(classifier: Classifier, source: str) -> keras.Model:
    """Return the model of a classifier, if its weights can be trained.

    Args:
        classifier: of a model that is to be trained.
        source: where it is from, as the message says it.

    Raises:
        ValueError: for a SavedModel or a quantized model.
    """
    if isinstance(classifier.model, ServedModel):
        raise ValueError(
            "A SavedModel cannot be trained. Pass a run's folder or a .keras file. "
            f"Received: {source}"
        )
    check_not_quantized(
        classifier.model, "train", "train the float model, then quantize it."
    )
    return classifier.model


def with_head(classifier, num_classes, class_names):
    """The model, its head giving way to a new one where classes are others.

    As with weights that are loaded by name; a model from elsewhere stays as it
    is.
    """
    model, known = classifier.model, classifier.class_names
    names, told = {layer.name for layer in model.layers}, model.output_shape[-1]
    if any(isinstance(layer, layers.Logits) for layer in model.layers):
        LOG.info("The model's outputs are trained and saved as logits, one a class.")
    has_head = "head" in names
    same = told == num_classes and (
        known is None or class_names is None or known == tuple(class_names)
    )
    if "features" not in names or (same if has_head else num_classes is None):
        return model
    if num_classes is not None:
        had = f"The model's head of {told} classes gives way to a new one"
        LOG.info(
            f"{had if has_head else 'The model, which has no head, gets one'} for the "
            f"{num_classes} of the data set."
        )
    return replace_head(model, num_classes)


def _set_head_bias(model, value):
    for layer in model.layers:
        if layer.name in ("head", "head_distillation"):
            layer.bias.assign(keras.ops.full(layer.bias.shape, value))


@contextlib.contextmanager
def _precision(name):
    """Builds layers that compute in this precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
