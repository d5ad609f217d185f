"""Writes what the readers make of every model of the catalogue, so that a verdict need not read it again.

    python tools/describe_models.py [--check]

Run it after a change to data/models, data/architectures.toml, data/weight_formats.toml or the layouts; `--check` exits
with 1 when the file would change (the tests do the same).
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from assay.knowledge import store  # noqa: E402 -- the checkout's own package
from assay.knowledge.catalog import models  # noqa: E402
from assay.knowledge.catalog.described import KIND, body_of  # noqa: E402
from assay.observe.checkpoint.catalogue import laid_out  # noqa: E402

TARGET = ROOT / "src" / "assay" / "knowledge" / "data" / "generated" / "models.json"


def document() -> str:
    """The file's text: a digest of the entries, then one line an entry."""
    entries = {
        name: body_of(laid_out(models.entry(name)))
        for name in store.names(models.KIND)
        if "same_as" not in (store.entry(models.KIND, name) or {})
    }
    rows = [f"  {json.dumps(name)}: {json.dumps(body, ensure_ascii=False)}" for name, body in entries.items()]
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    head = f'{{"generator": "tools/describe_models.py", "digest": "{digest}", "kind": "{KIND}", "entries": {{'
    return head + "\n" + ",\n".join(rows) + "\n}}\n"


def main() -> int:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = document()
    if parser.parse_args().check:
        fresh = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text
        print("up to date" if fresh else f"{TARGET.name} is stale: run python tools/describe_models.py")
        return int(not fresh)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.name}: {len(text)} characters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
