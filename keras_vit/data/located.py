"""What a table calls an image -> the file."""

import os
import re
from urllib.parse import parse_qs, unquote, urlsplit

from keras_vit.data.images import SUFFIXES
from keras_vit.data.unread import is_hidden

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before a name
_OF_LABEL_STUDIO = "/data/upload/", "/data/local-files/"
_ELSEWHERE = re.compile(r"/|[A-Za-z]:/|[a-z][a-z0-9]+://")  # how a path begins
_BESIDE_IMAGES = ("annotations", "labels")  # folders of tables, not of images


class Finder:
    """Finder of the files that a table names.

    Args:
        table: the path of the table. Paths are relative to its folder, or to
            the one above where that is called annotations, as COCO has it.
        suffix: what is added to each, such as `".jpg"`; `None`: what is
            found there, for names without an image's suffix.
        data_dir: another folder that they may be relative to.

    Attributes:
        folders: that are looked into, text.
        doubtful: of a name that was not found, two paths that it may mean;
            `()` without.
        below: a name and the path below a folder at which it was found
            without its folders being named; `None` while there is none.
    """

    def __init__(
        self,
        table: str | os.PathLike[str],
        suffix: str | None = None,
        data_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        folder, name = os.path.split(os.path.abspath(table))
        self.folders, self.below, self.doubtful = [folder], None, ()
        if data_dir is not None:
            self.folders.append(os.path.abspath(os.path.expanduser(data_dir)))
        if os.path.basename(folder).lower() in _BESIDE_IMAGES:
            self.folders.append(os.path.dirname(folder))
        self._stem = os.path.splitext(name)[0].lower()
        self._added = suffix and (suffix if suffix.startswith(".") else f".{suffix}")
        self._likely, self._index, self._named = None, None, {}

    def find(self, written: str) -> str | None:
        """Return a file's path; `None` where there is none.

        A name without folders is also sought below the folders, by itself or
        by what stands before its suffix, if it is there once. So is what is a
        path on another machine: of files of that name that one, if it is one,
        whose folders are called as the path's last ones are.
        """
        self.doubtful = ()
        if self._added and not written.endswith(self._added):
            written += self._added
        if found := self._existing(written, ("",)):
            return found
        written = plain_path(written.replace("\\", "/"))
        bare = not written.lower().endswith(SUFFIXES)
        endings = (*filter(None, [self._likely]), *SUFFIXES, *map(str.upper, SUFFIXES))
        if found := self._existing(written, ("", *endings) if bare else ("",)):
            if bare:
                self._likely = os.path.splitext(found)[1]
            return found
        if "/" in written and not _ELSEWHERE.match(written):
            return None
        above, _, name = written.rpartition("/")
        names = name, _UPLOADED.sub("", name)
        return next(
            filter(None, (self._below(above, one, written) for one in names)), None
        )

    def _existing(self, written, endings):
        for folder in self.folders:
            path = os.path.normpath(os.path.join(folder, written))
            for ending in endings:
                if os.path.isfile(path + ending):
                    return path + ending
        return None

    def _below(self, above, name, written):
        """The file of a name that lies as its path says, or is the only one."""
        if self._index is None:
            self._index = _files_below(self.folders)
        found = self._index.get(name, ())
        if len(found) > 1:
            found = _best(found, lambda path: _in_common(os.path.dirname(path), above))
        if len(found) > 1:  # labels_train.json is of the images in train/
            found = _best(found, self._is_of_the_table)
        self.doubtful = tuple(sorted(found)[:2]) if len(found) > 1 else ()
        # One file is not what two different paths mean.
        if len(found) != 1 or self._named.setdefault(found[0], written) != written:
            return None
        if self.below is None:
            self.below = name, os.path.relpath(found[0], self.folders[0])
        return found[0]

    def _is_of_the_table(self, path):
        return self._stem.endswith(
            f"_{os.path.basename(os.path.dirname(path)).lower()}"
        )


def of_label_studio(written: str) -> bool:
    """Return whether a path is one of Label Studio's server."""
    return any(one in written for one in _OF_LABEL_STUDIO)


def plain_path(written: str) -> str:
    """Return a path with slashes, of Label Studio's and other addresses too."""
    if _OF_LABEL_STUDIO[1] in written:
        return "/" + parse_qs(urlsplit(written).query).get("d", [written])[0].lstrip(
            "/"
        )
    if re.match(r"[a-z][a-z0-9]+://", written):
        return unquote(urlsplit(written).path) or written
    return written


def _best(paths, worth):
    most = max(map(worth, paths))
    return [path for path in paths if worth(path) == most]


def _in_common(folder, other):
    """How many of two folders' last names are alike."""
    pairs = zip(
        reversed(folder.split(os.sep)), reversed(other.split("/")), strict=False
    )
    count = 0
    for one, another in pairs:
        if one != another or not one:
            break
        count += 1
    return count


def _files_below(folders):
    """Lists of the image files by their names, and by these without suffix."""
    found, seen = {}, set()
    for folder in folders:
        for above, inside, names in os.walk(folder):
            inside[:] = [one for one in inside if not is_hidden(one)]
            for name in names:
                path = os.path.join(above, name)
                image = name.lower().endswith(SUFFIXES) and not is_hidden(name)
                if image and path not in seen:
                    seen.add(path)
                    for key in (name, os.path.splitext(name)[0]):
                        found.setdefault(key, []).append(path)
    return found
