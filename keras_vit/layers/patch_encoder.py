"""From patches to the sequence z_0: projection, class token, positions."""

import keras
from keras import ops

POSITION_EMBEDDINGS = ("learned", "none")


@keras.saving.register_keras_serializable(package="keras_vit")
class PatchEncoder(keras.layers.Layer):
    """Projects patches to tokens and tells each its place: Eq. 1.

    `z_0 = [x_class; x_p^1 E; ...; x_p^N E] + E_pos`, followed by dropout.
    Register tokens (arXiv:2309.16588) stand between the class token and the
    patches and have no position.

    B images, h x w patches, N = h w, D features of a token,
    T tokens: N, and the class token and the registers where there are any.

    Args:
        hidden_dim: D.
        class_token: whether the sequence begins with the learned token whose
            final state stands for the image.
        position_embedding: `"learned"` (one vector for the class token and
            each patch) or `"none"`.
        num_registers: how many register tokens to add.
        dropout_rate: of the whole sequence, after the positions are added.

    Input shape: `(B, h, w, F)`, what `Patches` gives, or any feature map.
    Output shape: `(B, T, D)`, the patches in row-major order.

    Raises:
        ValueError: for a kind of positions that there is not.

    Example:

    >>> PatchEncoder(hidden_dim=192)(keras.KerasTensor((2, 14, 14, 768))).shape
    (2, 197, 192)
    """

    def __init__(
        self,
        hidden_dim,
        class_token=True,
        position_embedding="learned",
        num_registers=0,
        dropout_rate=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if position_embedding not in POSITION_EMBEDDINGS:
            raise ValueError(
                f"position_embedding must be one of {', '.join(POSITION_EMBEDDINGS)}. "
                f"Received: position_embedding={position_embedding!r}"
            )
        self.hidden_dim = hidden_dim
        self.class_token = class_token
        self.position_embedding = position_embedding
        self.num_registers = num_registers
        self.dropout_rate = dropout_rate
        self.projection = keras.layers.Dense(
            hidden_dim,
            kernel_initializer="lecun_normal",
            name="projection",
            dtype=self.dtype_policy,
        )
        self.dropout = keras.layers.Dropout(
            dropout_rate, name="dropout", dtype=self.dtype_policy
        )

    def build(self, patches_shape):
        _, height, width, _ = patches_shape
        self.projection.build(patches_shape)
        self.token = self.registers = self.positions = None
        if self.class_token:
            self.token = self.add_weight(
                name="class_token", shape=(1, 1, self.hidden_dim), initializer="zeros"
            )
        if self.num_registers:
            self.registers = self.add_weight(
                name="registers",
                shape=(1, self.num_registers, self.hidden_dim),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
            )
        if self.position_embedding == "learned":
            self.positions = self.add_weight(
                name="position_embedding",
                shape=(1, self.class_token + height * width, self.hidden_dim),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
            )

    def call(self, patches, training=None):
        _, height, width, _ = patches.shape
        z = self.projection(patches)  # x_p E
        z = ops.reshape(z, (-1, height * width, self.hidden_dim))
        if self.class_token:
            z = ops.concatenate([self._for_each_image(self.token, z), z], axis=1)
        if self.positions is not None:
            z = z + ops.cast(self.positions, z.dtype)  # + E_pos
        if self.num_registers:
            first = int(self.class_token)
            registers = self._for_each_image(self.registers, z)
            z = ops.concatenate([z[:, :first], registers, z[:, first:]], axis=1)
        return self.dropout(z, training=training)

    def _for_each_image(self, tokens, z):
        tokens = ops.cast(tokens, z.dtype)
        return ops.broadcast_to(tokens, (ops.shape(z)[0], *tokens.shape[1:]))

    def compute_output_shape(self, patches_shape):
        batch, height, width, _ = patches_shape
        tokens = self.class_token + self.num_registers + height * width
        return batch, tokens, self.hidden_dim

    def get_config(self):
        return super().get_config() | {
            "hidden_dim": self.hidden_dim,
            "class_token": self.class_token,
            "position_embedding": self.position_embedding,
            "num_registers": self.num_registers,
            "dropout_rate": self.dropout_rate,
        }
