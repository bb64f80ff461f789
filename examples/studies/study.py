"""What the paper's studies have in common: trials, and what is told of them.

A study is a table of trials at two scales. `tiny` trains them here, on the images
that come with the package; `paper` writes what the paper did, as configurations
and the commands that take them in their order, and trains nothing.
"""

import argparse
import csv
import functools
import pathlib
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from keras_vit import figures
from keras_vit.classifier import Classifier
from keras_vit.evaluation import features_of, few_shot
from keras_vit.experiments import Trial, run_trials
from keras_vit.experiments.trials import check_names
from keras_vit.files import written_whole
from keras_vit.recipes import as_json, changed, with_model
from keras_vit.training.artifacts.folder import write_json
from keras_vit.variants import VARIANTS

# Told apart by colour-blind eyes too (Okabe and Ito).
COLOURS = ("#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#e69f00")
MARKERS = ("o", "s", "^", "D", "v", "P")


@dataclass(frozen=True)
class Study:
    """A study of the paper: what it asks, its trials, its numbers and its figure.

    Attributes:
        name: of its file, and of its folder.
        title: a line.
        claim: what the paper found, and where it says so.
        columns: what trials are told apart by, such as `("model", "images")`.
        tiny: trials that are run here, by their values of these columns.
        paper: those of the paper, likewise.
        measure: a trial and its `Outcome` -> the other columns of its row, a dict;
            `None` for a trial that only prepares another.
        draw: rows -> a figure.
        conclude: rows -> what they say, in a sentence or more.
        published: the paper's own numbers: rows, the same keys in each.
        setting: how the tiny trials differ from the paper's, in a sentence or more.
        dataset: gives the data of the tiny trials; `None`: their recipes say.
        evaluate: a trial of the paper's scale -> flags of `keras-vit evaluate` after
            it; none: what training says at its end is enough.
    """

    name: str
    title: str
    claim: str
    columns: tuple[str, ...]
    tiny: dict[tuple, Trial]
    paper: dict[tuple, Trial]
    measure: Callable
    draw: Callable
    conclude: Callable
    published: tuple[dict, ...]
    setting: str
    dataset: Callable | None = None
    evaluate: Callable = lambda trial: ()

    def main(self, arguments=None):
        """Reads the command line and does what it asks."""
        parser = argparse.ArgumentParser(description=self.title)
        parser.add_argument("--scale", choices=("tiny", "paper"), required=True)
        parser.add_argument("--folder", type=pathlib.Path)
        values = parser.parse_args(arguments)
        folder = values.folder or pathlib.Path("studies") / self.name
        {"tiny": self.run, "paper": self.write_configurations}[values.scale](folder)

    def run(self, folder):
        """Runs what is missing of the tiny trials, and writes what they say."""
        folder = pathlib.Path(folder)
        dataset = self.dataset and self.dataset()
        outcomes = run_trials(self.tiny.values(), folder / "trials", dataset=dataset)
        rows = []
        for key, trial in self.tiny.items():
            measured = self.measure(trial, outcomes[trial.name])
            if measured is not None:
                rows.append(dict(zip(self.columns, key, strict=True)) | measured)
        _write_csv(rows, folder / "numbers.csv")
        self.tell(rows, folder)
        print(f"{folder}/: numbers.csv, figure.png, README.md")

    def tell(self, rows, folder):
        """Writes the figure and the text of numbers that are there."""
        figures.write(self.draw(rows), folder / "figure.png")
        _make_small(folder / "figure.png")
        _write_text(self._report(rows), folder / "README.md")

    def write_configurations(self, folder):
        """Writes what the paper's trials are, and the commands that run them."""
        room = pathlib.Path(folder) / "paper"
        check_names(tuple(self.paper.values()))
        lines = ["set -e  # in this order; nothing of it has been run"]
        for trial in self.paper.values():
            recipe = _begun(trial, room)
            config = {"recipe": as_json(recipe), "seed": trial.seed}
            write_json(room / f"{trial.name}.json", config | {"given_in_python": []})
            lines += self._commands(trial, recipe, room)
        _write_text("\n".join(lines) + "\n", room / "commands.sh")
        print(
            f"{room}/: {len(self.paper)} configurations, and commands.sh, which takes "
            "them. Nothing was trained."
        )

    def _commands(self, trial, recipe, room):
        """What runs a trial of the paper's scale, as lines of a shell's script."""
        run = room / trial.name
        if recipe.model.weights == f"{room / trial.begins_from}.npz":
            source, target = room / trial.begins_from, recipe.model.weights
            convert = ["keras-vit", "convert", f"--from={source}", f"--to={target}"]
            # Others may begin from it too.
            yield f"test -e {shlex.quote(target)} || {shlex.join(convert)}"
        train = ["keras-vit", "train", f"--config={run}.json", f"--folder={run}"]
        yield shlex.join(train) + ("" if recipe.data.name else _to_be_named(trial))
        if flags := self.evaluate(trial):
            yield shlex.join(["keras-vit", "evaluate", f"--model={run}", *flags])

    def _report(self, rows):
        return "\n".join(
            [
                f"# {self.title}",
                "",
                f"**The paper**: {self.claim}",
                "",
                f"**Here**, at `--scale=tiny`: {self.setting} {len(self.tiny)} runs.",
                "",
                self.conclude(rows),
                "",
                "![The numbers below](figure.png)",
                "",
                *markdown_table(rows),
                "",
                "The paper's own numbers, at its scale (arXiv:2010.11929):",
                "",
                *markdown_table(self.published),
                "",
                f"    python examples/studies/{self.name}.py --scale=tiny",
                f"    python examples/studies/{self.name}.py --scale=paper",
                "",
                "The second writes the paper's configurations and trains nothing.",
                "",
            ]
        )


