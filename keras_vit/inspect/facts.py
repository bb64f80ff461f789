"""What is said of a model beside its figures."""


def counted(count):
    """How many images that are, in words."""
    return f"{count:,} images" if count > 1 else "1 image"


def images_of(inspection, source):
    """How many images there are, and where they are from, in a line."""
    count, shown = len(inspection.images), len(inspection.shown)
    return f"{counted(count)}: {source}." + (
        f" {shown} are shown." if shown < count else ""
    )


def facts_of(inspection, costs):
    """The numbers that a page begins with, as texts by what they are.

    Args:
        inspection: a `Inspection`.
        costs: its model's `Summary`.
    """
    height, width = inspection.model.input_shape[1:3]
    facts = {"Input": f"{height} x {width} pixels"}
    if inspection.blocks:
        block = inspection.blocks[0]
        rows, columns = inspection.grid
        high, wide = inspection.cell
        facts["Patches"] = f"{rows} x {columns}, of {high:g} x {wide:g} pixels"
        facts["Blocks"] = f"{len(inspection.blocks)}, of {block.num_heads} heads each"
        if block.token_merging:
            facts["Tokens merged"] = f"{block.token_merging} in each block"
    return facts | {
        "Parameters": f"{costs.parameters:,}",
        "Multiply-adds": f"{_scaled(costs.multiply_adds)} an image",
        "Training keeps": f"{costs.activation_bytes / 2**20:,.1f} MiB an image",
    }


def _scaled(number):
    """A count with three digits and a letter, such as 17.6 G."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.4g} {letter}"
    return str(number)


def table_of(costs):
    """A model's layers as `keras_vit.inspect.page.page` takes them.

    Args:
        costs: a `Summary`.
    """
    caption = (
        "For one image. Activations: what training keeps for the gradients, in float32."
    )
    columns = (
        *("Layer", "Kind", "Output", "Parameters"),
        *("Multiply-adds", "Activations (bytes)"),
    )
    rows = [
        (
            row.name,
            row.kind,
            " x ".join(map(str, row.output_shape)),
            row.parameters,
            row.multiply_adds,
            row.activation_bytes,
        )
        for row in costs.rows
    ]
    totals = costs.parameters, costs.multiply_adds, costs.activation_bytes
    return caption, columns, rows, ("All", "", "", *totals)
