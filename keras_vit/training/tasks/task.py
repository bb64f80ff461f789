"""What a run learns: the interface of tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

from keras_vit.meaning import meaning_of
from keras_vit.training.tasks.evaluators import Evaluator, LossEvaluator

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from keras_vit.data import Dataset
    from keras_vit.data.labelled import Labelled
    from keras_vit.training.artifacts.folder import RunFolder

# Images and targets, or draws -> losses `(B,)`, and which predictions are correct.
Objective: TypeAlias = Callable[..., tuple[Any, Any]]
Activation: TypeAlias = Literal["softmax", "sigmoid"]


@dataclass(frozen=True)
class TaskContext:
    """What a task may use to choose its training images.

    Attributes:
        strategy: whose replicas train.
        folder: of the run.
        seed: of the run.
    """

    strategy: tf.distribute.Strategy
    folder: RunFolder
    seed: int


class Task:
    """What a run learns; subclass it to teach another thing.

    Override `objective` and, of the others, what differs. A run calls `check`,
    `num_examples`, `wrap`, `examples`, `evaluator` and `objective` in this order,
    under the scope of its strategy.

    Each step, and each evaluation, gives the objective a batch of images and its
    targets: the labels as rows `(B, K)` or, where `num_draws` is above 0, as many
    uniform numbers for each image. The numbers depend on the seed, the step and the
    image alone, so that a run that resumes draws the same ones: draw all that is
    random from them.

    Attributes:
        learns_labels: whether the model is a classifier of the data set's classes.
            Otherwise it is built without a head.
        activation: what makes probabilities of its logits; `None` without labels.
    """

    learns_labels: ClassVar[bool] = False
    activation: Activation | None = None

    def check(self, dataset: Dataset) -> None:
        """Refuse a data set that this cannot be learnt from, by a `ValueError`."""

    def examples(
        self, split: Labelled, dataset: Dataset, context: TaskContext
    ) -> Labelled:
        """Return the images to train on: those of the training split by default."""
        return split

    def num_examples(self, split: Labelled) -> int | None:
        """Return how many images `examples` will return for the training split.

        A recipe's batch size and warm-up are made to fit so many.

        Returns:
            Their number; `None` where it is not known yet: then nothing is fitted.
        """
        return len(split)

    def wrap(self, model: keras.Model) -> keras.Model:
        """Return the model that is trained: the run's own, or one around it.

        The run saves its own model, whose weights a model around it shares.
        """
        return model

    def num_draws(self, trained: keras.Model) -> int:
        """Return how many random numbers each image needs in place of its label."""
        return 0

    def objective(self, trained: keras.Model) -> Objective:
        """Return the loss that is minimised.

        Args:
            trained: as `wrap` returned it.

        Returns:
            A function of images `(B, H, W, 3)` in [0, 255], of targets or draws, and
            of `training`, true by default. It returns the loss of each image,
            `(B,)`, and the share of correct predictions in each, `(B,)`.
        """
        raise NotImplementedError

    def evaluator(
        self, trained: keras.Model, model: keras.Model, seed: int
    ) -> Evaluator:
        """Return how the model is evaluated: by its objective, by default.

        Args:
            trained: as `wrap` returned it.
            model: the run's own.
            seed: of the draws, which are the same in every evaluation.
        """
        return LossEvaluator(
            self.objective(trained),
            self.num_draws(trained),
            seed=seed,
            image_size=model.input_shape[1:3],
            preprocessing=meaning_of(model).preprocessing,
        )

    def loss_conditions(self) -> tuple[str, ...]:
        """Return in what the loss of training differs from that of evaluations.

        Returns:
            A few words each, for the legend of the learning curves.
        """
        return ()

    def write(self, folder: RunFolder) -> None:
        """Write what the task needs to resume, before the first step."""

    def get_config(self) -> dict[str, Any]:
        """Return what a run notes of the task, and compares when it resumes."""
        return {}
