"""A data set is looked through before it is trained on."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass

import numpy as np

from keras_vit.data.dataset import Dataset
from keras_vit.data.inspection import findings
from keras_vit.data.inspection.copies import Copies, Place, find_copies, place_of
from keras_vit.data.inspection.report import check_folder, write_report
from keras_vit.data.inspection.scanning import Scan, scan
from keras_vit.data.inspection.summaries import SplitFacts, summarized
from keras_vit.data.sources import check_name, load
from keras_vit.verbosity import progress_bar


@dataclass(frozen=True)
class Unreadable:
    """An image that cannot be read, and why."""

    place: Place
    reason: str


@dataclass(frozen=True)
class Inspection:
    """What is in a data set, and what is wrong with it.

    Attributes:
        dataset: its name.
        class_names: in the order of the labels.
        complete: whether every image was read; where not, copies were sought
            among those that were.
        splits: a `SplitFacts` for each split, by name.
        copies: images that are there more than once.
        unreadable: images that cannot be read.
        findings: what that means for training, a sentence each.
    """

    dataset: str
    class_names: tuple[str, ...]
    complete: bool
    _: KW_ONLY
    splits: dict[str, SplitFacts]
    copies: Copies
    unreadable: tuple[Unreadable, ...]
    findings: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Whether all that was read can be read, and no split has another's images."""
        return not self.unreadable and not self.copies.leaks


def inspect(
    dataset: Dataset | str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
) -> Inspection:
    """Read every image of every split once and return what was found.

    Nothing of the data set is changed. Two images are copies where their
    files are byte for byte the same or, in a split without files, their pixels.

    Args:
        dataset: a `Dataset`, or what `load` takes.
        folder: where to write `report.json`, `contact_sheet.png`,
            `histograms.png` and, if some images cannot be read,
            `unreadable.txt`; `None`: nowhere.
        limit: the most images to read of each split, drawn at random; `None`:
            all.
        seed: of the draw of images, and of those on the contact sheet; from 0.

    Returns:
        An `Inspection`. An image that cannot be read is in it, not raised.

    Raises:
        ValueError: for a limit below 1, a seed below 0, or an unknown data set.
        OSError: for a folder that cannot be written.

    Example:

    >>> found = data.inspect("fashion_mnist_sample", limit=100)
    >>> found.splits["test"].width
    (28, 28.0, 28)
    >>> found.sound
    True
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1. Received: {limit}")
    if not isinstance(dataset, Dataset):
        check_name(dataset)
        dataset = load(os.fspath(dataset))
    if folder is not None:
        folder = os.path.expanduser(folder)
        check_folder(folder)
    return inspected(dataset, _scan(dataset, limit, seed), folder, seed)


def inspected(
    dataset: Dataset,
    scans: Mapping[str, Scan],
    folder: str | os.PathLike[str] | None = None,
    seed: int = 0,
) -> Inspection:
    """Return what scans of a data set's splits show, and write it, as `inspect` does.

    Args:
        dataset: a `Dataset`.
        scans: a `Scan` for each of its splits, by name.
        folder: as `inspect` takes it.
        seed: as `inspect` takes it.
    """
    copies = find_copies(dataset, scans)
    inspection = Inspection(
        dataset=dataset.name,
        class_names=tuple(dataset.class_names),
        complete=all(
            len(scans[name].rows) == len(split)
            for name, split in dataset.splits().items()
        ),
        splits={
            name: summarized(scans[name], len(split), findings.counts(dataset, split))
            for name, split in dataset.splits().items()
        },
        copies=copies,
        unreadable=tuple(
            Unreadable(place_of(dataset, name, one.indices[row]), reason)
            for name, one in scans.items()
            for row, reason in one.errors.items()
        ),
        findings=findings.find(dataset, scans, copies),
    )
    if folder is not None:
        write_report(inspection, dataset, scans, folder, seed)
    return inspection


def _scan(dataset, limit, seed):
    """A `Scan` of each split, by name, with a bar for all of them."""
    indices = {}
    for name, split in dataset.splits().items():
        draw = np.random.default_rng(seed)
        indices[name] = np.arange(len(split))
        if limit is not None and limit < len(split):
            indices[name] = np.sort(draw.choice(len(split), limit, replace=False))
    bar = progress_bar(total=sum(map(len, indices.values())), unit=" images")
    # For all threads at once: Pillow's own limit, odd Exif data, and the like.
    with bar, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name: scan(split, indices[name], bar.update)
            for name, split in dataset.splits().items()
        }
