"""Files that are passed over -> a sentence, so that they are not missed in silence."""

import collections
import os

from keras_vit.data.images import SUFFIXES

# What lies beside images and is not meant to be one.
_BESIDE = (
    "",
    ".txt",
    ".md",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".xml",
    ".yaml",
    ".yml",
    ".html",
    ".pdf",
    ".log",
    ".ini",
    ".db",
    ".py",
    ".ipynb",
    ".xlsx",
    ".pkl",
)

# What is no image for Pillow, whoever calls it one.
_NEVER = (
    ".dcm",
    ".dicom",
    ".nii",
    ".gz",
    ".mha",
    ".mhd",
    ".nrrd",
    ".npy",
    ".npz",
    ".h5",
    ".mat",
    ".heic",
    ".heif",
    ".svg",
    ".dng",
    ".cr2",
    ".nef",
    ".arw",
    ".mp4",
    ".avi",
    ".mov",
    ".pdf",
)


# Folders of systems: thumbnails of Synology's, what was deleted on Windows.
_OF_SYSTEMS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information")


class Unread:
    """Counts files that are no images by how their names end."""

    def __init__(self) -> None:
        self._counts = collections.Counter()

    def add(self, name: str | bytes) -> None:
        """Count a file.

        Args:
            name: of the file or its path, text or bytes.
        """
        suffix = _suffix(name)
        if suffix not in (*_BESIDE, *SUFFIXES):
            self._counts[suffix] += 1

    def sentences(self) -> tuple[str, ...]:
        """Return a sentence for each ending, the commonest first.

        Example:

        >>> unread = Unread()
        >>> unread.add("scans/1.dcm")
        >>> unread.sentences()
        ('1 file ends in .dcm, which is not read.',)
        """
        return tuple(
            f"1 file ends in {suffix}, which is not read."
            if count == 1
            else f"{count:,} files end in {suffix}, which are not read."
            for suffix, count in self._counts.most_common()
        )

    def appended(self) -> str:
        """Return the sentences as they follow another in a message."""
        return "".join(f" {one}" for one in self.sentences())


def is_hidden(name: str | bytes) -> bool:
    """Return whether a file or a folder belongs to the system, by its own name."""
    name = os.fsdecode(name)
    return name.startswith(".") or name in _OF_SYSTEMS


def is_no_image(name: str) -> bool:
    """Return whether a file's name says that it is of a kind that is not read."""
    return name.lower().endswith(_NEVER)


def _suffix(name):
    return os.path.splitext(os.fsdecode(name))[1].lower()