def _to_be_named(trial):
    """A data set that is not public, by a variable: of `jft_ViT_B16`, `$JFT`."""
    name = trial.name.partition("_")[0].upper()
    return f' --dataset="${{{name}:?names no data set}}"'


def _begun(trial, room):
    """A trial's recipe with what it begins from: weights that fit any image size.

    Of a network whose weights have no file, the model as it is.
    """
    before = room / trial.begins_from
    if not trial.begins_from:
        return trial.recipe
    if trial.recipe.model.name in VARIANTS:
        return changed(trial.recipe, {"weights": f"{before}.npz"})
    return with_model(trial.recipe, str(before))


def shots(outcome, dataset, count=5, seeds=range(5)):
    """The few-shot accuracy of a trial's frozen features: mean and deviation.

    The shots are drawn from a tenth of the training images, which suffices.
    """
    model = Classifier.of(outcome.folder).model
    train, test = (
        (features_of(model, split), split.labels)
        for split in (dataset.split("train[:10%]"), dataset.test)
    )
    found = few_shot(train, test, dataset.num_classes, (count,), tuple(seeds))
    return round(found.mean[0, 0], 4), round(found.deviation[0, 0], 4)


def means(rows, name, x, y):
    """`(xs, ys)` for each value of the column `name`, ys being means over the rest."""
    points = {}
    for row in rows:
        points.setdefault(row[name], {}).setdefault(row[x], []).append(row[y])
    return {
        one: (list(places), [sum(ys) / len(ys) for ys in places.values()])
        for one, places in points.items()
    }


def lines_by(axes, rows, name, x, y):
    """Draws a line of shares in % for each value of the column `name`.

    At a place with several rows, such as of seeds, it goes through their mean, and
    they are points beside it.
    """
    lines = means(rows, name, x, y).items()
    for (one, (xs, ys)), colour, marker in zip(lines, COLOURS, MARKERS, strict=False):
        mine = [(row[x], 100 * row[y]) for row in rows if row[name] == one]
        if len(mine) > len(xs):
            axes.plot(*zip(*mine, strict=True), marker, color=colour, ms=3, alpha=0.4)
        shares = [100 * share for share in ys]
        axes.plot(xs, shares, marker=marker, color=colour, ms=5, label=one)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def markdown_table(rows):
    """Lines of a table; shares have three digits, whole numbers commas."""
    names = list(rows[0])
    yield f"| {' | '.join(name.replace('_', ' ') for name in names)} |"
    yield f"| {' | '.join(_alignment(rows, name) for name in names)} |"
    for row in rows:
        yield f"| {' | '.join(_cell(row[name]) for name in names)} |"


def _alignment(rows, name):
    return "---" if isinstance(rows[0][name], str) else "--:"


@functools.singledispatch
def _cell(value):
    return "" if value is None else str(value)


@_cell.register
def _(value: int):
    return f"{value:,}"


@_cell.register
def _(value: float):
    return f"{value:.4g}"


def _make_small(path):
    """Leaves a picture of lines the colours it needs, a third of its bytes."""
    with Image.open(path) as picture, written_whole(path) as scratch:
        picture.convert("RGB").quantize(128).save(scratch, optimize=True)


def _write_csv(rows, path):
    with written_whole(path) as scratch, open(scratch, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_text(text, path):
    with written_whole(path) as scratch:
        scratch.write_text(text)
