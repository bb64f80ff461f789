"""Where the published files were listed: `keras_vit.releases` is the module now."""

import warnings
from typing import Any

from keras_vit import releases


def __getattr__(name: str) -> Any:
    value = getattr(releases, name)
    warnings.warn(
        f"keras_vit.weights.releases.{name} is keras_vit.releases.{name} now; the old "
        "name goes with the next version",
        DeprecationWarning,
        stacklevel=2,
    )
    return value
