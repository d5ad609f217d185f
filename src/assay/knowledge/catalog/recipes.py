"""The recipes of llama-quantize as the catalogue has them."""

from functools import cache
from typing import Any

from assay.knowledge import store
from assay.knowledge.catalog.weight_formats import gguf_types
from assay.types.recipe import Block, Common, Recipe, Rule

KIND = "gguf_recipe"
PREFIX = "gguf:"
_SHARED = "rules"
_KINDS = ("embedding", "value", "fused", "key", "query", "output", "gate", "up", "down")


def spelled(name: str) -> str | None:
    """The name as the catalogue spells ids of GGUF formats (`gguf:Q4_K_M` for `gguf:q4_k_m`), or None."""
    if not name.lower().startswith(PREFIX):
        return None
    return PREFIX + name[len(PREFIX) :].upper()


def known() -> tuple[str, ...]:
    """The ids of all recipes, without their second names."""
    return tuple(name for name, entry in store.entries(KIND).items() if "default" in entry)


@cache
def common() -> Common:
    """What all recipes share."""
    body = _body(_SHARED)
    return Common(
        fallback=body["fallback"],
        last_fallback=body["last_fallback"],
        head_fallback=body["head_fallback"],
        raised_of_70b=body["raised_of_70b"],
        raised_of_eight_experts=body["raised_of_eight_experts"],
        types_of_70b=tuple(body["types_of_70b"]),
        kept=tuple(body["kept"]),
        blocks={
            kind.format.removeprefix(PREFIX): Block(kind.block_elements, kind.block_bytes)
            for kind in gguf_types().values()
        },
        sources=tuple(body["sources"]),
    )


@cache
def recipe(name: str) -> Recipe | None:
    """The recipe that a name means (`gguf:q4_k_m`; `gguf:Q4_K` is another name of `gguf:Q4_K_M`), or None."""
    name = spelled(name) or name
    body = store.entry(KIND, name)
    if body is None or name == _SHARED:
        return None
    if "same_as" in body:
        return recipe(body["same_as"])
    return Recipe(
        id=name,
        default=body["default"],
        head=body.get("head", body["default"]),
        rules={
            kind: tuple(Rule(tuple(rule.get("when", ())), rule["type"]) for rule in body[kind])
            for kind in _KINDS
            if kind in body
        },
        plain=body.get("plain", False),
        raises=body.get("raises", False),
        stacked=body.get("stacked"),
        flat=body.get("flat"),
        needs_matrix=frozenset(_body(_SHARED)["needs_matrix"]) | frozenset(body.get("needs_matrix", ())),
        sources=tuple(body["sources"]),
    )


def _body(name: str) -> dict[str, Any]:
    found: dict[str, Any] | None = store.entry(KIND, name)
    if found is None:
        raise KeyError(name)
    return found
