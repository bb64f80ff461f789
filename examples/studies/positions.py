"""Position embeddings, each kind at each place (Table 8).

python examples/studies/positions.py --scale=tiny
"""

from study import COLOURS, MARKERS, Study

from keras_vit import recipes
from keras_vit.evaluation.intervals import share_interval
from keras_vit.experiments import Trial
from keras_vit.figures.drawing import new_figure
from keras_vit.layers.position_embedding import POSITION_EMBEDDINGS

# The table's rows, and two that it does not have.
KINDS = {
    "none": "none",
    "learned": "1-D",
    "learned_2d": "2-D",
    "relative": "relative",
    "sincos_2d": "sine, cosine",
    "rope_2d": "rotary",
}
PLACES = {
    "input": "input",
    "every_layer": "every layer",
    "every_layer_shared": "every layer, shared",
}
_TINY = recipes.Recipe.of(
    dataset="fashion_mnist_sample",
    model="ViT",
    # Offsets play no part in a last block of which the class token alone is read,
    # and that is half of two blocks: so all patches are.
    model_arguments={
        "patch_size": 4,
        "num_layers": 2,
        "num_heads": 4,
        "hidden_dim": 64,
        "mlp_dim": 128,
        "pooling": "gap",
    },
    image_size=28,
    steps=300,
    evaluate_every=300,
    batch_size=128,
    base_lr=3e-3,
    weight_decay=0.05,
)


def _grid(recipe, prefix=""):
    """A trial of each kind at each place that it has."""
    return {
        (KINDS[kind], PLACES[place]): Trial(
            f"{prefix}{kind}_{place}",
            recipes.changed(
                recipe, {"position_embedding": kind, "position_embedding_at": place}
            ),
        )
        for kind in KINDS
        for place in POSITION_EMBEDDINGS[kind]
    }


def _measure(trial, outcome):
    low, high = share_interval(round(outcome.top1 * outcome.count), outcome.count)
    return {
        "top1": outcome.top1,
        "low": low,
        "high": high,
        "loss": outcome.loss,
        "steps": outcome.steps,
        "parameters": outcome.parameters,
    }


def _draw(rows):
    figure = new_figure(8, 4, layout="constrained")
    axes = figure.subplots()
    kinds = list(dict.fromkeys(row["positions"] for row in rows))
    looks = zip(PLACES.values(), COLOURS, MARKERS, (-0.2, 0, 0.2), strict=False)
    for place, colour, marker, shift in looks:
        mine = [row for row in rows if row["place"] == place]
        axes.errorbar(
            [kinds.index(row["positions"]) + shift for row in mine],
            [100 * row["top1"] for row in mine],
            [
                [100 * (row["top1"] - row["low"]) for row in mine],
                [100 * (row["high"] - row["top1"]) for row in mine],
            ],
            fmt=marker,
            color=colour,
            capsize=3,
            label=place,
        )
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set(
        title="Positions of 49 patches, with 95 % intervals",
        ylabel="Test accuracy (%)",
    )
    axes.grid(axis="y", alpha=0.3)
    axes.legend(title="Added at", frameon=False)
    return figure


def _conclude(rows):
    (none,) = (row for row in rows if row["positions"] == KINDS["none"])
    others = sorted((row for row in rows if row is not none), key=_top1)
    told = f"Without positions: {100 * none['top1']:.1f} %."
    if not others:
        return told
    ends = " to ".join(
        f"{100 * row['top1']:.1f} % ({row['positions']}, {row['place']})"
        for row in (others[0], others[-1])
    )
    ahead = sum(row["low"] > none["high"] for row in others)
    return (
        f"{told} With them: {ends}; the 95 % intervals of {ahead} of {len(others)} "
        "ways lie above its own. The paper's ways are within 0.4 points of each other."
    )


def _top1(row):
    return row["top1"]


# Accuracy of a linear classifier of five ImageNet images a class.
_TABLE_8 = {
    "none": ("0.61382", "", ""),
    "1-D": ("0.64206", "0.63964", "0.64292"),
    "2-D": ("0.64001", "0.64046", "0.64022"),
    "relative": ("0.64032", "", ""),
}

STUDY = Study(
    name="positions",
    title="Position embeddings",
    claim=(
        "there is a large gap between no position embedding and any, and little to no "
        "difference between the ways to encode positions (appendix D.4, Table 8)."
    ),
    columns=("positions", "place"),
    tiny=_grid(_TINY),
    paper=_grid(recipes.get("paper/pretrain_jft_vit_b16"), "jft_"),
    measure=_measure,
    draw=_draw,
    conclude=_conclude,
    published=tuple(
        {"positions": kind, **dict(zip(PLACES.values(), shares, strict=True))}
        for kind, shares in _TABLE_8.items()
    ),
    setting=(
        "a ViT of two blocks and 49 patches, whose final states are averaged, takes "
        "300 steps of 128 on the 12,000 images of Fashion-MNIST, one seed each, and "
        "is tested on 2,000 others. So early it also counts how fast positions are "
        "learnt. The paper trains B/16 on JFT-300M and classifies its frozen features "
        "from five ImageNet images a class. Its table has neither sine and cosine nor "
        "rotary positions; what it lists as relative under `Default/Stem` is inside "
        "attention, so at every layer."
    ),
    evaluate=lambda trial: ("--what=few_shot", "--dataset=imagenet2012"),
)

if __name__ == "__main__":
    STUDY.main()
