"""What is measured: a classifier on a data set, its answers computed once."""

from dataclasses import dataclass, field

from keras_vit.evaluation.answers import answers_of
from keras_vit.evaluation.features import features_of
from keras_vit.evaluation.labels import Subset
from keras_vit.evaluation.metrics import evaluation_of
from keras_vit.logits import logits_model


@dataclass(eq=False)
class Context:
    """A classifier, a data set, and how the one answers the other.

    Attributes:
        model: a Keras model from images to logits or probabilities, or a
            `ServedModel`; kept as what `logits_model` makes of it.
        dataset: a `keras_vit.data.Dataset`.
        other: a second model, to compare with; `None`: no comparison.
        labels: what a file of labels says, a `RealLabels` or a `Subset`
            (see `keras_vit.evaluation.labels`); `None`: the data set's own.
        batch_size: images at a time.
        preprocessing: as `evaluate` takes it.
        strategy: as `evaluate` takes it.
        seed: of what is drawn.

    Raises:
        ValueError: if a file of labels is for other classes than a model's.
    """

    model: object
    dataset: object
    other: object = None
    labels: object = None
    batch_size: int = 200
    preprocessing: object = None
    strategy: object = None
    seed: int = 0
    _kept: dict = field(default_factory=dict, repr=False)

    def __post_init__(self):
        self.model, self.other = logits_model(self.model), logits_model(self.other)
        for _, num_classes in self._numbers_of_classes():
            if self.subset is not None and num_classes != self.subset.num_classes:
                raise ValueError(
                    f"The file of labels is for a model of {self.subset.num_classes} "
                    f"classes. Received: one of {num_classes}"
                )

    def lacks_classes(self):
        """Why answers mean nothing here, if so: a model has other classes.

        Its features can be measured all the same.
        """
        for which, num_classes in self._numbers_of_classes():
            if self.subset is None and num_classes != self.dataset.num_classes:
                return (
                    f"The {which} has {num_classes} classes, {self.dataset.name} has "
                    f"{self.dataset.num_classes}. A file of labels can say which are "
                    "which"
                )
        return None

    def _numbers_of_classes(self):
        models = {"model": self.model, "other model": self.other}
        return [
            (which, model.output_shape[-1])
            for which, model in models.items()
            if model is not None
        ]

    @property
    def subset(self):
        """The `Subset` of the model's classes that the data set has, if any."""
        return self.labels if isinstance(self.labels, Subset) else None

    @property
    def class_names(self):
        """The classes of answers and labels, in order."""
        return self.dataset.class_names

    def answers(self, split="test", model=None):
        """`Answers` of the model, or another one, to a split; computed once.

        Args:
            split: the name of one of the data set's splits, or any split,
                which is computed each time.
            model: of `other`, for example. The context's own by default.

        Raises:
            ValueError: if a model has other classes than the data set, and no
                `Subset` says which are which.
        """
        reason = self.lacks_classes()
        if reason:
            raise ValueError(reason)
        model = self.model if model is None else model
        if not isinstance(split, str):
            return self._answers(split, model)
        if (split, id(model)) not in self._kept:
            part = self.dataset.splits()[split]
            self._kept[split, id(model)] = self._answers(part, model)
        return self._kept[split, id(model)]

    def features_and_labels(self, split="test"):
        """What the model's head reads of a split's images, and their classes.

        Returns:
            `(N, D)` float32, computed once, and `(N,)`.
        """
        part = self.dataset.splits()[split]
        if ("features", split) not in self._kept:
            self._kept["features", split] = features_of(
                self.model, part, self.batch_size, self.preprocessing, self.strategy
            )
        return self._kept["features", split], part.labels

    def evaluation(self):
        """The `Evaluation` of the model on the test split; made once."""
        if "evaluation" not in self._kept:
            self._kept["evaluation"] = evaluation_of(self.answers())
        return self._kept["evaluation"]

    def _answers(self, split, model):
        answers = answers_of(
            model, split, self.batch_size, self.preprocessing, self.strategy
        )
        return self.subset.restricted(answers) if self.subset else answers
