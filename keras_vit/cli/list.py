"""`keras-vit list`."""

from absl import flags

SUMMARY = "Lists the models and the weights they can be built with, or the recipes."
USAGE = "[--model=NAME] [--recipes]"
REQUIRED = ()
TAKES_PATHS = False


def define(values):
    """Defines the flags."""
    flags.DEFINE_string(
        "model", None, "A factory's name; all of them if not given.", flag_values=values
    )
    flags.DEFINE_boolean(
        "recipes", False, "Whether to list the recipes instead.", flag_values=values
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit.variants import VARIANTS
    from keras_vit.weights import list_weights

    if values.recipes:
        return _list_recipes()
    if values.model is not None and values.model not in VARIANTS:
        raise ValueError(
            f"Unknown model. Expected one of {', '.join(VARIANTS)}. "
            f"Received: {values.model!r}"
        )
    print(f"{'model':<12} {'weights':<18} {'classes':>7} {'pixels':>6}  top-1 %")
    for name in VARIANTS if values.model is None else [values.model]:
        rows = list_weights(name)
        for row in rows:
            top1 = f"{row.top1:.2f}  ({row.top1_source})" if row.top1 else ""
            line = f"{name:<12} {row.name:<18} {row.num_classes:>7} {row.image_size:>6}"
            print(f"{line}  {top1}".rstrip())
        if not rows:
            print(f"{name:<12} -")
    print(
        "\nAll are Google's, Apache-2.0; the model itself makes (x - 127.5) / 127.5 of "
        "pixels,\nand evaluation squashes images to the size above (vit_jax). Also:\n"
        "weights='hf:<owner>/<name>', and the path of a .npz or .safetensors file."
    )
    return 0


def _list_recipes():
    from keras_vit.recipes import RECIPES

    width = max(map(len, RECIPES))
    print(f"{'recipe':<{width}}  {'model':<11} {'data set':<20} {'length':<12} batch")
    for name, one in RECIPES.items():
        length = f"{one.steps:,} steps" if one.steps else f"{one.epochs} epochs"
        print(
            f"{name:<{width}}  {one.model:<11} {one.dataset or '(yours)':<20} "
            f"{length:<12} {one.batch_size}"
        )
    return 0
