"""Accuracy against the number of pre-training images (Figures 3 and 4).

python examples/studies/pretraining_size.py --scale=tiny
"""

import dataclasses

import numpy as np
from study import Study, lines_by, means, shots

from keras_vit import data, recipes
from keras_vit.data import Dataset
from keras_vit.experiments import Trial
from keras_vit.figures.drawing import new_figure

IMAGES = (300, 1000, 3000, 6000)
_RECIPE = recipes.Recipe.of(
    dataset="",
    model="ViT",
    image_size=28,
    steps=500,
    evaluate_every=500,
    batch_size=64,
    base_lr=2e-3,
    weight_decay=0.05,
)
_BODY = {"num_heads": 2, "hidden_dim": 64, "mlp_dim": 128}
MODELS = {
    "ViT": {"model_arguments": {"patch_size": 7, "num_layers": 6} | _BODY},
    "hybrid": {
        "stem_blocks": (1, 1),
        "stem_width_factor": 0.5,
        "model_arguments": {"patch_size": 1, "num_layers": 1} | _BODY,
    },
    "ResNet": {
        "model": "ResNet",
        "model_arguments": {"blocks": (1, 1), "width_factor": 0.5},
    },
}


def classes_of(dataset, classes):
    """A data set's images of some of its classes."""

    def of(split):
        chosen = split.subset(np.flatnonzero(np.isin(split.labels, classes)))
        return dataclasses.replace(
            chosen, labels=np.searchsorted(classes, chosen.labels)
        )

    names = tuple(dataset.class_names[one] for one in classes)
    return Dataset(dataset.name, of(dataset.train), of(dataset.test), names)


def seen():
    """The classes of even number, which are pre-trained on."""
    return classes_of(data.load("fashion_mnist_sample"), [0, 2, 4, 6, 8])


def unseen():
    """Those of odd number, of which five images each are learnt from."""
    return classes_of(data.load("fashion_mnist_sample"), [1, 3, 5, 7, 9])


def _tiny():
    for images in IMAGES:
        for model, settings in MODELS.items():
            recipe = recipes.changed(
                _RECIPE, {"train_split": f"train[:{images}]", **settings}
            )
            yield (model, images), Trial(f"{model}_{images}", recipe)


def _paper():
    """Figure 3 fine-tunes; Figure 4 classifies frozen features of JFT's subsets."""
    for model in ("ViT_B32", "ViT_B16", "ViT_L32", "ViT_L16"):
        for source in ("imagenet2012", "imagenet21k", "jft"):
            name = f"paper/pretrain_{source}_{model.lower()}"
            first = Trial(f"{source}_{model}", recipes.get(name))
            yield (model, source), first
            tuned = recipes.with_model(
                recipes.get("paper/finetune_imagenet2012"), model
            )
            name = f"{first.name}_finetuned"
            yield (model, f"{source}, tuned"), Trial(name, tuned, 0, first.name)
    for images in (9_000_000, 30_000_000, 90_000_000, 303_000_000):
        for model, recipe in _of_figure_4().items():
            recipe = recipes.changed(recipe, {"train_split": f"train[:{images}]"})
            yield (model, f"jft {images}"), Trial(f"jft_{images}_{model}", recipe)


def _of_figure_4():
    """Of JFT's recipes; ViT_S32 is B/32 with all widths halved, the paper's b/32."""
    b32 = recipes.get("paper/pretrain_jft_vit_b32")
    residual = recipes.changed(b32, {"model": "ResNet"})
    widths = {"blocks": (3, 4, 6, 3), "width_factor": 1.0}
    deep = {"blocks": (3, 8, 36, 3), "width_factor": 2.0}
    return {
        "ViT_b32": recipes.with_model(b32, "ViT_S32"),
        "ViT_B32": b32,
        "ViT_L32": recipes.get("paper/pretrain_jft_vit_l32"),
        "ViT_L16": recipes.get("paper/pretrain_jft_vit_l16"),
        "R50x1": recipes.changed(
            residual, {"model_arguments": widths, "base_lr": 1e-3}
        ),
        "R152x2": recipes.changed(residual, {"model_arguments": deep, "base_lr": 6e-4}),
    }


