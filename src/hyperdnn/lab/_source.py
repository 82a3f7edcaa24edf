"""Reads what a recipe's file declares from its source, without running it."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import decode_source
from pathlib import Path
from typing import Any, TypeVar, final

from hyperdnn.errors import ConfigError
from hyperdnn.lab._recipe import Claim, Reference

Declared = TypeVar("Declared")


@final
@dataclass(frozen=True, kw_only=True)
class Setting:
    """One field of a recipe's configuration, as its source has it; ``default`` is "" where there is none."""

    name: str
    type: str
    default: str
    comment: str


@final
@dataclass(frozen=True, kw_only=True)
class RecipeFile:
    """What a recipe's file says about itself, read from its source.

    Args:
        name: the path below the recipes' folder without ``.py``; the bare file name for a user's own file.
        path: the file.
        text: the file's docstring.
        summary: one line.
        reference: the publication.
        claims: what it says, as bounds on measured numbers.
        settings: the fields of the configuration.
        seeds: how many the claims are measured with.
        space: which of them are searched by default, in which values.
    """

    name: str
    path: Path
    text: str
    summary: str
    reference: Reference
    claims: tuple[Claim, ...]
    settings: tuple[Setting, ...]
    seeds: int
    space: Mapping[str, str]


def read_source(path: Path, name: str) -> RecipeFile:
    """The declarations of one recipe's file.

    Raises:
        ConfigError: the file does not parse, has no ``RECIPE``, or declares with something else than
            literals; names the file and the line.
    """
    try:
        source = decode_source(path.read_bytes())
        tree = ast.parse(source)
    except SyntaxError as error:
        place = f"{path}, line {error.lineno}" if error.lineno else str(path)
        raise ConfigError(f"{place}: {error.msg}.") from None
    except (ValueError, RecursionError, MemoryError) as error:  # not text, null bytes, nested too deep
        raise ConfigError(f"{path}: cannot be read as Python ({error}).") from None
    call = _recipe_call(tree, path)
    arguments = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    for required in ("summary", "config", "reference"):
        if required not in arguments:
            raise ConfigError(f"{path}, line {call.lineno}: RECIPE has no {required}.")
    claims = arguments.get("claims")
    if claims is not None and not isinstance(claims, ast.Tuple | ast.List):
        raise ConfigError(f"{path}, line {claims.lineno}: expected claims=(lab.Claim(...), ...).")
    summary = _literal(arguments["summary"], path)
    if not isinstance(summary, str):
        raise ConfigError(f"{path}, line {call.lineno}: expected text as the summary, got {summary!r}.")
    return RecipeFile(
        name=name,
        path=path,
        text=ast.get_docstring(tree) or "",
        summary=summary,
        reference=_make(Reference, arguments["reference"], path),
        claims=tuple(_make(Claim, claim, path) for claim in (claims.elts if claims else ())),
        settings=tuple(_settings(tree, ast.unparse(arguments["config"]), source.splitlines())),
        seeds=_literal(arguments["seeds"], path) if "seeds" in arguments else 3,
        space=_literal(arguments["space"], path) if "space" in arguments else {},
    )


def _recipe_call(tree: ast.Module, path: Path) -> ast.Call:
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="RECIPE")], value=ast.Call() as call):
                return call
    raise ConfigError(f"{path}: no recipe in it. A recipe's file ends with RECIPE = lab.Recipe(...).")


def _make(kind: Callable[..., Declared], node: ast.expr, path: Path) -> Declared:
    """The declaration that the node would make if it ran."""
    if not isinstance(node, ast.Call):
        raise ConfigError(f"{path}, line {node.lineno}: expected a call with literals, got {_shown(node)}.")
    values = {keyword.arg: _literal(keyword.value, path) for keyword in node.keywords if keyword.arg}
    try:
        return kind(**values)
    # A name that is missing or not known; a claim that cannot be judged; values of other types.
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path}, line {node.lineno}: {error}") from None


def _literal(node: ast.expr, path: Path) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        raise ConfigError(f"{path}, line {node.lineno}: expected a literal, got {_shown(node)}.") from None


def _shown(node: ast.expr) -> str:
    try:
        return ast.unparse(node)[:100]
    except RecursionError:
        return "something nested too deep"


def _settings(tree: ast.Module, config: str, lines: list[str]) -> Iterator[Setting]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == config]
    for statement in (statement for node in classes for statement in node.body):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value, end_lineno=int(line)):
                rest = lines[line - 1].encode()[statement.end_col_offset :].decode()  # ast counts in bytes
                yield Setting(
                    name=name,
                    type=ast.unparse(annotation),
                    default=ast.unparse(value) if value else "",
                    comment=rest.strip().removeprefix("#").strip(),
                )
