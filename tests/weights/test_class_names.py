import pytest

from keras_vit.weights import find_checkpoint, save_weights
from keras_vit.weights.sources import huggingface_config
from support.models import tiny_vit

NAMES = ("tench", "Haus, klein", "犬", "d", "e")


@pytest.mark.parametrize("format", ["timm", "huggingface"])
def test_names_of_classes_go_out_and_come_back(tmp_path, format):
    model = tiny_vit(activation="gelu_erf", image_size=16)
    path = tmp_path / ("model.safetensors" if format == "timm" else "folder")
    save_weights(model, path, format, class_names=NAMES)
    assert find_checkpoint("ViT", path).class_names == NAMES


def test_hugging_face_knows_the_names_that_we_write(tmp_path):
    config = pytest.importorskip("transformers").ViTConfig
    model = tiny_vit(activation="gelu_erf", image_size=16)
    save_weights(model, tmp_path / "folder", "huggingface", class_names=NAMES)
    known = config.from_pretrained(tmp_path / "folder")
    assert known.id2label == dict(enumerate(NAMES))
    assert known.label2id["犬"] == 2


@pytest.mark.parametrize(
    ("format", "names", "message"),
    [
        ("npz", NAMES, "'timm' or 'huggingface'.*Received: format='npz'"),
        ("timm", NAMES[:4], "as many as the model's logits, 5.*Received: 4 names"),
    ],
)
def test_names_that_cannot_be_kept_are_refused(tmp_path, format, names, message):
    path = tmp_path / {"npz": "model.npz"}.get(format, "model.safetensors")
    with pytest.raises(ValueError, match=message):
        save_weights(tiny_vit(activation="gelu_erf"), path, format, class_names=names)
    assert list(tmp_path.iterdir()) == []


def test_convert_keeps_the_names_of_a_run(tmp_path):
    from keras_vit.cli.main import main
    from keras_vit.model_files import save_model

    model = tiny_vit(activation="gelu_erf", image_size=16)
    save_model(model, tmp_path / "model.keras", NAMES)
    for place, format in (("there", "huggingface"), ("there.safetensors", "timm")):
        told = [f"--to={tmp_path / place}", f"--format={format}"]
        assert main(["convert", f"--from={tmp_path / 'model.keras'}", *told]) == 0
        assert find_checkpoint("ViT", tmp_path / place).class_names == NAMES


def test_names_that_a_publisher_maps_the_other_way_alone_are_read():
    config = {"label2id": {"dog": 1, "cat": 0, "cup": 2}}
    assert huggingface_config.class_names(config) == ("cat", "dog", "cup")
    assert huggingface_config.class_names({"label2id": {"LABEL_0": 0}}) is None
