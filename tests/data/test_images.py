import numpy as np
import pytest
from PIL import Image

from keras_vit.data import images as module
from keras_vit.data.images import UnreadableImageError, find_images, read_image
from keras_vit.decoding import Decoding

RED = (204, 51, 0)  # one of the palette's own colours


def picture(mode):
    """An image of 32 x 16 whose left half is red and whose right half is black."""
    image = Image.new("RGB", (32, 16))
    image.paste(RED, (0, 0, 16, 16))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("name", "mode", "tolerance"),
    [
        ("a.png", "RGB", 0),
        ("a.png", "RGBA", 0),
        ("a.png", "P", 0),
        ("a.bmp", "RGB", 0),
        ("a.webp", "RGB", 5),
        ("a.jpg", "RGB", 5),
        ("a.JPEG", "CMYK", 5),
    ],
)
def test_any_colour_mode_becomes_rgb(name, mode, tolerance, tmp_path):
    picture(mode).save(tmp_path / name)
    pixels = read_image(tmp_path / name)
    assert pixels.shape == (16, 32, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels[:, :12] - np.array(RED)).max() <= tolerance
    assert pixels[:, 20:].max() <= tolerance


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_fills_the_three_channels(mode, tmp_path):
    picture("L").convert(mode).save(tmp_path / "a.png")
    pixels = read_image(tmp_path / "a.png")
    assert pixels.shape == (16, 32, 3)
    assert (pixels == pixels[..., :1]).all()
    assert pixels[:, :16].mean() > pixels[:, 16:].mean()


def test_16_bits_become_8(tmp_path):
    values = np.array([[0, 257, 65535], [1000, 32896, 60000]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    levels = np.floor(values * (255 / 65535) + 0.5)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[..., 0], levels)


def test_the_cameras_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    picture("RGB").save(tmp_path / "a.png", exif=exif)
    pixels = read_image(tmp_path / "a.png")
    assert pixels.shape == (32, 16, 3)
    assert (pixels[:16] == RED).all()


@pytest.mark.parametrize(
    "content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50]
)
def test_a_file_that_is_no_image_is_named(content, tmp_path):
    path = tmp_path / "bad.png"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match="bad.png: not a readable image"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp"])
def test_a_cut_image_is_named(name, tmp_path):
    path = tmp_path / name
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(UnreadableImageError, match=name):
        read_image(path)


def test_an_image_that_is_too_large_is_refused_by_its_header(tmp_path):
    Image.new("1", (2000, 1000)).save(tmp_path / "bomb.png")
    limit = Decoding(max_pixels=1_999_999)
    with pytest.raises(UnreadableImageError, match="1000 pixels are more .* --max_pix"):
        read_image(tmp_path / "bomb.png", decoding=limit)
    raised = Decoding(max_pixels=2_000_000)
    assert read_image(tmp_path / "bomb.png", decoding=raised).shape == (1000, 2000, 3)


def test_a_file_that_is_too_long_is_refused_by_its_size(tmp_path, monkeypatch):
    (tmp_path / "long.bmp").write_bytes(bytes(1001))
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    with pytest.raises(UnreadableImageError, match="long.bmp: 1,001 bytes are more"):
        read_image(tmp_path / "long.bmp")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableImageError, match="x.png: No such file"):
        read_image(tmp_path / "x.png")


def test_the_cameras_orientation_can_be_left_alone(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture("RGB").save(tmp_path / "a.png", exif=exif)
    pixels = read_image(tmp_path / "a.png", exif_orientation=False)
    np.testing.assert_array_equal(pixels, np.asarray(picture("RGB")))


def test_damaged_exif_does_not_cost_the_image(tmp_path):
    picture("RGB").save(tmp_path / "a.png", exif=b"Exif\0\0no such thing")
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.png"), np.asarray(picture("RGB"))
    )


def test_pixels_without_a_known_range_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UnreadableImageError, match="a.tif: .* is unknown"):
        read_image(tmp_path / "a.tif")


def test_postscript_is_not_run(tmp_path):
    picture("RGB").save(tmp_path / "a.png", format="EPS")
    with pytest.raises(UnreadableImageError, match="a.png: EPS is a program"):
        read_image(tmp_path / "a.png")


def test_a_folder_gives_its_images_by_name_and_a_file_itself(tmp_path):
    for name in ("b.png", "a.JPG", "sub/c.webp", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_images([tmp_path / "notes.txt", tmp_path])
    names = [str(path.relative_to(tmp_path)) for path in found]
    assert names == ["notes.txt", "a.JPG", "b.png", "sub/c.webp"]


def test_missing_paths_and_empty_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"x\.png, .*y\.png"):
        find_images([tmp_path / "x.png", tmp_path / "y.png"])
    with pytest.raises(ValueError, match="a folder without images"):
        find_images([tmp_path])


def test_the_sign_of_the_home_folder_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.png").touch()
    assert find_images(["~/a.png"]) == [tmp_path / "a.png"]


def test_what_pillow_takes_for_a_bomb_is_read_if_it_was_asked_for(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 900)
    Image.new("1", (50, 40)).save(tmp_path / "large.png")
    small, large = Decoding(max_pixels=800), Decoding(max_pixels=2_000)
    with pytest.raises(UnreadableImageError, match="limit of 800, which --max_pixels"):
        read_image(tmp_path / "large.png", decoding=small)
    assert read_image(tmp_path / "large.png", decoding=large).shape == (40, 50, 3)
