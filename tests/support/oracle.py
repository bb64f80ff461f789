"""The Vision Transformer in NumPy, float64, written from the paper's equations.

`weights` is a dict of this package's weight paths; `rotary`, the grid of a model
with rotary positions, which have no weights; `merging`, how many tokens fewer each
block gives. Shapes: B images, N tokens, D features, H heads, d = D / H.
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
    def __init__(
        self,
        weights,
        patch,
        heads,
        activation="gelu_tanh",
        pooling="token",
        rotary=None,
        merging=0,
    ):
        self.weights = {k: np.asarray(v, np.float64) for k, v in weights.items()}
        self.patch, self.heads = patch, heads
        self.activation, self.pooling, self.rotary = activation, pooling, rotary
        self.merging = merging

    def __call__(self, images):
        """Logits of pixels in [-1, 1], and the attention of each block."""
        patches = self.patches(np.asarray(images, np.float64))
        self.count = patches.shape[1]
        z = self.tokens(patches)
        attention, sizes = [], np.ones(z.shape[:2])
        while f"block_{len(attention):02d}/norm1/gamma" in self.weights:
            block = f"block_{len(attention):02d}"
            z = z + self.added("positions", z)
            z = z + self.added(f"positions_{len(attention):02d}", z)
            x = self.norm(f"{block}/norm1", z)
            y, a = self.attend(f"{block}/attention", x, sizes=sizes)
            z = z + y * self.weights.get(f"{block}/scale1/gamma", 1)
            if self.merging:
                z, sizes = self.merged(f"{block}/attention", x, z, sizes)
            y = self.mlp(f"{block}/mlp", self.norm(f"{block}/norm2", z))
            z = z + y * self.weights.get(f"{block}/scale2/gamma", 1)
            attention.append(a)
        y = self.pool(self.norm("norm", z), sizes)
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
        z = z + self.added("patch_encoder", z)
        if "patch_encoder/registers" in w:
            registers = np.repeat(w["patch_encoder/registers"], len(z), axis=0)
            z = np.insert(z, [int(has_class_token)] * registers.shape[1], registers, 1)
        return z

    def added(self, path, z):
        """Appendix D.4: one vector a token, or a column's and a row's a patch.

        Two of D features are added (arXiv:2307.06304, section 2.1).
        """
        e = np.zeros(z.shape[1:])
        table = self.weights.get(f"{path}/position_embedding")
        if table is not None:  # class token, [registers], patches
            count = int("patch_encoder/class_token" in self.weights)
            e[:count] = table[0, :count]
            e[len(e) - (table.shape[1] - count) :] = table[0, count:]
        if f"{path}/position_embedding_x" in self.weights:
            x, y = (self.weights[f"{path}/position_embedding_{s}"] for s in "xy")
            for row in range(len(y)):
                for column in range(len(x)):
                    patch = len(e) - len(x) * len(y) + row * len(x) + column
                    both = [*x[column], *y[row]]
                    if len(both) > e.shape[1]:
                        both = x[column] + y[row]
                    e[patch] = both
        return e

    def relative(self, path, q):
        """Appendix D.4: the query's content against the offset p_q - p_k."""
        bias = np.zeros((*q.shape[:3], q.shape[2]))
        keys = self.weights.get(f"{path}/relative/offset_embedding")
        if keys is not None:
            n = (len(keys) + 1) // 2
            others = q.shape[2] - n
            for p_q in range(n):
                for p_k in range(n):
                    key = keys[n - 1 - (p_q - p_k)]
                    bias[:, :, others + p_q, others + p_k] = q[:, :, others + p_q] @ key
        return bias

    def rotated(self, q):
        """arXiv:2403.13298: pairs of features as complex numbers that turn."""
        if self.rotary is None:
            return q
        rows, columns = self.rotary
        half, quarter = q.shape[-1] // 2, q.shape[-1] // 4
        c = q[..., :half] + 1j * q[..., half:]
        frequencies = np.array([100 ** (-k / quarter) for k in range(quarter)])
        for row in range(rows):
            for column in range(columns):
                patch = q.shape[2] - rows * columns + row * columns + column
                c[:, :, patch, :quarter] *= np.exp(1j * column * frequencies)
                c[:, :, patch, quarter:] *= np.exp(1j * row * frequencies)
        return np.concatenate([c.real, c.imag], axis=-1)

    def merged(self, path, x, z, sizes):
        """arXiv:2210.09461, section 3, one patch after the other."""
        k = self.split(self.dense(f"{path}/key", x))
        if f"{path}/key_norm/gamma" in self.weights:
            k = self.norm(f"{path}/key_norm", k)
        k = k.mean(1)
        tokens = [self.joined(*one) for one in zip(k, z, sizes, strict=True)]
        return tuple(map(np.stack, zip(*tokens, strict=True)))

    def joined(self, k, z, sizes):
        """The tokens of one image, and how many patches each stands for."""
        others = int(sizes.sum()) - self.count  # tokens that are no patches
        b, a = list(range(others, len(z)))[::2], list(range(others, len(z)))[1::2]
        edges = []
        for i in a:
            cosines = [
                k[i] @ k[j] / np.linalg.norm(k[i]) / np.linalg.norm(k[j]) for j in b
            ]
            edges.append((max(cosines), i, b[int(np.argmax(cosines))]))
        into = {i: j for _, i, j in sorted(edges)[::-1][: self.merging]}
        groups = [[i] for i in range(others)] + [[i] for i in a if i not in into]
        groups += [[j] + [i for i in into if into[i] == j] for j in b]
        return (
            np.stack([sizes[one] @ z[one] / sizes[one].sum() for one in groups]),
            np.array([sizes[one].sum() for one in groups]),
        )

    def attend(self, path, z, queries=None, sizes=None):
        """Eqs. 5 to 8; a token of size s is read as s equal ones."""
        queries = z if queries is None else queries
        q, k, v = (
            self.split(self.dense(f"{path}/{name}", x))
            for name, x in (("query", queries), ("key", z), ("value", z))
        )
        if f"{path}/query_norm/gamma" in self.weights:
            q, k = self.norm(f"{path}/query_norm", q), self.norm(f"{path}/key_norm", k)
        if path.startswith("block_"):
            q, k = self.rotated(q), self.rotated(k)
        a = np.einsum("bhmd,bhnd->bhmn", q, k) + self.relative(path, q)
        a = softmax(a / np.sqrt(q.shape[-1]))
        if sizes is not None:
            a = a * sizes[:, None, None]
            a = a / a.sum(-1, keepdims=True)
        sa = np.einsum("bhmn,bhnd->bmhd", a, v).reshape(queries.shape)
        return self.dense(f"{path}/out", sa), a

    def split(self, x):
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)

    def mlp(self, path, z):
        return self.dense(
            f"{path}/fc2", gelu(self.dense(f"{path}/fc1", z), self.activation)
        )

    def pool(self, z, sizes):
        registers = self.weights.get("patch_encoder/registers", np.zeros((1, 0, 1)))
        if self.pooling == "token":
            return z[:, 0]
        z, sizes = z[:, registers.shape[1] :], sizes[:, registers.shape[1] :]
        if self.pooling == "gap":
            weights = sizes / sizes.sum(1, keepdims=True)
            return (weights[..., None] * z).sum(1)
        probe = np.repeat(self.weights["pooling/probe"], len(z), axis=0)
        y, _ = self.attend("pooling/attention", z, probe, sizes)
        return (y + self.mlp("pooling/mlp", self.norm("pooling/norm", y)))[:, 0]

    def norm(self, path, z):
        z = z - z.mean(-1, keepdims=True)
        z = z / np.sqrt((z**2).mean(-1, keepdims=True) + EPSILON)
        return z * self.weights[f"{path}/gamma"] + self.weights[f"{path}/beta"]

    def dense(self, path, x):
        return x @ self.weights[f"{path}/kernel"] + self.weights[f"{path}/bias"]
