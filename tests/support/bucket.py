"""A bucket in memory: a file system of Beam's, as those of clouds are.

Only for jobs whose workers are threads of this process.
"""

import fnmatch
import io
import re

from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem, MatchResult

FILES: dict[str, bytes] = {}


class _Written(io.BytesIO):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def close(self):
        if not self.closed:
            FILES[self.path] = self.getvalue()
        super().close()


class Bucket(FileSystem):
    """What lies at `bucket://...`."""

    @classmethod
    def scheme(cls):
        return "bucket"

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        head, _, tail = path.rpartition("/")
        return head, tail

    def mkdirs(self, path):
        pass

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        for path, data in sorted(FILES.items()):
            if path.startswith(dir_or_prefix):
                yield FileMetadata(path, len(data))

    def match(self, patterns, limits=None):
        found = []
        for pattern in patterns:
            text = fnmatch.translate(pattern.replace("**", "\0"))
            text = text.replace(".*", "[^/]*").replace("\0", ".*")
            regex = re.compile(text)
            files = [one for one in self._list("") if regex.match(one.path)]
            found.append(MatchResult(pattern, files))
        return found

    def create(self, path, mime_type="", compression_type=None):
        return _Written(path)

    def open(self, path, mime_type="", compression_type=None):
        if path not in FILES:
            raise BeamIOError(f"no such file: {path}")
        return io.BytesIO(FILES[path])

    def copy(self, source_file_names, destination_file_names):
        for one, other in zip(source_file_names, destination_file_names, strict=True):
            FILES[other] = FILES[one]

    def rename(self, source_file_names, destination_file_names):
        for one, other in zip(source_file_names, destination_file_names, strict=True):
            FILES[other] = FILES.pop(one)

    def exists(self, path):
        return path in FILES

    def size(self, path):
        return len(FILES[path])

    def last_updated(self, path):
        return 0.0

    def checksum(self, path):
        return str(hash(FILES[path]))

    def metadata(self, path):
        return FileMetadata(path, len(FILES[path]))

    def delete(self, paths):
        for path in paths:
            del FILES[path]
