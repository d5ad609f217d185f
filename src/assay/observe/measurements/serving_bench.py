"""Results of serving benchmarks: `vllm bench serve` and benchmark_serving.py before it, and SGLang's bench_serving.

Times are in ms, durations in s. Field names are those of vLLM's vllm/benchmarks/serve.py (and benchmarks/
benchmark_serving.py until 2025) and of SGLang's python/sglang/bench_serving.py. Neither file has a version.
"""

import re
from typing import Any

from assay.observe.measurements.fields import Fields
from assay.types.measurement import (
    Figures,
    MeasuredModel,
    Measurement,
    Origin,
    Percentiles,
    Workload,
)
from assay.types.message import Message, message

MARKS = ("mean_ttft_ms", "mean_tpot_ms", "output_throughput", "request_throughput")
RUNTIMES = {"vllm": "vllm", "vllm-chat": "vllm", "sglang": "sglang", "sglang-native": "sglang", "sglang-oai": "sglang",
            "sglang-oai-chat": "sglang", "tensorrt-llm": "tensorrt-llm", "trt": "tensorrt-llm",
            "llama.cpp": "llama.cpp"}  # fmt: skip
"""What `backend` says of the server. `openai` is the name of a protocol that all of them speak."""
DATE = re.compile(r"(\d{4})(\d{2})(\d{2})-(\d{2})(\d{2})(\d{2})")
SETTINGS = ("backend", "endpoint_type", "request_rate", "burstiness", "num_prompts", "dataset_name", "label",
            "tokenizer_id", "random_input_len", "random_output_len", "random_range_ratio", "accept_length")  # fmt: skip
SERVER_SETTINGS = ("quantization", "kv_cache_dtype", "tp_size", "attention_backend", "dtype")
"""What SGLang's server says of itself that a comparison needs."""
APART = 50.0
"""A time between chunks is at most so many times a time between tokens; ms taken for s are apart by 1,000."""


def is_row(body: object) -> bool:
    """Whether a JSON value is the result of a serving benchmark."""
    return isinstance(body, dict) and sum(name in body for name in MARKS) >= 2


def _server(row: Fields) -> dict[str, Any]:
    found = row.body.get("server_info")
    return found if isinstance(found, dict) else {}


def _string(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) and value else None


def _is_sglang(row: Fields) -> bool:
    return "model_id" not in row.body


def _when(row: Fields) -> str | None:
    """The date as ISO; local time without its zone, as it was written."""
    found = DATE.fullmatch(row.text("date") or "")
    return "{}-{}-{}T{}:{}:{}".format(*found.groups()) if found else None


def _model(row: Fields) -> MeasuredModel:
    name = row.text("model_id") or _string(_server(row), "model_path") or _string(_server(row), "served_model_name")
    return MeasuredModel(name or "", None, None, "file" if name else "nobody")


def _at_once(row: Fields) -> int | None:
    """Requests at once: as limited, else all where none waited for its turn, else nobody knows."""
    asked = row.whole("num_prompts", least=1) if row.has("num_prompts") else None
    if row.has("max_concurrency"):
        limit = row.whole("max_concurrency", least=1)
        return limit if asked is None else min(limit, asked)
    return asked if _unpaced(row) else None


def _unpaced(row: Fields) -> bool:
    """Whether requests came as fast as they were answered."""
    return row.body.get("request_rate") in ("inf", float("inf"))


def _check_rates(row: Fields, duration: float, completed: int) -> None:
    """Rates against counts and the duration.

    Raises:
        MalformedFile: they contradict each other.
    """
    read, written = row.number("total_input_tokens"), row.number("total_output_tokens")
    for name, count in (
        ("request_throughput", completed),
        ("output_throughput", written),
        ("input_throughput", read),
        ("total_token_throughput", read + written),
    ):
        given = row.optional(name)
        if given is not None:
            row.agrees(name, given, count / duration)


