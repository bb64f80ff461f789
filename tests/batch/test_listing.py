"""What people name as images -> an item each."""

import io
import json
import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

pytest.importorskip("apache_beam")
pa = pytest.importorskip("pyarrow")

from keras_vit.batch.items import Item, Reader  # noqa: E402
from keras_vit.batch.listing import listed  # noqa: E402
from keras_vit.data.images import UnreadableImageError, find_images  # noqa: E402
from support.bucket import FILES  # noqa: E402


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FILES.clear()


def touched(*names):
    for name in names:
        path = pathlib.Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def names(*images, **options):
    return [one.name for one in listed(list(images), **options)]


def test_a_folder_stands_for_the_files_that_predict_finds_in_its_order():
    touched("p/a.jpg", "p/a/z.PNG", "p/a.b/c.webp", "p/.h/x.jpg", "p/B.gif", "p/n.txt")
    touched("elsewhere/y.jpg")
    pathlib.Path("p/linked").symlink_to(pathlib.Path("elsewhere").absolute())
    pathlib.Path("p/file.jpg").symlink_to(pathlib.Path("elsewhere/y.jpg").absolute())
    assert names("p") == [*map(str, find_images(["p"]))]
    assert len(names("p")) == 6


def test_a_pattern_stands_for_what_it_matches_and_a_file_for_itself():
    touched("p/a.jpg", "p/b.png", "p/c/d.jpg", "odd")
    assert names("p/*.jpg", "odd") == ["p/a.jpg", "odd"]
    assert names("p/**/*.jpg") == ["p/a.jpg", "p/c/d.jpg"]


@pytest.mark.parametrize("nothing", ["empty", "empty/*.jpg", "text.zip"])
def test_what_holds_no_image_is_refused(nothing):
    pathlib.Path("empty").mkdir()
    with zipfile.ZipFile("text.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(ValueError, match="which has no images"):
        names(nothing)


def test_a_path_of_nothing_and_a_damaged_archive_are_refused():
    with pytest.raises(FileNotFoundError, match=r"such file or folder: no\.jpg"):
        names("no.jpg")
    touched("bad.zip")
    with pytest.raises(ValueError, match="damaged or of another kind"):
        names("bad.zip")


def test_an_archive_is_read_where_it_lies():
    with zipfile.ZipFile("p.zip", "w") as archive:
        for name in ("b/x.jpg", "a.png", "__MACOSX/a.png", ".h/a.png", "t.txt"):
            archive.writestr(name, name)
    items = [*listed("p.zip")]
    assert [one.name for one in items] == ["p.zip/a.png", "p.zip/b/x.jpg"]
    assert [Reader().read(one) for one in items] == [b"a.png", b"b/x.jpg"]
    with pytest.raises(UnreadableImageError, match=r"^p\.zip/c: .*no item"):
        Reader().read(Item("p.zip/c", "p.zip", "c"))


TABLES = {
    "a.csv": "label;path\ncat;x/1.jpg\ndog;/abs/2.jpg\n",
    "b.csv": "x/1.jpg,cat\n/abs/2.jpg,dog\n",
    "c.tsv": "filename\tlabel\nx/1.jpg\tcat\n/abs/2.jpg\tdog\n",
    "d.txt": "x/1.jpg\n\n/abs/2.jpg",
    "e.jsonl": '{"image": "x/1.jpg"}\n{"image": "/abs/2.jpg"}\n',
    "f.json": '["x/1.jpg", "/abs/2.jpg"]',
    "g.json": json.dumps(
        {"images": [{"id": 1, "file_name": f} for f in ("x/1.jpg", "/abs/2.jpg")]}
    ),
    "h.csv": "\ufeffa,b\n1,x/1.jpg\n2,/abs/2.jpg\n",
}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_stands_for_the_paths_in_it(table, tmp_path):
    pathlib.Path(table).write_text(TABLES[table], encoding="utf-8")
    options = {"image_column": "b"} if table == "h.csv" else {}
    assert names(table, **options) == [str(tmp_path / "x/1.jpg"), "/abs/2.jpg"]
    found = names(table, data_dir="/data", **options)
    assert found == ["/data/x/1.jpg", "/abs/2.jpg"]


def test_a_table_of_parquet_is_read_and_one_without_paths_refused(tmp_path):
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"n": [1, 2], "path": ["a.jpg", "b.jpg"]}), "t.parquet")
    assert names("t.parquet") == [str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg")]
    pathlib.Path("t.csv").write_text("number,colour\n1,red\n")
    with pytest.raises(ValueError, match=r"column of paths in t\.csv.*number, colour"):
        names("t.csv")
    with pytest.raises(ValueError, match="'size'.*Received: number, colour"):
        names("t.csv", image_column="size")
    pathlib.Path("u.csv").write_bytes(b"path\n\xff\xfe.jpg\n")
    with pytest.raises(ValueError, match="in UTF-8"):
        names("u.csv")


def example(**features):
    made = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        for name, value in features.items()
    }
    features = tf.train.Features(feature=made)
    return tf.train.Example(features=features).SerializeToString()


