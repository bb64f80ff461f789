"""A job's plan: its images, listed once and cut into shards, and what it is to do.

The plan lies in the output folder, in `_plan`: what begins with an underscore is no
data to those who read a folder of Parquet files. `job.json` holds what the results
follow from, and each `images-<number>.parquet` a list of images, whose groups of
rows are shards. The first list is made by the first call; a later one finds what
has been added to the images since then, and makes another list of that alone.
A shard's results are one file, named by its list and its group: where there is such
a file, that shard is done, and nothing else needs to be remembered.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from keras_vit.batch import filesystem
from keras_vit.batch.items import Item
from keras_vit.batch.parquet import Groups, write_groups

FOLDER, JOB = "_plan", "job.json"
LARGEST_SHARD = 4096  # images
SHARDS = 32  # to cut the images into at least, where there are enough
SMALLEST_SHARD = 16
_NAMES = {"folder": "working directory"}  # of what is no argument
_TYPES = {
    "name": "binary",
    "file": "binary",
    "member": "binary",
    "offset": "int64",
}


class ShardId(NamedTuple):
    """Which shard of a plan.

    Attributes:
        listing: the number of its list of images.
        number: of its group of rows in that list.
        images: how many it has.
    """

    listing: int
    number: int
    images: int

    @property
    def file(self) -> str:
        """The name of the file of its results."""
        return f"part-{self.listing:03d}-{self.number:06d}.parquet"


def check_job(output: str, job: Mapping[str, Any]) -> bool:
    """Compare what is to be done with what the plan in a folder is for.

    Args:
        output: of the job.
        job: all that results follow from, as JSON has it.

    Returns:
        Whether there is a plan.

    Raises:
        ValueError: naming what differs.
    """
    path = filesystem.join(output, FOLDER, JOB)
    if not filesystem.exists(path):
        return False
    with filesystem.opened(path) as file:
        planned = json.load(file)
    asked = json.loads(json.dumps(job))
    others = [
        f"{_NAMES.get(name, name)}={asked.get(name)!r} (there: {planned.get(name)!r})"
        for name in sorted({*planned, *asked})
        if planned.get(name) != asked.get(name)
    ]
    if others:
        raise ValueError(
            f"Expected the arguments of the job that {output} was begun with. "
            f"Received: {', '.join(others)}. Use the same, or another output folder"
        )
    return True


def write_job(output: str, job: Mapping[str, Any]) -> None:
    """Write what a job is to do, which makes its plan valid."""
    with filesystem.whole(filesystem.join(output, FOLDER, JOB)) as scratch:
        scratch.write_text(json.dumps(job, indent=1) + "\n", encoding="utf-8")


def listings(output: str) -> list[str]:
    """Return the paths of a plan's lists of images, the first one first."""
    folder = filesystem.join(output, FOLDER)
    names = sorted(
        one
        for one in filesystem.names_in(folder)
        if re.fullmatch(r"images-\d{3}\.parquet", one)
    )
    return [filesystem.join(folder, one) for one in names]


def add_images(output: str, items: Iterable[Item], shard_size: int | None) -> int:
    """Write a list of those images that no list of the plan has yet.

    Args:
        output: of the job.
        items: all images that are named now.
        shard_size: images of a shard; `None`: such that there are `SHARDS`, of
            `SMALLEST_SHARD` to `LARGEST_SHARD` images.

    Returns:
        How many images were new.
    """
    before = listings(output)
    known = _digests(before)
    new = (one for one in items if not _holds(known, one))
    # Those of small jobs are counted; a large one has the largest shards anyway.
    ahead = list(itertools.islice(new, SHARDS * LARGEST_SHARD))
    if not ahead:
        return 0
    size = shard_size or max(
        min(LARGEST_SHARD, -(-len(ahead) // SHARDS)), SMALLEST_SHARD
    )
    name = f"images-{len(before):03d}.parquet"
    with filesystem.whole(filesystem.join(output, FOLDER, name)) as scratch:
        rows = (
            {
                "name": os.fsencode(one.name),
                "file": os.fsencode(one.file),
                "member": os.fsencode(one.member),
                "offset": one.offset,
            }
            for one in itertools.chain(ahead, new)
        )
        return write_groups(scratch, rows, _TYPES, size)


def _digests(paths: list[str]) -> np.ndarray | None:
    """Sorted digests of the names in lists, 20 bytes an image; `None` without any."""
    parts = []
    for path in paths:
        with filesystem.on_disk(path) as file:
            groups = Groups(file)
            for number in range(len(groups.counts())):
                names = groups.read(number)["name"]
                parts.append(np.array([_digest(name) for name in names], "S20"))
    return np.sort(np.concatenate(parts)) if parts else None


def _digest(name: bytes) -> bytes:
    # NumPy takes zeros at the end of bytes for padding: there are none in hex.
    return hashlib.blake2b(name, digest_size=10).hexdigest().encode()


def _holds(digests: np.ndarray | None, item: Item) -> bool:
    if digests is None:
        return False
    wanted = np.array(_digest(os.fsencode(item.name)), "S20")
    place = int(np.searchsorted(digests, wanted))
    return place < len(digests) and bool(digests[place] == wanted)


def shards(output: str) -> list[ShardId]:
    """Return all shards of a plan."""
    found = []
    for listing, path in enumerate(listings(output)):
        with filesystem.on_disk(path) as file:
            counts = Groups(file).counts()
        found += [ShardId(listing, number, n) for number, n in enumerate(counts)]
    return found


class Plan:
    """Reads the images of shards; lists in a bucket are copied once.

    Args:
        output: of the job.
    """

    def __init__(self, output: str) -> None:
        self._output, self._groups = output, {}

    def items(self, shard: ShardId) -> Iterator[Item]:
        """Yield the images of a shard, in order."""
        if shard.listing not in self._groups:
            path = listings(self._output)[shard.listing]
            with filesystem.on_disk(path) as file:
                self._groups[shard.listing] = Groups(file)
        columns = self._groups[shard.listing].read(shard.number)
        names = ("name", "file", "member")
        texts = ([os.fsdecode(one) for one in columns[name]] for name in names)
        return (Item(*values) for values in zip(*texts, columns["offset"], strict=True))
