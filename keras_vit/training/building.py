"""A recipe -> the model, the optimizer and the step of a run."""

from __future__ import annotations

import contextlib
import fnmatch
import logging
import math
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

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
from keras_vit.training.evaluators import ClassificationEvaluator, MaskedPatchEvaluator
from keras_vit.training.low_rank import LowRankAdaptation
from keras_vit.training.masked_patches import MaskedPatchPrediction
from keras_vit.training.objectives import distilled, masked, supervised
from keras_vit.training.optimizers import SGD, Adam, Optimizer, lr_multipliers
from keras_vit.training.schedules import LearningRate
from keras_vit.training.trainability import restorer
from keras_vit.weights import replace_head

if TYPE_CHECKING:
    from keras_vit.training.evaluators import Evaluator
    from keras_vit.training.objectives import Objective


LOG = logging.getLogger(__name__)

# Arguments of a ViT's factory that are settings of a recipe by themselves.
OF_A_VIT = (
    *("weights", "patch_size", "position_embedding", "position_embedding_at"),
    "patch_dropout_rate",
)


def build_model(
    recipe: Recipe, num_classes: int | None, class_names: Sequence[str] | None = None
) -> keras.Model:
    """Build the model that a recipe trains, or load it.

    Args:
        recipe: whose `model` is a factory's name or the path of a saved model,
            whose head is replaced if it has other classes.
        num_classes: of the data set; `None`: no head.
        class_names: of the data set, if they are known.

    Returns:
        A Keras model.

    Raises:
        ValueError: for a model that does not exist, or cannot be trained.
    """
    source = recipe.model or ""
    factory = find(source)
    if factory is None:
        model = with_head(_load_model(source), num_classes, class_names)
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
        _check_takes(source, factory, arguments)
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
    """Set the classes that a model is trained on, and how it is evaluated.

    They replace what the model kept: a fine-tuned model must not have the names
    of its old classes. A model of another origin, without a layer for them, gets
    one when it is saved (see `keras_vit.model_files.save_model`).

    Args:
        model: to be trained.
        recipe: whose loss determines how logits become probabilities.
        class_names: of the data set; `None`: unknown, or trained without labels.

    Raises:
        ValueError: if the recipe sets how the model is evaluated, and the model
            has no layer for it.
    """
    if recipe.evaluation_preprocessing:
        set_meaning(model, preprocessing=resolve(recipe.evaluation_preprocessing))
    if recipe.masked_patches == "none" and with_outputs(model) is model:
        set_meaning(model, class_names=class_names, activation=recipe.loss)


def prepare(model: keras.Model, recipe: Recipe, seed: int = 0) -> contextlib.ExitStack:
    """Freeze the layers that a recipe freezes, adapt others, and set `remat`.

    Returns:
        A `contextlib.ExitStack`, to be closed when the model is trained: that
        merges what was adapted, and unfreezes the layers.

    Raises:
        ValueError: if a pattern matches no layer, or nothing is left to train.
            The model is then unchanged.
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


def _freeze(model: keras.Model, patterns: Sequence[str]) -> None:
    names = [layer.name for layer in model.layers]
    for pattern in patterns:
        matching = fnmatch.filter(names, pattern)
        if not matching:
            raise ValueError(
                "freeze must name layers of the model, or match them by *. Received: "
                f"{pattern!r}, which matches none of {', '.join(names)}"
            )
        for name in matching:
            model.get_layer(name).trainable = False
    if not model.trainable_variables:
        raise ValueError(
            "freeze must leave some layers to be trained. Received: "
            f"{', '.join(patterns)}, which freezes all weights"
        )


def build_optimizer(model: keras.Model, recipe: Recipe, total_steps: int) -> Optimizer:
    """Build the optimizer of a recipe for a model."""
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


def trained_model(model: keras.Model, recipe: Recipe) -> keras.Model:
    """Return the model that the step trains: the run's own, or one around it."""
    if recipe.masked_patches == "none":
        return model
    return MaskedPatchPrediction(model, recipe.masked_patches)


