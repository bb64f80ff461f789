"""`keras-vit list`."""

from absl import flags

SUMMARY = "Lists the models and the weights they can be built with, or the recipes."
USAGE = "[--model=NAME] [--details [--image_size=N]] [--recipes]"
REQUIRED = ()
TAKES_PATHS = False


def define(values):
    """Defines the flags."""
    flags.DEFINE_string(
        "model", None, "A factory's name; all of them if not given.", flag_values=values
    )
    flags.DEFINE_boolean(
        "details",
        False,
        "Whether to list parameters, multiply-adds and memory instead: of each model, "
        "or of each layer of one.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "image_size",
        None,
        "For --details: pixels, or height,width. 224 if not given.",
        flag_values=values,
    )
    flags.DEFINE_boolean(
        "recipes", False, "Whether to list the recipes instead.", flag_values=values
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit.factories import find
    from keras_vit.variants import VARIANTS

    if values.model not in (None, *VARIANTS) and not (
        values.details and values.model != "ViT" and find(values.model)
    ):
        raise ValueError(
            f"Unknown model. Expected one of {', '.join(VARIANTS)}; with --details "
            "also ResNet_R50, or one of Keras's such as keras:ResNet50V2. "
            f"Received: {values.model!r}"
        )
    names = VARIANTS if values.model is None else [values.model]
    if values.image_size is not None and not values.details:
        raise ValueError("--image_size goes with --details.")
    if values.recipes:
        return _list_recipes()
    if values.details:
        return _list_details(names, _size(values.image_size), values.model is not None)
    return _list_weights(names)


def _list_weights(names):
    from keras_vit.weights import list_weights

    print(f"{'model':<12} {'weights':<18} {'classes':>7} {'pixels':>6}  top-1 %")
    for name in names:
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


def _list_details(names, size, by_layer):
    from keras_vit.factories import find
    from keras_vit.inspect import summary, unallocated

    if not by_layer:
        print(
            f"{'model':<12} {'parameters':>13} {'GMACs':>8} {'training':>12} "
            f"{'inference':>12}",
            flush=True,
        )
    for name in names:
        with unallocated():
            told = summary(find(name)(image_size=size))
        if by_layer:
            print(told)
            continue
        memory = (told.activation_bytes / 2**20, told.peak_bytes / 2**20)
        print(
            f"{name:<12} {told.parameters:>13,} {told.multiply_adds / 1e9:>8.2f} "
            f"{memory[0]:>8,.1f} MiB {memory[1]:>8,.1f} MiB",
            flush=True,
        )
    if not by_layer:
        print(
            f"\nWith 1,000 classes, an image of {size[0]} x {size[1]}. Activations in "
            "float32: what training\nkeeps for the gradients, and what inference holds "
            "at once. --model=NAME: by layer."
        )
    return 0


def _size(given):
    """(height, width) of `--image_size`."""
    sides = [224] if given is None else given
    if len(sides) > 2 or not all(str(side).strip().isdecimal() for side in sides):
        raise ValueError(
            "--image_size must be pixels, or height,width. "
            f"Received: {','.join(given)!r}"
        )
    return int(sides[0]), int(sides[-1])


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
