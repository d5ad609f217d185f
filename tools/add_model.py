"""Prints the catalogue entry of a published configuration: only the keys that the readers use.

    python tools/add_model.py CONFIG.json --id OWNER/NAME --source SOURCE-ID [--hf-quant-config FILE] …

Exclude lists are shortened to wildcards where the resulting model is the same to the byte.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from assay.observe.checkpoint import config as reader
from assay.observe.checkpoint.fields import Fields
from assay.types.model import Model

Document = dict[str, Any]


def _used(document: Document, used: set[str], path: str = "") -> Document:
    """The keys that were read, in their order."""
    kept: Document = {}
    for key, value in document.items():
        name = path + key
        if name in used and value is not None:
            kept[key] = value
        elif isinstance(value, dict):
            below = _used(value, used, f"{name}.")
            if below:
                kept[key] = below
    return kept


def _model(document: Document, separate: Document | None, name: str, plain: str | None) -> Model:
    origin = reader.Origin(name, name, "catalogue", (), plain_format=plain)
    return reader.model(document, separate, origin)


def _template(module: str) -> str:
    return re.sub(r"(layers|experts)\.\d+", r"\1.*", module)


def _shortened(value: Any, same: Callable[[Any], bool]) -> Any:
    """A list of modules, or modelopt's table of them, with fewer names where `same` still holds."""
    current = value
    for template in dict.fromkeys(_template(item) for item in value):
        hits = [item for item in current if _template(item) == template]
        if isinstance(current, list):
            without: Any = [item for item in current if item not in hits]
            joined: Any = [*without, template]
        else:
            without = {key: item for key, item in current.items() if key not in hits}
            joined = {**without, template: current[hits[0]]}
        if same(without):
            current = without
        elif len(hits) > 1 and same(joined):
            current = joined
    return current


def shortened(document: Document, separate: Document | None, name: str, plain: str | None) -> None:
    """Shorten the exclude lists in place as far as the model stays the same."""
    wanted = _model(document, separate, name, plain)
    blocks = [document.get("quantization_config"), (document.get("text_config") or {}).get("quantization_config")]
    blocks.append((separate or {}).get("quantization"))
    for block in blocks:
        for key in ("modules_to_not_convert", "ignored_layers", "ignore", "exclude_modules", "quantized_layers"):
            if block and block.get(key):
                block[key] = _shortened(block[key], _probe(block, key, wanted, (document, separate, name, plain)))
                last = block.pop(key)  # what the scheme spares by itself needs no list
                if _model(document, separate, name, plain) != wanted:
                    block[key] = last


def _probe(
    block: Document, key: str, wanted: Model, arguments: tuple[Document, Document | None, str, str | None]
) -> Callable[[Any], bool]:
    def same(candidate: Any) -> bool:
        if not candidate:
            return False  # an empty list may mean something else than a missing one
        before = block[key]
        block[key] = candidate
        try:
            return _model(*arguments) == wanted
        finally:
            block[key] = before

    return same


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        # TOML has no null: what a configuration leaves open is left out.
        known = {key: item for key, item in value.items() if item is not None}
        return "{ " + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in known.items()) + " }"
    return repr(value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _wrapped(line: str) -> str:
    """A long array over several lines of 110 columns."""
    if len(line) <= 110 or not line.endswith("]"):
        return line
    head, _, items = line.partition("[")
    out, row = [f"{head}["], "  "
    for item in items[:-1].split(", "):
        if len(row) + len(item) > 106:
            out.append(row.rstrip())
            row = "  "
        row += f"{item}, "
    return "\n".join([*out, row.rstrip(), "]"])


def _line(key: str, value: Any) -> str:
    """`key = value`; a list of tables has one on each line, since an inline table must not be broken."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "\n".join([f"{_key(key)} = [", *(f"  {_toml(item)}," for item in value), "]"])
    return _wrapped(f"{_key(key)} = {_toml(value)}")


def _table(name: str, document: Document) -> list[str]:
    plain = {key: value for key, value in document.items() if not isinstance(value, dict)}
    lines = [f"[{name}]"] if plain else []
    lines += [_line(key, value) for key, value in plain.items()]
    for key, value in document.items():
        if isinstance(value, dict):
            lines += _table(f"{name}.{_key(key)}", value)
    return lines


def entry(options: argparse.Namespace) -> str:
    """The TOML of one model."""
    document = json.loads(Path(options.config).read_text(encoding="utf-8"))
    separate = None
    if options.hf_quant_config:
        separate = json.loads(Path(options.hf_quant_config).read_text(encoding="utf-8"))
    wanted = _model(document, separate, options.id, options.plain_format)
    used: set[str] = set()
    beside: set[str] = set()
    origin = reader.Origin(options.id, options.id, "catalogue", (), plain_format=options.plain_format)
    reader.of_fields(
        Fields(document, options.id, used=used),
        None if separate is None else Fields(separate, options.id, used=beside),
        origin,
    )
    document, separate = _used(document, used), separate and _used(separate, beside)
    shortened(document, separate, options.id, options.plain_format)
    if _model(document, separate, options.id, options.plain_format) != wanted:
        raise SystemExit(f"{options.id}: the shortened configuration describes another model")
    head = ["[[model]]", f"id = {_toml(options.id)}", f"family = {_toml(options.family or wanted.architecture)}"]
    known = ("released_format", "requantized_from", "plain_format")
    head += [f"{key} = {_toml(getattr(options, key))}" for key in known if getattr(options, key)]
    head.append(f"sources = {_toml(options.source)}")
    body = _table("model.config", document)
    if separate:
        body += _table("model.hf_quant_config", separate)
    return "\n".join([*head, *body, ""])


def main(arguments: list[str] | None = None) -> None:
    """Print the entry of one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("--hf-quant-config")
    parser.add_argument("--id", required=True)
    parser.add_argument("--family")
    parser.add_argument("--source", action="append", required=True)
    parser.add_argument("--released-format")
    parser.add_argument("--requantized-from")
    parser.add_argument("--plain-format")
    print(entry(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
