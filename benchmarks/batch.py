"""What a batch job costs an image, and how it compares with `keras-vit predict`.

    python benchmarks/batch.py --model=runs/s16 --images=photos/ --rounds=3

Processor time of each stage in one process, whatever else the machine does; then
images a second of `predict` and of the job with one and two worker processes, each
from the difference of a long and a short call, interleaved, medians; and the most
memory that a process of each had. Prints JSON.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

from keras_vit.batch.classifying import Job
from keras_vit.batch.items import Reader
from keras_vit.batch.listing import listed
from keras_vit.batch.parquet import write_columns
from keras_vit.batch.plan import add_images
from keras_vit.batch.scoring import Scorer
from keras_vit.batch.storing import stored
from keras_vit.data.images import decode_image
from keras_vit.data.inspection.reading import facts_of_file
from keras_vit.data.preprocessing import preprocess

MOST = 400  # images of a stage
BATCH = 32


def spent(work, count):
    """Milliseconds of processor time an image, the first call aside."""
    work()
    start = time.process_time()
    work()
    return round(1000 * (time.process_time() - start) / count, 3)


def stages(model, images):
    """Return milliseconds of processor time an image, of each stage."""
    items = [*listed(images)][:MOST]
    classifier = Job(output="", model=model).classifier(model)
    scorer, count = Scorer(classifier, ("probabilities", "features")), len(items)
    size, how = classifier.image_size, classifier.preprocessing
    files = [Reader().read(one) for one in items]
    decoded = [decode_image(data, "") for data in files[:BATCH]]
    pixels = np.stack([np.float32(preprocess(one, size, how)) for one in decoded])
    rows = [np.float32(one) for one in scorer(pixels)["features"]]
    rows = [*rows] * (count // len(rows) + 1)
    columns = {"path": [one.name for one in items], "features": rows[:count]}
    types = {"path": "string", "features": f"float16[{len(rows[0])}]"}
    with tempfile.TemporaryDirectory() as room:
        lists = iter(range(100))
        return {
            "list": spent(
                lambda: add_images(f"{room}/{next(lists)}", listed(images), None),
                len([*listed(images)]),
            ),
            "read": spent(lambda: [Reader().read(one) for one in items], count),
            "decode": spent(lambda: [decode_image(one, "") for one in files], count),
            "resize": spent(
                lambda: [np.asarray(preprocess(one, size, how)) for one in decoded],
                len(decoded),
            ),
            "forward": spent(lambda: scorer(pixels), len(pixels)),
            "write": spent(
                lambda: write_columns(f"{room}/a.parquet", columns, types, {}), count
            ),
            "prepare: facts": spent(
                lambda: [facts_of_file(one.name) for one in items], count
            ),
            "prepare: keep": spent(lambda: [stored(one, "") for one in files], count),
            "prepare: short side of 256": spent(
                lambda: [stored(one, "", short_side=256) for one in files], count
            ),
        }


LAUNCHED = """
import json, resource, subprocess, sys
nothing = subprocess.DEVNULL
status = subprocess.call(sys.argv[1:], stdout=nothing, stderr=nothing)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def timed(words):
    """Run the command and return its seconds, processor time, and the most MB.

    From a small process: one that a large one starts has that one's peak, too.
    """
    command = [sys.executable, "-m", "keras_vit_command", *words]
    start = time.perf_counter()
    told = subprocess.check_output([sys.executable, "-c", LAUNCHED, *command])
    seconds = time.perf_counter() - start
    status, own, most = json.loads(told)
    if status not in (0, 1):
        raise RuntimeError(f"Expected the command to end well. Received: {words}")
    return seconds, own, most


def calls(model, images, folder):
    """The words of each call to compare, by name."""
    job = ["batch", f"--model={model}", f"--images={images}", f"--output={folder}"]
    return {
        "predict": ["predict", f"--model={model}", images],
        "batch, 1 worker": job,
        "batch, 2 workers": [*job, "--", "--direct_num_workers=2"],
    }


def compared(model, images, rounds):
    """Return images a second, processor time an image, and memory, of each call."""
    files = [one.name for one in listed(images)]
    found = {}
    with tempfile.TemporaryDirectory() as room:
        few = pathlib.Path(room, "few")
        few.mkdir()
        for number, one in enumerate(files[:BATCH]):
            shutil.copy(one, few / f"{number}{pathlib.Path(one).suffix}")
        for number in range(rounds):
            for name in calls(model, images, ""):
                short, long = (
                    timed(calls(model, which, f"{room}/{number}{name}{kind}")[name])
                    for kind, which in (("a", str(few)), ("b", images))
                )
                more = len(files) - min(BATCH, len(files))
                row = found.setdefault(name, {"rate": [], "cpu_ms": [], "mb": []})
                row["rate"].append(more / (long[0] - short[0]))
                row["cpu_ms"].append(1000 * (long[1] - short[1]) / more)
                row["mb"].append(long[2])
    return {
        name: {key: round(statistics.median(value), 2) for key, value in row.items()}
        for name, row in found.items()
    }


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    report = {"ms_an_image": stages(args.model, args.images)}
    if args.rounds:
        report["calls"] = compared(args.model, args.images, args.rounds)
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