def test_records_are_entered_at_their_bytes():
    with tf.io.TFRecordWriter("a.tfrecord") as writer:
        for number in range(3):
            writer.write(example(**{"image/encoded": b"%d" % number, "name": b"n"}))
    items = [*listed("a.tfrecord")]
    assert items[2].name == "a.tfrecord, record 2"
    reader = Reader()
    assert [reader.read(one) for one in reversed(items)] == [b"2", b"1", b"0"]
    named = [*listed("a.tfrecord", image_column="name")]
    assert reader.read(named[0]) == b"n"
    with pytest.raises(UnreadableImageError, match="expected a feature 'x'"):
        reader.read(items[0]._replace(member="x"))
    data = bytearray(pathlib.Path("a.tfrecord").read_bytes())
    data[items[1].offset] ^= 1
    pathlib.Path("a.tfrecord").write_bytes(data)
    with pytest.raises(UnreadableImageError, match="record 1: the record's length"):
        Reader().read(items[1])
    assert Reader().read(items[2]) == b"2"


def test_records_of_tensorflow_datasets_are_read_by_their_image(rng):
    from support.prepared import of_pictures, pictures, prepare

    splits = {"train": list(pictures(4, rng)), "test": list(pictures(3, rng))}
    builder = prepare("d", "small", of_pictures(), splits, shards=2)
    named = [*listed("tfds:small", data_dir="d")]
    assert len(named) == 7
    [first, *_] = [*listed(builder.data_path, split="test")]
    assert len([*listed(builder.data_path, split="test")]) == 3
    data = Reader().read(first)
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    assert any((pixels == one["image"]).all() for one in splits["test"])
    with pytest.raises(ValueError, match="a split of .*: train, test.*'val'"):
        [*listed(builder.data_path, split="val")]


def test_a_bucket_is_listed_and_read_by_the_file_system_of_its_scheme():
    for name in ("p/b.jpg", "p/c/a.png", "p/t.txt", "q/z.jpg"):
        FILES[f"bucket://x/{name}"] = name.encode()
    FILES["bucket://x/t.csv"] = b"path\np/b.jpg\nbucket://y/1.jpg\n"
    assert names("bucket://x/p") == ["bucket://x/p/b.jpg", "bucket://x/p/c/a.png"]
    assert names("bucket://x/q/*.jpg") == ["bucket://x/q/z.jpg"]
    assert names("bucket://x/t.csv") == ["bucket://x/p/b.jpg", "bucket://y/1.jpg"]
    assert Reader().read(Item("bucket://x/p/b.jpg")) == b"p/b.jpg"
    with pytest.raises(UnreadableImageError, match=r"bucket://x/no\.jpg: no such file"):
        Reader().read(Item("bucket://x/no.jpg"))
