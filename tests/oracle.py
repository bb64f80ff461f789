"""The Vision Transformer in NumPy, float64, written from the paper's equations.

`weights` is a dict of this package's weight paths. Shapes: B images, N tokens,
D features, H heads, d = D / H.
"""

import math

import numpy as np

EPSILON = 1e-6
_erf = np.vectorize(math.erf)


def gelu(x, form):
    if form == "gelu_erf":
        return x * (1 + _erf(x / np.sqrt(2))) / 2
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


def softmax(a):
    e = np.exp(a - a.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Oracle:
    def __init__(self, weights, patch, heads, activation="gelu_tanh", pooling="token"):
        self.weights = {k: np.asarray(v, np.float64) for k, v in weights.items()}
        self.patch, self.heads = patch, heads
        self.activation, self.pooling = activation, pooling

    def __call__(self, images):
        """Logits of pixels in [-1, 1], and the attention of each block."""
        z = self.tokens(self.patches(np.asarray(images, np.float64)))
        attention = []
        while f"block_{len(attention):02d}/norm1/gamma" in self.weights:
            block = f"block_{len(attention):02d}"
            y, a = self.attend(f"{block}/attention", self.norm(f"{block}/norm1", z))
            z = z + y * self.weights.get(f"{block}/scale1/gamma", 1)
            y = self.mlp(f"{block}/mlp", self.norm(f"{block}/norm2", z))
            z = z + y * self.weights.get(f"{block}/scale2/gamma", 1)
            attention.append(a)
        y = self.pool(self.norm("norm", z))
        if "pre_logits/kernel" in self.weights:
            y = np.tanh(self.dense("pre_logits", y))
        return self.dense("head", y) if "head/kernel" in self.weights else y, attention

    def patches(self, images):
        """x_p: (B, H, W, C) to (B, N, P P C), one patch after the other."""
        p = self.patch
        _, height, width, _ = images.shape
        cut = [
            images[:, r : r + p, c : c + p].reshape(len(images), -1)
            for r in range(0, height - p + 1, p)
            for c in range(0, width - p + 1, p)
        ]
        return np.stack(cut, axis=1)

    def tokens(self, patches):
        """z_0 of Eq. 1."""
        w = self.weights
        z = self.dense("patch_encoder/projection", patches)
        has_class_token = "patch_encoder/class_token" in w
        if has_class_token:
            first = np.repeat(w["patch_encoder/class_token"], len(z), axis=0)
            z = np.concatenate([first, z], axis=1)
        z = z + w.get("patch_encoder/position_embedding", 0)
        if "patch_encoder/registers" in w:
            registers = np.repeat(w["patch_encoder/registers"], len(z), axis=0)
            z = np.insert(z, [int(has_class_token)] * registers.shape[1], registers, 1)
        return z

    def attend(self, path, z, queries=None):
        """Eqs. 5 to 8."""
        queries = z if queries is None else queries
        q, k, v = (
            self.split(self.dense(f"{path}/{name}", x))
            for name, x in (("query", queries), ("key", z), ("value", z))
        )
        if f"{path}/query_norm/gamma" in self.weights:
            q, k = self.norm(f"{path}/query_norm", q), self.norm(f"{path}/key_norm", k)
        a = softmax(np.einsum("bhmd,bhnd->bhmn", q, k) / np.sqrt(q.shape[-1]))
        sa = np.einsum("bhmn,bhnd->bmhd", a, v).reshape(queries.shape)
        return self.dense(f"{path}/out", sa), a

    def split(self, x):
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)

    def mlp(self, path, z):
        return self.dense(
            f"{path}/fc2", gelu(self.dense(f"{path}/fc1", z), self.activation)
        )

    def pool(self, z):
        registers = self.weights.get("patch_encoder/registers", np.zeros((1, 0, 1)))
        if self.pooling == "token":
            return z[:, 0]
        z = z[:, registers.shape[1] :]
        if self.pooling == "gap":
            return z.mean(1)
        probe = np.repeat(self.weights["pooling/probe"], len(z), axis=0)
        y, _ = self.attend("pooling/attention", z, probe)
        return (y + self.mlp("pooling/mlp", self.norm("pooling/norm", y)))[:, 0]

    def norm(self, path, z):
        z = z - z.mean(-1, keepdims=True)
        z = z / np.sqrt((z**2).mean(-1, keepdims=True) + EPSILON)
        return z * self.weights[f"{path}/gamma"] + self.weights[f"{path}/beta"]

    def dense(self, path, x):
        return x @ self.weights[f"{path}/kernel"] + self.weights[f"{path}/bias"]
