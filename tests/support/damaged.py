"""Image files of all kinds, whole and damaged, and what becomes of them.

`python -m support.damaged FOLDER COUNT` writes them, reads each by both roads and
prints what it saw as JSON.
"""

import collections
import io
import json
import pathlib
import resource
import struct
import sys
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

SUFFIXES = (".jpg", ".png", ".webp", ".bmp", ".gif", ".tif", "")
PNG_START = b"\x89PNG\r\n\x1a\n"


def smooth(rng, height=None, width=None):
    """A random picture without sharp edges."""
    size = (width or int(rng.integers(8, 90)), height or int(rng.integers(8, 90)))
    small = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg(rng, image):
    """Of any mode that JPEG knows, turned in any way or not."""
    image = image.convert(("RGB", "RGB", "L", "CMYK")[rng.integers(4)])
    options = {
        "quality": int(rng.integers(30, 100)),
        "subsampling": int(rng.integers(3)),
        "progressive": bool(rng.integers(2)),
    }
    if rng.integers(2):
        options["exif"] = turned(int(rng.integers(9)), rng.integers(2))
    if rng.integers(4) == 0:
        options["icc_profile"] = rng.bytes(int(rng.integers(500, 4000)))
    return encoded(image, "JPEG", **options)


def turned(orientation, little_endian=False):
    """Exif that says how the camera was held."""
    exif = Image.Exif()
    exif.endian = "<" if little_endian else ">"
    exif[0x010F], exif[0x0112] = "maker of cameras", orientation
    return exif


def png(rng, image):
    mode = ("RGB", "RGBA", "L", "LA", "1", "P", "I;16")[rng.integers(7)]
    options = {}
    if mode == "I;16":
        high = np.asarray(image.convert("L"), np.uint16) * 256
        low = rng.integers(0, 256, high.shape, dtype=np.uint16)
        image = Image.fromarray(high + low)
    elif mode == "P":
        image = image.quantize(int(rng.integers(2, 200)))
        options["transparency"] = 1
    else:
        image = image.convert(mode)
    if rng.integers(4) == 0:
        options["exif"] = turned(int(rng.integers(9)))
    return encoded(image, "PNG", **options)


def webp(rng, image):
    options = {"exif": turned(int(rng.integers(9)))} if rng.integers(3) == 0 else {}
    return encoded(image, "WEBP", lossless=bool(rng.integers(2)), **options)


def bmp(rng, image):
    return encoded(image.convert(("RGB", "L", "1", "P")[rng.integers(4)]), "BMP")


def gif(rng, image):
    more = [smooth(rng, *image.size[::-1]) for _ in range(rng.integers(3))]
    return encoded(image, "GIF", save_all=True, append_images=more)


def tiff(rng, image):
    return encoded(image, "TIFF", compression=(None, "tiff_lzw")[rng.integers(2)])


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + crc(name + data)


def crc(data):
    return struct.pack(">I", zlib.crc32(data))


def zeros(times, count):
    """So many times so many zeros, as zlib packs them, and as soon as one time."""
    packed = zlib.compressobj(wbits=-15)
    once = packed.compress(bytes(count)) + packed.flush(zlib.Z_FULL_FLUSH)
    # Adler's sums of zeros: the first stays 1, the second counts them.
    check = struct.pack(">HH", times * count % 65_521, 1)
    return b"\x78\x9c" + times * once + packed.flush() + check


def bombs():
    """Small files that would fill the memory."""
    rng = np.random.default_rng(0)
    image = smooth(rng, 40, 40)
    huge = struct.pack(">II", 20_000, 20_000)
    header = PNG_START + chunk(b"IHDR", huge + bytes([8, 2, 0, 0, 0]))
    data = zeros(20_000, 60_001)
    yield "bomb.png", header + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    yield "header.png", header
    whole = encoded(image, "PNG")
    text = zlib.compress(bytes(7_900_000))
    texts = [chunk(b"zTXt", b"key%d\0\0" % number + text) for number in range(200)]
    yield "text.png", whole[:33] + b"".join(texts) + whole[33:]
    for progressive in (False, True):
        data = encoded(image, "JPEG", progressive=progressive)
        place = data.index(bytes([0, 17, 8, 0, 40, 0, 40, 3]))
        for side in (20_000, 65_500):
            size = struct.pack(">HH", side, side)
            yield (
                f"{side}{progressive}.jpg",
                data[: place + 3] + size + data[place + 7 :],
            )
    data = encoded(image, "BMP")
    yield "bomb.bmp", data[:18] + struct.pack("<ii", 20_000, 20_000) + data[26:]
    data = encoded(image, "GIF")
    yield "bomb.gif", data[:6] + struct.pack("<HH", 20_000, 20_000) + data[10:]


