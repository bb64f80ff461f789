"""The .tflite file beside a saved model that answers as the model does.

`export` notes in a file's report which `.keras` file it was made from, by its hash,
and how near its logits are. Whoever finds both unchanged may run the one that needs
neither Keras nor TensorFlow.
"""

import hashlib
import json
import os
import pathlib
import zipfile
from collections.abc import Iterator
from typing import Any

EQUAL = 1e-4  # of a logit, as a share of the largest where that is above 1
LABELS = "labels.txt"  # that earlier versions wrote beside a model
SUFFIX = ".tflite"


def keras_file(path: str | os.PathLike[str]) -> pathlib.Path | None:
    """Return the `.keras` file of a run's folder, or a path that is one itself."""
    path = pathlib.Path(path).expanduser()
    if (path / "model.keras").is_file():
        return path / "model.keras"
    return path if path.suffix == ".keras" and path.is_file() else None


def digest(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(path: str | os.PathLike[str]) -> str:
    """Return a digest of a saved model's content, whatever it is called.

    When a `.keras` file was saved does not count.

    Args:
        path: of a run's folder, a `.keras` file, a SavedModel, whose last version
            counts, or a `.tflite` file.

    Returns:
        32 hexadecimal digits.

    Raises:
        OSError: if a file cannot be read.
        zipfile.BadZipFile: for a `.keras` file that is damaged.
    """
    path = pathlib.Path(path).expanduser()
    model = hashlib.blake2b(digest_size=16)
    for name, stream in _contents(path):
        model.update(name.encode() + b"\0")
        hashlib.file_digest(stream, lambda: model)  # adds to it
    return model.hexdigest()


def _contents(path: pathlib.Path) -> Iterator[tuple[str, Any]]:
    """The parts of a saved model: their names, and streams of their bytes."""
    saved = keras_file(path)
    if saved is not None:
        with zipfile.ZipFile(saved) as archive:
            for name in sorted(archive.namelist()):
                if name != "metadata.json":  # the date
                    with archive.open(name) as stream:
                        yield name, stream
        files = {LABELS: saved.with_name(LABELS)}
    elif path.is_file():
        files = {"": path}
    else:
        versions = [one for one in path.glob("[0-9]*") if one.name.isdigit()]
        folder = max(versions, key=lambda one: int(one.name), default=path)
        files = {
            one.relative_to(folder).as_posix(): one for one in sorted(folder.rglob("*"))
        }
    for name, file in files.items():
        if file.is_file():
            with open(file, "rb") as stream:
                yield name, stream


def _of_earlier_versions(file: pathlib.Path) -> str:
    """The fingerprint that earlier versions noted, of 64 digits."""
    labels = file.with_name(LABELS)
    parts = [digest(file), digest(labels) if labels.is_file() else ""]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()


def equal_file(path: str | os.PathLike[str]) -> pathlib.Path | None:
    """Return the .tflite file that is proven equal to a saved model.

    It lies in the folder of the `.keras` file, or beside that folder by its name.
    Its report says that it is in float32 throughout, that its logits were compared
    with those of this very `.keras` file, and that all its predictions were the
    same. A file or a model that was changed since proves nothing.

    Args:
        path: of a run's folder or of a `.keras` file.

    Returns:
        The path of the file; `None` if there is no such file.
    """
    file = keras_file(path)
    if file is None:
        return None
    beside = sorted(file.parent.glob(f"*{SUFFIX}"))
    beside.append(pathlib.Path(f"{file.parent.resolve()}{SUFFIX}"))
    reports = [(one, _report(one)) for one in beside if one.is_file()]
    for one, report in reports:
        if (
            _equal(report)
            and _is_of(file, report["equal_to"])
            and report["sha256"] == digest(one)
        ):
            return one
    return None


def _is_of(file: pathlib.Path, noted: object) -> bool:
    """Whether a fingerprint was noted of what a `.keras` file is now."""
    earlier = isinstance(noted, str) and len(noted) == 64
    try:
        return noted == (_of_earlier_versions if earlier else fingerprint)(file)
    except zipfile.BadZipFile:  # of a damaged file, whoever loads it says so
        return False


def _report(path: pathlib.Path) -> dict[str, Any]:
    """What was measured of a file; empty if that is not known."""
    try:
        report = json.loads(path.with_name(f"{path.name}.json").read_text())
    except (OSError, ValueError):
        return {}
    return report if isinstance(report, dict) else {}


def _equal(report: dict[str, Any]) -> bool:
    try:
        near = EQUAL * max(1.0, report["largest_logit"])
        return (
            report["quantize"] == "none"
            and report["top1_agreement"] == 1
            and report["largest_difference"] <= near
            and {"equal_to", "sha256"} <= report.keys()
        )
    except (KeyError, TypeError):
        return False
