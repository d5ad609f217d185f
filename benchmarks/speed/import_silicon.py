"""Takes the aggregated runs of aiconfigurator's `silicon_sample.csv` into `serving.csv`.

    git -C aiconfigurator show HEAD:aic-core/src/aiconfigurator_core/systems/silicon_sample.csv > silicon_sample.csv
    python benchmarks/speed/import_silicon.py silicon_sample.csv

Rows of that source are replaced, all others stay. Prints how many runs were left out and why. Of each mixture of
experts the runs with the lowest hashes are kept (`KEPT_OF_GROUP` a group), of dense models all.
"""

import csv
import hashlib
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from serving_rows import PATH, Row, impossible

SOURCE = "aiconfigurator-silicon"
FIRST = 5001
KEPT_OF_GROUP = 10
LARGEST_NODE = 8
RUNTIME = {"trtllm": "tensorrt-llm", "vllm": "vllm", "sglang": "sglang"}
CARD = {
    "h100_sxm": "h100-sxm5-80gb", "h200_sxm": "h200-sxm-141gb", "b200_sxm": "b200-sxm", "b300_sxm": "b300-sxm",
    "gb200": "gb200", "gb300": "gb300",
}  # fmt: skip
CONFIG = {
    "meta-llama/Llama-3.1-8B-Instruct": "meta-llama/Llama-3.1-8B",
    "nvidia/Llama-3.1-8B-Instruct-FP8": "meta-llama/Llama-3.1-8B",
    "nvidia/Qwen3-32B-NVFP4": "Qwen/Qwen3-32B",
    "nvidia/DeepSeek-R1-NVFP4": "deepseek-ai/DeepSeek-R1",
    "zhipuai/GLM-5": "zai-org/GLM-5",
}
DENSE = ("Llama", "Qwen3-32B")
BLOCKED = ("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-V3", "MiniMaxAI/MiniMax-M2.5", "Qwen/Qwen3.5-397B-A17B",
           "zhipuai/GLM-5", "Qwen/Qwen3-235B-A22B-FP8")  # fmt: skip
"""Models whose FP8 checkpoint has scales of 128 x 128 blocks, whatever name the file gives the arithmetic."""


DISTRUSTED = {
    f"{SOURCE}/gb200/Qwen3-32B/tensorrt-llm": "two requests take five times the time of one: its settings are not told",
}
"""Groups whose rows contradict each other, by what is wrong."""


class Run(NamedTuple):
    """A run of the file with what identifies it."""

    cells: dict[str, str]
    cards: int
    dp: int
    concurrency: int

    @property
    def group(self) -> str:
        """Source, card, model shape and runtime."""
        cells = self.cells
        shape = CONFIG.get(cells["model_path"], cells["model_path"]).rpartition("/")[2]
        return f"{SOURCE}/{CARD[cells['system']]}/{shape.removesuffix('-FP8')}/{RUNTIME[cells['backend']]}"

    @property
    def dense(self) -> bool:
        """Whether the model has no routed experts."""
        return any(name in self.cells["model_path"] for name in DENSE)

    @property
    def order(self) -> str:
        """A hash that orders the runs of a group."""
        return hashlib.sha256(self.cells["id"].encode()).hexdigest()


def _whole(text: str) -> int:
    return max(1, int(text or 1))


def _refusal(cells: dict[str, str]) -> str | None:
    """Why a run is left out, or None."""
    tp, dp = _whole(cells["tp_size"]), _whole(cells["attention_dp_size"])
    cards, experts_on = tp * dp, _whole(cells["moe_tp_size"]) * _whole(cells["moe_ep_size"])
    model = cells["model_path"]
    dense = any(name in model for name in DENSE)
    found = {
        "prefill and decode on different cards": cells["mode"] != "agg",
        "called aggregated, but of more cards than one instance has": cells["system"].startswith("gb")
        and cards > LARGEST_NODE,
        "parallelism multiplied twice: the number of cards is not known": cards > LARGEST_NODE or (tp > 1 and dp > 1),
        "attention and experts on different numbers of cards": not dense and cards != experts_on,
        "concurrency not stated": "silicon_concurrency=" not in cells["silicon_data_source"],
        "a format that this model is not published in": "gpt-oss" in model and cells["precision"] == "fp8",
    }
    return next((why for why, holds in found.items() if holds), None)


def _weights(cells: dict[str, str]) -> str:
    model, precision = cells["model_path"], cells["precision"]
    if model == "openai/gpt-oss-120b":
        return "mxfp4"
    if precision == "fp8":
        blocked = model in BLOCKED or cells["gemm_quant_mode"] == "fp8_block"
        return "fp8_block128" if blocked else "fp8"
    return {"fp4": "nvfp4", "int4": "int4_w4a16", "bf16": "bf16", "": "bf16"}[precision]


