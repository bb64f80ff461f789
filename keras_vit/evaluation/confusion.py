"""Which classes are taken for which others, and images of those."""

import numpy as np

from keras_vit import figures
from keras_vit.data.inspection.reading import thumbnail
from keras_vit.evaluation.parts import Part

MOST_PAIRS = 10  # that are shown
MOST_IMAGES = 8  # of a pair that are shown
SIDE = 96  # pixels of such an image


def pairs(answers):
    """How often each class is answered for each class, where that is ever.

    Args:
        answers: of images of one class each.

    Returns:
        `(true class, answer, images)` for each pair, those that differ first
        and in each case the most frequent first.

    Example:

    >>> from keras_vit.evaluation import Answers
    >>> logits = np.eye(3, dtype=np.float32)[[0, 1, 1, 2]]
    >>> pairs(Answers(logits, np.array([0, 1, 2, 2])))
    [(2, 1, 1), (0, 0, 1), (1, 1, 1), (2, 2, 1)]
    """
    codes = answers.labels.astype(np.int64) * answers.num_classes + answers.best()
    codes, counts = np.unique(codes, return_counts=True)
    true, answer = np.divmod(codes, answers.num_classes)
    order = np.lexsort((-counts, true == answer))
    found = np.stack([true, answer, counts], axis=1)[order]
    return [tuple(row) for row in found.tolist()]


def images_of(answers, true, answer, count=MOST_IMAGES):
    """Images of one class that are taken for another, the surest mistakes first.

    Returns:
        Their numbers in the split, a list of at most `count`.
    """
    mine = np.flatnonzero((answers.labels == true) & (answers.best() == answer))
    margins = answers.logits[mine, answer] - answers.logits[mine, true]
    return mine[np.argsort(-margins, kind="stable")][:count].tolist()


def lacks(context):
    """Why there is no confusion, if so."""
    if context.dataset.test.several:
        return "an image that can have several classes is not taken for another"
    return None


def confusion(context):
    """A `Part` with a row for each pair of a class and an answer to it."""
    answers, names = context.answers(), context.class_names
    found = pairs(answers)
    wrong = [one for one in found if one[0] != one[1]][:MOST_PAIRS]
    images = {
        (true, answer): images_of(answers, true, answer) for true, answer, _ in wrong
    }
    shown = np.bincount(answers.labels, minlength=answers.num_classes)
    split = context.dataset.test
    rows = [
        {
            "class": names[true],
            "answer": names[answer],
            "images": count,
            "share": float(count / shown[true]),
            "shown": "; ".join(map(split.name, images.get((true, answer), ()))),
        }
        for true, answer, count in found
    ]
    return Part(
        "confusion", _title(rows[0]), tuple(rows), _figures(context, wrong, images)
    )


def _title(row):
    if row["class"] == row["answer"]:
        return "no class is taken for another"
    return (
        f"{row['class']} is taken for {row['answer']} most often, in {row['images']:,} "
        f"images, {100 * row['share']:.1f} % of its own"
    )


def _figures(context, wrong, images):
    names, matrix = context.class_names, context.evaluation().confusion
    found = {}
    if matrix is not None:
        found["confusion_matrix"] = lambda: figures.confusion_matrix(matrix, names)
    if wrong:
        found["most_confused"] = lambda: _sheet(context, wrong, images)
    return found


def _sheet(context, wrong, images):
    """The most confused pairs, each with its surest mistakes."""
    names, split = context.class_names, context.dataset.test
    shown = [
        (
            names[true],
            names[answer],
            count,
            [thumbnail(split, index, SIDE) for index in images[true, answer]],
        )
        for true, answer, count in wrong
    ]
    title = f"{context.dataset.name}: images of a class as another, the surest first"
    return figures.confused_pairs(shown, SIDE, title)
