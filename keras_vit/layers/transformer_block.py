"""One layer of the Transformer encoder."""

import keras

from keras_vit.layers.attention import MultiHeadSelfAttention
from keras_vit.layers.layer_scale import LayerScale
from keras_vit.layers.mlp import MLP
from keras_vit.layers.stochastic_depth import StochasticDepth


@keras.saving.register_keras_serializable(package="keras_vit")
class TransformerBlock(keras.layers.Layer):
    """Attention, then MLP, each on a residual branch behind a norm.

    Eqs. 2 and 3 of the ViT paper (arXiv:2010.11929).

    Args:
        num_heads: attention heads, which must divide the width of a token.
        mlp_dim: features inside the MLP.
        activation: of the MLP, `"gelu_tanh"` or `"gelu_erf"`.
        dropout_rate: after the attention's output, and twice in the MLP.
        attention_dropout_rate: of the attention probabilities.
        drop_path_rate: the probability that a branch is dropped for an image.
        layer_scale: the initial value of LayerScale; `None`: no LayerScale.
        qk_norm: whether queries and keys are normalised.
        layer_norm_epsilon: of every normalisation in the block.
        remat: whether training keeps the block's input alone and computes the
            rest again for the gradient, with the same dropout masks: less
            memory for more time. On the TensorFlow backend.
        position_embedding: of the attention, `"relative"`, `"rope_2d"` or
            `"none"`.
        grid: (rows, columns) of patches, which those two need.

    Input and output shape: `(B, N, D)`.

    Example:

    >>> block = TransformerBlock(num_heads=3, mlp_dim=768)
    >>> block(keras.KerasTensor((2, 197, 192))).shape
    (2, 197, 192)
    """

    def __init__(
        self,
        num_heads,
        mlp_dim,
        activation="gelu_tanh",
        dropout_rate=0.0,
        attention_dropout_rate=0.0,
        drop_path_rate=0.0,
        layer_scale=None,
        qk_norm=False,
        layer_norm_epsilon=1e-6,
        remat=False,
        position_embedding="none",
        grid=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.mlp_dim = mlp_dim
        self.activation = activation
        self.dropout_rate = dropout_rate
        self.attention_dropout_rate = attention_dropout_rate
        self.drop_path_rate = drop_path_rate
        self.layer_scale = layer_scale
        self.qk_norm = qk_norm
        self.layer_norm_epsilon = layer_norm_epsilon
        self.remat = remat
        self.position_embedding = position_embedding
        self.grid = grid and tuple(grid)

        policy = {"dtype": self.dtype_policy}
        norm = {"epsilon": layer_norm_epsilon, **policy}
        self.norm1 = keras.layers.LayerNormalization(name="norm1", **norm)
        self.attention = MultiHeadSelfAttention(
            num_heads,
            attention_dropout_rate=attention_dropout_rate,
            qk_norm=qk_norm,
            layer_norm_epsilon=layer_norm_epsilon,
            position_embedding=position_embedding,
            grid=grid,
            name="attention",
            **policy,
        )
        self.dropout = keras.layers.Dropout(dropout_rate, name="dropout", **policy)
        self.norm2 = keras.layers.LayerNormalization(name="norm2", **norm)
        self.mlp = MLP(mlp_dim, activation, dropout_rate, name="mlp", **policy)
        self.scale1 = self.scale2 = None
        if layer_scale is not None:
            self.scale1 = LayerScale(layer_scale, name="scale1", **policy)
            self.scale2 = LayerScale(layer_scale, name="scale2", **policy)
        self.drop_path = StochasticDepth(drop_path_rate, name="drop_path", **policy)

    def build(self, z_shape):
        parts = [self.norm1, self.attention, self.norm2, self.mlp]
        parts += [scale for scale in (self.scale1, self.scale2) if scale]
        for part in parts:
            part.build(z_shape)

    def call(self, z, training=None):
        if self.remat and training:
            return self._recomputed(z)
        return self._computed(z, training)

    def _computed(self, z, training):
        return self._added(
            z, self.attention(self.norm1(z), training=training), training
        )

    def _added(self, z, y, training):
        """What follows from z and what attention read of it, y."""
        y = self.dropout(y, training=training)
        z = z + self._branch(y, self.scale1, training)  # Eq. 2
        y = self.mlp(self.norm2(z), training=training)
        return z + self._branch(y, self.scale2, training)  # Eq. 3

    def _branch(self, y, scale, training):
        return self.drop_path(y if scale is None else scale(y), training=training)

    def _recomputed(self, z):
        generators = self._generators_of_masks()
        seeds = [generator.state.value + 0 for generator in generators]

        def compute(z, *seeds):
            for generator, seed in zip(generators, seeds, strict=True):
                generator.state.assign(seed)  # the same draws the second time
            return self._computed(z, training=True)

        return keras.remat(compute)(z, *seeds)

    def _generators_of_masks(self):
        drawing = self.attention.dropout, self.dropout, self.mlp.dropout, self.drop_path
        return [layer.seed_generator for layer in drawing if layer.rate]

    def scores(self, z):
        """The attention probabilities of this block for its input z: `(B, H, N, N)`."""
        return self.attention.scores(self.norm1(z))

    def given(self, z, a):
        """The block's output if its attention reads by a, `(B, H, N, N)`.

        With `scores(z)` for a that is what the block gives for z, dropout
        aside.
        """
        y = self.attention.read(self.norm1(z), a, training=False)
        return self._added(z, y, training=False)

    def compute_output_shape(self, z_shape):
        return z_shape

    def get_config(self):
        return super().get_config() | {
            "num_heads": self.num_heads,
            "mlp_dim": self.mlp_dim,
            "activation": self.activation,
            "dropout_rate": self.dropout_rate,
            "attention_dropout_rate": self.attention_dropout_rate,
            "drop_path_rate": self.drop_path_rate,
            "layer_scale": self.layer_scale,
            "qk_norm": self.qk_norm,
            "layer_norm_epsilon": self.layer_norm_epsilon,
            "remat": self.remat,
            "position_embedding": self.position_embedding,
            "grid": self.grid,
        }
