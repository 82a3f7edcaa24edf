"""Finds recipes by walking the folder, loads them, and finds their configurations."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from hyperdnn.errors import ConfigError, nearest
from hyperdnn.lab._recipe import Recipe
from hyperdnn.lab._source import RecipeFile, read_source

_PACKAGE = Path(__file__).resolve().parents[1]
RECIPES = _PACKAGE / "recipes"
_INSTALLED = _PACKAGE / "configs"
# A wheel carries the configurations inside the package; in a checkout they stand beside src/.
CONFIGS = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parents[1] / "configs"

DEFAULT = "default"
"""The setting that ``configs/<family>/<recipe>.yaml`` holds."""


def discover() -> list[RecipeFile]:
    """All recipes of the package, by name."""
    return [read_source(path, name) for name, path in _paths().items()]


def find(name: str) -> RecipeFile:
    """The recipe of this name, or the user's own recipe file where the name ends in ``.py``.

    Raises:
        ConfigError: there is none (with the nearest name), or its declarations are not literals.
    """
    if name.endswith(".py"):
        path = Path(name).resolve()
        if not path.is_file():
            raise ConfigError(f"{name}: no such file.")
        own = path.relative_to(RECIPES).with_suffix("") if path.is_relative_to(RECIPES) else Path(path.stem)
        return read_source(path, own.as_posix())
    paths = _paths()
    if name not in paths:
        raise ConfigError(f"no recipe '{name}'.{nearest(name, paths)} All recipes: hyperdnn list")
    return read_source(paths[name], name)


def load(name: str) -> Recipe:
    """The recipe itself: imports its file, and with it torch.

    Args:
        name: as in `find`.

    Raises:
        ConfigError: there is no such recipe, or its ``RECIPE`` is none.
    """
    file = find(name)
    if file.path.is_relative_to(_PACKAGE):
        module = importlib.import_module(f"hyperdnn.recipes.{file.name.replace('/', '.')}")
    else:
        module = _import_file(file.path)
    recipe = getattr(module, "RECIPE", None)
    if not isinstance(recipe, Recipe):
        raise ConfigError(f"{file.path}: expected RECIPE = lab.Recipe(...), got {type(recipe).__name__}.")
    return recipe


def configs(file: RecipeFile) -> dict[str, Path]:
    """The recipe's configuration files by setting, the default first."""
    folder = file.path.parent
    if folder.is_relative_to(RECIPES):
        folder = CONFIGS / folder.relative_to(RECIPES)
    stem = file.path.stem
    found = {p.name.removeprefix(f"{stem}.").removesuffix(".yaml"): p for p in sorted(folder.glob(f"{stem}.*.yaml"))}
    default = folder / f"{stem}.yaml"
    return {DEFAULT: default, **found} if default.is_file() else found


def configuration(name: str, setting: str = DEFAULT) -> Any:
    """The recipe's configuration in one of its settings.

    The default setting is ``configs/<family>/<recipe>.yaml``, or the defaults of the recipe's dataclass where
    there is no such file.

    Raises:
        ConfigError: there is no such setting (with the nearest name), or its file does not fit the recipe.
    """
    from hyperdnn.lab.config import from_mapping, read_yaml

    config_type, paths = load(name).config, configs(find(name))
    if setting in paths:
        return read_yaml(config_type, paths[setting])
    if setting == DEFAULT:
        return from_mapping(config_type, {})
    raise ConfigError(f"{name} has no setting '{setting}'.{nearest(setting, [DEFAULT, *paths])}")


def setting_of(name: str, config: object) -> str | None:
    """The setting whose configuration this is, all fields equal; None for one with changes of the user's own.

    Claims are bounds for a setting, so a changed configuration has none to meet.
    """
    settings = {DEFAULT: None, **configs(find(name))}
    return next((setting for setting in settings if configuration(name, setting) == config), None)


def _paths() -> dict[str, Path]:
    paths = {p.relative_to(RECIPES).with_suffix("").as_posix(): p for p in sorted(RECIPES.rglob("*.py"))}
    return {name: p for name, p in paths.items() if not p.name.startswith("_") and "RECIPE = " in p.read_text("utf-8")}


def _import_file(path: Path) -> Any:
    name = f"hyperdnn_recipe_{path.stem}"  # no collision with an installed module of the file's name
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded  # a second copy would have classes of its own, equal to none of the first
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path}: cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look the module up
    spec.loader.exec_module(module)
    return module
