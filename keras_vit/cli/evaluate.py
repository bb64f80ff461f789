"""`keras-vit evaluate`."""

import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from absl import flags

from keras_vit.choices import MEASUREMENTS
from keras_vit.cli import dataset_flags
from keras_vit.cli.flag import Flag
from keras_vit.cli.flag_types import AT_LEAST_1, Existing, Folder, Word, Words
from keras_vit.cli.model_flag import SERVED, TRAINED, Model
from keras_vit.preprocessing import resolve

if TYPE_CHECKING:
    from keras_vit.evaluation.context import Context
    from keras_vit.evaluation.parts import Part

SUMMARY = "Evaluate a trained model on a whole test split."
USAGE = "--model=MODEL [--dataset=NAME] [--what=NAME,...]"
REQUIRED = ("model",)
DEFAULT = "fashion_mnist_sample"  # where neither flags nor run name a data set
SHARED_BY = ("one", "mirrored", "auto", "tpu:<name>")
CALLS = "evaluate"
FLAGS = {
    "model": Flag(Model(TRAINED, SERVED)),
    **dataset_flags.of_dataset(
        "Whose test split, by default the run's own", reader="predict"
    ),
    "what": Flag(
        Words("measurement", [*MEASUREMENTS, "all"]),
        f"What to measure: all, or some of {', '.join(MEASUREMENTS)}; if not given, "
        "what needs no more than one pass over the images.",
    ),
    "compare": Flag(
        Model(TRAINED, SERVED), "Another model, to compare on the same images."
    ),
    "labels": Flag(
        Existing("a JSON file"),
        "A JSON file: the correct classes of each image, as ImageNet's ReaL labels are "
        "published; or the model's class for each of the data set's.",
    ),
    "folder": Flag(
        Folder(),
        "Where evaluation.json, report.md, tables and pictures go; "
        "evaluations/<model's name> if not given.",
    ),
    "preprocessing": dataset_flags.PREPROCESSING,
    "strategy": Flag(
        Word("strategy", SHARED_BY),
        f"Which devices share each batch: {', '.join(SHARED_BY)}.",
        "one",
    ),
    "batch_size": Flag(AT_LEAST_1),
}


def check(values: flags.FlagValues) -> None:
    """Refuse a data set that does not exist."""
    dataset_flags.check(values)


def run(values: flags.FlagValues) -> int:
    """Measure, print the most important numbers, and return the exit status."""
    from keras_vit.data.inspection.report import check_folder
    from keras_vit.evaluation.measurements import chosen
    from keras_vit.evaluation.report import numbers_of, write_parts

    context, model_name = _context(values)
    names, left_out = chosen(values.what or [], context)
    folder = pathlib.Path(values.folder or f"evaluations/{model_name}")
    check_folder(folder)
    print(f"{context.dataset.name}, {len(context.dataset.test):,} test images")
    facts = {"model": values.model, "dataset": context.dataset.name}
    if "metrics" in names:
        facts |= numbers_of(context.evaluation(), context.class_names)
    title = f"{model_name} on {context.dataset.name}"
    files = write_parts(_measured(names, context), folder, title, facts)
    for name, reason in left_out.items():
        print(f"  {name}: left out: {reason}")
    print(f"  files  {folder}/ ({', '.join(files)})")
    return 0


def _measured(names: "list[str]", context: "Context") -> "Iterator[Part]":
    """Yield each `Part` as it is measured, and print its lines."""
    from keras_vit.evaluation.measurements import MEASUREMENTS as ROWS

    for name in names:
        part = ROWS[name].measure(context)
        print(_lines(name, part, context), flush=True)
        yield part


def _context(values: flags.FlagValues) -> "tuple[Context, str]":
    """Return the `Context` that the flags describe, and the model's name."""
    from keras_vit import distribution
    from keras_vit.classifier import Classifier
    from keras_vit.evaluation.context import Context
    from keras_vit.evaluation.labels import read_labels

    preprocessing = values.preprocessing and resolve(values.preprocessing)
    strategy = None
    if values.strategy != "one":  # before anything else of TensorFlow
        strategy = distribution.strategy(values.strategy)
    classifier = Classifier.of(values.model)
    advice = "Name one: --dataset."
    dataset = dataset_flags.opened(values, classifier, DEFAULT, advice)
    assert dataset is not None  # as there is a default
    labels = values.labels and read_labels(
        values.labels, dataset, classifier.num_classes, classifier.class_names
    )
    context = Context(
        classifier,
        dataset,
        other=values.compare,
        labels=labels,
        batch_size=values.batch_size,
        preprocessing=preprocessing,
        strategy=strategy,
    )
    return context, classifier.name


def _lines(name: str, part: "Part", context: "Context") -> str:
    """What the terminal says of a part: its title, or its most important numbers."""
    from keras_vit.evaluation.headline import (
        headline,
        majority,
        support,
        without_area,
    )

    if name != "metrics":
        return f"  {name}: {part.title}"
    evaluation = context.evaluation()
    names = context.class_names
    lines = [f"  {one.label:<5}  {one.text}" for one in headline(evaluation, names)]
    lines.append(f"  loss   {evaluation.loss:.4f}")
    lines.append(f"  {support(evaluation, names)}; {majority(evaluation)}")
    left_out = without_area(evaluation)
    return "\n".join([*lines, *([f"  {left_out}"] if left_out else [])])