def _evaluate(trial):
    of_figure_4 = "train[:" in trial.recipe.data.train_split
    return ("--what=few_shot", "--dataset=imagenet2012") if of_figure_4 else ()


def _measure(trial, outcome):
    mean, deviation = shots(outcome, unseen())
    return {
        "accuracy": outcome.top1,
        "five_shot": mean,
        "deviation": deviation,
        "steps": outcome.steps,
        "parameters": outcome.parameters,
        "multiply_adds": outcome.multiply_adds,
    }


def _draw(rows):
    figure = new_figure(9, 3.8, layout="constrained")
    titles = {
        "accuracy": "Classes pre-trained on",
        "five_shot": "Classes never seen, linear, 5 images each",
    }
    for axes, (column, title) in zip(
        figure.subplots(1, 2), titles.items(), strict=True
    ):
        lines_by(axes, rows, "model", "images", column)
        axes.set(title=title, xlabel="Pre-training images", ylabel="Accuracy (%)")
        axes.set_xscale("log")
        axes.set_xticks(IMAGES, [f"{images:,}" for images in IMAGES])
        axes.minorticks_off()
    return figure


def _conclude(rows):
    names = {
        "accuracy": "On the classes pre-trained on",
        "five_shot": "By five shots of classes never seen",
    }
    told = [_compared(rows, *one) for one in names.items()]
    return " ".join([*told, "Two points are within chance, of one seed."])


def _compared(rows, column, where):
    """What is left between ViT and ResNet, at the fewest and the most images."""
    lines = means(rows, "model", "images", column)
    if not {"ViT", "ResNet"} <= lines.keys():
        return f"{where}, ViT and ResNet were not compared."
    images, vit = lines["ViT"]
    ahead = [
        100 * (one - other) for one, other in zip(vit, lines["ResNet"][1], strict=True)
    ]
    narrows = "narrows" if ahead[-1] > ahead[0] else "does not narrow"
    overtakes = "overtakes" if ahead[-1] > 0 else "does not overtake"
    return (
        f"{where}, ViT is {ahead[0]:+.1f} points from ResNet after {images[0]:,} "
        f"images and {ahead[-1]:+.1f} after {images[-1]:,}: the gap {narrows}, and ViT "
        f"{overtakes} it."
    )


# Table 5: top-1 on ImageNet after fine-tuning.
_TABLE_5 = {
    "ViT_B32": (73.38, 81.28, 80.73),
    "ViT_B16": (77.91, 83.97, 84.15),
    "ViT_L32": (71.16, 80.99, 84.37),
    "ViT_L16": (76.53, 85.15, 87.12),
}

STUDY = Study(
    name="pretraining_size",
    title="Accuracy against the number of pre-training images",
    claim=(
        "pre-trained on ImageNet, large models are worse than small ones and ViT is "
        "worse than BiT's ResNets; with ImageNet-21k they are alike, and with JFT-300M "
        "the larger ViTs are ahead (section 4.3, Figure 3, Table 5). On subsets of JFT "
        "ViT overfits more than ResNets of like cost and overtakes them from about 90 "
        "million images on (Figure 4, five-shot linear accuracy on ImageNet)."
    ),
    columns=("model", "images"),
    tiny=dict(_tiny()),
    paper=dict(_paper()),
    measure=_measure,
    draw=_draw,
    conclude=_conclude,
    published=tuple(
        {
            "fine-tuned on ImageNet (%)": model,
            "pre-trained on ImageNet": one,
            "on ImageNet-21k": two,
            "on JFT-300M": three,
        }
        for model, (one, two, three) in _TABLE_5.items()
    ),
    setting=(
        "models of about four million multiply-adds are trained for 500 steps of 64 on "
        "300 to 6,000 images of five classes of Fashion-MNIST, one seed each, and "
        "their frozen features are fitted to five images of each of the other five "
        "classes, five draws."
    ),
    dataset=seen,
    evaluate=_evaluate,
)

if __name__ == "__main__":
    STUDY.main()
