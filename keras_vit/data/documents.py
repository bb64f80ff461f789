"""JSON documents of COCO, Label Studio and FiftyOne -> rows."""

import itertools
import os
from collections.abc import Iterable, Sequence
from typing import Any

from keras_vit.data.classes import few

_EXPECTED = (
    "Expected a list of objects, each with a path and a label; or COCO's images, "
    "annotations and categories; or an export of Label Studio (JSON or JSON_MIN); or "
    "FiftyOne's classes and labels. "
    "pandas writes the first by to_json(orient='records')."
)


def rows_of(
    content: Any, path: str | os.PathLike[str]
) -> tuple[Iterable[tuple], Sequence[str]] | None:
    """Return the rows of a document of COCO, Label Studio or FiftyOne.

    Args:
        content: of a JSON file.
        path: of that file, for messages.

    Returns:
        For each image its number in the document, path and classes, a tuple;
        and sentences on what is not used. `None` for a list of plain objects.

    Raises:
        ValueError: if it is neither of these, or an entry lacks something.
    """
    if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
        return _coco(content, path)
    if isinstance(content, dict) and isinstance(content.get("labels"), dict):
        return _fiftyone(content, path)
    if not isinstance(content, list) or not content:
        keys = f"an object of {few(content)}" if isinstance(content, dict) else content
        raise ValueError(f"{path}: {_EXPECTED} Received: {str(keys)[:80]}")
    tasks = all(isinstance(one, dict) and "data" in one for one in content)
    return _tasks(content, path) if tasks else None


def _coco(content, path):
    """Images with the categories of their annotations, each once."""
    try:
        names = {one["id"]: str(one["name"]) for one in content["categories"]}
        files = {one["id"]: str(one["file_name"]) for one in content["images"]}
        shown = {image: {} for image in files}
        for one in content["annotations"]:
            shown[one["image_id"]][names[one["category_id"]]] = True
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: expected COCO's images with id and file_name, annotations with "
            "image_id and category_id, and categories with id and name. Received: one "
            f"without, or of an unknown id ({error!r})"
        ) from None
    notes = []
    if any("bbox" in one or "segmentation" in one for one in content["annotations"]):
        notes.append(
            "An image has the classes of its annotations, whose boxes and segments are "
            "not used."
        )
    used = {name for of_image in shown.values() for name in of_image}
    unused = [name for name in names.values() if name not in used]
    if unused:
        notes.append(f"Categories without an annotation are no classes: {few(unused)}.")
    single = all(len(of_image) <= 1 for of_image in shown.values())
    without = sum(not of_image for of_image in shown.values())
    if single and without:
        notes.append(f"Images without an annotation are left out: {without:,}.")
    rows = (
        (number, files[image], tuple(of_image))
        for number, (image, of_image) in enumerate(shown.items(), 1)
        if of_image or not single
    )
    return rows, notes


def _fiftyone(content, path):
    """Names without suffixes, with a class each, or several, or their numbers."""
    names, rows, without = content.get("classes") or (), [], 0
    for number, (image, label) in enumerate(content["labels"].items(), 1):
        if isinstance(label, dict):  # with a confidence, or attributes
            label = label.get("label", label.get("labels"))
        shown = label if isinstance(label, list) else [label]
        without += label is None
        try:
            # A number counts the classes, where there are any.
            shown = [
                names[one] if isinstance(one, int) and names else one for one in shown
            ]
        except IndexError:
            shown = [{}]
        if label is not None and not all(isinstance(one, str | int) for one in shown):
            raise ValueError(
                f"{path}: expected for each image of labels a class, its number among "
                f"the {len(names)} classes, or a list of them. Received: {label!r} for "
                f"{image!r}"
            )
        if label is not None:
            rows.append((number, image, tuple(dict.fromkeys(map(str, shown)))))
    notes = [f"Images without a label are left out: {without:,}."] if without else []
    return rows, notes


def _tasks(content, path):
    """Label Studio's tasks with the choices of their annotations."""
    rows, without = [], 0
    for number, task in enumerate(content, 1):
        image = _image_of(task["data"])
        annotations = task.get("annotations", task.get("completions", []))
        if image is None or not isinstance(annotations, list):
            raise ValueError(
                f"{path}: expected tasks of Label Studio with an image in data and a "
                f"list of annotations. Received: task {number} with {few(task['data'])}"
            )
        kept = [one for one in annotations if not one.get("was_cancelled")]
        chosen = [_choices_of(one) for one in kept]
        if not any(chosen):
            without += 1
        rows += [(number, image, choices) for choices in chosen if choices]
    notes = [f"Tasks without a choice are left out: {without:,}."] if without else []
    if not rows:
        raise ValueError(
            f"{path}: expected annotations with choices, as Label Studio's image "
            "classification writes them. Received: none. Label some tasks, then export "
            "them again"
        )
    return rows, notes


def _image_of(data):
    """The one value of a task that is an image's path."""
    texts = [value for value in data.values() if isinstance(value, str)]
    return data.get("image") or (texts[0] if len(texts) == 1 else None)


def _choices_of(annotation):
    results = (one.get("value", {}) for one in annotation.get("result", []))
    found = itertools.chain(*(value.get("choices", []) for value in results))
    return tuple(dict.fromkeys(map(str, found)))
