"""A split's rows -> numbers."""

from dataclasses import dataclass

import numpy as np

from keras_vit.data.inspection.scanning import Scan

COMMONEST = 5  # sizes that are listed


@dataclass(frozen=True, kw_only=True)
class SplitFacts:
    """What is in a split.

    Attributes:
        images: how many it has.
        inspected: how many of them were read, or could not be.
        readable: how many could.
        too_large: how many were refused for their size alone.
        classes: how many images there are of each class, read or not.
        width: the least, the median and the largest, in pixels as stored;
            `None` where nothing is readable. All that follows is of
            readable images.
        height: as width.
        distinct_sizes: how many different sizes there are.
        commonest_sizes: (width, height, images), the commonest first.
        formats: images by format; empty where there are no files.
        modes: images by colour mode, in Pillow's words.
        turned: images that a camera noted to be turned or mirrored.
        deep: images whose samples have more than 8 bits.
        samples: the least and the largest sample of those; `None` without any.
        clear: images that look different on white than with what is transparent
            in them dropped.
        paged: TIFF files of more than one page, of which the first is read.
        pages: the pages of those, in all.
        fourth: TIFF files with a fourth band, which is not read.
    """

    images: int
    inspected: int
    readable: int
    too_large: int
    classes: tuple[int, ...]
    width: tuple[float, ...] | None
    height: tuple[float, ...] | None
    distinct_sizes: int
    commonest_sizes: tuple[tuple[int, int, int], ...]
    formats: dict[str, int]
    modes: dict[str, int]
    turned: int
    deep: int
    samples: tuple[float, float] | None
    clear: int
    paged: int
    pages: int
    fourth: int


def summarized(scan: Scan, images: int, classes: np.ndarray) -> SplitFacts:
    """Return the `SplitFacts` of a `Scan`.

    Args:
        scan: of the split, or of a share of it.
        images: how many the split has.
        classes: how many of each class, `(K,)`.
    """
    rows = scan.readable()
    sizes, counts = scan.sizes()
    commonest = np.argsort(-counts, kind="stable")[:COMMONEST]
    kinds = np.bincount(rows["kind"], minlength=len(scan.kinds))
    return SplitFacts(
        images=images,
        inspected=len(scan.rows),
        readable=len(rows),
        too_large=int(scan.rows["too_large"].sum()),
        classes=tuple(classes.tolist()),
        width=_spread(rows["width"]),
        height=_spread(rows["height"]),
        distinct_sizes=len(sizes),
        commonest_sizes=tuple((*sizes[i].tolist(), int(counts[i])) for i in commonest),
        formats=_tally((format for format, _ in scan.kinds), kinds),
        modes=_tally((mode for _, mode in scan.kinds), kinds),
        turned=int(rows["turned"].sum()),
        **_of_content(rows),
    )


def _of_content(rows):
    deep, paged = rows[~np.isnan(rows["low"])], rows[rows["pages"] > 1]
    used = (float(deep["low"].min()), float(deep["high"].max())) if len(deep) else None
    return {
        "deep": len(deep),
        "samples": used,
        "clear": int(rows["clear"].sum()),
        "paged": len(paged),
        "pages": int(paged["pages"].sum()),
        "fourth": int(rows["fourth"].sum()),
    }


def _spread(values):
    """The least, the median and the largest."""
    if not len(values):
        return None
    return int(values.min()), float(np.median(values)), int(values.max())


def _tally(names, counts):
    """Count by name, the commonest first, without names that are empty."""
    sums = {}
    for name, count in zip(names, counts.tolist(), strict=True):
        if name and count:
            sums[name] = sums.get(name, 0) + count
    return dict(sorted(sums.items(), key=lambda item: -item[1]))
