"""SGLang's start-up log: arguments, weights, memory pools, graphs, attention backend, errors.

What it prints as GB is GiB: its own constant is 1 << 30.
"""

import re

from assay.observe.runtimes.draft import (
    GIB,
    OUT_OF_MEMORY,
    Draft,
    Rule,
    apply,
    number,
    puts_figure,
    puts_selection,
    puts_text,
    rounding,
    rule,
    value_of,
)
from assay.types.log import LogFigure, LogLine

FIGURES: tuple[tuple[str, str], ...] = (
    ("context_length", "context"),
    ("max_running_requests", "sequences"),
    ("tp_size", "tensor_parallel"),
    ("pp_size", "pipeline_parallel"),
    ("mem_fraction_static", "utilization"),
)
TEXTS: tuple[tuple[str, str], ...] = (
    ("model_path", "model"),
    ("quantization", "quantization"),
    ("kv_cache_dtype", "kv_type"),
    ("dtype", "dtype"),
)


def _arguments(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.clear()
    text = match["rest"]
    for key, name in FIGURES:
        given = value_of(key, text)
        if given is not None:
            draft.figure(name, given, line)
    for key, name in TEXTS:
        draft.text(name, value_of(key, text), line)
    backend = value_of("attention_backend", text)
    if backend is not None and backend != "None":
        draft.flags.add("attention_asked")
        draft.select("attention", backend, "", line)


def _by_default(draft: Draft, match: re.Match[str], line: int) -> None:
    """Arguments that are printed with what they were resolved to did not ask for it."""
    draft.flags.discard("attention_asked")
    draft.select("attention", match[1], "", line)


def _weights(draft: Draft, match: re.Match[str], line: int) -> None:
    """The first model is the one that serves; a draft model's weights come later and are not added."""
    draft.figure("weights", match["gb"], line, GIB, "first")
    rest = match["rest"]
    for key, name in (("type", "architecture"), ("dtype", "dtype"), ("quant", "quantization")):
        given = value_of(key, rest)
        if given is not None:
            draft.text(name, given.removeprefix("torch."), line)


def _pool(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.figure("kv_tokens", match["tokens"], line, which="first")
    if match["dtype"]:
        draft.text("kv_type", match["dtype"].removeprefix("torch."), line)
    parts = [part for part in (match["k"], match["v"], match["both"]) if part]
    values = [number(part) or 0.0 for part in parts]
    if "kv_memory" not in draft.found and parts:
        draft.found["kv_memory"] = LogFigure(sum(values) * GIB, sum(map(rounding, parts)) * GIB, line)


def _state(draft: Draft, match: re.Match[str], line: int) -> None:
    parts = (match["conv"], match["ssm"])
    if "state" not in draft.found:
        value = sum(number(part) or 0.0 for part in parts)
        draft.found["state"] = LogFigure(value * GIB, sum(map(rounding, parts)) * GIB, line)


def _rank(draft: Draft, match: re.Match[str], line: int) -> None:
    """Without the arguments the ranks that speak tell how many there are."""
    draft.figure("ranks_seen", str(int(match[1]) + 1), line, which="most")


RULES: tuple[Rule, ...] = (
    rule("server_args=", r"server_args=(?P<rest>.*)", _arguments, mark=True),
    rule(
        "Load weight end", r"Load weight end\.(?P<rest>.{0,200}?)mem usage=(?P<gb>[\d.]{1,20}) GB", _weights, mark=True
    ),
    rule(
        "KV Cache is allocated",
        r"KV Cache is allocated\. (?:dtype: (?P<dtype>[\w.]{1,80}), )?#tokens: (?P<tokens>\d{1,15}), "
        r"(?:K size: (?P<k>[\d.]{1,20}) GB, V size: (?P<v>[\d.]{1,20}) GB|KV size: (?P<both>[\d.]{1,20}) GB)",
        _pool,
        mark=True,
    ),
    rule(
        "ssm_state",
        r"conv_state size: (?P<conv>[\d.]{1,20}) ?GB, ssm_state size: (?P<ssm>[\d.]{1,20}) ?GB",
        _state,
        mark=True,
    ),
    rule("KV cache dtype", r"Using KV cache dtype: (?:torch\.)?(\w{1,80})", puts_text("kv_type")),
    rule(
        "graph end",
        r"Capture (?:cuda|npu) graph end\..{0,200}?mem usage=(-?[\d.]{1,20}) GB",
        puts_figure("graphs", GIB, "most"),
        mark=True,
    ),
    rule("max_total_num_tokens=", r"max_total_num_tokens=(\d{1,15})", puts_figure("kv_tokens"), mark=True),
    rule("max_running_requests=", r"max_running_requests=(\d{1,15})", puts_figure("sequences")),
    rule("context_len=", r"context_len=(\d{1,15})", puts_figure("context")),
    rule(
        "attention backend",
        r"(?:Use|Using) (\w{1,80}) (?:as )?(?:default )?attention backend",
        puts_selection("attention", ""),
    ),
    rule("backend by default", r"Attention backend not .{0,40}\. Use (\w{1,80}) backend by default", _by_default),
    rule(
        "hybrid linear",
        r"Using hybrid linear attention backend",
        lambda d, _m, n: d.select("attention", "hybrid linear", "", n),
    ),
    rule(
        "Linear attention kernel",
        r"Linear attention kernel backend: (\S.*)",
        puts_selection("attention", "linear attention"),
    ),
    rule(
        "KV cache",
        r"weights leave no GPU memory for the KV cache|Not enough memory.{0,120}mem-fraction-static",
        lambda d, _m, n: d.trouble("sglang_no_kv", n),
    ),
    OUT_OF_MEMORY,
    rule(" TP", r"^\[[\d\-: ]+ TP(\d{1,3})[\] ]", _rank),
)


class Sglang:
    """Reads SGLang's lines one by one."""

    def __init__(self) -> None:
        self.draft = Draft("sglang")

    def feed(self, line: LogLine) -> None:
        """Take a line."""
        apply(self.draft, RULES, line)

    def close(self) -> Draft:
        """The draft, complete."""
        seen = self.draft.found.pop("ranks_seen", None)
        if seen is not None:
            self.draft.found.setdefault("tensor_parallel", seen)
        return self.draft
