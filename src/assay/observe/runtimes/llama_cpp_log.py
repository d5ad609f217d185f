"""llama.cpp's start-up log: devices, tensor types, buffers, context, flash attention, errors. Forks write the like."""

import re
from collections.abc import Callable

from assay.observe.runtimes.draft import GIB, MIB, Draft, Rule, apply, count, rule, size
from assay.types.log import BufferKind, LogLine

MARK = re.compile(
    r"llama_model_loader:|llama_context:|ggml_(?:cuda|vulkan|metal)_?\w*:|llm_load_|load_tensors:|llama_kv_cache|build_info:"
    r"|llama_new_context_with_model:|llama_model_load"
)
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


MIB_SIZE = r"buffer size = +(?P<mib>[\d.]+) MiB"
RULES: tuple[Rule, ...] = (
    rule(r"(?:^|\s)(?:build|version): (?P<number>\d+ \(\w+\))", _version),
    rule(r"build_info: (?P<number>\S+)", _version),
    rule(r"Device (?P<index>\d+): (?P<name>.+?), compute capability (?P<capability>[\d.]+)", _device),
    rule(
        r"ggml_vulkan: (?P<index>\d+) = (?P<name>.+?) \((?P<capability>\w+)\) \|",
        lambda d, m, n: d.device(f"listed {m[1]}", m[2], n),
    ),
    rule(r"using device (?P<device>\S+) \((?P<name>.+?)\) (?:\([\w:.]+\) )?-", _used),
    rule(r"(GGML_CUDA_FORCE_\w+): +(\w+)", lambda d, m, n: d.feature(f"{m[1].removeprefix('GGML_CUDA_')} = {m[2]}", n)),
    rule(r"system_info: (?P<rest>.*)", _system),
    rule(r"loading model '(?P<path>.+)'", lambda d, m, n: d.text("model", m[1], n)),
    rule(
        r"loaded meta data with .*? tensors from (?P<path>.+?)(?: \(version|$)",
        lambda d, m, n: d.text("model", m[1], n),
    ),
    rule(r"general\.architecture str += (\S+)", lambda d, m, n: d.text("architecture", m[1], n)),
    rule(r"- type +(?P<type>\w+): +(?P<tensors>\d+) tensors", _types),
    rule(r"(?:file type +|model ftype +)= (?P<name>.+?)\s*$", lambda d, m, n: d.text("quantization", m[1], n)),
    rule(r"(?:file size +|model size +)= (?P<size>[\d.]+) (?P<unit>[KMG]iB)", _file_size),
    rule(r"offloaded (\d+)/(\d+) layers", _offloaded),
    rule(rf"load_tensors: +(?P<device>\S+) (?:model )?{MIB_SIZE}", _buffer("model")),
    rule(rf"(?P<device>\S+) KV {MIB_SIZE}", _buffer("kv")),
    rule(rf"(?P<device>\S+) RS {MIB_SIZE}", _buffer("state")),
    rule(rf"(?P<device>\S+) +compute {MIB_SIZE}", _buffer("compute")),
    rule(rf"(?P<device>\S+) +output {MIB_SIZE}", _buffer("output")),
    rule(r": n_ctx += (\d+)", lambda d, m, n: d.figure("total_context", m[1], n, which="first")),
    rule(r": n_ctx_(?:per_)?seq += (\d+)", lambda d, m, n: d.figure("context", m[1], n, which="first")),
    rule(r": n_seq_max += (\d+)", lambda d, m, n: d.figure("sequences", m[1], n, which="first")),
    rule(r"n_slots = (\d+), n_ctx_slot = (?P<context>\d+)", _slots),
    rule(r": n_ubatch += (\d+)", lambda d, m, n: d.figure("batched_tokens", m[1], n, which="first")),
    rule(r": kv_unified += true", lambda d, _m, _n: d.flags.add("unified")),
    rule(r": flash_attn += (?P<value>\w+)|Flash Attention (?P<word>enabled|disabled)", _flash),
    rule(r"K \((?P<k>\w+)\): .*V \((?P<v>\w+)\):", _kv_types),
    rule(r"c\^KV \((\w+)\)", lambda d, m, n: d.text("kv_type", m[1], n)),
    rule(r": (mla_attn|fused_moe) += ", lambda d, m, n: d.text("fork", m[1], n)),
    rule(r"allocating (?P<mib>[\d.]+) MiB on device (?P<device>\d+): cudaMalloc failed", _allocation),
    rule(r"unknown model architecture: '(\w+)'", lambda d, m, n: d.trouble("llama_architecture", n, name=m[1])),
    rule(
        r"V cache quantization requires flash_attn|quantized V cache .*requires [Ff]lash",
        lambda d, _m, n: d.trouble("llama_value_cache", n),
    ),
)


class LlamaCpp:
    """Reads llama.cpp's lines one by one."""

    def __init__(self) -> None:
        self.draft = Draft("llama.cpp")

    def feed(self, line: LogLine) -> None:
        """Take a line."""
        self.draft.marks += MARK.search(line.text) is not None
        apply(self.draft, RULES, line)

    def close(self) -> Draft:
        """The draft, complete."""
        return self.draft
