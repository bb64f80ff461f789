"""Find the pictures that are most like one, by the features of a batch job.

    python examples/search_by_picture.py --model=runs/pets --images=photos/ \
        --index=index/ --query=photos/cat.jpg --hits=hits.png

The first call makes the index; later ones extend it to images that are new.
"""

import argparse
import pathlib

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from keras_vit import Classifier, batch, figures
from keras_vit.data.images import read_image
from keras_vit.evaluation.features import features_model
from keras_vit.inspect import read_images

SIDE = 160  # pixels of a picture among the hits


def index_of(model, images, folder):
    """Return the paths and the features `(N, D)` of all readable images."""
    batch.run(model, images, folder, what=["features"], features_dtype="float16")
    table = pq.read_table(folder).to_pandas()
    table = table[table["error"].isna()]
    return [*table["path"]], np.stack(table["features"]).astype(np.float32)


def search(model, images, folder, query, count):
    """Return the paths of the images most like one, and their cosine distances."""
    paths, features = index_of(model, images, folder)
    nearest = NearestNeighbors(metric="cosine").fit(features)
    classifier = Classifier.of(model)
    pixels = read_images(classifier, [query]).pixels
    wanted = features_model(classifier).predict_on_batch(pixels)
    distances, rows = nearest.kneighbors(wanted, min(count, len(paths)))
    return [paths[row] for row in rows[0]], distances[0]


def picture(path):
    """Return a small picture of an image file, uint8 `(h, w, 3)`."""
    image = Image.fromarray(read_image(path))
    image.thumbnail((SIDE, SIDE))
    return np.asarray(image)


def main(words=None):
    """Index, search, and draw the query beside its hits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("model", "images", "index", "query"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--hits", default="hits.png")
    parser.add_argument("--count", type=int, default=8)
    args = parser.parse_args(words)
    hits = search(args.model, args.images, args.index, args.query, args.count)
    for path, distance in zip(*hits, strict=True):
        print(f"{distance:.3f} {path}")
    lines = [("query", [picture(args.query)]), ("hits", [*map(picture, hits[0])])]
    sheet = figures.contact_sheet(lines, 1, SIDE, f"like {args.query}")
    figures.write(sheet, pathlib.Path(args.hits))


if __name__ == "__main__":
    main()
