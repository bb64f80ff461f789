"""An inspection as files."""

import dataclasses
import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from keras_vit.data.dataset import Dataset
from keras_vit.data.images import UnreadableImageError
from keras_vit.data.inspection.reading import thumbnail
from keras_vit.data.inspection.scanning import Scan
from keras_vit.files import write_json, written_whole

if TYPE_CHECKING:
    from keras_vit.data.inspection.inspection import Inspection


# On a contact sheet: its classes, those up to which each has a line for itself,
# images of a class on a whole and on a half line, pixels of an image.
MOST_CLASSES, MOST_LINES = 40, 12
ON_A_LINE, ON_HALF_A_LINE = 10, 6
SIDE = 96
FILES = ("report.json", "contact_sheet.png", "histograms.png", "unreadable.txt")


def check_folder(folder: str | os.PathLike[str]) -> None:
    """Refuse a folder that nothing can be written into.

    Raises:
        OSError: saying why.
    """
    folder = pathlib.Path(folder).absolute()
    nearest = next(one for one in (folder, *folder.parents) if os.path.lexists(one))
    if not nearest.is_dir():
        raise NotADirectoryError(
            f"Expected a folder for the report. Received: {folder}, where {nearest} is "
            "not a folder. Pass another folder"
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(
            f"Expected a folder that can be written. Received: {folder}, but {nearest} "
            "may not be written to. Pass another folder, or change its permissions"
        )


def write_report(
    inspection: "Inspection",
    dataset: Dataset,
    scans: Mapping[str, Scan],
    folder: str | os.PathLike[str],
    seed: int,
) -> None:
    """Write `FILES` into a folder, over those of an earlier inspection.

    `unreadable.txt`, a line an image with its reason, is there only if some
    image cannot be read.

    Args:
        inspection: an `Inspection`.
        dataset: the `Dataset` it is of.
        scans: a `Scan` for each of its splits, by name.
        folder: its path.
        seed: of the choice of pictures.
    """
    from keras_vit import figures

    report, sheet, histograms, unreadable = (
        pathlib.Path(folder) / one for one in FILES
    )
    figures.write(_contact_sheet(dataset, scans["train"], seed), sheet)
    figures.write(_histograms(inspection, scans), histograms)
    unreadable.unlink(missing_ok=True)
    if inspection.unreadable:
        with written_whole(unreadable) as scratch:
            lines = [
                f"{one.place.name}: {one.reason}\n" for one in inspection.unreadable
            ]
            # As the file system has the names, whatever their bytes are.
            scratch.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
    numbers = dataclasses.asdict(inspection) | {"sound": inspection.sound}
    write_json(report, numbers, indent=1)


def _contact_sheet(dataset, scan, seed):
    from keras_vit import figures

    classes = np.arange(dataset.num_classes)
    title = f"{dataset.name}: images of train"
    if len(classes) > MOST_CLASSES:
        drawn = np.random.default_rng(seed).choice(len(classes), MOST_CLASSES, False)
        classes = np.sort(drawn)
        title += f", {MOST_CLASSES} of {dataset.num_classes:,} classes"
    whole = len(classes) <= MOST_LINES
    most = ON_A_LINE if whole else ON_HALF_A_LINE
    lines = []
    for label in classes:
        indices = chosen(dataset.train.labels, scan, label, most, seed)
        images = [_thumbnail(dataset.train, index) for index in indices]
        images = [image for image in images if image is not None]
        lines.append((dataset.class_names[label], images))
    return figures.contact_sheet(lines, 1 if whole else 2, SIDE, title)


def _thumbnail(split, index):
    try:
        return thumbnail(split, index, SIDE)
    except (UnreadableImageError, OSError):  # of odd Exif data, or gone since
        return None


def chosen(
    labels: np.ndarray, scan: Scan, label: int, count: int, seed: int
) -> np.ndarray:
    """Choose readable images of a class, the same for the same seed.

    Args:
        labels: of the split, `(N,)` or `(N, K)`.
        scan: the split's `Scan`.
        label: the class.
        count: the most to choose.
        seed: an integer.

    Returns:
        Indices in the split, in its order.
    """
    indices = scan.indices[scan.rows["readable"]]
    of_class = labels[:, label] == 1 if labels.ndim == 2 else labels == label
    indices = indices[of_class[indices]]
    draw = np.random.default_rng((seed, label))
    return np.sort(draw.permutation(indices)[:count])


def _histograms(inspection, scans):
    from keras_vit import figures

    sizes, images = zip(*(one.sizes() for one in scans.values()), strict=True)
    sizes, which = np.unique(np.concatenate(sizes), axis=0, return_inverse=True)
    return figures.data_histograms(
        {name: one.classes for name, one in inspection.splits.items()},
        inspection.class_names,
        sizes,
        np.bincount(which.reshape(-1), weights=np.concatenate(images)).astype(int),
        inspection.dataset,
    )
