"""The Vision Transformer's layers, in the order an image meets them."""

from keras_vit.layers.pixel_normalization import (
    PixelNormalization as PixelNormalization,
)
from keras_vit.layers.patches import Patches as Patches
from keras_vit.layers.position_embedding import (
    PositionEmbedding as PositionEmbedding,
)
from keras_vit.layers.patch_encoder import PatchEncoder as PatchEncoder
from keras_vit.layers.patch_dropout import PatchDropout as PatchDropout
from keras_vit.layers.block_config import BlockConfig as BlockConfig
from keras_vit.layers.relative_position_bias import (
    RelativeBiasConfig as RelativeBiasConfig,
)
from keras_vit.layers.relative_position_bias import (
    RelativePositionBias as RelativePositionBias,
)
from keras_vit.layers.relative_positions import (
    RelativePositions as RelativePositions,
)
from keras_vit.layers.rotary_positions import RotaryConfig as RotaryConfig
from keras_vit.layers.rotary_positions import RotaryPositions as RotaryPositions
from keras_vit.layers.attention import MultiHeadSelfAttention as MultiHeadSelfAttention
from keras_vit.layers.differential_attention import (
    DifferentialAttention as DifferentialAttention,
)
from keras_vit.layers.mlp import MLP as MLP
from keras_vit.layers.layer_scale import LayerScale as LayerScale
from keras_vit.layers.stochastic_depth import StochasticDepth as StochasticDepth
from keras_vit.layers.token_merging import TokenMean as TokenMean
from keras_vit.layers.transformer_block import TransformerBlock as TransformerBlock
from keras_vit.layers.parallel_block import ParallelBlock as ParallelBlock
from keras_vit.layers.branched_block import BranchedBlock as BranchedBlock
from keras_vit.layers.merging_block import MergingBlock as MergingBlock
from keras_vit.layers.pooling_config import PoolingConfig as PoolingConfig
from keras_vit.layers.tokens import TakePatches as TakePatches
from keras_vit.layers.tokens import TakePrefix as TakePrefix
from keras_vit.layers.tokens import TakeToken as TakeToken
from keras_vit.layers.attention_pooling import AttentionPooling as AttentionPooling
from keras_vit.layers.resnet import Bottleneck as Bottleneck
from keras_vit.layers.resnet import ResNetStem as ResNetStem
from keras_vit.layers.resnet import StandardizedConv2D as StandardizedConv2D
from keras_vit.layers.resnet_d import BottleneckD as BottleneckD
from keras_vit.layers.resnet_d import ResNetDStem as ResNetDStem
from keras_vit.layers.basic_resnet import BasicBlock as BasicBlock
from keras_vit.layers.basic_resnet import BasicResNetStem as BasicResNetStem
from keras_vit.layers.conv_stem import ConvStem as ConvStem
from keras_vit.layers.features import Features as Features
from keras_vit.layers.head import Head as Head
from keras_vit.layers.logits import Logits as Logits
from keras_vit.layers.outputs import Outputs as Outputs
