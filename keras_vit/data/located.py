"""What a table calls an image -> the file."""

import os
import re
from urllib.parse import parse_qs, urlsplit

from keras_vit.data.images import SUFFIXES

_UPLOADED = re.compile(r"^[0-9a-f]{8}-")  # what Label Studio puts before a name
_OF_LABEL_STUDIO = "/data/upload/", "/data/local-files/"


class Finder:
    """Finds the files that a table names.

    Args:
        folder: that paths are relative to.
        suffix: what is added to each, such as `".jpg"`; `None`: what is
            found there, for names without an image's suffix.

    Attributes:
        below: a name and the path below the folder at which it was found
            without its folders being named; `None` while there is none.
    """

    def __init__(self, folder, suffix=None):
        self.folder, self.below = os.fspath(folder), None
        self._added = suffix and (suffix if suffix.startswith(".") else f".{suffix}")
        self._likely, self._index = None, None

    def find(self, given):
        """Gives a file's path; `None` where there is none.

        A name without folders is also sought below the folder, by itself or
        by what stands before its suffix, if it is there once.
        """
        if self._added and not given.endswith(self._added):
            given += self._added
        path = os.path.normpath(os.path.join(self.folder, given))
        if os.path.isfile(path):
            return path
        given = _plain(given)
        if "\\" in given:  # slashes may be Windows's
            given = given.replace("\\", "/")
            path = os.path.normpath(os.path.join(self.folder, given))
            if os.path.isfile(path):
                return path
        if not given.lower().endswith(SUFFIXES) and (found := self._suffixed(path)):
            return found
        if os.path.basename(given) != given:
            return None
        names = given, _UPLOADED.sub("", given)
        return next(filter(None, map(self._found_below, names)), None)

    def _suffixed(self, path):
        """The file of that path and a suffix: first the one that fitted before."""
        likely = [self._likely] if self._likely else []
        for suffix in (*likely, *SUFFIXES, *map(str.upper, SUFFIXES)):
            if os.path.isfile(path + suffix):
                self._likely = suffix
                return path + suffix
        return None

    def _found_below(self, name):
        if self._index is None:
            self._index = _files_below(self.folder)
        found = self._index.get(name)
        if found and self.below is None:
            self.below = name, os.path.relpath(found, self.folder)
        return found


def _plain(given):
    """A path as it is on this machine, of Label Studio's addresses too."""
    if given.startswith(_OF_LABEL_STUDIO[0]):
        return given.rpartition("/")[2]
    if given.startswith(_OF_LABEL_STUDIO[1]):
        return parse_qs(urlsplit(given).query).get("d", [given])[0].rpartition("/")[2]
    if re.match(r"[a-z][a-z0-9]+://", given):
        return urlsplit(given).path.rpartition("/")[2] or given
    return given


def _files_below(folder):
    """Image files by their names, and by these without suffix, as far as unlike."""
    found = {}
    for above, inside, names in os.walk(folder):
        inside[:] = [one for one in inside if not one.startswith(".")]
        for name in names:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                path = os.path.join(above, name)
                for key in (name, os.path.splitext(name)[0]):
                    found[key] = path if key not in found else None
    return found
