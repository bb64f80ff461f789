"""A folder that keeps reduced images, so that each is decoded in full only once."""

import contextlib
import hashlib
import json
import logging
import os
import pathlib
import threading
import time
import weakref
from dataclasses import asdict, dataclass

from keras_vit.data.shards import Place, ShardWriter, indexes, read_shard, sweep
from keras_vit.decoding import Decoding
from keras_vit.files import written_whole

LOG = logging.getLogger(__name__)
SETTINGS = "cache.json"
VERSION = 1  # of what is written
SHORT_SIDE, QUALITY = 448, 90
SHARD_BYTES = 256_000_000
SEALED_AFTER = 20  # seconds: what a killed run loses of its work
_LOOKS = 1  # seconds between looks at what other processes have added


@dataclass(frozen=True)
class CacheSettings:
    """How images are reduced.

    Attributes:
        short_side: pixels of the shorter side at most.
        quality: of the JPEG files, 1 to 100.
    """

    short_side: int
    quality: int

    def __str__(self) -> str:
        return f"a short side of {self.short_side} pixels, JPEG quality {self.quality}"


class ImageCache:
    """Reduced images by what they are made of, for several processes at once.

    Each process writes shards of its own, and reads those of all. Nothing is written
    before the first image is added.

    Args:
        folder: its path.
        settings: how images are reduced.

    Attributes:
        folder: its path.
        settings: how images are reduced.
    """

    def __init__(self, folder: pathlib.Path, settings: CacheSettings) -> None:
        self.folder, self.settings = folder, settings
        self._lock, self._places = threading.Lock(), dict[bytes, Place]()
        self._wanted, self._seen = set[bytes](), set[pathlib.Path]()
        self._looked, self._stopped = -float("inf"), False
        self._open: list[ShardWriter] = []  # the shard that is written, or none
        # So that the last shard is kept when the process ends.
        weakref.finalize(self, _seal_all, self._open)
        self.refresh()

    @property
    def begun(self) -> bool:
        """Whether it has held an image, so that there was a folder."""
        return bool(self._places)

    def refresh(self) -> None:
        """Look for shards that other processes have written since."""
        self._looked = time.monotonic()
        for index in indexes(self.folder):
            if index not in self._seen:
                self._seen.add(index)
                self._places = read_shard(index) | self._places

    def missing(self, keys: list[bytes]) -> list[int]:
        """Return which of some images the cache does not hold, by their place."""
        return [number for number, key in enumerate(keys) if key not in self._places]

    def expect(self, keys: list[bytes]) -> None:
        """Note images that will be added; with the last of them a shard is sealed."""
        with self._lock:
            self._wanted |= set(keys) - self._places.keys()

    def get(self, key: bytes) -> bytes | None:
        """Return the bytes of an image; `None` if the cache does not hold it."""
        place = self._places.get(key)
        if place is None and time.monotonic() - self._looked > _LOOKS:
            with self._lock:
                self.refresh()
            place = self._places.get(key)
        if place is None:
            return None
        data = place.read()
        if data is None:  # sealed meanwhile, else damaged or removed
            with self._lock:
                again = self._places.get(key)
                data = again.read() if again and again != place else None
                if data is None:
                    self._places.pop(key, None)
        return data

    def add(self, key: bytes, data: bytes) -> None:
        """Keep the bytes of an image.

        A disk that is full, or cannot be written to, is reported once; images are
        then reduced anew each time.
        """
        with self._lock:
            if key in self._places or self._stopped:
                return
            try:
                self._written(key, data)
            except OSError as error:
                self._stopped = True
                LOG.warning(
                    f"The cache in {self.folder} takes no more images ({error}): those "
                    "that it lacks are reduced each time anew. Free disk space, and "
                    "start the run again to fill it"
                )

    def _written(self, key, data):
        if not self._open:
            self._begin()
            self._open.append(ShardWriter(self.folder))
        shard = self._open[0]
        self._places[key] = shard.add(key, data)
        last = self._wanted == {key}
        self._wanted.discard(key)
        waited = time.monotonic() - shard.begun > SEALED_AFTER
        if waited or last or shard.size >= SHARD_BYTES:
            self._places |= self._open.pop().seal()

    def _begin(self):
        """Make the folder, and write how its images are reduced."""
        self.folder.mkdir(parents=True, exist_ok=True)
        sweep(self.folder)
        path = self.folder / SETTINGS
        if not path.exists():
            with written_whole(path) as scratch:
                text = json.dumps({"version": VERSION, **asdict(self.settings)})
                scratch.write_text(f"{text}\n", encoding="utf-8")
        found = read_settings(self.folder)
        if found != self.settings:  # another process was first
            raise OSError(f"another run keeps images of {found} there")

    def seal(self) -> None:
        """Make what was added so far visible to other processes, and lasting."""
        with self._lock:
            while self._open:
                self._places |= self._open.pop().seal()


