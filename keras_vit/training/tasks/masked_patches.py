"""Learning without labels: masked patch prediction (appendix B.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from keras_vit.meaning import meaning_of
from keras_vit.training.tasks.evaluators import LossEvaluator
from keras_vit.training.tasks.masked_patch_prediction import MaskedPatchPrediction
from keras_vit.training.tasks.task import Objective, Task

if TYPE_CHECKING:
    import keras


class MaskedPatches(Task):
    """Learns to predict corrupted patches.

    Args:
        target: what is predicted, as `MaskedPatchPrediction` takes it.
    """

    def __init__(self, target: str = "mean_color") -> None:
        self.target = target

    def wrap(self, model: keras.Model) -> MaskedPatchPrediction:
        return MaskedPatchPrediction(model, self.target)

    def num_draws(self, trained: keras.Model) -> int:
        return cast(MaskedPatchPrediction, trained).num_draws

    def objective(self, trained: keras.Model) -> Objective:
        """Return the losses of an image's corrupted patches, by its draws."""
        prediction = cast(MaskedPatchPrediction, trained)
        return prediction.loss_and_accuracy

    def evaluator(
        self, trained: keras.Model, model: keras.Model, seed: int
    ) -> LossEvaluator:
        return LossEvaluator(
            self.objective(trained),
            self.num_draws(trained),
            seed=seed,
            image_size=model.input_shape[1:3],
            preprocessing=meaning_of(model).preprocessing,
            predicted="colours of masked patches",
        )

    def get_config(self) -> dict[str, Any]:
        return {"target": self.target}
