"""The names of sizes elsewhere."""

PUBLISHED = {  # ours: its name in google-research/vision_transformer
    "ViT_Ti16": "ViT-Ti_16",
    "ViT_S16": "ViT-S_16",
    "ViT_S32": "ViT-S_32",
    "ViT_B8": "ViT-B_8",
    "ViT_B16": "ViT-B_16",
    "ViT_B32": "ViT-B_32",
    "ViT_L16": "ViT-L_16",
    "ViT_L32": "ViT-L_32",
    "ViT_H14": "ViT-H_14",
    "R_ViT_Ti16": "R+ViT-Ti_16",
    "R26_ViT_S32": "R26+ViT-S_32",
    "R26_ViT_B32": "R26+ViT-B_32",
    "R50_ViT_B16": "R50+ViT-B_16",
    "R50_ViT_L32": "R50+ViT-L_32",
}
