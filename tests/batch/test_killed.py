"""A job that is killed at random moments, and one on another runner: whole runs."""

import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import keras_vit
from keras_vit.model_files import save_model
from support.models import randomize, tiny_vit

pytest.importorskip("apache_beam")
pq = pytest.importorskip("pyarrow.parquet")
pytestmark = pytest.mark.slow

KEPT = pathlib.Path(keras_vit.__file__).parent.parent
COUNT = 300


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(KEPT))
    pathlib.Path("photos").mkdir()
    for number in range(COUNT):
        pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
        Image.fromarray(pixels).save(f"photos/{number:03d}.png")
    pathlib.Path("photos/bad.jpg").write_text("no image")
    model = randomize(tiny_vit(), np.random.default_rng(0))
    save_model(model, "pets.keras", ("a", "b", "c", "d", "e"))


def command(*more):
    words = ["batch", "--model=pets.keras", "--images=photos", "--output=out"]
    return [sys.executable, "-m", "keras_vit_command", *words, *more]


def check_rows():
    expected = {str(one.path): one for one in keras_vit.predict("pets.keras", "photos")}
    found = pq.read_table("out").to_pylist()
    assert sorted(row["path"] for row in found) == sorted(expected)
    for row in found:
        one = expected[row["path"]]
        assert (row["label"], row["error"]) == (one.label, one.error)
        if one.error is None:
            assert row["probability"] == pytest.approx(one.probability, abs=1e-6)


def test_no_row_is_twice_or_missing_after_kills_at_random_moments():
    draw, kills = random.Random(0), 0
    options = ("--shard_size=10", "--", "--direct_num_workers=2")
    for _ in range(40):
        process = subprocess.Popen(
            command(*options), start_new_session=True, stderr=subprocess.DEVNULL
        )
        before = len([*pathlib.Path("out").glob("*.parquet")])
        deadline = time.monotonic() + 120
        wanted = before + draw.randint(0, 6)
        while process.poll() is None and time.monotonic() < deadline:
            if len([*pathlib.Path("out").glob("*.parquet")]) > wanted:
                time.sleep(draw.random() / 10)
                break
            time.sleep(0.01)
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        kills += 1
        for one in pathlib.Path("out").glob("*.parquet"):
            pq.read_metadata(one)  # whole
    assert process.returncode == 1 and kills >= 3  # one image cannot be read
    check_rows()
    assert pathlib.Path("out/_manifest.json").is_file()
    assert not [*pathlib.Path("out").glob(".part*")]


def test_a_job_runs_on_a_job_server_of_beams_portable_interface():
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = found.getsockname()[1]
    module = "apache_beam.runners.portability.local_job_service_main"
    server = subprocess.Popen([sys.executable, "-m", module, f"--job_port={port}"])
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if not probe.connect_ex(("localhost", port)):
                    break
            time.sleep(0.1)
        options = [f"--job_endpoint=localhost:{port}", "--environment_type=LOOPBACK"]
        words = command("--runner=PortableRunner", "--", *options)
        assert subprocess.run(words, check=False).returncode == 1
    finally:
        server.kill()
        server.wait()
    check_rows()
