"""What timm's names of Vision Transformers mean, by timm 1.0.31.

Pooling, the activation and the heads of attention stand in no array of a file,
and mostly in no `config.json`: the architecture's name there says them.
"""

# What differs from the defaults of its VisionTransformer, and who has it: after the
# heads of attention and a colon, the names. What arrays determine is left out.
# fmt: off
_ROWS = (
    ({},
     "2: test_vit 3: deit_tiny_distilled_patch16_224 deit_tiny_patch16_224 "
     "vit_tiny_patch16_224 vit_tiny_patch16_224_in21k vit_tiny_patch16_384 "
     "vit_tiny_r_s16_p8_224 vit_tiny_r_s16_p8_224_in21k vit_tiny_r_s16_p8_384 6: "
     "deit_small_distilled_patch16_224 deit_small_patch16_224 "
     "vit_small_patch14_dinov2 vit_small_patch16_224 vit_small_patch16_224_dino "
     "vit_small_patch16_224_in21k vit_small_patch16_36x1_224 vit_small_patch16_384 "
     "vit_small_patch32_224 vit_small_patch32_224_in21k vit_small_patch32_384 "
     "vit_small_patch8_224 vit_small_patch8_224_dino vit_small_r26_s32_224 "
     "vit_small_r26_s32_224_in21k vit_small_r26_s32_384 12: "
     "deit_base_distilled_patch16_224 deit_base_distilled_patch16_384 "
     "deit_base_patch16_224 deit_base_patch16_384 vit_base_patch14_dinov2 "
     "vit_base_patch16_224 vit_base_patch16_224_dino vit_base_patch16_224_in21k "
     "vit_base_patch16_224_sam vit_base_patch16_384 vit_base_patch32_224 "
     "vit_base_patch32_224_in21k vit_base_patch32_224_sam vit_base_patch32_384 "
     "vit_base_patch8_224 vit_base_patch8_224_dino vit_base_patch8_224_in21k "
     "vit_base_r26_s32_224 vit_base_r50_s16_224 vit_base_r50_s16_224_in21k "
     "vit_base_r50_s16_384 vit_base_resnet50_224_in21k vit_base_resnet50_384 14: "
     "vit_base_patch16_plus_240 vit_base_patch32_plus_256 16: vit_giant_patch14_224 "
     "vit_gigantic_patch14_224 vit_huge_patch14_224 vit_huge_patch14_224_in21k "
     "vit_large_patch14_224 vit_large_patch14_dinov2 vit_large_patch16_224 "
     "vit_large_patch16_224_in21k vit_large_patch16_384 vit_large_patch32_224 "
     "vit_large_patch32_224_in21k vit_large_patch32_384 vit_large_r50_s32_224 "
     "vit_large_r50_s32_224_in21k vit_large_r50_s32_384"),
    ({"block_fn": "ParallelThingsBlock"},
     "6: vit_small_patch16_18x2_224 12: vit_base_patch16_18x2_224"),
    ({"embed_layer": "FeatureListNet"},
     "8: vit_small_resnet26d_224 vit_small_resnet50d_s16_224 12: "
     "vit_base_resnet26d_224 vit_base_resnet50d_224"),
    ({"final_norm": False},
     "16: vit_intern300m_patch14_448"),
    ({"global_pool": "avg"},
     "16: eva_large_patch14_196 eva_large_patch14_336"),
    ({"no_embed_class": True},
     "6: deit3_small_patch16_224 deit3_small_patch16_224_in21ft1k "
     "deit3_small_patch16_384 deit3_small_patch16_384_in21ft1k flexivit_small "
     "vit_small_patch14_reg4_dinov2 8: deit3_medium_patch16_224 "
     "deit3_medium_patch16_224_in21ft1k 12: deit3_base_patch16_224 "
     "deit3_base_patch16_224_in21ft1k deit3_base_patch16_384 "
     "deit3_base_patch16_384_in21ft1k flexivit_base vit_base_patch14_reg1_tipsv2 "
     "vit_base_patch14_reg4_dinov2 16: deit3_huge_patch14_224 "
     "deit3_huge_patch14_224_in21ft1k deit3_large_patch16_224 "
     "deit3_large_patch16_224_in21ft1k deit3_large_patch16_384 "
     "deit3_large_patch16_384_in21ft1k flexivit_large vit_large_patch14_reg1_tipsv2 "
     "vit_large_patch14_reg4_dinov2 vit_so400m_patch14_reg1_tipsv2"),
    ({"qkv_bias": False},
     "12: vit_base_patch16_224_miil vit_base_patch16_224_miil_in21k"),
    ({"act_layer": "SiLU", "mlp_layer": "GluMlp"},
     "24: vit_giant_patch14_dinov2"),
    ({"class_token": False, "global_pool": "avg"},
     "2: test_vit2"),
    ({"class_token": False, "global_pool": "map"},
     "12: vit_base_patch16_siglip_224 vit_base_patch16_siglip_256 "
     "vit_base_patch16_siglip_384 vit_base_patch16_siglip_512 14: "
     "vit_so150m_patch16_reg4_map_256 16: vit_large_patch16_siglip_256 "
     "vit_large_patch16_siglip_384 vit_so400m_patch14_siglip_224 "
     "vit_so400m_patch14_siglip_378 vit_so400m_patch14_siglip_384"),
    ({"embed_layer": "ConvStem", "no_embed_class": True},
     "12: vit_base_mci_224"),
    ({"final_norm": False, "no_embed_class": True},
     "12: vit_base_patch16_radio_v3 16: vit_huge_patch16_radio_v3 "
     "vit_huge_patch16_radio_v4 vit_large_patch16_radio_v3 "
     "vit_so400m_patch16_radio_v4 24: vit_giant_patch16_radio_v3"),
    ({"norm_layer": "layernorm eps=1e-5", "pre_norm": True},
     "4: vit_xsmall_patch16_clip_224 8: vit_medium_patch16_clip_224 "
     "vit_medium_patch32_clip_224 10: vit_betwixt_patch32_clip_224 12: "
     "vit_base_patch16_clip_224 vit_base_patch16_clip_384 "
     "vit_base_patch32_224_clip_laion2b vit_base_patch32_clip_224 "
     "vit_base_patch32_clip_256 vit_base_patch32_clip_384 vit_base_patch32_clip_448 "
     "14: vit_base_patch16_plus_clip_240 16: vit_giant_patch14_224_clip_laion2b "
     "vit_giant_patch14_clip_224 vit_gigantic_patch14_clip_224 "
     "vit_gigantic_patch14_clip_378 vit_huge_patch14_224_clip_laion2b "
     "vit_huge_patch14_clip_224 vit_huge_patch14_clip_336 vit_huge_patch14_clip_378 "
     "vit_large_patch14_224_clip_laion2b vit_large_patch14_clip_224 "
     "vit_large_patch14_clip_336"),
    ({"act_layer": "SiLU", "mlp_layer": "GluMlp", "no_embed_class": True},
     "24: vit_giant_patch14_reg1_tipsv2 vit_giant_patch14_reg4_dinov2"),
    ({"act_layer": "gelu_tanh", "class_token": False, "global_pool": "map"},
     "12: vit_base_patch32_siglip_256 16: vit_giantopt_patch16_siglip_256 "
     "vit_giantopt_patch16_siglip_384 vit_large_patch16_siglip_512 "
     "vit_so400m_patch16_siglip_256 vit_so400m_patch16_siglip_384 "
     "vit_so400m_patch16_siglip_512"),
    ({"act_layer": "quick_gelu", "norm_layer": "layernorm eps=1e-5", "pre_norm": True},
     "12: vit_base_patch16_clip_quickgelu_224 vit_base_patch32_clip_quickgelu_224 "
     "16: vit_gigantic_patch14_clip_quickgelu_224 "
     "vit_huge_patch14_clip_quickgelu_224 vit_huge_patch14_clip_quickgelu_378 "
     "vit_large_patch14_clip_quickgelu_224 vit_large_patch14_clip_quickgelu_336"),
    ({"class_token": False, "fc_norm": False, "global_pool": "avg"},
     "12: vit_base_patch16_siglip_gap_224 vit_base_patch16_siglip_gap_256 "
     "vit_base_patch16_siglip_gap_384 vit_base_patch16_siglip_gap_512 14: "
     "vit_so150m_patch16_reg4_gap_256 vit_so150m_patch16_reg4_gap_384 16: "
     "vit_base_patch16_gap_224 vit_giant_patch16_gap_224 vit_huge_patch14_gap_224 "
     "vit_huge_patch16_gap_448 vit_large_patch16_siglip_gap_256 "
     "vit_large_patch16_siglip_gap_384 vit_so400m_patch14_siglip_gap_224 "
     "vit_so400m_patch14_siglip_gap_378 vit_so400m_patch14_siglip_gap_384 "
     "vit_so400m_patch14_siglip_gap_448 vit_so400m_patch14_siglip_gap_896"),
    ({"class_token": False, "global_pool": "avg", "no_embed_class": True},
     "4: vit_wee_patch16_reg1_gap_256 5: vit_little_patch16_reg1_gap_256 "
     "vit_little_patch16_reg4_gap_256 8: vit_medium_patch16_reg1_gap_256 "
     "vit_medium_patch16_reg4_gap_256 vit_mediumd_patch16_reg4_gap_256 "
     "vit_mediumd_patch16_reg4_gap_384 10: vit_betwixt_patch16_reg1_gap_256 "
     "vit_betwixt_patch16_reg4_gap_256 vit_betwixt_patch16_reg4_gap_384 12: "
     "vit_base_patch16_reg4_gap_256"),
    ({"class_token": False, "global_pool": "avg", "norm_layer": "rmsnorm"},
     "3: test_vit4"),
    ({"class_token": False, "global_pool": "avg", "qkv_bias": False},
     "13: vit_so150m2_patch16_reg1_gap_256 vit_so150m2_patch16_reg1_gap_384 "
     "vit_so150m2_patch16_reg1_gap_448"),
    ({"class_token": False, "global_pool": "map", "pool_include_prefix": True},
     "3: test_vit3"),
    ({"act_layer": "gelu_tanh", "class_token": False, "fc_norm": False, "global_pool":
      "avg"},
     "12: vit_base_patch32_siglip_gap_256 16: vit_giantopt_patch16_siglip_gap_256 "
     "vit_giantopt_patch16_siglip_gap_384 vit_large_patch16_siglip_gap_512 "
     "vit_so400m_patch16_siglip_gap_256 vit_so400m_patch16_siglip_gap_384 "
     "vit_so400m_patch16_siglip_gap_512"),
    ({"attn_layer": "diff", "class_token": False, "global_pool": "avg",
      "no_embed_class": True},
     "4: vit_dwee_patch16_reg1_gap_256 5: vit_dlittle_patch16_reg1_gap_256"),
    ({"block_fn": "DiffParallelScalingBlock", "class_token": False, "global_pool":
      "avg", "no_embed_class": True},
     "4: vit_dpwee_patch16_reg1_gap_256"),
    ({"block_fn": "ParallelScalingBlock", "class_token": False, "global_pool": "avg",
      "no_embed_class": True},
     "4: vit_pwee_patch16_reg1_gap_256"),
    ({"block_fn": "ResPostBlock", "class_token": False, "global_pool": "avg",
      "qkv_bias": False},
     "12: vit_base_patch16_rpn_224"),
    ({"class_token": False, "embed_layer": "MbConvStages", "global_pool": "avg",
      "mlp_layer": "GeGluMlp"},
     "6: vitamin_small_224 12: vitamin_base_224 16: vitamin_large2_224 "
     "vitamin_large2_256 vitamin_large2_336 vitamin_large2_384 vitamin_large_224 "
     "vitamin_large_256 vitamin_large_336 vitamin_large_384"),
    ({"class_token": False, "fc_norm": False, "global_pool": "avg", "qkv_bias": False},
     "8: vit_medium_patch16_gap_240 vit_medium_patch16_gap_256 "
     "vit_medium_patch16_gap_384 10: vit_betwixt_patch16_gap_256"),
    ({"global_pool": "avg", "norm_layer": "layernorm eps=1e-5", "scale_attn_norm": True,
      "scale_mlp_norm": True},
     "12: beit3_base_patch16_224 16: beit3_giant_patch14_224 beit3_giant_patch14_336 "
     "beit3_large_patch16_224"),
    ({"class_token": False, "embed_layer": "MbConvStages", "global_pool": "avg",
      "mlp_layer": "GeGluMlp", "pos_embed": "none"},
     "16: vitamin_xlarge_256 vitamin_xlarge_336 vitamin_xlarge_384"),
    ({"block_fn": "ParallelScalingBlock", "no_embed_class": True, "norm_layer":
      "RmsNorm", "pre_norm": True, "qkv_bias": False},
     "12: vit_base_patch16_xp_224 16: vit_huge_patch14_xp_224 "
     "vit_large_patch14_xp_224"),
    ({"act_layer": "silu", "class_token": False, "embed_norm_layer": "rmsnorm",
      "fc_norm": False, "global_pool": "avg", "mlp_layer": "SwiGLU", "norm_layer":
      "rmsnorm", "proj_bias": False, "qkv_bias": False},
     "8: aimv2_large_patch14_224 aimv2_large_patch14_336 aimv2_large_patch14_448 12: "
     "aimv2_huge_patch14_224 aimv2_huge_patch14_336 aimv2_huge_patch14_448 16: "
     "aimv2_1b_patch14_224 aimv2_1b_patch14_336 aimv2_1b_patch14_448 24: "
     "aimv2_3b_patch14_224 aimv2_3b_patch14_336 aimv2_3b_patch14_448"),
)
# fmt: on


def _read(rows):
    """Return `{name: the arguments of timm's VisionTransformer}`."""
    found = {}
    for arguments, text in rows:
        for word in text.split():
            if word.endswith(":"):
                arguments = arguments | {"num_heads": int(word[:-1])}
            else:
                found[word] = arguments
    return found


ARCHITECTURES = _read(_ROWS)
