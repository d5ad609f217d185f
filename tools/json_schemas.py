"""Generates the JSON Schemas and docs/json.md from the TypedDicts of `assay.report.json`.

python tools/json_schemas.py          write both
python tools/json_schemas.py --check  exit 1 where they differ from what is written
"""

import inspect
import json
import pkgutil
import sys
import typing
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Any, Literal, NotRequired, Required, get_args, get_origin, get_type_hints, is_typeddict

from assay import errors
from assay.report import json as wire

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "src" / "assay" / "report" / "json" / "schemas"
DOCUMENT = ROOT / "docs" / "json.md"
BEGIN, END = "<!-- generated: tools/json_schemas.py -->", "<!-- end of generated part -->"
PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    NoneType: {"type": "null"},
    Any: {},
}
ORDER = (
    "gpu",
    "formats",
    "prove",
    "probe",
    "probe_compare",
    "explain",
    "story",
    "model",
    "adapter",
    "check",
    "advise",
    "pack",
    "launch",
    "train",
    "diagnose",
    "shortfall",
    "bench",
    "profile",
    "error",
)
EXITS = (
    (0, "answered, yes"),
    (
        1,
        (
            "answered, no (`check`, `pack`, `launch`, `train`: it does not fit; `advise`: no option meets the need; "
            "`prove`, `probe`: a claim of the catalogue is contradicted; `diagnose`: a prediction did not hold)"
        ),
    ),
    (2, "bad input; `gpu`: ambiguous or unknown (the same document, no error object)"),
    (3, "cannot answer: knowledge or evidence is missing, or an extra is not installed"),
    (4, "the environment failed, or Assay has a bug"),
    (130, "interrupted"),
    (141, "the reader of the pipe left"),
)
MEANING = {
    "usage": "an unknown option or argument, or a value out of range",
    "unknown-gpu": "no such card, or not exactly one (`candidates`)",
    "unknown-model": "no such model, file or folder",
    "unreadable-file": "the file exists and cannot be opened",
    "malformed-file": "the file breaks its format (`file`, `field`, `offset`)",
    "unsupported-architecture": "the model's architecture is not in the catalogue",
    "unsupported-file": "a container that Assay refuses by name, or a file larger than it reads",
    "missing-knowledge": "the catalogue has no such fact",
    "missing-extra": "an optional dependency is not installed; the hint is its install line",
    "no-gpu": "this machine shows no GPU",
    "corrupt-catalogue": "the catalogue cannot be read or built",
    "permission": "the system refused access, or the answer could not be written",
    "tool": "a tool outside Assay does not run, hangs, or answers nothing that is understood",
    "device": "a card is busy, was lost, or its driver refuses",
    "network": "the network or the far side failed",
    "interrupted": "Ctrl-C",
    "bug": "a bug in Assay",
}


def commands() -> list[tuple[str, ModuleType]]:
    """(name, module) of every document, in the order of the documentation."""
    names = [info.name for info in pkgutil.iter_modules(wire.__path__)]
    found = [(name, import_module(f"assay.report.json.{name}")) for name in names]
    found = [(name, module) for name, module in found if hasattr(module, "Document")]
    return sorted(found, key=lambda item: (ORDER.index(item[0]) if item[0] in ORDER else len(ORDER), item[0]))


