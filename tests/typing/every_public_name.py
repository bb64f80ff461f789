"""Each public name is called as the documentation does, for a type checker to read.

Nothing here runs: `tests/test_typing.py` has pyright read it, in strict mode.
"""

import keras
import numpy as np
from numpy.typing import NDArray

import keras_vit
from keras_vit import data, evaluation


def models() -> list[keras.Model]:
    return [
        keras_vit.ViT(10, image_size=32, patch_size=8, num_layers=2, num_heads=4),
        keras_vit.ViT_Ti16(10, image_size=(64, 32), dropout_rate=0.1),
        keras_vit.ViT_S16(weights="augreg_in21k_in1k"),
        keras_vit.ViT_S32(None),
        keras_vit.ViT_B8(patch_size=16),
        keras_vit.ViT_B16(num_classes=10, pooling="gap", activation="gelu_erf"),
        keras_vit.ViT_B32(pixel_mean=(1.0, 2.0, 3.0), pixel_std=255.0),
        keras_vit.ViT_L16(layer_scale=1e-5),
        keras_vit.ViT_L32(position_embedding="rope_2d"),
        keras_vit.ViT_H14(num_registers=4),
        keras_vit.ViT_g14(),
        keras_vit.ViT_G14(),
        keras_vit.ViT_S14(),
        keras_vit.ViT_B14(),
        keras_vit.ViT_L14(),
        keras_vit.ViT_H16(),
        keras_vit.ViT_g16(),
        keras_vit.ViT_gopt16(),
        keras_vit.ViT_So150m16(),
        keras_vit.ViT_So400m14(),
        keras_vit.ViT_So400m16(),
        keras_vit.R_ViT_Ti16(standardization="variance"),
        keras_vit.R26_ViT_S32(),
        keras_vit.R26_ViT_B32(),
        keras_vit.R50_ViT_B16(),
        keras_vit.R50_ViT_B32(),
        keras_vit.R50_ViT_L16(),
        keras_vit.R50_ViT_L32(),
        keras_vit.ResNet(10, blocks=(2, 2), width_factor=0.5),
        keras_vit.ResNet_R26(10),
        keras_vit.ResNet_R50(10, image_size=64),
        keras_vit.create_model("ViT_B16", num_classes=10),
    ]


def names() -> list[str]:
    releases = [one.name for one in keras_vit.list_weights("ViT_B16")]
    sizes = [f"{name}: {row.hidden_dim}" for name, row in keras_vit.VARIANTS.items()]
    version = keras_vit.__version__
    return [
        *keras_vit.list_models("vit_*"),
        *keras_vit.list_recipes(),
        *releases,
        *sizes,
        version,
    ]


def weights(model: keras.Model) -> keras.Model:
    keras_vit.load_weights(model, "model.npz", head="reset")
    keras_vit.save_weights(model, "model.safetensors", "timm")
    model = keras_vit.resize(model, (384, 224))
    model = keras_vit.replace_head(model, 5)
    model = keras_vit.merge_tokens(model, 8)
    return keras_vit.logits_model(model)


def classes(model: keras.Model, pixels: NDArray[np.uint8]) -> list[str]:
    classifier = keras_vit.Classifier.of(model, class_names=("cat", "dog"))
    lines = [f"{classifier.name}: {classifier.num_classes}, {classifier.image_size}"]
    seen: list[keras_vit.Prediction] = keras_vit.predict(classifier, pixels)
    for one in [*seen, *keras_vit.predict("runs/pets", "photo.jpg", top=3)]:
        lines.append(f"{one.label}: {one.probability:.1%}")
        lines += [f"{label}: {share:.1%}" for label, share in one.top(3)]
    for row in keras_vit.decode_predictions(np.zeros((2, 1000)), top=5):
        lines += [f"{one}" for one in row]
    return lines


def training() -> float:
    run = keras_vit.train("finetune", dataset="photos", folder="runs/photos")
    result = keras_vit.evaluate(run.model, "fashion_mnist_sample")
    keras_vit.export(run.model, "model.onnx", format="onnx")
    return result.accuracy


def more(model: keras.Model, pixels: NDArray[np.uint8]) -> None:
    dataset = data.load("fashion_mnist_sample")
    print(dataset.class_names)
    print(len(keras_vit.inspect.attention_maps(model, pixels)))
    print(keras_vit.inspect.summary(model).parameters)
    print(evaluation.evaluate(model, dataset).accuracy)
    recipe = keras_vit.recipes.get("finetune")
    print(recipe.run.epochs, keras_vit.training.Run, keras_vit.serving.Limits())
    print(keras_vit.layers.Patches(16), keras_vit.distribution.strategy("auto"))
    print(keras_vit.figures.learning_curves, keras_vit.exporting.FORMATS)
    print(keras_vit.weights.find_checkpoint("ViT_B16", "in21k").num_classes)
