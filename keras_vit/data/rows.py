"""CSV and JSONL files of paths and labels -> rows."""

import csv
import json
import pathlib
from dataclasses import dataclass

from keras_vit.data.images import SUFFIXES

# What a column, or a key, may be called.
PATH = ("path", "file", "filename", "file_name", "image", "image_path")
LABEL = ("label", "labels", "class", "target", "category")
SPLIT = ("split", "subset")


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        line: of the file, from 1.
        path: of an image, as it is written.
        label: text; or a tuple of texts, from a list in JSON.
        split: as it is written; `None` where the table has no such column.
    """

    line: int
    path: str
    label: str | tuple[str, ...]
    split: str | None


class Problems:
    """What is wrong with a file: the first five lines, and how many there are."""

    def __init__(self, path):
        self._path, self._first, self._count = path, [], 0

    def add(self, line, text):
        """Notes what is wrong with a line."""
        self._first = sorted([*self._first, (line, text)])[:5]
        self._count += 1

    def check(self):
        """Raises a ValueError if there was anything."""
        if self._count:
            told = "; ".join(f"line {line}: {text}" for line, text in self._first)
            more = "; ..." if self._count > len(self._first) else ""
            raise ValueError(
                f"{self._path} has {self._count:,} wrong "
                f"{'line' if self._count == 1 else 'lines'}: {told}{more}"
            )


def read_rows(path, problems):
    """Gives the rows of a `.csv` or `.jsonl` file in UTF-8.

    Path, label and split are found by their names, which `PATH`, `LABEL` and
    `SPLIT` list; if there are but two columns beside the split, the first is
    the path. A CSV file without a header is read too if it has two columns
    and its first row begins with the path of an image.

    Args:
        path: of the file.
        problems: `Problems`, to which lines that are no rows are added.

    Yields:
        A `Row` for each line that is one.

    Raises:
        ValueError: if the columns cannot be told, or the file is not UTF-8.
    """
    path = pathlib.Path(path)
    read = _csv if path.suffix.lower() == ".csv" else _jsonl
    try:
        # A line's end inside quotes belongs to the field.
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from read(file, path, problems)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}. Save it as UTF-8.") from error
    except csv.Error as error:
        raise ValueError(f"{path} is no table that can be read: {error}") from error


def _csv(file, path, problems):
    reader = csv.reader(file)
    rows = (
        (reader.line_num, fields) for fields in reader if any(map(str.strip, fields))
    )
    line, first = next(rows, (0, []))
    if len(first) == 2 and _is_an_image(first[0], path.parent):
        columns = 0, 1, None
        yield Row(line, first[0], first[1].strip(), None)
    else:
        columns = _columns(first, path)
    width, (image, label, split) = len(first), columns
    for line, fields in rows:
        if len(fields) != width:
            problems.add(line, f"expected {width} fields, received {len(fields)}")
            continue
        given = None if split is None else fields[split]
        yield Row(line, fields[image], fields[label].strip(), given)


def _is_an_image(text, folder):
    return text.lower().endswith(SUFFIXES) or (folder / text).is_file()


def _jsonl(file, path, problems):
    columns = None
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            found = json.loads(text)
        except ValueError as error:
            problems.add(line, f"no JSON ({error})")
            continue
        if not isinstance(found, dict):
            problems.add(line, f"expected an object, received {text.strip()[:40]}")
            continue
        if columns is None:
            keys = list(found)
            places = _columns(keys, path)
            columns = [None if place is None else keys[place] for place in places]
        image, label, split = map(found.get, columns)
        wrong = _wrong(image, label, split, columns)
        if wrong:
            problems.add(line, wrong)
            continue
        label = tuple(map(str, label)) if isinstance(label, list) else str(label)
        yield Row(line, image, label, split)


def _wrong(image, label, split, columns):
    """What is wrong with the values of a JSON object; `None` if nothing is."""
    path_key, label_key, split_key = columns
    if not isinstance(image, str):
        return f"expected text for {path_key!r}, received {image!r}"
    if split_key is not None and not isinstance(split, str):
        return f"expected text for {split_key!r}, received {split!r}"
    for one in label if isinstance(label, list) else [label]:
        if isinstance(one, bool) or not isinstance(one, str | int):
            return (
                f"expected text, an integer or a list of them for {label_key!r}, "
                f"received {label!r}"
            )
    return None


def _columns(names, path):
    """The places of path, label and split (or `None`) among the names of columns."""
    plain = [name.strip().lower() for name in names]
    found = [
        [place for place, name in enumerate(plain) if name in known]
        for known in (PATH, LABEL, SPLIT)
    ]
    rest = [place for place in range(len(plain)) if place not in found[2]]
    if not any(len(places) > 1 for places in found):
        image, label, split = (places[0] if places else None for places in found)
        if len(rest) == 2 and (image is None or label is None):
            if image is None:
                image = rest[0] if label != rest[0] else rest[1]
            label = rest[1] if image == rest[0] else rest[0]
        if image is not None and label is not None:
            return image, label, split
    raise ValueError(
        f"{path}: expected one column for the path ({', '.join(PATH)}), one for the "
        f"label ({', '.join(LABEL)}) and perhaps one for the split "
        f"({', '.join(SPLIT)}), or just two columns, path and label. "
        f"Received: {', '.join(names) or 'nothing'}"
    )
