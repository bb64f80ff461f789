"""A zip archive of a folder of images -> the folder, extracted once."""

import contextlib
import hashlib
import lzma
import os
import pathlib
import re
import shutil
import stat
import zipfile
import zlib

from tqdm import tqdm

from keras_vit.data.holdout import SPLIT_WORDS
from keras_vit.data.images import SUFFIXES
from keras_vit.data.split_tables import is_of_split
from keras_vit.data.unread import Unread, is_hidden
from keras_vit.files import cache_folder, written_whole
from keras_vit.verbosity import bars_shown

# Images are compressed already: no honest archive of them grows a hundredfold.
MOST_GROWTH = 100
LITTLE = 100 << 20  # bytes that no growth makes suspicious
CHUNK = 1 << 20
# What zipfile raises for damage and for what it cannot read.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


def extracted(
    path: str | os.PathLike[str], data_dir: str | os.PathLike[str] | None = None
) -> pathlib.Path:
    """Extract the images of a zip archive and return the folder that holds them.

    With them the tables that lie in the folders of splits.

    Whole or not at all, and once: the folder's name has a digest of the
    archive's size, time and table of contents. If all lies in one folder,
    as in an archive of a folder, that is given.

    Args:
        path: of the archive.
        data_dir: where the folder goes; `datasets` in the cache by default,
            `$KERAS_HOME/keras_vit`.

    Raises:
        ValueError: if the archive is damaged, encrypted or without images,
            holds links or names that lead out of it, or grows as no images do.
        OSError: if the disk has no room for it.
    """
    path = pathlib.Path(path)
    data_dir = cache_folder() / "datasets" if data_dir is None else data_dir
    with _opened(path) as archive:
        entries = _checked(path, archive.infolist())
        digest = _digest(path, archive.infolist())
        folder = pathlib.Path(data_dir).expanduser() / f"{path.stem}-{digest}"
        if not folder.is_dir():
            _check_size(path, entries.values(), folder)
            try:
                with written_whole(folder) as scratch:
                    _extract(archive, entries, scratch)
            except OSError:
                if not folder.is_dir():  # else another process was faster
                    raise
    return _stepped_into(folder)


@contextlib.contextmanager
def _opened(path):
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except RefusedArchiveError:
        raise
    except _DAMAGE as error:
        raise ValueError(
            f"Expected a zip archive. Received: {path}, which is damaged or of another "
            f"kind ({error}). Make or download it again, or extract it yourself and "
            "pass the folder."
        ) from error


class RefusedArchiveError(ValueError):
    """An archive that must not be extracted; the message says why."""


def _digest(path, infos):
    """What tells this archive from another, without reading all of it."""
    status = path.stat()
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
    for info in infos:
        line = f"{info.filename}\0{info.file_size} {info.CRC}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _checked(path, infos):
    """The entries that are images, by the path that each is to have."""
    entries, unread = {}, Unread()
    for info in infos:
        name = info.filename.replace("\\", "/")
        parts = name.split("/")
        kind = stat.S_IFMT(info.external_attr >> 16)
        if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name):
            wrong = "leads out of the archive"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            wrong = "is a link or a device"
        elif info.flag_bits & 1:
            wrong = "is encrypted"
        elif name in entries:
            wrong = "is there twice"
        else:
            hidden = any(is_hidden(part) for part in parts)
            wanted = name.lower().endswith(SUFFIXES) or is_of_split(parts)
            if wanted and not hidden:
                entries[name] = info
            elif not hidden and not info.is_dir():
                unread.add(name)
            continue
        raise RefusedArchiveError(
            f"Expected an archive of plain files. Received: {path}, which is not "
            f"extracted: its entry {info.filename!r} {wrong}. If you trust it, extract "
            "it yourself and pass the folder."
        )
    if not any(name.lower().endswith(SUFFIXES) for name in entries):
        raise RefusedArchiveError(
            f"Expected an archive with images: files ending in {', '.join(SUFFIXES)}. "
            f"Received: {path}, which holds no images.{unread.appended()} Pass an "
            "archive of a folder with a folder of images for each class."
        )
    return entries


def _check_size(path, infos, folder):
    total = sum(info.file_size for info in infos)
    size = path.stat().st_size
    if total > max(MOST_GROWTH * size, LITTLE):
        raise RefusedArchiveError(
            f"Expected an archive that grows at most {MOST_GROWTH} times. Received: "
            f"{path}, which is not extracted: {size:,} bytes would grow to {total:,}. "
            "If you trust it, extract it yourself and pass the folder."
        )
    there = next(one for one in folder.absolute().parents if one.is_dir())
    free = shutil.disk_usage(there).free
    if total > free:
        raise OSError(
            f"Expected {total:,} bytes of disk space to extract {path}. Received: "
            f"{free:,} in {there}. Free some, or pass another data_dir."
        )


def _extract(archive, entries, folder):
    folder.mkdir()
    total = sum(info.file_size for info in entries.values())
    title = pathlib.Path(archive.filename).name
    with tqdm(
        total=total,
        desc=title,
        unit="B",
        unit_scale=True,
        disable=not bars_shown(),
    ) as bar:
        for name, info in entries.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, open(target, "xb") as file:
                shutil.copyfileobj(source, file, CHUNK)
            bar.update(info.file_size)


def _stepped_into(folder):
    """The one folder in a folder, unless it is a split; else the folder itself."""
    inside = list(folder.iterdir())
    wrapped = len(inside) == 1 and inside[0].is_dir()
    if wrapped and inside[0].name.lower() not in SPLIT_WORDS:
        return inside[0]
    return folder