def _noted(name: str, text: str) -> str:
    found = re.search(rf"{name}=([^;]+)", text)
    return found[1].strip() if found else ""


def _settings(cells: dict[str, str]) -> str:
    said = cells["silicon_data_source"]
    image = _noted("image", said) or next((part.strip() for part in said.split(";") if "/" in part and ":" in part), "")
    image = "" if "source_file" in image else image.replace("#", "/")
    parts = [f"image {image}" if image else "", "work in progress" if "wip=True" in said else ""]
    if not cells["precision"]:
        parts.append("format not stated: as the repository has it")
    return "; ".join(part for part in parts if part)


def _row(number: int, run: Run, quantity: str, excluded: str) -> Row:
    cells = run.cells
    said = cells["silicon_data_source"]
    model = cells["model_path"]
    milliseconds = float(cells[f"silicon_{quantity}_ms"])
    return Row(
        id=f"S{number:04d}", group=run.group, gpu=CARD[cells["system"]], gpus=run.cards, power_limit_w=None,
        runtime=RUNTIME[cells["backend"]], version=cells["backend_version"], date=_noted("measured", said)[:10],
        model=model, config=CONFIG.get(model, model), weights=_weights(cells), kv="",
        tp=run.cards // run.dp, pp=1, dp=run.dp, ep=1 if run.dense else _whole(cells["moe_ep_size"]),
        concurrency=run.concurrency, prompt=int(cells["isl"]), output=int(cells["osl"]), quantity=quantity,
        value=float(f"{milliseconds / 1000:.6g}"), unit="s", statistic="not stated", settings=_settings(cells),
        evidence="table", source=SOURCE, quote=cells["id"], excluded=excluded,
    )  # fmt: skip


def _same(one: Run, other: Run) -> bool:
    """Whether two runs are one measurement copied from dump to dump (times equal to a part in a thousand)."""
    return all(
        abs(float(one.cells[name]) / float(other.cells[name]) - 1) < 1e-3
        for name in ("silicon_tpot_ms", "silicon_ttft_ms")
    )


def _setting(run: Run) -> tuple[str, ...]:
    names = ("gemm_quant_mode", "isl", "osl", "tp_size", "moe_ep_size", "precision")
    return (run.group, str(run.concurrency), str(run.dp), *(run.cells[name] for name in names))


def runs_of(path: Path, left_out: Counter[str]) -> list[Run]:
    """The runs that can be used, copies counted once, of each mixture of experts a sample."""
    kept: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as lines:
        for cells in csv.DictReader(lines):
            why = _refusal(cells)
            if why:
                left_out[why] += 1
                continue
            dp = _whole(cells["attention_dp_size"])
            concurrency = int(_noted("silicon_concurrency", cells["silicon_data_source"]))
            run = Run(cells, _whole(cells["tp_size"]) * dp, dp, concurrency)
            if any(_same(run, other) for other in kept[_setting(run)]):
                left_out["a copy of another row"] += 1
                continue
            kept[_setting(run)].append(run)
    groups: dict[str, list[Run]] = defaultdict(list)
    for found in kept.values():
        for run in found:
            groups[run.group].append(run)
    chosen = []
    for name in sorted(groups):
        ordered = sorted(groups[name], key=lambda run: run.order)
        most = len(ordered) if ordered[0].dense else KEPT_OF_GROUP
        left_out["beyond the sample of a mixture of experts"] += len(ordered[most:])
        chosen += sorted(ordered[:most], key=lambda run: run.cells["id"])
    return chosen


def rows_of(runs: list[Run]) -> list[Row]:
    """Time per output token of every run; time to first token of the runs with few requests under way."""
    rows: list[Row] = []
    for run in runs:
        row = _row(FIRST + len(rows), run, "tpot", DISTRUSTED.get(run.group, ""))
        rows.append(row._replace(excluded=row.excluded or impossible(row) or ""))
        if run.concurrency <= 4 and run.dense:
            loaded = row.excluded if run.concurrency == 1 else "loaded: waiting for other requests is part of it"
            rows.append(_row(FIRST + len(rows), run, "ttft", loaded))
    return rows


def main() -> int:
    """Replace the rows of this source."""
    left_out: Counter[str] = Counter()
    rows = rows_of(runs_of(Path(sys.argv[1]), left_out))
    others: list[dict[str, str]] = []
    if PATH.is_file():
        with PATH.open(newline="", encoding="utf-8") as lines:
            others = [cells for cells in csv.DictReader(lines) if cells["source"] != SOURCE]
    with PATH.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, Row._fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(others)
        writer.writerows({name: "" if cell is None else cell for name, cell in row._asdict().items()} for row in rows)
    print(f"{len(rows)} rows of {SOURCE}, {len(others)} of others")
    for why, count in left_out.most_common():
        print(f"{count:5} left out: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
