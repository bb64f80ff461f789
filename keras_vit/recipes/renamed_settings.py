"""What settings of earlier versions are called now."""

import warnings

# Settings of earlier versions. Files hold them too, and are read in silence.
RENAMED = {
    "most_unreadable": "max_unreadable_fraction",
    "least_confidence": "min_confidence",
    "rate_factors": "lr_multipliers",
    "micro_batches": "accumulation_steps",
    "distillation_share": "distillation_alpha",
    "decay_follows": "weight_decay_scaling",
}


def new_name(setting: str, *, stacklevel: int) -> str:
    """Return what a setting is called now.

    Args:
        setting: its name, or that of an earlier version.
        stacklevel: of the warning, as `warnings.warn` counts it from here.

    Warns:
        DeprecationWarning: for the name of an earlier version.
    """
    if setting not in RENAMED:
        return setting
    warnings.warn(
        f"The setting {setting} is called {RENAMED[setting]} now; the old name goes "
        "with the next version",
        DeprecationWarning,
        stacklevel=stacklevel,
    )
    return RENAMED[setting]
