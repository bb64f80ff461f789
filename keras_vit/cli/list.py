"""`keras-vit list`."""

from absl import flags

SUMMARY = "Lists the models, and the weights they can be built with."
USAGE = "[--model=NAME]"
REQUIRED = ()
TAKES_PATHS = False


def define(values):
    """Defines the flags."""
    flags.DEFINE_string(
        "model", None, "A factory's name; all of them if not given.", flag_values=values
    )


def run(values):
    """Carries the command out and gives its exit status."""
    from keras_vit.variants import VARIANTS
    from keras_vit.weights import list_weights

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
        "pixels. Also:\n"
        "weights='hf:<owner>/<name>', and the path of a .npz or .safetensors file."
    )
    return 0
