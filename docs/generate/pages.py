"""The pages of the reference, made of the package as it is imported."""

import inspect

import tables

import keras_vit
from keras_vit import data, distribution, preprocessing, recipes, weights
from keras_vit import evaluation as evaluating
from keras_vit import inspect as looking
from keras_vit.model_files import Classifier, load_classifier
from keras_vit.prediction import Prediction
from keras_vit.serving import Limits, serve
from keras_vit.training import Run
from keras_vit.weights.releases import Release

MEMBERS = {  # a class: the methods and properties that belong to its contract
    "MultiHeadSelfAttention": ("scores", "read"),
    "PatchEncoder": ("embeddings", "sequence", "position_vectors"),
    "PositionEmbedding": ("position_vectors",),
    "TransformerBlock": ("scores", "given"),
    "AttentionPooling": ("scores", "given"),
    "Recipe": ("total_steps", "evaluation_interval"),
}


def all_pages():
    """Yields each page's place in the site and its Markdown."""
    yield "reference/models.md", _models()
    yield "reference/weights.md", _weights()
    yield "reference/training.md", _training()
    yield "reference/recipes.md", _recipes()
    yield "reference/evaluation.md", _evaluation()
    yield "reference/inspect.md", _module(looking, "What is inside a model")
    yield "reference/data.md", _data()
    yield "reference/shipping.md", _shipping()
    yield "reference/layers.md", _module(keras_vit.layers, "Layers")
    yield "reference/commands.md", _commands()


def public(module):
    """The names that a module gives to others, and what they are, in its order."""
    return {
        name: one
        for name, one in vars(module).items()
        if name[0] != "_"
        and (inspect.isclass(one) or inspect.isfunction(one))
        and one.__module__.startswith("keras_vit.")
    }


def entry(name, one, level=2):
    """A directive for mkdocstrings: an object's docstring under its public name."""
    members = MEMBERS.get(one.__name__, ())
    return "\n".join(
        [
            f"::: {one.__module__}.{one.__qualname__}",
            "    options:",
            f"      heading: {name}",
            f"      toc_label: {name.rpartition('.')[2]}",
            f"      heading_level: {level}",
            f"      members: [{', '.join(members)}]",
            "",
        ]
    )


def _module(module, title, level=2):
    text = inspect.getdoc(module).partition("\n\nWhat needs")[0]
    entries = [
        entry(f"{module.__name__}.{name}", one, level)
        for name, one in public(module).items()
    ]
    return "\n".join([f"# {title}", "", f"`{module.__name__}`: {text}", "", *entries])


def _models():
    return f"""# Models

Every factory gives a functional `keras.Model`, from RGB pixels in [0, 255] of shape
(B, height, width, 3) to float32 logits (B, classes). `keras_vit.VARIANTS` is the table of
sizes; all factories take the arguments of [`ViT`][keras_vit.ViT] that their row leaves open.

## The sizes

{tables.variants()}

With 1,000 classes and images of 224 x 224. GMACs: billions of multiply-adds for an image.
A hybrid's patches are cells of its ResNet's feature map; the stride is that of the whole, in
pixels. `keras-vit list --details` tells memory, too, and `--model=NAME` all layers of one.

::: keras_vit.ViT
    options:
      heading: keras_vit.ViT

::: keras_vit.ViT_B16
    options:
      heading: keras_vit.ViT_B16, and every other size

The other factories of the table differ from this one in what they settle.

{entry("keras_vit.ResNet_R26", keras_vit.ResNet_R26)}
{entry("keras_vit.ResNet_R50", keras_vit.ResNet_R50)}
"""


def _weights():
    functions = ("load_weights", "save_weights", "list_weights", "resize")
    functions = (*functions, "replace_head")
    entries = [entry(f"keras_vit.{one}", getattr(weights, one)) for one in functions]
    entries.append(entry("keras_vit.weights.releases.Release", Release))
    return f"""# Weights

`weights=` of a factory and `load_weights` take a release's name, `hf:<owner>/<name>`, or
the path of a `.npz` or `.safetensors` file, or of a folder of Hugging Face's.

## Releases

{tables.releases()}

All are Google's, under Apache-2.0. The accuracies are their authors' or timm's, as
`keras-vit list` says of each, and were not measured here.

{chr(10).join(entries)}
"""


def _training():
    return f"""# Training

{entry("keras_vit.train", keras_vit.train)}
{entry("keras_vit.training.Run", Run)}
{entry("keras_vit.distribution.strategy", distribution.strategy)}
"""


def _recipes():
    functions = ("get", "override", "changed", "with_model", "difference")
    entries = [
        entry(f"keras_vit.recipes.{one}", getattr(recipes, one)) for one in functions
    ]
    return f"""# Recipes

A recipe is a frozen table of settings; a run is a recipe and a seed. Each setting can be
given to `keras_vit.train` as an argument, and to `keras-vit train` as `--set key=value`.

## All recipes

{tables.recipe_table()}

"yours": `--dataset` has to name it.

## The values that are words

{tables.choices()}

{entry("keras_vit.recipes.Recipe", recipes.Recipe)}
{chr(10).join(entries)}
"""


def _evaluation():
    return f"""{_module(evaluating, "Evaluation")}

## Corruptions

Of `robustness`, at five severities each: {tables.corruptions()}.
"""


def _data():
    return f"""{_module(data, "Data")}

## Preprocessing for evaluation

`keras_vit.preprocessing` has the ways in which images become a model's size, a row for each
library. `"timm:0.95"` is a row with a crop fraction of its own.

{tables.presets()}

{entry("keras_vit.preprocessing.Preprocessing", preprocessing.Preprocessing, 3)}
{entry("keras_vit.preprocessing.resolve", preprocessing.resolve, 3)}
"""


def _shipping():
    return f"""# Prediction and export

{entry("keras_vit.predict", keras_vit.predict)}
{entry("keras_vit.prediction.Prediction", Prediction)}
{entry("keras_vit.model_files.load_classifier", load_classifier)}
{entry("keras_vit.model_files.Classifier", Classifier)}
{entry("keras_vit.export", keras_vit.export)}
{entry("keras_vit.serving.serve", serve)}
{entry("keras_vit.serving.Limits", Limits)}
"""


def _commands():
    return f"""# Commands

`keras-vit COMMAND [--flag=value ...]`. A flag that is true or false is given as `--flag` and
`--noflag`. `keras-vit COMMAND --help` says the same as this page, which is made of it.

An error is one line. The status is 0 for success, 1 where some of the input could not be
used, 2 for a call that cannot be carried out, and 130 after Ctrl-C; `keras-vit train` also ends
with 42 after SIGTERM and with 43 when another worker is gone, and goes on when it is started
again.

{tables.commands()}
"""
