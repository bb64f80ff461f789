"""Of ai-edge-quantizer: recipes and calibration."""

from __future__ import annotations

from typing import Any

from keras_vit.compat.versions import of_version


def quantizer_recipe() -> Any:
    """Return a new recipe of ai-edge-quantizer's, which a calibration takes.

    Interface: `ai_edge_quantizer.recipe_manager.RecipeManager`. Verified:
    ai-edge-quantizer 0.10.0.
    """
    name = "ai_edge_quantizer.recipe_manager.RecipeManager"
    with of_version(name, "ai-edge-quantizer", "0.10.0"):
        from ai_edge_quantizer.recipe_manager import RecipeManager
    return RecipeManager()


def quantizer_float_casting() -> Any:
    """Return ai-edge-quantizer's key of casting weights to float16.

    Interface: `ai_edge_quantizer.algorithm_manager.AlgorithmName`. Verified:
    ai-edge-quantizer 0.10.0.
    """
    name = "ai_edge_quantizer.algorithm_manager.AlgorithmName.FLOAT_CASTING"
    with of_version(name, "ai-edge-quantizer", "0.10.0"):
        from ai_edge_quantizer.algorithm_manager import AlgorithmName

        return AlgorithmName.FLOAT_CASTING


def min_max_calibrator(file: bytes, num_threads: int) -> Any:
    """Return a calibrator that keeps the smallest and the largest value of each tensor.

    The public `Quantizer.calibrate` keeps a moving average. Interface:
    `ai_edge_quantizer.calibrator.Calibrator` and `utils.qsv_utils.min_max_update`.
    Verified: ai-edge-quantizer 0.10.0.
    """
    name = "ai_edge_quantizer.calibrator.Calibrator, utils.qsv_utils.min_max_update"
    with of_version(name, "ai-edge-quantizer", "0.10.0"):
        from ai_edge_quantizer.calibrator import Calibrator
        from ai_edge_quantizer.utils.qsv_utils import min_max_update
    return Calibrator(file, num_threads=num_threads, qsv_update_func=min_max_update)
