"""The facts of a model beside its figures: its sizes and its costs."""

from __future__ import annotations

from keras_vit.inspect.inspection import Inspection
from keras_vit.inspect.model_summary import Summary
from keras_vit.layers import MergingBlock
from keras_vit.report_page import Table


def images_of(inspection: Inspection) -> str:
    """Return a line on how many images there are, and where they are from."""
    count, shown = len(inspection.images), len(inspection.shown)
    return f"{inspection.counted}: {inspection.source}." + (
        f" {shown} are shown." if shown < count else ""
    )


def facts_of(inspection: Inspection, costs: Summary) -> dict[str, str]:
    """Return the facts that a page begins with, as texts by their names.

    Args:
        inspection: of a model.
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
        if isinstance(block, MergingBlock):
            facts["Merged tokens"] = f"{block.token_merging} in each block"
    return facts | {
        "Parameters": f"{costs.parameters:,}",
        "Multiply-adds": f"{_scaled(costs.multiply_adds)} per image",
        "Activations in training": (
            f"{costs.activation_bytes / 2**20:,.1f} MiB per image"
        ),
    }


def _scaled(number: int) -> str:
    """A count with three digits and a letter, such as 17.6 G."""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.4g} {letter}"
    return str(number)


def table_of(costs: Summary) -> Table:
    """Return a model's layers as a table of the page.

    Args:
        costs: a `Summary`.
    """
    columns = (
        "Layer",
        "Type",
        "Output",
        "Parameters",
        "Multiply-adds",
        "Activations (bytes)",
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
    return Table(
        "For one image. Activations: what training keeps for the gradients, in "
        "float32.",
        columns,
        rows,
        ("Total", "", "", *totals),
    )
