"""timm's hybrids whose stems have batch normalisation: ResNet-D and MobileCLIP."""

import json

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import layers
from keras_vit.weights import load_weights, save_weights
from support.fixture_models import TINY, TORCH
from support.models import randomize

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

CLASSES = 7
NARROW = {"channels": (8, 16, 32, 64), "stem_width": 4}  # an eighth of timm's


def with_values(network):
    """timm's network with a value for every weight and statistic."""
    generator = torch.Generator().manual_seed(0)

    def drawn(array):
        return torch.randn(array.shape, generator=generator)

    with torch.no_grad():
        for path, weight in network.named_parameters():
            scale = 0.1 if weight.ndim == 1 else weight[0].numel() ** -0.5
            values = scale * drawn(weight)
            if weight.ndim == 1 and path.endswith("weight"):
                values += 0.2 if ".bn3." in path else 1
            weight.copy_(values)
        for path, array in network.named_buffers():
            if path.endswith("running_mean"):
                array.copy_(0.1 * drawn(array))
            elif path.endswith("running_var"):
                array.copy_(0.5 + drawn(array).abs())
            elif path.endswith("num_batches_tracked"):
                array.fill_(12)
    return network.eval()


def narrow(blocks, size):
    """timm's hybrid on a ResNet-D of an eighth of its channels."""
    hybrid = timm.models.vision_transformer_hybrid
    backbone = timm.create_model(
        "resnet26d",
        features_only=True,
        out_indices=[len(blocks)],
        layers=(*blocks, *(1,) * (4 - len(blocks))),
        **NARROW,
    )
    return with_values(
        hybrid._create_vision_transformer_hybrid(
            "vit_small_resnet26d_224",
            backbone=backbone,
            img_size=size,
            embed_dim=32,
            depth=1,
            num_heads=4,
            mlp_ratio=2,
            num_classes=CLASSES,
        )
    )


def named(name, **sizes):
    return with_values(timm.create_model(name, depth=1, num_classes=CLASSES, **sizes))


def saved(network, folder, **settings):
    from safetensors.torch import save_file

    save_file(network.state_dict(), folder / "model.safetensors")
    if settings:
        (folder / "config.json").write_text(json.dumps(settings))
    return folder / "model.safetensors"


