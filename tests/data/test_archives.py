import collections
import stat
import zipfile

import numpy as np
import pytest
from PIL import Image

from keras_vit.data import archives, load
from keras_vit.files import cache_folder

FILES = [
    f"{split}/{name}/{number}.png"
    for split in ("train", "test")
    for name in ("cat", "dog")
    for number in range(2)
]


def images(folder):
    """Image files of a folder of folders, each of another colour."""
    for number, name in enumerate(FILES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), (number, 0, 0)).save(path)
    return folder


def archive(path, files, source=None, **options):
    """A zip archive of files, from a source, or of one byte each."""
    with zipfile.ZipFile(path, "w", **options) as file:
        for name in files:
            inside = source and source / name.removeprefix("photos/")
            file.writestr(name, inside.read_bytes() if source else b"x")
    return path


@pytest.fixture
def zipped(tmp_path):
    source = images(tmp_path / "source")
    return archive(tmp_path / "photos.zip", FILES, source)


@pytest.fixture
def room(tmp_path):
    """Where archives are extracted, which stays empty if one is refused."""
    folder = tmp_path / "room"
    folder.mkdir()
    return folder


def files_below(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_an_archive_is_the_data_set_that_its_folder_is(tmp_path, zipped, room):
    dataset, folder = load(zipped, data_dir=room), load(tmp_path / "source")
    assert dataset.name == "photos"
    assert dataset.class_names == folder.class_names == ("cat", "dog")
    for split in ("train", "test"):
        ours, theirs = getattr(dataset, split), getattr(folder, split)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        for index in range(len(theirs)):
            np.testing.assert_array_equal(ours.image(index), theirs.image(index))


@pytest.mark.parametrize("files", [FILES, [n for n in FILES if n[:5] == "train"]])
def test_a_folder_around_all_is_stepped_into(tmp_path, room, files):
    source = images(tmp_path / "source")
    inside = [f"photos/{name}" for name in files]
    path = archive(tmp_path / "A.ZIP", inside, source)
    folder = archives.extracted(path, room)
    assert folder.name == "photos"
    assert files_below(folder) == {*files}


def test_a_split_alone_is_not_stepped_into(tmp_path, room):
    path = archive(tmp_path / "a.zip", ["train/a/1.jpg", "train/b/2.jpg"])
    with pytest.raises(ValueError, match="has no test split"):
        load(path, data_dir=room)


def test_an_archive_is_extracted_once(zipped, room, monkeypatch):
    load(zipped, data_dir=room)
    before = files_below(room)
    monkeypatch.setattr(archives, "_extract", lambda *_: pytest.fail("again"))
    load(zipped, data_dir=room)
    assert files_below(room) == before
    assert {name.split("-", 1)[0] for name in before} == {"photos"}


def test_another_archive_of_that_name_is_extracted_anew(tmp_path, zipped, room):
    load(zipped, data_dir=room)
    new = ["train/new/2.jpg", "train/newer/2.jpg", "test/new/3.jpg"]
    archive(zipped, ["cat/1.jpg", *new])
    assert load(zipped, data_dir=room).class_names == ("new", "newer")
    assert len(list(room.iterdir())) == 2


def test_archives_are_extracted_into_the_cache(tmp_path, zipped, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    load(zipped)
    (folder,) = (cache_folder() / "datasets").iterdir()
    assert folder.is_relative_to(tmp_path / "home" / "keras_vit")
    assert files_below(folder) == {*FILES}


def test_only_images_that_are_not_hidden_are_extracted(tmp_path, room):
    extra = ["notes.txt", "__MACOSX/train/a/._1.jpg", "train/a/.1.jpg", "train/a/"]
    images = ["train/a/1.jpg", "train\\a\\2.JPG", "test/a/é.png"]
    path = archive(tmp_path / "a.zip", [*images, *extra])
    expected = {name.replace("\\", "/") for name in images}
    assert files_below(archives.extracted(path, room)) == expected


def test_a_process_that_was_faster_is_no_failure(zipped, room, monkeypatch):
    extract = archives._extract

    def and_another(archive, entries, folder):
        extract(archive, entries, folder)
        extract(archive, entries, folder.parent.parent / folder.name)

    monkeypatch.setattr(archives, "_extract", and_another)
    assert len(load(zipped, data_dir=room).train) == 4


def refused(path, room, message):
    with pytest.raises((ValueError, OSError), match=message) as refused:
        load(path, data_dir=room)
    assert "\n" not in str(refused.value)
    assert not list(room.iterdir())


@pytest.mark.parametrize(
    "name",
    ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "C:/x.jpg", "..\\x.jpg", "a/../x.txt"],
)
def test_a_name_that_leads_out_is_refused(tmp_path, room, name):
    path = archive(tmp_path / "a.zip", ["train/a/1.jpg", name])
    refused(path, room, "leads out of the archive")
    assert files_below(tmp_path) == {"a.zip"}


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, room, kind):
    path = tmp_path / "a.zip"
    entry = zipfile.ZipInfo("train/a/link.jpg")
    entry.create_system, entry.external_attr = 3, (kind | 0o777) << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(entry, "/etc/passwd")
    refused(path, room, "'train/a/link.jpg' is a link or a device")


