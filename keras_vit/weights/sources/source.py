"""What is to be known of a publisher of weights."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from keras_vit.preprocessing import Preprocessing
from keras_vit.weights.architecture import Architecture
from keras_vit.weights.files import Stored
from keras_vit.weights.sources.stems import Stem
from keras_vit.weights.translate import Rules

NAMED = "architecture given by the caller"  # a key of a `Config`
Config = Mapping[str, Any]  # a repository's settings, as `opening` reads them
Arrays = Mapping[str, Stored]  # by name
Spelling = frozenset[str]
Pixels = Sequence[Sequence[float]]  # mean and standard deviation by colour

HALF = ((127.5,) * 3, (127.5,) * 3)  # to [-1, 1]
IMAGENET = (  # its mean and deviation
    tuple(255 * value for value in (0.485, 0.456, 0.406)),
    tuple(255 * value for value in (0.229, 0.224, 0.225)),
)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A publisher's names and conventions.

    Attributes:
        name: of the source.
        kinds: the `model_type`s of its `config.json`, which is asked first.
        recognises: the names in a file -> whether they are this source's.
        normalise: `{name: Stored}` as found -> the same in the source's one
            canonical spelling, without what is no weight of the model.
        rules: an `Architecture`, and the `spelling` of a file -> `{ours:
            (theirs, Change)}`.
        activation: the form of GELU, where the source determines it.
        layer_norm_epsilon: of its layer normalisations, where the source
            determines it.
        position_method: the arrays as found, the repository's settings -> by
            which its own code resizes positions; a key of `positions.METHODS`.
        patches: the canonical name of the kernel that patches are embedded by.
        positions: the canonical name of the position table.
        mlp: the canonical name of the kernels that end the MLPs, with `*` for
            the number of a block; or several, by the kind of MLP.
        arguments: canonical `{name: Stored}` -> the arguments of `ViT` that
            they determine, `block` among them by its fields, and
            `num_classes` if there is a head.
        settings: the repository's settings -> the arguments of `ViT` that
            they hold beyond the arrays; a ValueError where they name what this
            package's models do not have.
        pixels: the repository's settings -> (mean, deviation) of pixels in
            [0, 255].
        preprocessing: the names as found, the repository's settings, the side
            of its images or `None` -> the `Preprocessing` of its evaluation;
            a ValueError where this package has none like it.
        dropped_with_head: beginnings of canonical names that belong to the
            head, and are left out when a new one is wanted.
        dropped_without_pooling: beginnings of those that belong to pooling by
            attention, and are left out when tokens are wanted, or a new head on
            another pooling.
        left_out: a pattern that canonical names of no model here begin with
            -> in words, what they are, which is logged; `""`: nothing is.
        spelling: canonical `{name: Stored}` -> in words, which of several
            layouts the publisher's files have it has; what `rules` read.
        stems: of its hybrids, of which a file has at most one.
        standardization: of its hybrids' kernels, a key of
            `layers.resnet.STANDARDIZATIONS`; `None`: it has none of them.
        image_size: the repository's settings -> (height, width) of the images
            that the position table is for; `None` if they do not say.
        grid: the arrays as found -> (rows, columns) of the position table, where
            its shape shows them; else `None`.
        first_rows: canonical `{name: Stored}`, the repository's settings ->
            how many rows of the position table may stand before those of the
            patches: a tuple of what the settings say, and one of all; `None`:
            as many as there are class and distillation tokens.
        aligned: canonical `{name: Stored}`, the number of such rows -> the
            same with positions for these tokens and the patches alone.
        classifiers: the canonical names of dense layers that give logits, by
            which other spellings go.
        says_heads: the arrays, the repository's settings -> whether the heads of
            attention that `settings` holds are those of a model of this width.
        class_names: the repository's settings -> the names of the classes, or
            `None`.
        check_complete: `{name: Stored}` as found, the repository's settings ->
            nothing; a ValueError where several models could have such names.
        check_activation: the same where the activation alone is not known, which
            who builds a model by hand states.
        check_pre_logits: the repository's settings -> nothing; a ValueError
            where the layer before the classifier has another activation.
        assumed: the repository's settings -> in words, what is taken for
            granted since they do not say it, or `None`.
    """

    name: str
    kinds: tuple[str, ...] = ()
    recognises: Callable[[Iterable[str]], bool]
    normalise: Callable[[Arrays], dict[str, Stored]]
    rules: Callable[[Architecture, Spelling], Rules]
    activation: str
    layer_norm_epsilon: float | None
    position_method: Callable[[Arrays, Config], str]
    patches: str
    positions: str
    mlp: str | tuple[str, ...]
    arguments: Callable[[Arrays], dict[str, Any]]
    pixels: Callable[[Config], Pixels]
    preprocessing: Callable[[Iterable[str], Config, int | None], Preprocessing]
    dropped_with_head: tuple[str, ...] = field(default=())
    dropped_without_pooling: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    spelling: Callable[[Arrays], Spelling] = lambda stored: frozenset()
    stems: tuple[Stem, ...] = ()
    standardization: str | None = None
    image_size: Callable[[Config], tuple[int, int] | None] = lambda config: None
    grid: Callable[[Arrays], tuple[int, int] | None] = lambda stored: None
    first_rows: (
        Callable[[Arrays, Config], tuple[tuple[int, ...], tuple[int, ...]]] | None
    ) = None
    aligned: Callable[[Arrays, int], Arrays] = lambda stored, rows: stored
    classifiers: tuple[str, ...] = ()
    settings: Callable[[Config], dict[str, Any]] = lambda config: {}
    says_heads: Callable[[Arrays, Config], bool] = lambda stored, config: True
    class_names: Callable[[Config], tuple[str, ...] | None] = lambda config: None
    assumed: Callable[[Config], str | None] = lambda config: None
    check_complete: Callable[[Arrays, Config], None] = lambda stored, config: None
    check_activation: Callable[[Arrays, Config], None] = lambda stored, config: None
    check_pre_logits: Callable[[Config], None] = lambda config: None
