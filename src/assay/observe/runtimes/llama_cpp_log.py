"""llama.cpp's start-up log: devices, tensor types, buffers, context, flash attention, errors. Forks write the like."""

import re
from collections.abc import Callable

from assay.observe.runtimes.draft import (
    GIB,
    MIB,
    Draft,
    Rule,
    apply,
    count,
    puts_figure,
    puts_flag,
    puts_text,
    rule,
    size,
)
from assay.types.log import BufferKind, LogLine

UNITS = {"MiB": MIB, "GiB": GIB, "KiB": 2**10}
HOSTS = ("CPU", "CUDA_Host", "Vulkan_Host", "ROCm_Host", "SYCL_Host", "Host", "AMX", "BLAS", "RPC")
"""Buffers of host memory begin so."""
MOST_TYPES = 64


def is_host(device: str) -> bool:
    """Whether a buffer lies in host memory: `CPU_Mapped`, `CUDA_Host`."""
    return device.startswith(HOSTS)


def _restart(draft: Draft, _match: re.Match[str], _line: int) -> None:
    """A second start in the same file begins anew; a draft model's tensors do not."""
    if any(one.kind == "compute" for one in draft.buffers):
        draft.clear()


def _version(draft: Draft, match: re.Match[str], line: int) -> None:
    _restart(draft, match, line)
    draft.text("version", match["number"], line)


