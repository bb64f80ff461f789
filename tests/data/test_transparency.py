"""What is transparent, against Pillow's own composition, on every road."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.data import Dataset, Files, Split, inspect
from keras_vit.data.images import read_image
from keras_vit.decoding import Decoding
from keras_vit.exporting.served_images import read_images
from keras_vit.exporting.signatures import signatures
from keras_vit.meaning import set_meaning
from keras_vit.model_files import read_notes
from keras_vit.preprocessing import Preprocessing
from support.damaged import encoded, smooth

SIZE = 24, 36
LEVELS = {"white": 255, "black": 0}
pytestmark = pytest.mark.filterwarnings("ignore:Palette images with Transparency")


def clear(rng, height=SIZE[0], width=SIZE[1]):
    """A picture whose alpha falls from opaque to nothing, from left to right."""
    picture = smooth(rng, height, width)
    fall = np.linspace(255, 0, width).round().astype(np.uint8)
    picture.putalpha(Image.fromarray(np.tile(fall, (height, 1))))
    return picture


def kinds(rng):
    picture = clear(rng)
    palette, rgb = picture.convert("RGB").quantize(16), picture.convert("RGB")
    grey, seen = picture.convert("L"), picture.convert("RGB").getpixel((3, 3))
    half = bytes(range(0, 256, 16))
    move = {"save_all": True, "append_images": [picture.rotate(180)]}
    return {
        "rgba": encoded(picture, "PNG"),
        "grey and alpha": encoded(picture.convert("LA"), "PNG"),
        "palette": encoded(palette, "PNG", transparency=half),
        "palette with one": encoded(palette, "PNG", transparency=3),
        "one grey": encoded(grey, "PNG", transparency=grey.getpixel((3, 3))),
        "one colour": encoded(rgb, "PNG", transparency=seen),
        "gif": encoded(palette, "GIF", transparency=3),
        "webp": encoded(picture, "WEBP", quality=90),
        "lossless webp": encoded(picture, "WEBP", lossless=True, exact=True),
        "webp that moves": encoded(picture, "WEBP", **move),
        "bmp": encoded(picture, "BMP"),
        "opaque": encoded(rgb, "PNG"),
    }


def composed(data, background):
    """What Pillow's alpha_composite makes of a file."""
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    behind = Image.new("RGBA", image.size, (LEVELS[background],) * 3 + (255,))
    return np.asarray(Image.alpha_composite(behind, image).convert("RGB"))


@pytest.mark.slow
@pytest.mark.parametrize("background", LEVELS)
def test_all_roads_give_what_pillow_composes(background, rng, tmp_path):
    contents, decoding = kinds(rng), Decoding(background=background)
    paths = [tmp_path / str(number) for number in range(len(contents))]
    for path, data in zip(paths, contents.values(), strict=True):
        path.write_bytes(data)
    files = Files(paths, np.zeros(len(paths), int), decoding=decoding)
    read = files.reader()
    datas = [*contents.values()]
    served, _, errors = read_images(datas, SIZE, Preprocessing(), decoding)
    refused = {
        name for name, error in zip(contents, errors.numpy(), strict=True) if error
    }
    assert refused == {"webp that moves"}
    for number, (name, data) in enumerate(contents.items()):
        expected = composed(data, background).astype(float)
        roads = [
            read(tf.constant(number)),
            files.image(number),
            read_image(paths[number], decoding=decoding),
        ]
        for found in roads if name in refused else [*roads, served[number]]:
            assert np.abs(np.asarray(found, float) - expected).max() <= 1, name


def test_ignore_takes_the_colours_beneath(rng, tmp_path):
    picture = clear(rng)
    picture.save(tmp_path / "a.png")
    beneath = np.asarray(picture)[..., :3]
    decoding = Decoding(background="ignore")
    found = read_image(tmp_path / "a.png", decoding=decoding)
    np.testing.assert_array_equal(found, beneath)
    data = (tmp_path / "a.png").read_bytes()
    served, _, _ = read_images([data], SIZE, Preprocessing(), decoding)
    np.testing.assert_array_equal(served[0], beneath)


@pytest.mark.slow
def test_prediction_and_the_exported_signature_lay_it_on_the_models_background(
    rng, tmp_path
):
    model = keras_vit.ViT(
        image_size=SIZE,
        patch_size=12,
        num_layers=1,
        num_heads=1,
        hidden_dim=8,
        mlp_dim=8,
        num_classes=3,
    )
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    picture = clear(rng)
    picture.save(tmp_path / "a.png")
    seen = {}
    for background in LEVELS:
        set_meaning(model, decoding=Decoding(background=background))
        [one] = keras_vit.predict(model, tmp_path / "a.png")
        pixels = composed((tmp_path / "a.png").read_bytes(), background)
        logits = np.asarray(model(pixels[None].astype(np.float32)))[0].astype(float)
        expected = np.exp(logits - logits.max())
        expected = expected / expected.sum()
        np.testing.assert_allclose(one.class_probabilities, expected, atol=0.05)
        seen[background] = one.class_probabilities
    # Of the last alone, which is not the default: a graph takes seconds to trace.
    serve, _ = signatures(Classifier.of(model))["serving_default"]
    told = serve(tf.constant([(tmp_path / "a.png").read_bytes()]))
    ordered = np.sort(seen["black"])[::-1]  # as the signature returns them
    np.testing.assert_allclose(told["probabilities"][0], ordered, 1e-3)
    [own] = keras_vit.predict(model, tmp_path / "a.png", background="white")
    np.testing.assert_allclose(own.class_probabilities, seen["white"])
    assert np.abs(np.subtract(seen["white"], seen["black"])).max() > 1e-3


def test_a_saved_model_without_notes_is_read_for_as_its_graph_reads(tmp_path):
    """Such are from before notes, when transparency was dropped."""
    assert read_notes(tmp_path)[:2] == (None, Decoding(background="ignore"))


def test_what_is_read_otherwise_than_people_see_it_is_a_finding(rng, tmp_path):
    tifffile = pytest.importorskip("tifffile")
    grey = rng.integers(0, 256, (8, 9, 1)).astype(np.uint8)
    clear(rng).save(tmp_path / "clear.png")
    clear(rng).convert("RGB").save(tmp_path / "opaque.png")
    opaque = clear(rng)
    opaque.putalpha(255)
    opaque.save(tmp_path / "alpha.png")
    tifffile.imwrite(tmp_path / "pages.tif", np.repeat(grey[None, ..., 0], 5, 0))
    tifffile.imwrite(tmp_path / "bands.tif", np.repeat(grey, 4, -1), photometric="rgb")
    deep = grey[..., 0].astype(np.uint16) * 16
    deep[0, 0], deep[0, 1] = 0, 4080
    tifffile.imwrite(tmp_path / "deep.tif", deep)
    paths = sorted(tmp_path.iterdir())
    train = Files(paths, np.arange(6) % 2, decoding=Decoding("0:4095"))
    pixels = rng.integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    test = Split(pixels, np.arange(4) % 2)
    found = inspect(Dataset("d", train, test, ("a", "b")))
    text = "\n".join(found.findings)
    assert "1 of 10 images looks different" in text
    assert "1 image has samples of more than 8 bits, which use 0 to 4,080" in text
    assert "black to white: 0:4095" in text
    assert "1 image has more than one page, up to 5" in text
    assert "and 4 pages are not" in text
    assert "1 image has a fourth band, which is not read: RGB is" in text
    facts = found.splits["train"]
    assert (facts.deep, facts.samples) == (1, (0, 4080))
    assert (facts.clear, facts.paged, facts.pages, facts.fourth) == (1, 1, 5, 1)
