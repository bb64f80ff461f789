"""What is measured: a classifier on a data set, its predictions computed once."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_vit.classifier import Classifier, Source
from keras_vit.evaluation.features import features_of
from keras_vit.evaluation.inputs import class_order, classifier_with
from keras_vit.evaluation.labels import RealLabels, Subset, check_order
from keras_vit.evaluation.metrics import Evaluation, evaluation_of
from keras_vit.evaluation.predictions import Predictions, predicted, reordered
from keras_vit.preprocessing import Preprocessing
from keras_vit.renamed import OldName

if TYPE_CHECKING:
    from keras_vit.compat import Strategy
    from keras_vit.data import Dataset
    from keras_vit.data.labelled import Labelled


@dataclass(eq=False)
class Context:
    """A classifier, a data set, and how the one is evaluated on the other.

    Attributes:
        model: as `evaluate` takes it.
        dataset: a `keras_vit.data.Dataset`.
        other: a second model, to compare with; `None`: no comparison.
        labels: what a file of labels says, a `RealLabels` or a `Subset`
            (see `keras_vit.evaluation.labels`); `None`: the data set's own.
        batch_size: images at a time.
        preprocessing: as `evaluate` takes it.
        strategy: as `evaluate` takes it.
        seed: of what is drawn.
        classifier: the `keras_vit.classifier.Classifier` of `model`.
        other_classifier: that of `other`; `None` if there is none.

    Raises:
        ValueError: if a file of labels is for other classes than a model's, or
            as `keras_vit.evaluation.inputs.class_order` for as many classes.
    """

    model: Source
    dataset: Dataset
    _: KW_ONLY
    other: Source | None = None
    labels: RealLabels | Subset | None = None
    batch_size: int = 200
    preprocessing: Preprocessing | str | None = None
    strategy: Strategy | str | None = None
    seed: int = 0
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.classifier = classifier_with(self.model, self.preprocessing)
        self.other_classifier = (
            None
            if self.other is None
            else classifier_with(self.other, self.preprocessing)
        )
        for classifier in self._classifiers().values():
            expected = self.subset and self.subset.num_classes
            if expected and classifier.num_classes != expected:
                raise ValueError(
                    f"Expected a model of {expected} classes, which the file of labels "
                    f"is for. Received: {classifier.name!r} of {classifier.num_classes}"
                )
            self._order_of(classifier)
        if self.subset is not None and self.other_classifier is not None:
            other = self.other_classifier
            check_order(other.name, other.class_names, self.classifier.class_names)

    def lacks_classes(self) -> str | None:
        """Return why predictions mean nothing here: a model has other classes.

        Its features can be measured all the same. `None` if they mean something.
        """
        for which, classifier in self._classifiers().items():
            num_classes = classifier.num_classes
            if self.subset is None and num_classes != self.dataset.num_classes:
                return (
                    f"The {which} has {num_classes} classes, {self.dataset.name} has "
                    f"{self.dataset.num_classes}. A file of labels can say which of "
                    "them are the same"
                )
        return None

    def _classifiers(self) -> dict[str, Classifier]:
        both = {"model": self.classifier, "other model": self.other_classifier}
        return {which: one for which, one in both.items() if one is not None}

    @property
    def subset(self) -> Subset | None:
        """The `Subset` of the model's classes that the data set has, if any."""
        return self.labels if isinstance(self.labels, Subset) else None

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes of predictions and labels, in order."""
        return self.dataset.class_names

    def in_order(
        self, predictions: Predictions, classifier: Classifier | None = None
    ) -> Predictions:
        """Return predictions with the data set's classes, in its order.

        Args:
            predictions: of a model.
            classifier: that model's; by default the context's own.
        """
        if self.subset is not None:
            return self.subset.restricted(predictions)
        return reordered(predictions, self._order_of(classifier or self.classifier))

    def predictions(
        self, split: str | Labelled = "test", model: Source | None = None
    ) -> Predictions:
        """Return the `Predictions` of the model, or another one; computed once.

        Args:
            split: the name of one of the data set's splits, or any split,
                which is computed each time.
            model: the context's own by default; or its `other`.

        Raises:
            ValueError: if a model has other classes than the data set, and no
                `Subset` says which are the same.
        """
        reason = self.lacks_classes()
        if reason:
            raise ValueError(reason)
        classifier = self._classifier_of(model)
        if not isinstance(split, str):
            return self._predicted(split, classifier)
        if (split, id(classifier)) not in self._kept:
            part = self.dataset.splits()[split]
            self._kept[split, id(classifier)] = self._predicted(part, classifier)
        return self._kept[split, id(classifier)]

    answers = OldName("predictions")

    def features_and_labels(self, split: str = "test") -> tuple[np.ndarray, np.ndarray]:
        """Return the inputs of the head for a split's images, and their classes.

        Returns:
            `(N, D)` float32, computed once, and `(N,)`.
        """
        part = self.dataset.splits()[split]
        if ("features", split) not in self._kept:
            self._kept["features", split] = features_of(
                self.classifier, part, self.batch_size, strategy=self.strategy
            )
        return self._kept["features", split], part.labels

    def evaluation(self) -> Evaluation:
        """Return the `Evaluation` of the model on the test split; made once."""
        if "evaluation" not in self._kept:
            self._kept["evaluation"] = evaluation_of(self.predictions())
        return self._kept["evaluation"]

    def _classifier_of(self, model: Source | None) -> Classifier:
        if model is None or model is self.model:
            return self.classifier
        if model is self.other and self.other_classifier is not None:
            return self.other_classifier
        return classifier_with(model, self.preprocessing)

    def _predicted(self, split: Labelled, classifier: Classifier) -> Predictions:
        found = predicted(
            classifier, split, batch_size=self.batch_size, strategy=self.strategy
        )
        return self.in_order(found, classifier)

    def _order_of(self, classifier: Classifier) -> np.ndarray | None:
        """The model's class for each of the data set's; `None`: the same order.

        A file of labels names classes by the model's numbers, so that both must
        have the same order then.
        """
        names = self.dataset.class_names
        if self.subset is not None or len(names) != classifier.num_classes:
            return None
        if ("order", id(classifier)) in self._kept:
            return self._kept["order", id(classifier)]
        order = class_order(classifier, names)
        self._kept["order", id(classifier)] = order
        if order is not None and self.labels is not None:
            raise ValueError(
                "Expected data with the model's classes in the model's order, whose "
                "numbers the file of labels has. Received: "
                f"{names[0]!r} first, which is the model's class {int(order[0])}"
            )
        return order