def no_images(rng):
    texts = (b"", b"no image\n", b"<!DOCTYPE html><html>404</html>", b"\xff\xd8\xff")
    return (*texts, rng.bytes(300), bytes(300), b"%!PS-Adobe-3.0 EPSF-3.0\n")


def one(rng):
    """Gives what a file contains, and whether it is whole."""
    if rng.integers(25) == 0:
        texts = no_images(rng)
        return texts[rng.integers(len(texts))], False
    make = (jpeg, jpeg, png, png, webp, bmp, gif, tiff)[rng.integers(8)]
    data = make(rng, smooth(rng))
    damage = rng.integers(4)
    if damage == 0:
        return data, True
    if damage == 1:
        return data[: rng.integers(len(data))], False
    array = np.frombuffer(data, np.uint8).copy()
    # Half of the damage is where the header is.
    reach = len(array) if rng.integers(2) else min(len(array), 200)
    start = rng.integers(reach)
    if damage == 2:
        array[start : start + rng.integers(1, 50)] = 0
    else:
        places = rng.integers(reach, size=rng.integers(1, 20))
        array[places] ^= (1 << rng.integers(8, size=len(places))).astype(np.uint8)
    return array.tobytes(), False


def expected(data):
    """What Pillow alone makes of a file, on white by the definition."""
    image = Image.open(io.BytesIO(data))
    form = image.format
    image = ImageOps.exif_transpose(image)
    if image.mode == "I;16":
        levels = np.floor(np.asarray(image) * (255 / 65535) + 0.5)
        return np.repeat(levels[..., None], 3, -1).astype(np.uint8)
    if form == "TIFF" or not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    rgba = np.asarray(image.convert("RGBA")).astype(float)
    share = rgba[..., 3:] / 255
    seen = rgba[..., :3] * share + 255 * (1 - share)
    return np.floor(seen + 0.5 + 1e-9).astype(np.uint8)


def shapes(data):
    """Shapes that a header allows: noted orientations may be damaged, too."""
    width, height = Image.open(io.BytesIO(data)).size
    known = {(height, width, 3)}
    noted = b"Exif" in data or b"eXIf" in data or b"EXIF" in data or data[:2] in TIFF
    return known | {(width, height, 3)} if noted else known


TIFF = (b"II", b"MM")


def answers(files):
    """Reads all files in the graph; gives pixels or errors, in order."""
    import tensorflow as tf

    stream = tf.data.Dataset.range(len(files))
    stream = iter(stream.map(files.reader(), num_parallel_calls=tf.data.AUTOTUNE))
    for _ in range(len(files)):
        try:
            yield next(stream).numpy()
        except tf.errors.OpError as error:
            yield error


def read(files, index):
    from keras_vit.data.images import UnreadableImageError

    try:
        return files.image(index)
    except UnreadableImageError as error:
        assert files.name(index) in str(error)
        return error


def judge(answer, data, whole):
    """Says in a word what an answer is worth."""
    if isinstance(answer, Exception):
        if whole:
            return f"refused though whole: {answer}"
        return "refused" if len(str(answer)) > 10 else "refused without a reason"
    if whole:
        right = expected(data)
        same = (
            answer.shape == right.shape and np.abs(answer - right.astype(int)).max() < 2
        )
        return "right" if same else "wrong pixels"
    return "decoded" if answer.shape in shapes(data) else "wrong shape"


def memory():
    """The most that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main(folder, count):
    """Writes the files, reads them and prints the tallies."""
    from keras_vit.data import Files

    warnings.simplefilter("ignore")  # of Pillow, about damaged notes
    contents = [(name, data, False) for name, data in bombs()]
    for number in range(count):
        rng = np.random.default_rng([0, number])
        suffix = SUFFIXES[rng.integers(len(SUFFIXES))]
        contents.append((f"{number}{suffix}", *one(rng)))
    paths = [pathlib.Path(folder) / name for name, _, _ in contents]
    for path, (_, data, _) in zip(paths, contents, strict=True):
        path.write_bytes(data)
    files = Files(paths, np.zeros(len(paths), int))
    whole = next(number for number, one in enumerate(contents) if one[2])
    next(answers(files.subset([whole])))  # what TensorFlow takes for itself
    before = memory()
    tally = collections.Counter()
    for index, answer in enumerate(answers(files)):
        name, data, whole = contents[index]
        words = judge(answer, data, whole), judge(read(files, index), data, whole)
        tally[" and ".join(words)] += 1
        if {"wrong", "though", "without"} & {*" ".join(words).split()}:
            print(name, words, file=sys.stderr)
    print(json.dumps({"tally": tally, "megabytes": memory() - before}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
