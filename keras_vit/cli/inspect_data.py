"""`keras-vit inspect-data`."""

import pathlib
import re
import textwrap
from typing import TYPE_CHECKING

from absl import flags

from keras_vit.cli import dataset_flags
from keras_vit.cli.flag import Flag
from keras_vit.cli.flag_types import AT_LEAST_1, Folder, Whole

if TYPE_CHECKING:
    from keras_vit.data.inspection.inspection import Inspection

SUMMARY = "Look through a data set: counts, sizes, copies, what cannot be read."
USAGE = (
    "[--dataset=NAME] [--folder=FOLDER] [--limit=N]\n\n"
    "The exit status is 1 if an image cannot be read or is in two splits, 0 otherwise."
)
UNSOUND = 1
MOST_SHOWN = 5  # unreadable images, and copies
WIDTH = 88
CALLS = "inspect"
FLAGS = {
    **dataset_flags.of_dataset("What to look through", "fashion_mnist_sample"),
    "folder": Flag(
        Folder(),
        "Where report.json, contact_sheet.png, histograms.png and unreadable.txt go; "
        "inspections/<data set's name> if not given.",
    ),
    "limit": Flag(AT_LEAST_1),
    "seed": Flag(Whole(0)),
}


def check(values: flags.FlagValues) -> None:
    """Refuse a data set that does not exist."""
    dataset_flags.check(values)


def run(values: flags.FlagValues) -> int:
    """Print the report on the data set and return the exit status."""
    from keras_vit.data import inspect, load

    dataset = load(values.dataset, **dataset_flags.arguments(values))
    folder = pathlib.Path(values.folder or pathlib.Path("inspections") / _name(dataset))
    found = inspect(dataset, folder, limit=values.limit, seed=values.seed)
    print("\n".join(report_lines(found)))
    files = ["report.json", "contact_sheet.png", "histograms.png"]
    files += ["unreadable.txt"] if found.unreadable else []
    print(f"  files      {_printable(folder)}/ ({', '.join(files)})")
    return 0 if found.sound else UNSOUND


def _name(dataset):
    """What the report's folder is called: a data set's last name, fit for a path."""
    name = pathlib.Path(dataset.name).resolve().name
    return re.sub(r"[^\w.-]+", "-", name).strip("-") or "dataset"


def report_lines(found: "Inspection") -> list[str]:
    """Return the lines that are printed of an inspection."""
    return [*_overview(found), *_trouble(found)]


def _overview(found):
    yield f"{_printable(found.dataset)}, {len(found.class_names):,} classes"
    for name, split in found.splits.items():
        counts = sorted(split.classes)
        middle = counts[len(counts) // 2]
        yield f"  {name}"
        read = "" if found.complete else f", {split.inspected:,} of them drawn and read"
        yield f"    images   {split.images:,}{read}"
        yield f"    a class  {counts[0]:,} to {counts[-1]:,}, median {middle:,}"
        if split.width is None:
            continue
        if split.distinct_sizes > 1:
            for side in ("width", "height"):
                least, median, most = getattr(split, side)
                spread = f"{least:,} to {most:,} pixels, median {median:,.0f}"
                yield f"    {side:<8} {spread}"
        yield from _listed("    sizes    ", _sizes(split))
        for kind in ("formats", "modes"):
            tally = getattr(split, kind).items()
            yield from _listed(
                f"    {kind:<8} ", [f"{one} {images:,}" for one, images in tally]
            )
        if split.turned:
            yield f"    turned   {split.turned:,}, by a camera's Exif orientation"
        if split.deep:
            low, high = split.samples
            used = f"{low:g} to {high:g} in {split.deep:,} images of more than 8 bits"
            yield f"    samples  {used}"


def _sizes(split):
    commonest = [
        f"{width} x {height} ({100 * images / split.readable:.3g} %)"
        for width, height, images in split.commonest_sizes
    ]
    more = split.distinct_sizes - len(commonest)
    return [*commonest, f"{more:,} more"] if more else commonest


def _trouble(found):
    nothing = "nothing" if found.complete else "nothing in the share that was read"
    unreadable = [
        f"{one.place.name}: {one.reason}" for one in found.unreadable[:MOST_SHOWN]
    ]
    copies = [
        " = ".join(
            f"{place.name} ({place.split}: {', '.join(place.classes)})"
            for place in group[:MOST_SHOWN]
        )
        for group in sorted(found.copies.groups, key=_gravity)[:MOST_SHOWN]
    ]
    for title, texts, mark in (
        ("in order", _in_order(found), "- "),
        ("found", found.findings or (nothing,), "- "),
        ("unreadable", unreadable, ""),
        ("copies", copies, ""),
    ):
        for text in texts:
            head = f"  {title:<10} {mark}"
            line, rest = head + _printable(text), " " * len(head)
            # Paths are never broken.
            yield from (
                textwrap.wrap(line, WIDTH, subsequent_indent=rest) if mark else [line]
            )
            title = ""


def _in_order(found):
    """What was looked for and is not there, a sentence each."""
    drawn = "" if found.complete else " drawn"
    if not found.unreadable:
        yield f"All images{drawn} can be read."
    if not found.copies.groups:
        yield f"No image{drawn} is there more than once."
    if not found.copies.leaks and len(found.splits) > 1:
        yield f"No image{drawn} is in two of {', '.join(found.splits)}."


def _gravity(group):
    """Sorts copies: in two splits, of two classes, the rest."""
    one_split = len({place.split for place in group}) == 1
    one_class = len({place.classes for place in group}) == 1
    return one_split, one_class


def _listed(head, texts):
    """Texts after a head, none of them broken."""
    line = head
    for number, text in enumerate(texts):
        text += "," if number + 1 < len(texts) else ""
        if len(line) + len(text) > WIDTH:
            yield line.rstrip()
            line = " " * len(head)
        line += text + " "
    if texts:
        yield line.rstrip()


def _printable(text):
    """A text without what a terminal cannot show or would obey."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode()
        for one in str(text)
    )
