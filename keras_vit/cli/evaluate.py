"""`keras-vit evaluate`."""

import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from absl import flags

from keras_vit.choices import MEASUREMENTS
from keras_vit.cli import dataset_flags, flag_types, model_flag
from keras_vit.cli.model_flag import SERVED, TRAINED
from keras_vit.preprocessing import PRESETS, resolve

if TYPE_CHECKING:
    from keras_vit.classifier import Classifier
    from keras_vit.evaluation.context import Context
    from keras_vit.evaluation.parts import Part

SUMMARY = "Evaluate a trained model on a whole test split."
USAGE = "--model=MODEL [--dataset=NAME] [--what=NAME,...]"
REQUIRED = ("model",)
TAKES_PATHS = False
DEFAULT = "fashion_mnist_sample"  # where neither flags nor run name a data set
SHARED_BY = ("one", "mirrored", "auto", "tpu:<name>")


def define(values: flags.FlagValues) -> None:
    """Define the flags."""
    model_flag.define(
        values,
        "model",
        "A run's folder, a .keras file or a SavedModel.",
        (TRAINED, SERVED),
    )
    dataset_flags.define(
        values,
        "Whose test split, by default the run's own",
        unless="as the model was trained",
    )
    flag_types.words(
        values,
        "what",
        f"What to measure: all, or some of {', '.join(MEASUREMENTS)}; if not given, "
        "what needs no more than one pass over the images.",
        [*MEASUREMENTS, "all"],
        "measurement",
    )
    model_flag.define(
        values,
        "compare",
        "Another model, to compare on the same images.",
        (TRAINED, SERVED),
    )
    flag_types.existing(
        values,
        "labels",
        "A JSON file: the correct classes of each image, as ImageNet's ReaL labels are "
        "published; or the model's class for each of the data set's.",
        "a JSON file",
    )
    flag_types.folder(
        values,
        "folder",
        "Where evaluation.json, report.md, tables and pictures go; "
        "evaluations/<model's name> if not given.",
    )
    flag_types.checked(
        values,
        "preprocessing",
        f"How images become the model's size: one of {', '.join(PRESETS)}, with a crop "
        "fraction if need be, as in timm:0.95; the model's own if not given.",
        resolve,
    )
    flag_types.word(
        values,
        "strategy",
        f"Which devices share each batch: {', '.join(SHARED_BY)}.",
        SHARED_BY,
        "one",
    )
    flag_types.whole(values, "batch_size", "Images at a time.", 200, least=1)


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
    from keras_vit.data import load
    from keras_vit.evaluation.context import Context
    from keras_vit.evaluation.labels import read_labels

    preprocessing = values.preprocessing and resolve(values.preprocessing)
    strategy = None
    if values.strategy != "one":  # before anything else of TensorFlow
        strategy = distribution.strategy(values.strategy)
    classifier = Classifier.of(values.model)
    name, arguments = _dataset(values, classifier)
    dataset = load(name, **arguments)
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


def _dataset(
    values: flags.FlagValues, classifier: "Classifier"
) -> tuple[str, dict[str, Any]]:
    try:
        return dataset_flags.chosen(
            values, values.model, DEFAULT, decoding=classifier.decoding
        )
    except ValueError as error:
        raise ValueError(f"{error} Name one: --dataset.") from error


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
