"""Image files of several kinds, larger than a small cache keeps them."""

import numpy as np
from PIL import Image

from keras_vit.data import Dataset, Files


def drawn(height, width, seed=0):
    """A smooth picture with an edge, `(height, width, 3)` uint8."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(2 * np.pi * (a * x + b * y)) for a, b in rng.uniform(1, 4, (3, 2))]
    picture = 128 + 90 * np.stack(waves, -1)
    picture[: height // 3, : width // 2] = rng.uniform(0, 255, 3)
    return picture.clip(0, 255).astype(np.uint8)


def write_kinds(folder):
    """Writes an image of each kind; returns the paths by kind."""
    turned = Image.Exif()
    turned[0x0112] = 6
    rgb, tall = Image.fromarray(drawn(96, 128)), Image.fromarray(drawn(160, 80, 1))
    alpha = rgb.copy()
    alpha.putalpha(Image.fromarray(drawn(96, 128, 2)[..., 0]))
    deep = drawn(90, 60, 3)[..., 0].astype(np.uint16) * 257
    ways = {
        "rgb.jpg": (rgb, {"quality": 92}),
        "tall.jpg": (tall, {"quality": 92}),
        "turned.jpg": (rgb, {"exif": turned.tobytes(), "quality": 92}),
        "grey.jpg": (rgb.convert("L"), {"quality": 92}),
        "cmyk.jpg": (rgb.convert("CMYK"), {"quality": 92}),
        "alpha.png": (alpha, {}),
        "palette.png": (rgb.quantize(64), {}),
        "deep.png": (Image.fromarray(deep), {}),
        "colours.webp": (tall, {"quality": 90}),
        "scan.tif": (rgb, {}),
        "small.jpg": (Image.fromarray(drawn(20, 44, 4)), {"quality": 75}),
        "small.png": (Image.fromarray(drawn(20, 44, 5)), {}),
    }
    for name, (image, options) in ways.items():
        image.save(folder / name, **options)
    return {name: folder / name for name in ways}


def photographs(folder, count=20, height=48, width=64):
    """A data set of so many JPEG files of two classes, a fifth of them to test on."""
    folder.mkdir(parents=True, exist_ok=True)
    paths, labels = [], np.arange(count) % 2
    for number, label in enumerate(labels):
        paths.append(folder / f"{number:03}.jpg")
        bright = drawn(height, width, number) // 2 + 120 * label
        Image.fromarray(bright.astype(np.uint8)).save(paths[-1], quality=92)
    test = np.arange(count) >= count - count // 5
    paths = np.array([str(path) for path in paths])
    splits = [Files(paths[which], labels[which]) for which in (~test, test)]
    return Dataset("photographs", *splits, ("dark", "bright"))
