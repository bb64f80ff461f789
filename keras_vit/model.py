"""The Vision Transformer as a functional Keras model: Eqs. 1 to 4.

"An Image is Worth 16x16 Words" (arXiv:2010.11929).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from keras_vit import layers
from keras_vit.encoder_blocks import encoded, kept, positions_of_blocks
from keras_vit.foreign_arguments import answering_foreign_words
from keras_vit.image_model import KerasVitModel
from keras_vit.input_and_output_layers import HEADS, features, head, preprocessing
from keras_vit.layers import PoolingConfig
from keras_vit.layers.block_config import Block
from keras_vit.layers.normalization import normalization
from keras_vit.model_arguments import checked, warn_of_merging
from keras_vit.model_options import (
    Activation,
    PerChannel,
    Pooling,
    PositionEmbedding,
    PositionEmbeddingAt,
    PositionInterpolation,
    Size,
)
from keras_vit.pooling import pooled
from keras_vit.preprocessing import Preprocessing
from keras_vit.renamed import renamed_arguments


@renamed_arguments(pixel_deviation="pixel_std")
@answering_foreign_words
def ViT(
    num_classes: int | None = 1000,
    *,
    image_size: Size = 224,
    patch_size: Size = 16,
    num_layers: int = 12,
    num_heads: int = 12,
    hidden_dim: int = 768,
    mlp_dim: int = 3072,
    stem: keras.layers.Layer | None = None,
    pooling: Pooling | PoolingConfig | Mapping[str, Any] | None = "token",
    representation_size: int | None = None,
    position_embedding: PositionEmbedding = "learned",
    position_embedding_at: PositionEmbeddingAt | None = None,
    position_interpolation: PositionInterpolation | None = None,
    num_registers: int = 0,
    class_token: bool | None = None,
    distillation: bool = False,
    fc_norm: bool = False,
    layer_scale: float | None = None,
    qk_norm: bool = False,
    dropout_rate: float = 0.0,
    attention_dropout_rate: float = 0.0,
    drop_path_rate: float = 0.0,
    token_merging: int = 0,
    patch_dropout_rate: float = 0.0,
    activation: Activation = "gelu_tanh",
    layer_norm_epsilon: float = 1e-6,
    block: Block | Sequence[Block] | None = None,
    patch_bias: bool = True,
    patch_norm: bool = False,
    pre_norm: bool = False,
    final_norm: bool = True,
    head_bias: bool = True,
    include_preprocessing: bool = True,
    pixel_mean: PerChannel = 127.5,
    pixel_std: PerChannel = 127.5,
    evaluation_preprocessing: str | Preprocessing | None = None,
    name: str = "vit",
) -> keras.Model:
    """Build a Vision Transformer of any size.

    The model takes RGB images of shape `(B, H, W, 3)`, uint8 or float32, with
    pixels in [0, 255], and gives float32 logits of shape `(B, num_classes)`
    under any dtype policy. Its defaults are those of Google's published
    models. The layer `"features"` holds what the head reads.

    Args:
        num_classes: logits to return; `None`: no head, the model returns the
            features.
        image_size: pixels, an integer or (height, width).
        patch_size: the side of a patch, an integer or (height, width), in
            pixels, or in cells of the stem's feature map.
        num_layers: L, the blocks of the encoder.
        num_heads: attention heads, which must divide `hidden_dim`.
        hidden_dim: D, the features of a token.
        mlp_dim: features inside a block's MLP.
        stem: for a hybrid, the layer or model that turns images into a
            feature map `(B, h, w, C)`, such as `layers.ResNetStem`.
        pooling: what stands for the image. `"token"`: the class token's final
            state. `"gap"`: the mean of the patches' final states. `"map"`:
            attention by a learned query. See `PoolingConfig` for others, and
            for which tokens are pooled. `None`: nothing is pooled, the model
            returns all tokens, `(B, T, D)`.
        representation_size: width of the tanh layer before the head, as in
            pre-training; `None`: no such layer.
        position_embedding: `"learned"` (one vector a patch), `"learned_2d"`
            (one a column and one a row, side by side), `"factorized"` (their
            sum, as NaViT has it), `"sincos_2d"` (fixed), `"none"`; or
            inside attention `"relative"` (a learned key for each offset) or
            `"rope_2d"` (rotary). See `layers.PatchEncoder`,
            `layers.RelativePositions`, `layers.RotaryPositions`.
        position_embedding_at: where the learned ones are added (appendix
            D.4). `"input"`: to the tokens before the first block.
            `"every_layer"`: before each block, which has positions of its
            own. `"every_layer_shared"`: before each, the same. `None`: at
            the input; what is inside attention is in every layer.
        position_interpolation: by which rule `resize` takes learned positions
            to another grid: `"bilinear"` (Google's, of aligned corners),
            `"bicubic_antialias"` (timm's) or another of
            `weights.positions.METHODS`. Weights settle it; `None`: the first,
            the paper's, as long as there are none.
        num_registers: extra tokens that stand for no patch (arXiv:2309.16588).
        class_token: whether there is a class token; `None`: where `pooling`
            reads it. timm's average pooling keeps one that is not read.
        distillation: whether a distillation token and a head of its own are
            added (DeiT, arXiv:2012.12877); the logits are the mean of both.
        fc_norm: whether the final norm follows pooling and does not precede
            it, as timm's average pooling has it.
        layer_scale: initial value of LayerScale (arXiv:2103.17239); `None`:
            no LayerScale.
        qk_norm: whether queries and keys are normalised (arXiv:2302.05442).
        dropout_rate: after the positions are added, after attention and twice
            in the MLP.
        attention_dropout_rate: of the attention probabilities.
        drop_path_rate: stochastic depth of the last block; the rates of those
            before it grow linearly from 0 (arXiv:1603.09382).
        token_merging: r, how many tokens fewer leave each block than enter
            it, as long as twice as many patches are left (arXiv:2210.09461):
            faster, for a little accuracy. Weights know nothing of it; see
            also `merge_tokens`. Where r in every block is more than the
            patches, a warning says how many are left.
        patch_dropout_rate: the share of the patches that training leaves out
            of each image, drawn anew each time (arXiv:2208.07220), which
            saves time and memory. Needs positions at the input, or none.
        activation: `"gelu_tanh"` (Google's), `"gelu_erf"` (PyTorch's),
            `"gelu_quick"` (OpenAI's) or `"silu"`.
        layer_norm_epsilon: of every normalisation.
        block: what the encoder's blocks are made of, a `BlockConfig` or its
            fields by name, or one for each block; `None`: the paper's choices.
            Its norm is that of the whole encoder.
        patch_bias: whether the projection of patches has a bias.
        patch_norm: whether projected patches are normalised.
        pre_norm: whether tokens are normalised before the first block (CLIP,
            arXiv:2103.00020).
        final_norm: whether tokens are normalised after the last block, or what
            was pooled of them.
        head_bias: whether the head has a bias.
        include_preprocessing: whether the model begins by normalising pixels.
            If not, it expects them normalised.
        pixel_mean: what is subtracted from pixels in [0, 255], a number or
            one for each of red, green and blue.
        pixel_std: what that is divided by, a number or one a channel.
        evaluation_preprocessing: how `evaluate` and `predict` make images of
            other sizes the model's, such as `"timm:0.9"` (see
            `keras_vit.preprocessing`), which the first layer keeps; `None`:
            squashed, as Google does.
        name: of the model.

    Returns:
        A functional `keras.Model` with random weights, its head zero.

    Raises:
        ValueError: before anything is built, naming the argument, what was
            expected and what came.

    Example:

    >>> model = ViT(7, image_size=(24, 40), patch_size=8, num_layers=2,
    ...             num_heads=4, hidden_dim=32, mlp_dim=64)
    >>> model(keras.KerasTensor((2, 24, 40, 3))).shape
    (2, 7)
    """
    arguments = dict(locals())
    plan = checked(arguments)
    pool, blocks, place = plan.pool, plan.blocks, plan.place
    has_class_token = plan.class_token

    images = keras.Input((*plan.image_size, 3), name="images")
    x = images
    if include_preprocessing:
        x = preprocessing(pixel_mean, pixel_std, evaluation_preprocessing)(x)
    if stem is not None:
        x = stem(x)
    x = layers.Patches(patch_size, name="patches")(x)
    z = layers.PatchEncoder(  # Eq. 1
        hidden_dim,
        class_token=has_class_token,
        position_embedding=position_embedding if place == "input" else "none",
        num_registers=num_registers,
        distillation_token=distillation,
        dropout_rate=dropout_rate,
        use_bias=patch_bias,
        norm=blocks[0].norm if patch_norm else None,
        layer_norm_epsilon=layer_norm_epsilon,
        position_interpolation=position_interpolation,
        name="patch_encoder",
    )(x)
    grid = tuple(x.shape[1:3])
    others = z.shape[1] - grid[0] * grid[1]  # tokens that are no patches
    merging = {}
    if token_merging:
        warn_of_merging(token_merging, grid[0] * grid[1], num_layers)
        merging = {"token_merging": token_merging, "num_protected": others}
    norm = functools.partial(normalization, blocks[0].norm, layer_norm_epsilon)
    if patch_dropout_rate:
        z = layers.PatchDropout(patch_dropout_rate, others, name="patch_dropout")(z)
    added, inside = positions_of_blocks(
        position_embedding, place, grid, has_class_token + distillation, num_layers
    )
    if pre_norm:
        z = norm(name="pre_norm")(z)
    z, sizes = encoded(  # Eqs. 2, 3
        z,
        blocks,
        added,
        drop_path_rate=drop_path_rate,
        num_heads=num_heads,
        mlp_dim=mlp_dim,
        activation=activation,
        dropout_rate=dropout_rate,
        attention_dropout_rate=attention_dropout_rate,
        layer_scale=layer_scale,
        qk_norm=qk_norm,
        layer_norm_epsilon=layer_norm_epsilon,
        **inside,
        **merging,
    )
    if final_norm and not fc_norm:
        z = norm(name="norm")(z)

    y = z
    if pool is not None:
        y = pooled(  # Eq. 4
            z,
            pool,
            others,
            sizes=sizes,
            attention={
                "num_heads": num_heads,
                "mlp_dim": mlp_dim,
                "activation": activation,
                "layer_norm_epsilon": layer_norm_epsilon,
            },
        )
    if final_norm and fc_norm:
        y = norm(name="norm")(y)
    if representation_size is not None:
        y = keras.layers.Dense(
            representation_size,
            activation="tanh",
            kernel_initializer="lecun_normal",
            name="pre_logits",
        )(y)
    arguments |= {
        "class_token": has_class_token,
        "position_embedding_at": place,
        "pooling": pool and pool.plain,
        "block": kept(block),
    }
    outputs = [features("features", "ViT", arguments)(y)]
    if distillation:
        y = layers.TakeToken(1, name="pooling_distillation")(z)
        outputs.append(features("features_distillation")(y))
    if num_classes is not None:
        outputs = [
            head(num_classes, name, use_bias=head_bias)(y)
            for name, y in zip(HEADS, outputs, strict=False)
        ]
    y = outputs[0]
    if distillation:
        y = keras.layers.Average(name="mean", dtype="float32")(outputs)
    return KerasVitModel(images, y, name=name)