def difference(model, network, images):
    """The largest one, over timm's largest logit."""
    with torch.no_grad():
        theirs = network(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
    return np.abs(np.asarray(model(images)) - theirs).max() / np.abs(theirs).max()


def images_for(network, rng, count=2):
    size = (count, *network.patch_embed.img_size, 3)
    return rng.normal(size=size).astype("float32")


def hybrid(stem, size, **arguments):
    sizes = {"num_layers": 1, "image_size": size, "patch_size": 1, "stem": stem}
    return keras_vit.ViT(**(TINY | TORCH | sizes | arguments))


@pytest.mark.parametrize(
    ("blocks", "size"),
    [((1, 2), (32, 48)), ((2, 1, 1), (48, 32)), ((1, 1), (37, 51)), ((2,), (22, 35))],
)
def test_a_resnet_d_computes_what_timms_does_at_sides_that_are_odd_too(
    blocks, size, tmp_path, rng
):
    network = narrow(blocks, size)
    model = hybrid(layers.ResNetDStem(blocks, 0.125, name="stem"), size)
    grid = tuple(network.patch_embed.grid_size)
    load_weights(model, saved(network, tmp_path), source_grid=grid)
    assert difference(model, network, images_for(network, rng)) < 2e-5


def test_a_file_of_a_resnet_d_says_its_blocks_and_its_width(tmp_path, rng):
    network = narrow((1, 2, 1), (48, 32))
    model = keras_vit.ViT(
        weights=saved(network, tmp_path),
        image_size=(48, 32),
        num_heads=4,
        include_preprocessing=False,
    )
    stem = model.get_layer("stem")
    assert type(stem) is layers.ResNetDStem
    assert (stem.blocks, stem.width_factor) == ((1, 2, 1), 0.125)
    assert difference(model, network, images_for(network, rng)) < 2e-5


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("vit_base_mci_224", {"img_size": (48, 80)}),
        ("vit_small_resnet26d_224", {"img_size": (64, 96)}),
        pytest.param(
            "vit_small_resnet50d_s16_224",
            {"img_size": (48, 32)},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "vit_base_resnet50d_224", {"img_size": (64, 96)}, marks=pytest.mark.slow
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*has no preprocessing")
def test_timms_name_loads_and_goes_back_for_timm_to_load_strictly(
    name, sizes, tmp_path, rng
):
    from safetensors.torch import load_file

    network = named(name, **sizes)
    folder, back = tmp_path / "there", tmp_path / "back"
    folder.mkdir()
    back.mkdir()
    saved(network, folder, architecture=name, pretrained_cfg={})
    model = keras_vit.ViT(
        weights=folder, image_size=sizes["img_size"], include_preprocessing=False
    )
    images = images_for(network, rng, count=1)
    assert difference(model, network, images) < 2e-5
    save_weights(model, back / "model.safetensors", "timm")  # whose name it finds
    config = json.loads((back / "config.json").read_text())
    again = timm.create_model(  # `pretrained=True` asks the hub for the ResNet first
        config["architecture"], num_classes=CLASSES, **config["model_args"]
    ).eval()
    arrays = load_file(back / "model.safetensors")
    assert arrays.keys() == network.state_dict().keys()
    again.load_state_dict(arrays, strict=True)
    assert difference(model, again, images) < 2e-5


def test_mobileclips_stem_is_two_convolutions_and_patches_of_two_cells(tmp_path, rng):
    network = named("vit_base_mci_224", img_size=(32, 48))
    path = saved(network, tmp_path)
    with pytest.raises(ValueError, match="architecture=.*'vit_base_mci_224'"):
        keras_vit.ViT(weights=path)
    model = keras_vit.ViT(
        weights=path,
        architecture="vit_base_mci_224",
        image_size=(32, 48),
        num_heads=12,
        include_preprocessing=False,
    )
    stem = model.get_layer("stem")
    assert (stem.channels, stem.kernel_sizes) == ((192, 192), (4, 2))
    assert model.get_layer("patches").patch_size == (2, 2)
    assert model.get_layer("patch_encoder").grid == (2, 3)
    assert keras_vit.inspect.cell_size(model) == (16, 16)


def test_a_stem_that_timm_has_no_name_for_is_no_architecture_of_its(tmp_path, rng):
    model = hybrid(layers.ConvStem((8, 8), name="stem"), (32, 48), patch_size=2)
    with pytest.raises(ValueError, match="of the model's kind"):
        save_weights(
            model, tmp_path / "a.safetensors", "timm", architecture="vit_base_mci_224"
        )
    wide = hybrid(layers.ResNetDStem((2, 2, 2, 2), name="stem"), (32, 64))
    with pytest.raises(ValueError, match="such as 'vit_small_resnet26d_224'"):
        save_weights(
            wide,
            tmp_path / "a.safetensors",
            "timm",
            architecture="vit_base_resnet50d_224",
        )


@pytest.mark.parametrize("format", ["npz", "huggingface", "torchvision"])
def test_files_without_a_place_for_running_statistics_refuse_them(format, tmp_path):
    model = hybrid(layers.ConvStem((8, 8), name="stem"), (32, 48), patch_size=2)
    suffix = {"npz": ".npz", "torchvision": ".safetensors"}.get(format, "")
    with pytest.raises(ValueError, match="stem"):
        save_weights(model, tmp_path / f"a{suffix}", format)


@pytest.mark.parametrize(
    "stem",
    [
        lambda: layers.ResNetDStem((1, 1), 0.125, name="stem"),
        lambda: layers.ConvStem((8, 8), name="stem"),
    ],
    ids=["ResNetDStem", "ConvStem"],
)
def test_such_a_hybrid_is_saved_and_resized_with_its_statistics(stem, tmp_path, rng):
    model = randomize(hybrid(stem(), (32, 48)), rng, scale=0.2)
    images = rng.normal(size=(2, 32, 48, 3)).astype("float32")
    expected = np.asarray(model(images))
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_allclose(again(images), expected, atol=1e-6)
    np.testing.assert_allclose(
        keras_vit.resize(model, (32, 48))(images), expected, atol=1e-6
    )
    larger = keras_vit.resize(model, (64, 48))
    for old, new in zip(
        model.get_layer("stem").weights, larger.get_layer("stem").weights, strict=True
    ):
        np.testing.assert_array_equal(old, new)


def test_training_moves_running_statistics_as_pytorch_does(rng):
    """The mean alike; of the variance Keras takes the biased one of a batch."""
    stem = layers.ConvStem((4,), (2,))
    images = rng.normal(size=(3, 8, 6, 3)).astype("float32")
    stem.build(images.shape)
    norm = torch.nn.BatchNorm2d(4)
    before = np.asarray(stem.convolutions[0](images))
    norm(torch.tensor(before.transpose(0, 3, 1, 2)))
    stem(images, training=True)
    np.testing.assert_allclose(
        stem.norms[0].moving_mean, norm.running_mean.numpy(), atol=1e-6
    )
    count = before[..., 0].size
    unbiased = np.asarray(stem.norms[0].moving_variance) - 0.9
    np.testing.assert_allclose(
        unbiased * count / (count - 1), norm.running_var.numpy() - 0.9, atol=1e-6
    )
    after = np.asarray(stem.norms[0].moving_mean)
    stem(images)
    stem.trainable = False
    stem(images, training=True)
    np.testing.assert_array_equal(stem.norms[0].moving_mean, after)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: layers.ResNetDStem(()), "blocks must have a stage"),
        (lambda: layers.ResNetDStem((1,), 0.05), "must be even.*3 channels"),
        (lambda: layers.ConvStem((8,), (4, 2)), "must be as many"),
        (lambda: layers.ConvStem((), ()), "one at least"),
        (lambda: layers.BottleneckD(8, strides=2), "must keep the sides"),
        (lambda: layers.BottleneckD(8).build((1, 4, 4, 16)), "must keep the channels"),
    ],
)
def test_a_stem_that_cannot_be_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
