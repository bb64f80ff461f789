"""Training recipes by name, one per entry."""

from keras_vit.recipes import augreg, big_vision, finetune, paper, small
from keras_vit.recipes.groups import AugmentationSettings as AugmentationSettings
from keras_vit.recipes.groups import DataSettings as DataSettings
from keras_vit.recipes.groups import ModelSettings as ModelSettings
from keras_vit.recipes.groups import RunSettings as RunSettings
from keras_vit.recipes.optimization import OptimizerSettings as OptimizerSettings
from keras_vit.recipes.optimization import ScheduleSettings as ScheduleSettings
from keras_vit.recipes.recipe import Recipe as Recipe
from keras_vit.recipes.recipe import as_flat as as_flat
from keras_vit.recipes.recipe import changed as changed
from keras_vit.recipes.recipe import setting_kinds as setting_kinds
from keras_vit.recipes.renamed_settings import RENAMED as RENAMED
from keras_vit.recipes.settings import as_json as as_json
from keras_vit.recipes.settings import difference as difference
from keras_vit.recipes.settings import from_json as from_json
from keras_vit.recipes.settings import override as override
from keras_vit.recipes.settings import read_settings as read_settings
from keras_vit.recipes.settings import with_image_size as with_image_size
from keras_vit.recipes.settings import with_model as with_model
from keras_vit.recipes.settings_file import as_yaml as as_yaml
from keras_vit.recipes.settings_file import holds_a_run as holds_a_run
from keras_vit.recipes.settings_file import read_file as read_file
from keras_vit.recipes.settings_file import read_settings_file as read_settings_file
from keras_vit.recipes.tasks import ClassificationSettings as ClassificationSettings
from keras_vit.recipes.tasks import DistillationSettings as DistillationSettings
from keras_vit.recipes.tasks import MaskedPatchSettings as MaskedPatchSettings
from keras_vit.recipes.tasks import PseudoLabelSettings as PseudoLabelSettings
from keras_vit.recipes.tasks import TaskSettings as TaskSettings
from keras_vit.recipes.tasks import name_of as name_of
from keras_vit.recipes.typed import RecipeSettings as RecipeSettings
from keras_vit.suggestions import unknown

RECIPES: dict[str, Recipe] = {
    **small.RECIPES,
    **finetune.RECIPES,
    **paper.RECIPES,
    **augreg.RECIPES,
    **big_vision.RECIPES,
}


def get(name: str) -> Recipe:
    """Return the recipe of that name."""
    if name not in RECIPES:
        raise ValueError(unknown("recipe", name, RECIPES))
    return RECIPES[name]
