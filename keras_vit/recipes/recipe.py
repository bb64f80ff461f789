"""What a recipe is: groups of settings, and each setting by its own name."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

from keras_vit.recipes.checked import Kind, Settings, kinds
from keras_vit.recipes.groups import (
    AugmentationSettings,
    DataSettings,
    ModelSettings,
    RunSettings,
)
from keras_vit.recipes.optimization import OptimizerSettings, ScheduleSettings
from keras_vit.recipes.renamed_settings import RENAMED
from keras_vit.recipes.task_choice import (
    TASKS_OF_SETTINGS,
    changed_task,
    without_labels,
)
from keras_vit.recipes.tasks import (
    TASKS,
    ClassificationSettings,
    TaskSettings,
    name_of,
)
from keras_vit.renamed import with_new_names

if TYPE_CHECKING:
    from typing import Unpack

    from keras_vit.recipes.typed import AllSettings


@dataclass(frozen=True)
class Recipe:
    """What a run trains, on which data, and how.

    Each setting lies in a group, and has a name of its own in all of them, by which
    `keras_vit.train` and `--set` take it: `recipe.run.epochs` is `epochs`.

    Attributes:
        model: `ModelSettings`.
        data: `DataSettings`.
        augmentation: `AugmentationSettings`.
        optimizer: `OptimizerSettings`.
        schedule: `ScheduleSettings`.
        task: what is learnt, such as `ClassificationSettings`.
        run: `RunSettings`.

    Raises:
        TypeError: for a value of another type.
        ValueError: for a wrong value, or values that do not go together.

    Example:

    >>> recipe = Recipe(ModelSettings("ViT_Ti16"), DataSettings("photos"))
    >>> recipe == Recipe.of(model="ViT_Ti16", dataset="photos")
    True
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    _: KW_ONLY
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    task: TaskSettings = field(default_factory=ClassificationSettings)
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        clash = settings_of_labels(self)
        if clash and not self.task.learns_labels:
            raise ValueError(without_labels(self.task, [*clash]))
        sizes, rank = self.schedule.progressive_sizes, self.model.lora_rank
        if sizes and rank:
            raise ValueError(
                "progressive_sizes goes with training the model's own weights, not "
                f"those of LoRA. Received: progressive_sizes={sizes}, lora_rank={rank}."
                " Set one of them to none"
            )

    @classmethod
    def of(
        cls,
        dataset: str | None = None,
        model: str | None = None,
        **settings: Unpack[AllSettings],
    ) -> Recipe:
        """Return the recipe of settings by their own names.

        Args:
            dataset: as `keras_vit.train` takes it by name.
            model: as `keras_vit.train` takes it by name.
            **settings: others, as `keras_vit.train` takes them.

        Raises:
            TypeError: for an unknown setting, or a value of another type.
            ValueError: for a wrong value, or values that do not go together.

        Example:

        >>> Recipe.of("photos", "ViT_S16", epochs=5).run.epochs
        5
        """
        return changed(cls(), {"dataset": dataset, "model": model, **settings})

    if not TYPE_CHECKING:  # a checker knows the groups alone

        def __getattr__(self, name):
            """Return a setting that earlier versions had outside of the groups."""
            if name in GROUPS or name == "task":  # while it is made or copied
                raise AttributeError(f"Recipe has no attribute {name!r} yet")
            flat, new = as_flat(self), RENAMED.get(name, name)
            if new not in flat and new not in TASKS_OF_SETTINGS:
                raise AttributeError(f"Recipe has no setting {name!r}")
            place = ".".join(_PLACES[new][:2]) if new in _PLACES else f"task.{new}"
            warnings.warn(
                f"Recipe.{name} is called {place} now; the old name goes with the next "
                "version",
                DeprecationWarning,
                stacklevel=2,
            )
            return flat.get(new)


def as_flat(recipe: Recipe) -> dict[str, Any]:
    """Return every setting of a recipe by its own name.

    Example:

    >>> flat = as_flat(Recipe.of("photos", "ViT_S16", loss="sigmoid"))
    >>> flat["dataset"], flat["task"], flat["loss"]
    ('photos', 'classification', 'sigmoid')
    """
    flat = {
        name: getattr(getattr(recipe, group), one)
        for name, (group, one, _) in _PLACES.items()
    }
    task = {one.name: getattr(recipe.task, one.name) for one in fields(recipe.task)}
    return flat | {"task": name_of(recipe.task)} | task


