"""`examples/serving/`: clients and settings, against TensorFlow Serving's protocols."""

import importlib
import io
import pathlib
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from PIL import Image

import keras_vit
from keras_vit.classifier import Classifier
from keras_vit.exporting import saved_model
from support.models import randomize, tiny_vit
from support.often import often

pytest.importorskip("tensorflow_serving")
from tensorflow_serving.config import model_server_config_pb2  # noqa: E402

from support.serving.tensorflow_serving import StandIn, serving  # noqa: E402

pytestmark = pytest.mark.slow

EXAMPLE = pathlib.Path(__file__).parent.parent / "examples" / "serving"
README = (EXAMPLE / "README.md").read_text()
NAMES = ("T-shirt/top", "ankle boot", "ç", "d e", "last")
CLIENTS = {"rest": "client_rest", "grpc": "client_grpc"}


@pytest.fixture
def run(monkeypatch, capfd):
    """Runs a script of the example in this process, where TensorFlow is loaded.

    Gives its exit status and what it prints.
    """

    def run_script(script, *arguments):
        monkeypatch.syspath_prepend(EXAMPLE)
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(EXAMPLE / f"{script}.py"), run_name="__main__")
        return ended.value.code, *capfd.readouterr()

    return run_script


def parsed(text):
    """A `ModelServerConfig`, strictly."""
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


@pytest.fixture(scope="module")
def model():
    return randomize(tiny_vit(num_classes=len(NAMES)), np.random.default_rng(0))


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    """The stand-in with two versions, as README labels them, and its addresses."""
    models = tmp_path_factory.mktemp("models")
    # export's check of it takes seconds
    classifier = Classifier.of(model, class_names=NAMES)
    saved_model.write(classifier, models / "fashion_mnist" / "1")
    shutil.copytree(models / "fashion_mnist" / "1", models / "fashion_mnist" / "2")
    [labelled] = re.findall(r"```proto\n(.*?)```", README, re.DOTALL)
    stand_in = StandIn(parsed(labelled), models)
    picture = {"image_bytes": tf.io.encode_png(tf.zeros((4, 6, 3), tf.uint8))[None]}
    for version in (1, 2):  # what is done once may take longer than clients wait
        stand_in.answer("fashion_mnist", version, None, None, picture)
    with serving(stand_in) as addresses:
        yield stand_in, addresses