def _seal_all(shards):
    with contextlib.suppress(OSError):
        while shards:
            shards.pop().seal()


def read_settings(folder: pathlib.Path) -> CacheSettings | None:
    """Return how the images of a cache are reduced; `None` where there is none.

    Raises:
        ValueError: for a folder that holds something else.
    """
    try:
        found = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        if found.pop("version") == VERSION:
            return CacheSettings(**found)
    except FileNotFoundError:
        if not folder.exists() or (folder.is_dir() and not _visible(folder)):
            return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    raise ValueError(
        "cache must be a new folder, or one that keeps images by this version. "
        f"Received: {folder}, which holds something else. Name another folder"
    )


def _visible(folder):
    return [name for name in os.listdir(folder) if not name.startswith(".")]


_OPEN: weakref.WeakValueDictionary[str, ImageCache] = weakref.WeakValueDictionary()


def open_cache(
    folder: str | os.PathLike[str],
    short_side: int | None = None,
    quality: int | None = None,
) -> ImageCache:
    """Open a cache, a new one or one that has been begun.

    Args:
        folder: its path.
        short_side: pixels that its images have at least, or all of their own; `None`:
            what it has, `SHORT_SIDE` of a new one.
        quality: of its JPEG files; `None`: what it has, `QUALITY` of a new one.

    Returns:
        An `ImageCache`; within a process the same one for the same folder.

    Raises:
        ValueError: if its images are smaller or of another quality, or the folder
            holds something else.

    Example:

    >>> open_cache("cache-of-photos").settings
    CacheSettings(short_side=448, quality=90)
    """
    path = pathlib.Path(os.path.realpath(os.path.expanduser(folder)))
    for value, most, name in (
        (short_side, 65_500, "short_side"),
        (quality, 100, "quality"),
    ):
        if value is not None and not 1 <= value <= most:
            raise ValueError(f"{name} must lie between 1 and {most}. Received: {value}")
    found = read_settings(path)
    new = CacheSettings(short_side or SHORT_SIDE, quality or QUALITY)
    cache, settings = _OPEN.get(os.fspath(path)), found or new
    removed = cache is not None and found is None and cache.begun
    if cache is None or removed or cache.settings != settings:
        cache = _OPEN[os.fspath(path)] = ImageCache(path, settings)
    check_settings(cache, short_side, quality)
    return cache


def check_settings(
    cache: ImageCache, short_side: int | None, quality: int | None = None
) -> None:
    """Refuse a cache of smaller images than are needed, or of another quality.

    Raises:
        ValueError: saying what to do.
    """
    settings = cache.settings
    small = short_side is not None and settings.short_side < short_side
    if small or quality not in (None, settings.quality):
        wanted = CacheSettings(short_side or settings.short_side, quality or QUALITY)
        raise ValueError(
            f"cache must keep images of {wanted} for this. Received: "
            f"{cache.folder}, which keeps {settings}. Name another folder, or remove "
            "that one, and it is made anew"
        )


def key_of(path: bytes, exif_orientation: bool, decoding: Decoding) -> bytes | None:
    """Return what the reduced image of a file is found by; `None` if it is not there.

    It changes with the file's size and its time stamp, and with how it is read.
    """
    try:
        status = os.stat(path)
    except OSError:
        return None
    how = {"upright": exif_orientation, **decoding.as_json()}
    digest = hashlib.blake2b(os.path.abspath(path), digest_size=16)
    digest.update(f"\0{status.st_size} {status.st_mtime_ns} {json.dumps(how)}".encode())
    return digest.digest()
