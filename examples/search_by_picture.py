"""Find the pictures that are most like one, by the features of a batch job.

    python examples/search_by_picture.py --model=runs/pets --images=photos/ \
        --index=index/ --query=photos/cat.jpg --hits=hits.png

The first call makes the index; later ones extend it to images that are new.
"""

import argparse
import pathlib
from typing import Any

import numpy as np
import pyarrow.parquet
import sklearn.neighbors
from PIL import Image

from keras_vit import Classifier, batch, figures
from keras_vit.data.images import read_image
from keras_vit.evaluation.features import features_model
from keras_vit.inspect import read_images

parquet: Any = pyarrow.parquet  # which declare no types
neighbors: Any = sklearn.neighbors
SIDE = 160  # pixels of a picture among the hits


def index_of(model: str, images: str, folder: str) -> tuple[list[str], np.ndarray]:
    """Return the paths and the features `(N, D)` of all readable images."""
    batch.run(model, images, folder, what=["features"], features_dtype="float16")
    table = parquet.read_table(folder)
    table = table.filter(table["error"].is_null())
    numbers = [chunk.flatten().to_numpy(False) for chunk in table["features"].chunks]
    features = np.concatenate(numbers).reshape(len(table), -1)
    return table["path"].to_pylist(), features.astype(np.float32)


def search(
    model: str, images: str, folder: str, query: str, count: int
) -> list[tuple[str, float]]:
    """Return the paths of the images most like one, and their cosine distances."""
    paths, features = index_of(model, images, folder)
    nearest = neighbors.NearestNeighbors(metric="cosine").fit(features)
    classifier = Classifier.of(model)
    pixels = read_images(classifier, [query]).pixels
    computed: Any = features_model(classifier)
    wanted = computed.predict_on_batch(pixels)
    distances, rows = nearest.kneighbors(wanted, min(count, len(paths)))
    found = zip(rows[0], distances[0], strict=True)
    return [(paths[row], float(distance)) for row, distance in found]


def picture(path: str) -> np.ndarray:
    """Return a small picture of an image file, uint8 `(h, w, 3)`."""
    image = Image.fromarray(read_image(path))
    image.thumbnail((SIDE, SIDE))
    return np.asarray(image)


def main(words: list[str] | None = None):
    """Index, search, and draw the query beside its hits."""
    parser = argparse.ArgumentParser(description="Find the pictures most like one.")
    for name in ("model", "images", "index", "query"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--hits", default="hits.png")
    parser.add_argument("--count", type=int, default=8)
    args = parser.parse_args(words)
    hits = search(args.model, args.images, args.index, args.query, args.count)
    for path, distance in hits:
        print(f"{distance:.3f} {path}")
    pictures = [picture(path) for path, _ in hits]
    lines = [("query", [picture(args.query)]), ("hits", pictures)]
    sheet = figures.contact_sheet(lines, 1, SIDE, f"like {args.query}")
    figures.write(sheet, pathlib.Path(args.hits))


if __name__ == "__main__":
    main()
