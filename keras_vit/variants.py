"""The sizes of Vision Transformer in the literature, one per row.

B, L and H are Table 1 of the ViT paper (arXiv:2010.11929); Ti and S are
DeiT's (arXiv:2012.12877); g and G are Table 2 of "Scaling Vision
Transformers" (arXiv:2106.04560); So150m and So400m are shapes that "Getting
ViT in Shape" (arXiv:2305.13035) optimises, g-opt is SigLIP 2's
(arXiv:2502.14786). The hybrids are those of "How to train your
ViT?" (arXiv:2106.10270) and of the ViT paper.
"""

from dataclasses import KW_ONLY, dataclass


@dataclass(frozen=True)
class Variant:
    """What distinguishes one size from another.

    Attributes:
        patch_size: the side of a patch, in pixels or in cells of the stem's
            feature map.
        hidden_dim: D, the features of a token.
        num_layers: L, the blocks of the encoder.
        num_heads: attention heads.
        mlp_dim: features inside a block's MLP.
        stem_blocks: for a hybrid, the units in each stage of its ResNet;
            `()` is the ResNet's root alone. `None` for a pure ViT.
    """

    patch_size: int
    hidden_dim: int
    num_layers: int
    num_heads: int
    mlp_dim: int
    _: KW_ONLY
    stem_blocks: tuple[int, ...] | None = None

    @property
    def stride(self) -> int:
        """Pixels from one token to the next."""
        if self.stem_blocks is None:
            return self.patch_size
        halvings = max(
            len(self.stem_blocks) - 1, 0
        )  # of the stages, after the root's 4
        return self.patch_size * 4 * 2**halvings


VARIANTS = {
    #                     patch     D   L   H   MLP
    "ViT_Ti16":     Variant(16,  192, 12,  3,  768),
    "ViT_S14":      Variant(14,  384, 12,  6, 1536),
    "ViT_S16":      Variant(16,  384, 12,  6, 1536),
    "ViT_S32":      Variant(32,  384, 12,  6, 1536),
    "ViT_B8":       Variant( 8,  768, 12, 12, 3072),
    "ViT_B14":      Variant(14,  768, 12, 12, 3072),
    "ViT_B16":      Variant(16,  768, 12, 12, 3072),
    "ViT_B32":      Variant(32,  768, 12, 12, 3072),
    "ViT_L14":      Variant(14, 1024, 24, 16, 4096),
    "ViT_L16":      Variant(16, 1024, 24, 16, 4096),
    "ViT_L32":      Variant(32, 1024, 24, 16, 4096),
    "ViT_H14":      Variant(14, 1280, 32, 16, 5120),
    "ViT_H16":      Variant(16, 1280, 32, 16, 5120),
    "ViT_g14":      Variant(14, 1408, 40, 16, 6144),
    "ViT_g16":      Variant(16, 1408, 40, 16, 6144),
    "ViT_gopt16":   Variant(16, 1536, 40, 16, 6144),
    "ViT_G14":      Variant(14, 1664, 48, 16, 8192),
    "ViT_So150m16": Variant(16,  896, 18, 14, 2304),
    "ViT_So400m14": Variant(14, 1152, 27, 16, 4304),
    "ViT_So400m16": Variant(16, 1152, 27, 16, 4304),
    # "/16" and "/32" of a hybrid are the stride of the whole, except for
    # R+Ti/16, whose published network has stride 32.
    "R_ViT_Ti16":  Variant(8,  192, 12,  3,  768, stem_blocks=()),
    "R26_ViT_S32": Variant(1,  384, 12,  6, 1536, stem_blocks=(2, 2, 2, 2)),
    "R26_ViT_B32": Variant(1,  768, 12, 12, 3072, stem_blocks=(2, 2, 2, 2)),
    "R50_ViT_B16": Variant(1,  768, 12, 12, 3072, stem_blocks=(3, 4, 9)),
    "R50_ViT_B32": Variant(1,  768, 12, 12, 3072, stem_blocks=(3, 4, 6, 3)),
    "R50_ViT_L16": Variant(1, 1024, 24, 16, 4096, stem_blocks=(3, 4, 9)),
    "R50_ViT_L32": Variant(1, 1024, 24, 16, 4096, stem_blocks=(3, 4, 6, 3)),
}  # fmt: skip