def _check_times(
    row: Fields, duration: float, each: float, ttft: Percentiles, tpot: Percentiles, itl: Percentiles
) -> None:
    """Times of a request against the duration, whose unit they have to share.

    Raises:
        MalformedFile: a request that takes longer than the run, or a run that its requests do not fill.
    """
    first, step = ttft.mean or 0.0, tpot.mean or 0.0
    for name, seconds in (("mean_ttft_ms", first), ("mean_tpot_ms", step)):
        if seconds > duration:
            raise row.wrong("units", name, f"{seconds:g} s > {duration:g} s")
    if itl.mean and step and not 1 / APART < itl.mean / step < APART:
        raise row.wrong("units", "mean_itl_ms", f"{itl.mean:g} s ≠ {step:g} s")
    completed = row.whole("completed")
    latency = first + step * max(0.0, each - 1)
    failed = row.has("failed") and row.whole("failed") > 0
    if _unpaced(row) and not failed and completed * latency < duration / 2:
        # Some request was always under way.
        raise row.wrong("units", "mean_tpot_ms", f"{completed} × {latency:g} s < {duration:g} s")
    if latency > 2 * duration:
        raise row.wrong("units", "mean_tpot_ms", f"{latency:g} s > {duration:g} s")


def _partial(row: Fields, completed: int) -> Message | None:
    asked = row.whole("num_prompts") if row.has("num_prompts") else completed
    failed = max(asked - completed, row.whole("failed") if row.has("failed") else 0)
    return message("bench.partial.failed", "warning", failed=failed, asked=completed + failed) if failed else None


def _notes(row: Fields, at_once: int | None) -> tuple[Message, ...]:
    found = []
    if at_once is None:
        found.append(message("bench.note.paced", rate=str(row.body.get("request_rate"))))
    accepted = row.optional("accept_length")
    if accepted is not None and accepted > 1:
        found.append(message("bench.note.speculative", length=round(accepted, 2)))
    return tuple(found)


def _settings(row: Fields) -> tuple[tuple[str, str], ...]:
    server = _server(row)
    ours = [(name, str(row.body[name])) for name in SETTINGS if row.has(name)]
    return (*ours, *((name, str(server[name])) for name in SERVER_SETTINGS if server.get(name) not in (None, "")))


def _figures(row: Fields, duration: float, completed: int, written: float) -> Figures:
    ttft, tpot, itl = (row.milliseconds(metric) for metric in ("ttft", "tpot", "itl"))
    if not ttft.mean:
        raise row.wrong("positive", "mean_ttft_ms", row.body.get("mean_ttft_ms"))
    if not tpot.mean and written > completed:
        raise row.wrong("positive", "mean_tpot_ms", row.body.get("mean_tpot_ms"))
    _check_times(row, duration, written / completed, ttft, tpot, itl)
    decode = 1 / tpot.mean if tpot.mean else None
    spread = row.optional("std_tpot_ms")
    return Figures(
        decode_per_sequence=decode,
        throughput=written / duration,
        ttft=ttft,
        itl=itl,
        spread=decode * spread / 1000 / tpot.mean if decode and spread and tpot.mean else None,
        samples=completed,
    )


def measurement(row: Fields, digest: str) -> Measurement:
    """The measurement in one result.

    Raises:
        MalformedFile: a field that cannot be what it says, or fields that contradict each other.
    """
    duration, completed = row.number("duration", above=True), row.whole("completed")
    if not completed:
        raise row.wrong("none_completed", "completed")
    _check_rates(row, duration, completed)
    written = row.number("total_output_tokens", above=True)
    at_once = _at_once(row)
    backend = row.text("backend") or row.text("endpoint_type") or ""
    return Measurement(
        when=_when(row),
        kind="serving",
        cards=(),
        model=_model(row),
        runtime=RUNTIMES.get(backend),
        version=_string(_server(row), "version"),
        workload=Workload(at_once, row.number("total_input_tokens") / completed, written / completed),
        figures=_figures(row, duration, completed, written),
        origin=Origin("sglang bench_serving" if _is_sglang(row) else "vllm bench serve", row.file, digest, row.row),
        settings=_settings(row),
        partial=_partial(row, completed),
        notes=_notes(row, at_once),
    )
