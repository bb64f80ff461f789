"""Class token and average pooling at several learning rates (Figure 9).

python examples/studies/pooling.py --scale=tiny
"""

from study import COLOURS, MARKERS, Study

from keras_vit import recipes
from keras_vit.experiments import Trial
from keras_vit.figures.drawing import new_figure
from keras_vit.history import read_history

POOLINGS = {
    "token": "class token",
    "gap": "average pooling",
    "map": "attention pooling",
}
RATES = (1e-3, 3e-3, 1e-2)
_TINY = recipes.Recipe.of(
    dataset="fashion_mnist_sample",
    model="ViT",
    model_arguments={
        "patch_size": 4,
        "num_layers": 2,
        "num_heads": 4,
        "hidden_dim": 64,
        "mlp_dim": 128,
    },
    image_size=28,
    steps=300,
    evaluate_every=50,
    batch_size=128,
    weight_decay=0.05,
)
_JFT = recipes.get("paper/pretrain_jft_vit_b16")


def _with(recipe, pooling, rate, width):
    """The class token has a tanh layer before the head, and what is pooled none."""
    arguments = recipe.model.arguments | {
        "pooling": pooling,
        "representation_size": width if pooling == "token" else None,
    }
    return recipes.changed(recipe, {"model_arguments": arguments, "base_lr": rate})


def _tiny():
    for pooling, told in POOLINGS.items():
        for rate in RATES:
            recipe = _with(_TINY, pooling, rate, 64)
            yield (told, rate), Trial(f"{pooling}_{rate:g}", recipe)


def _paper():
    for pooling, rate in (("token", 8e-4), ("gap", 8e-4), ("gap", 3e-4)):
        recipe = _with(_JFT, pooling, rate, 768)
        yield (POOLINGS[pooling], rate), Trial(f"jft_{pooling}_{rate:g}", recipe)


def _measure(trial, outcome):
    history = read_history(outcome.folder / "history.csv")
    curve = {f"top1_at_{row['steps']:.0f}": row["eval_accuracy"] for row in history}
    return curve | {"parameters": outcome.parameters}


def _curve(row):
    """The steps and the accuracies of a row, in percent."""
    names = [name for name in row if name.startswith("top1_at_")]
    return [int(name[8:]) for name in names], [100 * row[name] for name in names]


def _last(row):
    return _curve(row)[1][-1]


def _draw(rows):
    figure = new_figure(10, 3.8, layout="constrained")
    grid = figure.subplots(1, len(POOLINGS), sharey=True)
    panels = dict(zip(POOLINGS.values(), grid, strict=True))
    for row in rows:
        rate = RATES.index(row["learning_rate"])
        panels[row["pooling"]].plot(
            *_curve(row),
            marker=MARKERS[rate],
            color=COLOURS[rate],
            ms=4,
            label=f"{RATES[rate]:g}",
        )
    for pooling, axes in panels.items():
        axes.set(title=pooling, xlabel="Steps")
        axes.grid(alpha=0.3)
    grid[0].set_ylabel("Test accuracy (%)")
    grid[0].legend(title="Learning rate", frameon=False)
    return figure


def _conclude(rows):
    best = {}
    for row in rows:
        best[row["pooling"]] = max(best.get(row["pooling"], row), row, key=_last)
    told = ", ".join(
        f"{pooling} {_last(row):.1f} % at {row['learning_rate']:g}"
        for pooling, row in best.items()
    )
    told = f"The best of each, and its learning rate: {told}."
    token, average = (best.get(POOLINGS[one]) for one in ("token", "gap"))
    if token and average:
        apart = abs(_last(token) - _last(average))
        same = token["learning_rate"] == average["learning_rate"]
        told += (
            f" Class token and average pooling are {apart:.1f} points apart, at "
            f"{'one rate' if same else 'different rates'}. Two points are within "
            "chance: 2,000 test images, one seed."
        )
    return told


STUDY = Study(
    name="pooling",
    title="Class token and average pooling",
    claim=(
        "a first attempt at average pooling performed very poorly, which is due to "
        "neither the extra token nor the pooling: both work similarly well, but "
        "require different learning rates (appendix D.3, Figure 9)."
    ),
    columns=("pooling", "learning_rate"),
    tiny=dict(_tiny()),
    paper=dict(_paper()),
    measure=_measure,
    draw=_draw,
    conclude=_conclude,
    # The figure has curves and no numbers.
    published=(
        {"head": "class token, tanh layer, linear", "learning rate": "8e-4"},
        {"head": "average pooling, linear", "learning rate": "8e-4"},
        {"head": "average pooling, linear", "learning rate": "3e-4"},
    ),
    setting=(
        "a ViT of two blocks and 49 patches takes 300 steps of 128 on 12,000 images of "
        "Fashion-MNIST, one seed each, and is tested on 2,000 others every 50 steps; "
        "the paper trains B/16 on JFT-300M and shows five-shot linear accuracy on "
        "ImageNet over 7 epochs. Its figure has three curves, whose settings stand "
        "below, and no numbers. Attention pooling is not in it."
    ),
    evaluate=lambda trial: ("--what=few_shot", "--dataset=imagenet2012"),
)

if __name__ == "__main__":
    STUDY.main()
