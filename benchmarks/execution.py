"""What is known of execution: cells of the catalogue, and of reference models on reference cards under each runtime.

    python benchmarks/execution.py [--unknown]

A cell of the catalogue is one weight format in one role under one runtime on one instruction set; a cell of a model is
one of its tensor groups, or its attention with 16-bit keys and values, under one runtime on one card. `--unknown` lists
what is unknown.
"""

import argparse
import sys
from collections import Counter
from itertools import product
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from assay.answers.execution import attention_of, of_model  # noqa: E402 -- the checkout's own package
from assay.answers.model import answer as read  # noqa: E402
from assay.knowledge import store  # noqa: E402
from assay.knowledge.catalog import execution  # noqa: E402
from assay.knowledge.catalog.gpus import gpu  # noqa: E402

MODELS = (
    "Qwen/Qwen3-30B-A3B", "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.3-70B-Instruct",
    "nvidia/Llama-3.1-70B-Instruct-FP8", "mistralai/Mixtral-8x22B-v0.1", "deepseek-ai/DeepSeek-V3",
    "openai/gpt-oss-120b", "google/gemma-3-27b-it",
)  # fmt: skip
CARDS = (
    "rtx-pro-6000-blackwell-workstation-edition", "geforce-rtx-5090", "geforce-rtx-4090", "geforce-rtx-3090",
    "h200-sxm-141gb", "b200-sxm", "instinct-mi300x",
)  # fmt: skip
RUNTIMES = ("vllm", "sglang", "llama.cpp", "tensorrt-llm", "transformers")


def catalogue() -> tuple[Counter[tuple[str, str]], int]:
    """(cells by runtime and path, cells whose selection code was run)."""
    found: Counter[tuple[str, str]] = Counter()
    run = 0
    for body in store.entries("execution").values():
        for cell in body["cells"]:
            count = len(cell["isa"]) * len(body["formats"])
            found[body["runtime"], cell["path"]] += count
            run += count if body.get("executed") else 0
    return found, run


def of_models() -> tuple[Counter[tuple[str, str, bool]], Counter[tuple[str, str, str, str]]]:
    """(cells by kind, runtime and whether known; the unknown ones by runtime, format or architecture, role, card)."""
    counts: Counter[tuple[str, str, bool]] = Counter()
    unknown: Counter[tuple[str, str, str, str]] = Counter()
    for model, card, runtime in product(map(read, MODELS), map(gpu, CARDS), RUNTIMES):
        for group in of_model(model, runtime, card.isa):
            counts["tensor groups", runtime, group.path != "unknown"] += 1
            if group.path == "unknown":
                unknown[runtime, group.weight_format, group.role, card.isa or "?"] += 1
        path = attention_of(model, runtime, card.isa)
        told = path is not None and path.choice("bf16") is not None
        counts["attention", runtime, told] += 1
        if not told:
            unknown[runtime, model.architecture, "keys and values", card.isa or "?"] += 1
    return counts, unknown


def main() -> int:
    """Print both counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unknown", action="store_true", help="list the unknown cells of the models")
    asked = parser.parse_args()
    found, run = catalogue()
    known = sum(count for (_, path), count in found.items() if path != "unknown")
    print(f"catalogue: {sum(found.values())} cells, {known} known, {run} of them by running the selection code")
    for runtime in execution.runtimes():
        told = ", ".join(f"{path} {count}" for (name, path), count in sorted(found.items()) if name == runtime)
        print(f"  {runtime}: {told}")
    counts, unknown = of_models()
    for kind in ("tensor groups", "attention"):
        print(f"models: {len(MODELS)} models x {len(CARDS)} cards, {kind}")
        for runtime in RUNTIMES:
            print(f"  {runtime}: known {counts[kind, runtime, True]}, unknown {counts[kind, runtime, False]}")
    if asked.unknown:
        for row, count in unknown.most_common():
            print(" ", *row, count)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