class _Schema:
    """One document's schema; every TypedDict becomes a definition of its own."""

    def __init__(self) -> None:
        self.definitions: dict[str, dict[str, Any]] = {}

    def of(self, hint: Any) -> dict[str, Any]:
        """The schema of a type."""
        if hint in PLAIN:
            return dict(PLAIN[hint])
        if is_typeddict(hint):
            return self._reference(hint)
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in {NotRequired, Required}:
            return self.of(arguments[0])
        if origin in {UnionType, typing.Union}:
            return {"anyOf": [self.of(argument) for argument in arguments]}
        return self._of_generic(hint, origin, arguments)

    def _of_generic(self, hint: Any, origin: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
        if origin is Literal:
            return {"enum": list(arguments)}
        if origin in {list, tuple}:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        raise TypeError(repr(hint))

    def _reference(self, shape: Any) -> dict[str, Any]:
        name = shape.__name__
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self.object(shape)
        return {"$ref": f"#/$defs/{name}"}

    def object(self, shape: Any) -> dict[str, Any]:
        """The schema of a TypedDict; unknown keys are allowed, because keys may be added."""
        hints = get_type_hints(shape, include_extras=True)
        return {
            "type": "object",
            "description": inspect.cleandoc(shape.__doc__ or ""),
            "properties": {key: self.of(hint) for key, hint in hints.items()},
            "required": [key for key in hints if key in shape.__required_keys__],
        }


def _envelope_first(properties: dict[str, Any]) -> dict[str, Any]:
    first = ("schema", "assay_version", "knowledge_digest")
    last = ("sources", "messages")
    middle = [key for key in properties if key not in (*first, *last)]
    return {key: properties[key] for key in (*first, *middle, *last) if key in properties}


def schema_of(module: ModuleType) -> dict[str, Any]:
    """The JSON Schema of one document.

    A figure without a value says why: that rule of the contract is written into the schema as well.
    """
    schema = _Schema()
    body = schema.object(module.Document)
    body["properties"] = _envelope_first(body["properties"])
    body["properties"]["schema"] = {"const": module.SCHEMA}
    if "Q" in schema.definitions:
        figure = schema.definitions["Q"]
        figure["properties"]["weakest_share"] |= {"minimum": 0, "maximum": 1}
        figure["if"] = {"properties": {"value": {"type": "null"}}}
        figure["then"] = {"required": ["note"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": module.SCHEMA,
        **body,
        "$defs": dict(sorted(schema.definitions.items())),
    }


def _words(schema: dict[str, Any]) -> str:
    """A type in a line of documentation."""
    found = str(schema.get("type", "any"))
    if "$ref" in schema:
        found = f"`{schema['$ref'].rsplit('/', 1)[1]}`"
    elif "const" in schema:
        found = f'`"{schema["const"]}"`'
    elif "enum" in schema:
        found = " \\| ".join(f"`{value}`" for value in schema["enum"])
    elif "anyOf" in schema:
        found = " or ".join(_words(part) for part in schema["anyOf"])
    elif found == "array":
        found = f"list of {_words(schema['items'])}"
    elif found == "object":
        found = f"object of {_words(schema.get('additionalProperties', {}))}"
    return found


def _table(shape: dict[str, Any]) -> Iterator[str]:
    yield "| key | type | |"
    yield "|---|---|---|"
    for key, schema in shape["properties"].items():
        always = "" if key in shape["required"] else "may be absent"
        yield f"| `{key}` | {_words(schema)} | {always} |"


def generated() -> str:
    """The generated part of docs/json.md."""
    lines = ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXITS]
    shared: dict[str, dict[str, Any]] = {}
    for name, module in commands():
        schema = schema_of(module)
        title = "Errors" if name == "error" else f"`assay {name}`"
        lines += ["", f"## {title}: `{module.SCHEMA}`", "", schema["description"], "", *_table(schema)]
        own = {key: shape for key, shape in schema["$defs"].items() if key not in COMMON}
        shared |= {key: shape for key, shape in schema["$defs"].items() if key in COMMON}
        for key, shape in own.items():
            lines += ["", f"### {key}", "", shape["description"], "", *_table(shape)]
        if name == "error":
            lines += ["", *_kinds()]
    lines += ["", "## In every document"]
    for key, shape in sorted(shared.items()):
        lines += ["", f"### {key}", "", shape["description"], "", *_table(shape)]
    return "\n".join(lines)


COMMON = frozenset({"Q", "SourceBody", "MessageBody"})


def _kinds() -> Iterator[str]:
    """The closed list of error kinds with their exit codes."""
    exits: dict[str, int] = {str(found.kind): found.exit_code for found in _tree(errors.AssayError)} | {
        "interrupted": 130,
        "bug": 4,
    }
    yield "| kind | exit | meaning |"
    yield "|---|---|---|"
    for kind in errors.KINDS:
        yield f"| `{kind}` | {exits[kind]} | {MEANING[kind]} |"


def _tree(root: type[errors.AssayError]) -> Iterator[type[errors.AssayError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def outputs() -> dict[Path, str]:
    """Every generated file and its text."""
    found = {}
    for name, module in commands():
        path = SCHEMAS / f"assay.{name}-{module.SCHEMA.rpartition('/')[2]}.json"
        found[path] = json.dumps(schema_of(module), indent=2, ensure_ascii=False) + "\n"
    text = DOCUMENT.read_text(encoding="utf-8")
    head, tail = text.partition(BEGIN)[0], text.partition(END)[2]
    found[DOCUMENT] = f"{head}{BEGIN}\n\n{generated()}\n\n{END}{tail}"
    return found


def main(arguments: list[str]) -> int:
    """Write what differs, or with --check only tell."""
    stale = [
        (path, text)
        for path, text in outputs().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        if "--check" not in arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