def test_an_encrypted_archive_is_refused(tmp_path, room):
    path = archive(tmp_path / "a.zip", ["train/a/1.jpg"])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x03\x04") + 6] |= 1  # the flag, in both headers
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    refused(path, room, "is encrypted")


def test_an_entry_that_is_there_twice_is_refused(tmp_path, room):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(tmp_path / "a.zip", ["a/1.jpg", "a/1.jpg"])
    refused(path, room, "is there twice")


def test_an_archive_that_grows_as_no_images_do_is_refused(tmp_path, room):
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file,
        file.open("train/a/1.jpg", "w", force_zip64=True) as entry,
    ):
        for _ in range(101):
            entry.write(bytes(1 << 20))
    assert path.stat().st_size < 200_000
    refused(path, room, "would grow to 105,906,176")


def test_sizes_that_lie_are_found_out(tmp_path, room):
    path = tmp_path / "lies.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("train/a/1.jpg", bytes(1 << 20))
    data = path.read_bytes()
    real, told = (number.to_bytes(4, "little") for number in (1 << 20, 10))
    assert data.count(real) == 2  # in the entry's header, and in the table of contents
    path.write_bytes(data.replace(real, told))
    refused(path, room, "is damaged")


def test_an_archive_of_little_may_grow_much(tmp_path, room):
    path = tmp_path / "black.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name in FILES:
            file.writestr(name, bytes(1 << 20))
    assert path.stat().st_size * archives.MOST_GROWTH < len(FILES) << 20
    assert len(load(path, data_dir=room).train) == 4


def test_an_archive_without_room_on_the_disk_is_refused(zipped, room, monkeypatch):
    usage = collections.namedtuple("Usage", "total used free")(100, 90, 10)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage)
    refused(zipped, room, "bytes of disk .* Received: 10 in .* pass another data_dir")


@pytest.mark.parametrize("where", ["all", "end", "middle"])
def test_a_damaged_archive_is_refused_and_leaves_nothing(tmp_path, zipped, room, where):
    data = bytearray(zipped.read_bytes())
    if where == "all":
        data = b"no archive at all"
    elif where == "end":
        data = data[:-40]
    else:  # the pixels of the second image
        at = data.index(b"IDAT", data.index(b"IDAT") + 4)
        data[at + 8] ^= 0xFF
    zipped.write_bytes(data)
    refused(zipped, room, "photos.zip, which is damaged.*Make or download it again")


def test_an_archive_without_images_is_refused(tmp_path, room):
    path = archive(tmp_path / "a.zip", ["train/a/1.txt"])
    refused(path, room, "files ending in .jpg.*holds no images")


def test_the_tables_of_splits_come_out_with_their_images(tmp_path):
    path = tmp_path / "robo.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for split in ("train", "test"):
            for name in ("1.jpg", "2.jpg"):
                archive.writestr(f"{split}/{name}", b"")
            archive.writestr(
                f"{split}/_classes.csv", "filename,a,b\n1.jpg,1,0\n2.jpg,0,1"
            )
        archive.writestr("train/1.dcm", b"")
    dataset = load(path, data_dir=tmp_path / "data")
    assert dataset.class_names == ("a", "b")
    assert [len(split) for split in dataset.splits().values()] == [2, 2]
    with zipfile.ZipFile(tmp_path / "scans.zip", "w") as archive:
        archive.writestr("a/1.dcm", b"")
    with pytest.raises(ValueError, match="1 file ends in .dcm, which is not read"):
        load(tmp_path / "scans.zip", data_dir=tmp_path / "data")