def settings_of_labels(recipe: Recipe) -> dict[str, Any]:
    """Return the settings of a recipe that say nothing without labels, by name.

    Example:

    >>> settings_of_labels(Recipe.of("photos", mixup=0.2, flip=True))
    {'mixup': 0.2}
    """
    values = as_flat(recipe)
    return {name: values[name] for name in _OF_LABELS if values[name]}


def setting_kinds() -> dict[str, Kind]:
    """Return the kind of every setting, by its own name."""
    found = {name: kind for name, (_, _, kind) in _PLACES.items()}
    found["task"] = Kind(str, tuple(TASKS), optional=False)
    for kind in TASKS.values():
        found |= {name: _of_task(name, one) for name, one in kinds(kind).items()}
    return found


def _of_task(name: str, kind: Kind) -> Kind:
    """Return the kind of a task's setting; the word of its own name chooses it."""
    return Kind(kind.type, kind.choices, True) if name in TASKS else kind


def changed(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return a recipe with other settings, by their own names.

    `epochs` replaces `steps`. A task is chosen by `task`, or by the setting of its
    name, such as `distillation="soft"`, which is `None` where it is not chosen.

    Raises:
        TypeError: for an unknown setting, or a value of another type.
        ValueError: for a wrong value, or values that do not go together.

    Example:

    >>> recipe = changed(Recipe.of("photos", "ViT_S16"), {"epochs": 3, "mixup": 0.2})
    >>> recipe.run.epochs, recipe.augmentation.mixup
    (3, 0.2)
    """
    changes = with_new_names(dict(changes), RENAMED, "Recipe", stacklevel=3)
    unknown = [name for name in changes if name not in setting_kinds()]
    if unknown:
        raise TypeError(
            f"A recipe has no setting {', '.join(unknown)}. Expected some of "
            f"{', '.join(setting_kinds())}"
        )
    if changes.get("epochs") is not None:
        changes = {"steps": None} | changes
    groups: dict[str, dict[str, Any]] = {}
    of_task = {name: changes.pop(name) for name in [*changes] if name not in _PLACES}
    for name, value in changes.items():
        group, one, _ = _PLACES[name]
        groups.setdefault(group, {})[one] = value
    new: dict[str, Any] = {
        group: replace(getattr(recipe, group), **values)
        for group, values in groups.items()
    }
    if of_task:
        new["task"] = changed_task(recipe.task, of_task)
    return _new_recipe(recipe, new)


def _new_recipe(recipe: Recipe, groups: Mapping[str, Any]) -> Recipe:
    values: dict[str, Any] = {
        one.name: getattr(recipe, one.name) for one in fields(Recipe)
    }
    return Recipe(**(values | dict(groups)))


GROUPS: dict[str, type[Settings]] = {
    "model": ModelSettings,
    "data": DataSettings,
    "augmentation": AugmentationSettings,
    "optimizer": OptimizerSettings,
    "schedule": ScheduleSettings,
    "run": RunSettings,
}
# The group, the field and the kind of each setting by its own name, but a task's.
_PLACES: dict[str, tuple[str, str, Kind]] = {
    one.metadata.get("flat", one.name): (group, one.name, kinds(settings)[one.name])
    for group, settings in GROUPS.items()
    for one in fields(settings)
}
# What says nothing where no labels are learnt, or mixes them.
_OF_LABELS = (
    "head_bias",
    "mixup",
    "cutmix",
    "sampling",
    "lora_rank",  # of which the head that is learnt beside it is a part
)


def _accepting_settings(init):
    """Accept settings by their own names, as earlier versions did."""

    @functools.wraps(init)
    def accepting(self, *args, **values):
        names = [one.name for one in fields(Recipe)]
        groups = dict(zip(names, args, strict=False)) | values
        given = {n: v for n, v in groups.items() if isinstance(v, Settings)}
        settings = {n: v for n, v in groups.items() if n not in given}
        if not settings:
            return init(self, **given)
        if args and not isinstance(args[0], Settings):
            settings = dict(zip(("dataset", "model"), args, strict=True)) | values
        warnings.warn(
            "Recipe() with single settings is called Recipe.of() now; the old name "
            "goes with the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        recipe = changed(_new_recipe(Recipe(), given), settings)
        return init(self, **{name: getattr(recipe, name) for name in names})

    return accepting


Recipe.__init__ = _accepting_settings(Recipe.__init__)
