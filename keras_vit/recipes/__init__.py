"""Training recipes by name, one per entry."""

from keras_vit.recipes import augreg, big_vision, finetune, paper, small
from keras_vit.recipes.recipe import RENAMED as RENAMED
from keras_vit.recipes.recipe import Recipe as Recipe
from keras_vit.recipes.settings import as_json as as_json
from keras_vit.recipes.settings import changed as changed
from keras_vit.recipes.settings import difference as difference
from keras_vit.recipes.settings import from_json as from_json
from keras_vit.recipes.settings import override as override
from keras_vit.recipes.settings import read_settings as read_settings
from keras_vit.recipes.settings import with_model as with_model
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