def _device(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.device(f"listed {match['index']}", match["name"], line)
    draft.text("capability", match["capability"], line)


def _used(draft: Draft, match: re.Match[str], line: int) -> None:
    """The devices in use replace those that are only listed."""
    for key in [key for key in draft.devices if key.startswith("listed ")]:
        del draft.devices[key]
    draft.device(match["device"], match["name"], line)


def _system(draft: Draft, match: re.Match[str], line: int) -> None:
    for part in match["rest"].split("|"):
        draft.feature(part.strip(), line)


def _types(draft: Draft, match: re.Match[str], _line: int) -> None:
    if len(draft.types) < MOST_TYPES:
        draft.types[match["type"]] = count(match["tensors"])


def _file_size(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.figure("file_size", match["size"], line, UNITS[match["unit"]], "first")


def _buffer(kind: BufferKind) -> Callable[[Draft, re.Match[str], int], None]:
    def note(draft: Draft, match: re.Match[str], line: int) -> None:
        if kind == "model" and "_Mapped" in match["device"]:
            draft.flags.add("mapped")
        draft.buffer(match["device"], kind, match["mib"], line)

    return note


def _flash(draft: Draft, match: re.Match[str], line: int) -> None:
    said = match["value"] or match["word"]
    if said in {"1", "enabled"}:
        draft.flags.add("flash")
        draft.select("attention", "flash attention", "", line)
    elif said in {"0", "disabled"}:
        draft.select("attention", "no flash attention", "", line)


def _kv_types(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.text("kv_type", match["k"], line)
    draft.text("value_type", match["v"], line)


def _slots(draft: Draft, match: re.Match[str], line: int) -> None:
    """What the server says even where the library's own lines are not printed."""
    draft.figure("sequences", match[1], line, which="first")
    draft.figure("context", match["context"], line, which="first")


def _offloaded(draft: Draft, match: re.Match[str], _line: int) -> None:
    draft.found["offloaded"] = (count(match[1]), count(match[2]))


def _allocation(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.trouble("llama_allocation", line, size=size(match["mib"], MIB), device=match["device"])


SPACES = " {1,40}"
DEVICE = r"(?<!\S)(?P<device>\S{1,60})"
MIB_SIZE = r"buffer size = {1,40}(?P<mib>[\d.]{1,20}) MiB"
RULES: tuple[Rule, ...] = (
    rule(" (", r"(?:^|\s)(?:build|version): (?P<number>\d{1,15} \(\w{1,80}\))", _version),
    rule("build_info:", r"build_info: (?P<number>\S{1,120})", _version, mark=True),
    rule(
        "compute capability",
        r"Device (?P<index>\d{1,15}): (?P<name>.{1,200}?), compute capability (?P<capability>[\d.]{1,20})",
        _device,
    ),
    rule(
        "ggml_vulkan",
        r"ggml_vulkan: (?P<index>\d{1,15}) = (?P<name>.{1,200}?) \((?P<capability>\w{1,80})\) \|",
        lambda d, m, n: d.device(f"listed {m[1]}", m[2], n),
        mark=True,
    ),
    rule("using device", r"using device (?P<device>\S{1,120}) \((?P<name>.{1,200}?)\) (?:\([\w:.]{1,40}\) )?-", _used),
    rule(
        "GGML_CUDA_FORCE",
        r"(GGML_CUDA_FORCE_\w{1,80}): {1,40}(\w{1,80})",
        lambda d, m, n: d.feature(f"{m[1].removeprefix('GGML_CUDA_')} = {m[2]}", n),
        mark=True,
    ),
    rule("system_info:", r"system_info: (?P<rest>.*)", _system),
    rule("loading model", r"loading model '(?P<path>.{1,400})'", puts_text("model")),
    rule(
        "loaded meta data",
        r"loaded meta data with .{0,200}? tensors from (?P<path>.{1,400}?)(?: \(version|$)",
        puts_text("model"),
        mark=True,
    ),
    rule(
        "general.architecture", r"general\.architecture str {1,40}= (\S{1,120})", puts_text("architecture"), mark=True
    ),
    rule("- type", r"- type {1,40}(?P<type>\w{1,80}): {1,40}(?P<tensors>\d{1,15}) tensors", _types),
    rule("type", r"(?:file type {1,40}|model ftype {1,40})= (?P<name>.{1,200}?)\s{0,8}$", puts_text("quantization")),
    rule("size", r"(?:file size {1,40}|model size {1,40})= (?P<size>[\d.]{1,20}) (?P<unit>[KMG]iB)", _file_size),
    rule("offloaded", r"offloaded (\d{1,15})/(\d{1,15}) layers", _offloaded),
    rule(
        "load_tensors",
        rf"load_tensors:{SPACES}{DEVICE} (?:model )?{MIB_SIZE}",
        _buffer("model"),
        mark=True,
    ),
    rule("KV buffer", rf"{DEVICE} KV {MIB_SIZE}", _buffer("kv"), mark=True),
    rule("RS buffer", rf"{DEVICE} RS {MIB_SIZE}", _buffer("state"), mark=True),
    rule("compute buffer", rf"{DEVICE}{SPACES}compute {MIB_SIZE}", _buffer("compute"), mark=True),
    rule("output buffer", rf"{DEVICE}{SPACES}output {MIB_SIZE}", _buffer("output"), mark=True),
    rule("n_ctx", r": n_ctx {1,40}= (\d{1,15})", puts_figure("total_context", which="first"), mark=True),
    rule("seq", r": n_ctx_(?:per_)?seq {1,40}= (\d{1,15})", puts_figure("context", which="first")),
    rule("n_seq_max", r": n_seq_max {1,40}= (\d{1,15})", puts_figure("sequences", which="first"), mark=True),
    rule("n_ctx_slot", r"n_slots = (\d{1,15}), n_ctx_slot = (?P<context>\d{1,15})", _slots, mark=True),
    rule("n_ubatch", r": n_ubatch {1,40}= (\d{1,15})", puts_figure("batched_tokens", which="first"), mark=True),
    rule("kv_unified", r": kv_unified {1,40}= true", puts_flag("unified")),
    rule("lash", r": flash_attn {1,40}= (?P<value>\w{1,80})|Flash Attention (?P<word>enabled|disabled)", _flash),
    rule("K (", r"K \((?P<k>\w{1,80})\): .{0,80}V \((?P<v>\w{1,80})\):", _kv_types),
    rule("c^KV", r"c\^KV \((\w{1,80})\)", puts_text("kv_type")),
    rule(" = ", r": (mla_attn|fused_moe) {1,40}= ", puts_text("fork")),
    rule(
        "cudaMalloc",
        r"allocating (?P<mib>[\d.]{1,20}) MiB on device (?P<device>\d{1,15}): cudaMalloc failed",
        _allocation,
        mark=True,
    ),
    rule(
        "unknown model architecture",
        r"unknown model architecture: '(\w{1,80})'",
        lambda d, m, n: d.trouble("llama_architecture", n, name=m[1]),
        mark=True,
    ),
    rule(
        "lash",
        r"V cache quantization requires flash_attn|quantized V cache .{0,80}requires [Ff]lash",
        lambda d, _m, n: d.trouble("llama_value_cache", n),
    ),
)


class LlamaCpp:
    """Reads llama.cpp's lines one by one."""

    def __init__(self) -> None:
        self.draft = Draft("llama.cpp")

    def feed(self, line: LogLine) -> None:
        """Take a line."""
        apply(self.draft, RULES, line)

    def close(self) -> Draft:
        """The draft, complete."""
        return self.draft