def build_evaluator(
    trained: keras.Model, model: keras.Model, recipe: Recipe, seed: int
) -> Evaluator:
    """Return the evaluator of the run's model, which is part of the trained one."""
    preprocessing = meaning_of(model).preprocessing
    if recipe.masked_patches == "none":
        return ClassificationEvaluator(model, recipe.loss, preprocessing)
    return MaskedPatchEvaluator(trained, model, seed, preprocessing)


def build_objective(
    model: keras.Model, recipe: Recipe, teacher: Classifier | None = None
) -> Objective:
    """Return the loss that a recipe minimises, of a `trained_model`.

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
        cast(keras.Model, teacher.model),  # `check_teacher` refuses others
        recipe.distillation,
        recipe.temperature,
        recipe.distillation_alpha,
        recipe.loss,
        recipe.label_smoothing,
    )


def check_teacher(recipe: Recipe, teacher: Classifier | None) -> None:
    """Refuse a teacher without a use, and uses without a teacher."""
    kinds = recipe.distillation, recipe.pseudo_labels
    if (kinds == ("none", "none")) != (teacher is None):
        raise ValueError(
            "A teacher needs distillation=soft or hard, or pseudo_labels=soft or hard, "
            "and each of those needs a teacher. Received: "
            f"distillation={kinds[0]}, pseudo_labels={kinds[1]}, "
            f"{'no' if teacher is None else 'a'} teacher"
        )
    if teacher is None or recipe.distillation == "none":
        return
    if isinstance(teacher.model, ServedModel):
        raise ValueError(
            "The teacher of distillation must be a Keras model, which each step calls. "
            f"Received: {teacher.name!r}, a SavedModel. Pass a run's folder or a "
            ".keras file"
        )


def augmentation_of(recipe: Recipe) -> Augmentation:
    """Return how a recipe augments training images."""
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


def clip_of(recipe: Recipe) -> float | None:
    """Return the largest norm of a gradient; `None`: any."""
    return None if math.isinf(recipe.clip_norm) else recipe.clip_norm


def _check_takes(
    name: str, factory: Callable[..., keras.Model], arguments: Mapping[str, Any]
) -> None:
    """Refuse settings of a ViT where another model is to be built."""
    clash = sorted(arguments.keys() - {*arguments_of(factory), *RENAMED})
    if clash:
        raise ValueError(
            f"A recipe that sets {', '.join(clash)} needs a model with that argument, "
            f"such as ViT_B16. Received: model={name}. Name another model, or a recipe "
            "without it"
        )


def _load_model(path: str) -> Classifier:
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
        source: its origin, for the message.

    Raises:
        ValueError: for a SavedModel or a quantized model.
    """
    if isinstance(classifier.model, ServedModel):
        raise ValueError(
            "The model must be a Keras model, whose weights can be trained. Received: "
            f"{source}, a SavedModel. Pass a run's folder or a .keras file"
        )
    check_not_quantized(
        classifier.model, "train", "train the float model, then quantize it."
    )
    return classifier.model


def with_head(
    classifier: Classifier, num_classes: int | None, class_names: Sequence[str] | None
) -> keras.Model:
    """Return the model, with a new head where the classes differ.

    As with weights that are loaded by name. A model that this package did not
    build is returned unchanged.
    """
    model, known = cast(keras.Model, classifier.model), classifier.class_names
    outputs: Any = model.output_shape
    names, count = {layer.name for layer in model.layers}, outputs[-1]
    if any(isinstance(layer, layers.Logits) for layer in model.layers):
        LOG.info(
            "The model's outputs are trained and saved as logits, one for each class."
        )
    has_head = "head" in names
    same = count == num_classes and (
        known is None or class_names is None or known == tuple(class_names)
    )
    if "features" not in names or (same if has_head else num_classes is None):
        return model
    if num_classes is not None:
        had = f"Replacing the model's head of {count} classes by a new one"
        LOG.info(
            f"{had if has_head else 'Adding a head to the model, which has none,'} for "
            f"the {num_classes} classes of the data set."
        )
    return replace_head(model, num_classes)


def _set_head_bias(model: keras.Model, value: float) -> None:
    for layer in model.layers:
        if layer.name in ("head", "head_distillation"):
            layer.bias.assign(keras.ops.full(layer.bias.shape, value))


@contextlib.contextmanager
def _precision(name: str) -> Iterator[None]:
    """Build layers that compute in this precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