@pytest.fixture
def stand_in(served):
    stand_in, _ = served
    stand_in.delay, stand_in.busy, stand_in.seen, stand_in.deadlines = 0, False, [], []
    return stand_in


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Image files: a PNG, a JPEG and one of 5 MB; and one that is cut off."""
    rng, folder = np.random.default_rng(1), tmp_path_factory.mktemp("pictures")
    for name, size in (
        ("a.png", (24, 16)),
        ("b.jpg", (61, 37)),
        ("c.bmp", (1300, 1300)),
    ):
        noise = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:200])
    return folder


@pytest.fixture(params=CLIENTS)
def asking(request, served, monkeypatch):
    """Asks about one small picture, in this process: `ask(model=..., label=...)`."""
    monkeypatch.syspath_prepend(EXAMPLE)
    client = importlib.import_module(CLIENTS[request.param])
    address = served[1][request.param]
    where = address if request.param == "rest" else client.stub_of(address)
    picture = io.BytesIO()
    Image.new("RGB", (6, 4)).save(picture, "PNG")

    def ask(model="fashion_mnist", **options):
        return client.classify([picture.getvalue()], where, model, **options)

    return ask


@pytest.mark.slow
@pytest.mark.parametrize("protocol", often(CLIENTS, ["rest"]))
def test_a_client_tells_what_keras_says_of_each_picture(
    protocol, served, stand_in, model, pictures
):
    files = [pictures / name for name in ("a.png", "broken.png", "b.jpg", "c.bmp")]
    command = [EXAMPLE / f"{CLIENTS[protocol]}.py", *files, "--timeout=60"]
    command += [f"--server={served[1][protocol]}"]
    told = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True
    )
    assert told.returncode == 1, told.stderr[-2000:]
    assert f"{files[1]}: not a readable PNG image: damaged or cut\n" in told.stderr
    lines = told.stdout.splitlines()
    readable = [files[0], *files[2:]]
    seen = keras_vit.predict(model, readable, class_names=NAMES)
    for line, path, right in zip(lines, readable, seen, strict=True):
        name, _, likeliest = line.partition(": ")
        assert name == str(path)
        found = re.findall(r"(.+?) ([\d.]+) %(?:, |$)", likeliest)
        names, expected = zip(*right.top(), strict=True)
        assert [one for one, _ in found] == list(names)
        shares = [float(share) / 100 for _, share in found]
        np.testing.assert_allclose(shares, expected, atol=6e-4)
    assert stand_in.seen == [(2, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", CLIENTS)
def test_many_pictures_are_asked_about_in_several_requests(
    protocol, served, stand_in, pictures, run
):
    files = [pictures / "a.png"] * 11
    server = f"--server={served[1][protocol]}"
    status, out, err = run(CLIENTS[protocol], *files, server)
    assert status == 0, err
    assert len(out.splitlines()) == 11
    assert [count for _, count in stand_in.seen] == [8, 3]


def test_a_label_leads_to_its_version_and_no_label_to_the_highest(asking, stand_in):
    for label in ("stable", "canary", None):
        [answer] = asking(label=label)
        assert answer["error"] == "" and len(answer["classes"]) == 5
    assert [version for version, _ in stand_in.seen] == [1, 2, 2]


def test_a_refusal_says_its_code_and_why(asking, stand_in):
    with pytest.raises(Exception, match="(?s)NOT_FOUND|404 .*Servable not found"):
        asking(model="other")
    with pytest.raises(Exception, match="NOT_FOUND|404 "):
        asking(label="gone")
    stand_in.busy = True
    with pytest.raises(Exception, match="(?s)UNAVAILABLE|503 .*queue is full"):
        asking()


def test_what_takes_too_long_is_given_up(asking, stand_in):
    stand_in.delay = 0.5
    with pytest.raises(Exception, match="DEADLINE_EXCEEDED|Read timed out"):
        asking(timeout=0.2)
    # Known to the server, if there is one: a tick more, as gRPC rounds it up.
    assert all(left < 0.3 for left in stand_in.deadlines)


@pytest.mark.parametrize("protocol", CLIENTS)
def test_a_client_that_reaches_nobody_says_so_and_ends_with_2(protocol, pictures, run):
    with socket.socket() as nobody:  # a port that is taken and not listened at
        nobody.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{nobody.getsockname()[1]}"
        server = f"http://{host}" if protocol == "rest" else host
        status, _, err = run(
            CLIENTS[protocol], pictures / "a.png", f"--server={server}"
        )
    assert status == 2
    assert re.search(f"^{CLIENTS[protocol]}: .*(refused|UNAVAILABLE)", err, re.M)


def test_a_client_names_files_that_do_not_exist_before_it_asks(tmp_path, pictures, run):
    missing = tmp_path / "x.png", tmp_path / "y.png"
    status, _, err = run("client_rest", pictures / "a.png", *missing)
    assert status == 2
    assert err.strip().endswith(f"no such file: {missing[0]}, {missing[1]}")


@pytest.mark.parametrize("protocol", CLIENTS)
def test_load_sends_all_requests_and_counts_what_fails(
    protocol, served, stand_in, pictures, run
):
    stand_in.delay = 0.1
    flags = (f"--protocol={protocol}", f"--server={served[1][protocol]}")
    files = [pictures / "a.png", pictures / "b.jpg", pictures / "broken.png"]
    status, out, err = run("load", *files, *flags, "--requests=30", "--clients=2")
    assert status == 1, err
    assert stand_in.seen == [(2, 1)] * 30
    rate, latency, failed = out.splitlines()
    found = re.fullmatch(r"20 answers in (.+) s: (.+) a second", rate)
    seconds, a_second = map(float, found.groups())
    assert a_second == pytest.approx(20 / seconds, rel=0.02, abs=0.06)
    middle, slow = re.fullmatch(r"p50 (.+) ms, p95 (.+) ms", latency).groups()
    assert 100 <= float(middle) <= float(slow)
    assert failed == "10 failed: a picture could not be read"
    assert re.search(r"^\d+ of 30$", err, re.M)


@pytest.mark.parametrize(
    ("protocol", "reason"), [("rest", "status 503"), ("grpc", "UNAVAILABLE")]
)
def test_load_counts_refusals_by_their_status(
    protocol, reason, served, stand_in, pictures, run
):
    stand_in.busy = True
    flags = (f"--protocol={protocol}", f"--server={served[1][protocol]}")
    status, out, _ = run("load", pictures / "a.png", *flags, "--requests=7")
    assert status == 1
    first, second = out.splitlines()
    assert first.startswith("0 answers in ") and second == f"7 failed: {reason}"


def test_load_reports_what_was_done_at_ctrl_c(served, stand_in, pictures):
    stand_in.delay = 0.1
    # Where tests run in the background, the signal would be ignored; a function that
    # runs between fork and exec may hang or fail beside this process's gRPC threads.
    program = (
        "import os, runpy, signal, sys; sys.argv[:1] = [];"
        "sys.path[0] = os.path.dirname(sys.argv[0]);"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", program, EXAMPLE / "load.py", pictures / "a.png"]
    command += [f"--server={served[1]['rest']}", "--clients=2", "--requests=100000"]
    load = subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    lines = []  # gRPC may write some, too
    for line in iter(load.stderr.readline, ""):
        lines.append(line)
        if re.fullmatch(r"[1-9]\d* of 100000\n", line):
            break
    else:
        pytest.fail("".join(lines))
    load.send_signal(signal.SIGINT)
    out, err = load.communicate(timeout=300)
    assert load.returncode == 1 and "Traceback" not in err
    count = int(re.match(r"(\d+) answers in", out).group(1))
    assert 0 < count == len(stand_in.seen) < 100000


def test_load_is_bounded(pictures, run):
    ended, _, _ = run("load", pictures / "a.png", "--clients=1000")
    assert ended == "load: expected 1 to 64 clients: 1000"


def test_the_models_that_are_served_are_where_exports_go():
    [one] = parsed((EXAMPLE / "models.config").read_text()).model_config_list.config
    assert one.base_path == f"/models/{one.name}"
    loaded = set(one.model_version_policy.specific.versions)
    assert loaded == {1} == set(one.version_labels.values())


# The fields of messages that the package with the official ones leaves out, by their
# numbers: BatchingParameters and MonitoringConfig.
NUMBER, TEXT = ".google.protobuf.Int64Value", ".google.protobuf.StringValue"
MESSAGES = {
    "BatchingParameters": [
        ("max_batch_size", NUMBER),
        ("batch_timeout_micros", NUMBER),
        ("max_enqueued_batches", NUMBER),
        ("num_batch_threads", NUMBER),
        ("thread_pool_name", TEXT),
        ("allowed_batch_sizes", "int64s"),
        ("pad_variable_length_inputs", "bool"),
    ],
    "PrometheusConfig": [("enable", "bool"), ("path", "string")],
    "MonitoringConfig": [("prometheus_config", ".official.PrometheusConfig")],
}


def official(name):
    """An empty message of `MESSAGES`."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="official.proto",
        package="official",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    for message, fields in MESSAGES.items():
        made = file.message_type.add(name=message)
        for number, (key, kind) in enumerate(fields, 1):
            one = made.field.add(name=key, number=number, label=field.LABEL_OPTIONAL)
            if kind[0] == ".":
                one.type, one.type_name = field.TYPE_MESSAGE, kind
            else:
                one.type = getattr(field, f"TYPE_{kind.rstrip('s').upper()}")
                if kind == "int64s":
                    one.label = field.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    found = pool.FindMessageTypeByName(f"official.{name}")
    return message_factory.GetMessageClass(found)()


def test_batches_have_sizes_that_the_server_accepts():
    text = (EXAMPLE / "batching.config").read_text()
    told = text_format.Parse(text, official("BatchingParameters"))
    sizes = list(told.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == told.max_batch_size.value == 32
    assert told.batch_timeout_micros.value == 2000
    assert told.max_enqueued_batches.value >= told.num_batch_threads.value >= 1


def test_prometheus_finds_its_numbers_where_readme_says():
    text = (EXAMPLE / "monitoring.config").read_text()
    told = text_format.Parse(text, official("MonitoringConfig")).prometheus_config
    assert told.enable
    assert README.count(told.path) == 2


def test_the_command_names_the_files_that_are_there():
    for name in ("models", "batching", "monitoring"):
        assert f"=/config/{name}.config" in README
        assert (EXAMPLE / f"{name}.config").is_file()
