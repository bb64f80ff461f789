"""How long a folder of images takes to be indexed, and how much memory.

    python benchmarks/index_folder.py [--classes=1000] [--files=1000] [--at=FOLDER]

Makes a scratch folder of so many classes and empty files in each, indexes it as
`data.load` does, and removes it. Memory is the peak above what the process had
before (Linux).
"""

import argparse
import os
import pathlib
import re
import tempfile
import time


def memory(field):
    """A line of this process's memory, in bytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{field}:\s+(\d+)", status).group(1))


def make(root, classes, files):
    """Makes a folder of folders of empty files."""
    for number in range(classes):
        folder = os.path.join(root, f"n{number:08}")
        os.mkdir(folder)
        for image in range(files):
            os.close(os.open(f"{folder}/n{number:08}_{image}.JPEG", os.O_CREAT))


def main(classes, files, at):
    """Measures and prints."""
    from keras_vit import data

    with tempfile.TemporaryDirectory(dir=at) as root:
        make(root, classes, files)
        before = memory("VmRSS")
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        begun = time.perf_counter()
        dataset = data.load(root)
        seconds = time.perf_counter() - begun
        above = memory("VmHWM") - before
        count = len(dataset.train) + len(dataset.test)
        print(
            f"{count:,} files of {dataset.num_classes:,} classes, "
            f"{len(dataset.test) / count:.1%} of them for testing\n"
            f"{seconds:.1f} s, {above / 1e6:.0f} MB above the start, "
            f"{above / count:.0f} bytes a file"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--files", type=int, default=1000, help="in each class")
    parser.add_argument("--at", help="where the scratch folder is made")
    options = parser.parse_args()
    main(options.classes, options.files, options.at)
