"""vLLM's start-up log: arguments, engine configuration, kernels, memory, errors."""

import re

from assay.observe.runtimes.draft import (
    GIB,
    OUT_OF_MEMORY,
    Draft,
    Rule,
    apply,
    count,
    puts_figure,
    puts_flag,
    puts_selection,
    puts_text,
    rule,
    size,
    value_of,
)
from assay.types.log import LogLine

ARGUMENTS: tuple[tuple[str, str], ...] = (
    ("max_model_len|max_seq_len", "context"),
    ("max_num_seqs", "sequences"),
    ("max_num_batched_tokens", "batched_tokens"),
    ("tensor_parallel_size", "tensor_parallel"),
    ("pipeline_parallel_size", "pipeline_parallel"),
    ("decode_context_parallel_size", "context_parallel"),
    ("gpu_memory_utilization", "utilization"),
)
TEXTS: tuple[tuple[str, str], ...] = (
    ("model", "model"),
    ("quantization", "quantization"),
    ("kv_cache_dtype", "kv_type"),
    ("dtype", "dtype"),
)
BACKENDS = {"Flash Attention": "FLASH_ATTN", "Triton": "TRITON_ATTN", "FlashInfer": "FLASHINFER"}
"""Names of older releases -> those of newer ones."""


def _settings(draft: Draft, text: str, line: int) -> None:
    """Keys of a dictionary (`'max_model_len': 16384`) or of keyword arguments (`max_seq_len=16384`)."""
    for key, name in ARGUMENTS:
        given = value_of(key, text)
        if given is not None:
            draft.figure(name, given, line)
    for key, name in TEXTS:
        given = value_of(key, text)
        if given is not None:
            draft.text(name, given.removeprefix("torch."), line, last=True)
    if re.search(r"speculative_config(?:'\s*:\s*|=)(?!None)", text):
        draft.flags.add("speculative")
    if re.search(r"enforce_eager(?:'\s*:\s*|=)True", text):
        draft.flags.add("eager")


def _start(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.clear()
    draft.text("version", match["version"], line)


def _arguments(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.flags.add("arguments")
    _settings(draft, match["rest"], line)


def _engine(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.text("version", match["version"], line)
    _settings(draft, match["rest"], line)


def _concurrency(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.figure("concurrency", match["times"], line, which="least")
    draft.figure("concurrency_context", match["tokens"], line)


def _split_of_memory(draft: Draft, match: re.Match[str], line: int) -> None:
    for name, figure in (("weights", "weights"), ("non_torch", "other"), ("activation", "peak")):
        draft.figure(name, match[figure], line, GIB, "most")


def _found_device(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.device(match["index"], match["name"], line)
    draft.text("capability", match["capability"], line)


def _moe(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.select("moe", match["name"], match["target"], line)


def _attention(draft: Draft, match: re.Match[str], line: int) -> None:
    name = match["name"]
    if match[0].endswith("(selected via") or ("AttentionBackendEnum." in match[0] and match[0].endswith(".")):
        draft.flags.add("attention_asked")
    if name not in {"MLA", "nccl"}:
        draft.select("attention", BACKENDS.get(name, name), match["target"] or "", line)


def _weight_only(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.select("linear", "Marlin", match["format"], line)


RULES: tuple[Rule, ...] = (
    rule("vLLM API server", r"vLLM API server version (?P<version>\S+)", _start, mark=True),
    rule("non-default args", r"non-default args: (?P<rest>\{.*)", _arguments, mark=True),
    rule(
        "LLM engine",
        r"Initializing an? (?:V\d )?LLM engine (?:\(v(?P<version>[^)]{1,120})\) )?with config: (?P<rest>.*)",
        _engine,
        mark=True,
    ),
    rule("Using max model len", r"Using max model len (\d{1,15})", puts_figure("context", which="first")),
    rule("max_num_batched_tokens=", r"max_num_batched_tokens=(\d{1,15})\.", puts_figure("batched_tokens")),
    rule("Resolved architecture", r"Resolved architecture: (\w{1,80})", puts_text("architecture")),
    rule(
        "Found GPU",
        r"Found GPU(?P<index>\d{1,15}) (?P<name>.{1,200}?) which is of cuda capability (?P<capability>\d{1,4}\.\d)",
        _found_device,
    ),
    rule("device_name=", r"device_name=([\w-]{1,80})", lambda d, m, n: d.device("0", m[1].replace("_", " "), n)),
    rule(
        "took",
        r"Model loading took (-?[\d.]{1,20}) GiB|Loading model weights took (-?[\d.]{1,20}) GB",
        puts_figure("weights", GIB, "most"),
        mark=True,
    ),
    rule(
        "Available KV cache",
        r"Available KV cache memory: (-?[\d.]{1,20}) GiB",
        puts_figure("kv_memory", GIB, "least"),
        mark=True,
    ),
    rule(
        "GPU KV cache size",
        r"GPU KV cache size: ([\d,]{1,20}) tokens",
        puts_figure("kv_tokens", which="least"),
        mark=True,
    ),
    rule(
        "Maximum concurrency",
        r"Maximum concurrency for (?P<tokens>[\d,]{1,20}) tokens per request: (?P<times>[\d.]{1,20})x",
        _concurrency,
        mark=True,
    ),
    rule(
        "Graph capturing",
        r"Graph capturing finished in .{0,200}?took (-?[\d.]{1,20}) GiB",
        puts_figure("graphs", GIB, "most"),
        mark=True,
    ),
    rule("CUDA graph memory profiling", r"CUDA graph memory profiling is enabled", puts_flag("graphs_profiled")),
    rule("--gpu-memory-utilization=", r"current --gpu-memory-utilization=([\d.]{1,20})", puts_figure("utilization")),
    rule(
        "esired GPU memory",
        r"esired GPU memory utilization (?:is )?\(([\d.]{1,20}), [\d.]{1,20} GiB\)",
        puts_figure("utilization"),
    ),
    rule("gpu_memory_utilization (", r"x gpu_memory_utilization \(([\d.]{1,20})\)", puts_figure("utilization")),
    rule(
        "non_torch_memory",
        r"model weights take (?P<weights>[\d.]{1,20})\s?GiB; non_torch_memory takes (?P<other>-?[\d.]{1,20})\s?GiB; "
        r"PyTorch activation peak memory takes (?P<peak>-?[\d.]{1,20})\s?GiB",
        _split_of_memory,
        mark=True,
    ),
    rule(
        "Actual usage is",
        r"Actual usage is (?P<weights>[\d.]{1,20}) GiB for weight, (?P<peak>-?[\d.]{1,20}) GiB for peak activation, "
        r"(?P<other>-?[\d.]{1,20}) GiB for non-torch",
        _split_of_memory,
        mark=True,
    ),
    rule("Selected ", r"Selected (\S{1,120}) for (\w{1,80})", lambda d, m, n: d.select("linear", m[1], m[2], n)),
    rule(" GEMM", r"Using (\S{1,120}) for (\w{1,80} GEMM)", lambda d, m, n: d.select("linear", m[1], m[2], n)),
    rule("MoE backend", r"Using '?(?P<name>[\w.-]{1,80}?)'? (?P<target>\w{1,80}) MoE backend", _moe),
    rule(
        " backend",
        r"Using (?:AttentionBackendEnum\.)?(?P<name>Flash Attention|[\w-]{1,80})(?: (?P<target>MLA prefill))?"
        r"(?: attention)? backend(?: out of|\.| on V\d engine| \(selected via)",
        _attention,
    ),
    rule(
        "Overriding with",
        r"Overriding with (\w{1,80}) out of potential backends",
        puts_selection("attention", ""),
    ),
    rule("for vit", r"Using backend (?:AttentionBackendEnum\.)?(\S{1,120}) for vit", puts_selection("vision", "vit")),
    rule(
        "FlashAttention version",
        r"Using FlashAttention version (\d)",
        lambda d, m, n: d.select("attention", f"FlashAttention {m[1]}", "", n),
    ),
    rule("native support", r"does not have native support for (?P<format>FP\d) computation", _weight_only),
    rule(
        "No available memory",
        r"No available memory for the cache blocks",
        lambda d, _m, n: d.trouble("vllm_no_kv", n),
        mark=True,
    ),
    rule(
        "KV cache is needed",
        r"max seq len \((\d{1,15})\), "
        r"\(([\d.]{1,20}) GiB KV cache is needed, which is larger than the available KV cache "
        r"memory \((-?[\d.]{1,20}) GiB\)\.(?:.{0,200}?maximum model length is (\d{1,15}))?",
        lambda d, m, n: d.trouble(
            "vllm_context_kv",
            n,
            context=count(m[1]),
            need=size(m[2]),
            room=size(m[3]),
            most=count(m[4]),
        ),
        mark=True,
    ),
    rule(
        "that can be stored in KV cache",
        r"max seq len \((\d{1,15})\) is larger than the maximum number "
        r"of tokens that can be stored in KV cache \((\d{1,15})\)",
        lambda d, m, n: d.trouble("vllm_context_tokens", n, context=count(m[1]), most=count(m[2])),
        mark=True,
    ),
    rule(
        "derived max_model_len",
        r"max_model_len \((\d{1,15})\) is greater than the derived max_model_len \(\w{1,80}=(\d{1,15})",
        lambda d, m, n: d.trouble("vllm_context_model", n, context=count(m[1]), most=count(m[2])),
        mark=True,
    ),
    rule(
        "on startup is less",
        r"Free memory on device.{0,200}? \(([\d.]{1,20})/([\d.]{1,20}) GiB\) on startup is less than desired",
        lambda d, m, n: d.trouble("vllm_memory_taken", n, free=size(m[1]), size=size(m[2])),
        mark=True,
    ),
    rule(
        "quantization method",
        r"quantization method (\w{1,80}) is not supported for the current GPU\. "
        r"Minimum capability: (\d{1,15})\. Current capability: (\d{1,15})",
        lambda d, m, n: d.trouble("vllm_quantization", n, method=m[1], least=m[2], have=m[3]),
    ),
    rule(
        "attention heads (",
        r"attention heads \((\d{1,15})\) must be divisible by tensor parallel size \((\d{1,15})\)",
        lambda d, m, n: d.trouble("vllm_heads", n, heads=count(m[1]), ranks=count(m[2])),
    ),
    OUT_OF_MEMORY,
)
HEAD = re.compile(
    r"\(\w{1,80} pid=|\(\w{1,80}\)|(?:INFO|WARNING|ERROR|DEBUG) \d\d-\d\d|\[[\d-]{10}|\[\w{1,80}\.py:\d+\]|\w*Error:"
)
"""How a record begins: a process, or a level with a date."""
WRAPPED_FROM, RECORD_BYTES = 80, 2**15
"""A line of so many characters may have been wrapped by a terminal; a record of more is no configuration."""


class Vllm:
    """Reads vLLM's lines one by one."""

    def __init__(self) -> None:
        self.draft = Draft("vllm")
        self._record: LogLine | None = None
        self._wrapped = False

    def feed(self, line: LogLine) -> None:
        """Take a line; what a terminal wrapped is joined again."""
        record = self._record
        if record is None or HEAD.match(line.text) or not self._wrapped or len(record.text) > RECORD_BYTES:
            self._take(record)
            self._record = line
        else:
            self._record = LogLine(record.number, record.text + line.text)
        self._wrapped = len(line.text) >= WRAPPED_FROM

    def close(self) -> Draft:
        """The draft, complete."""
        self._take(self._record)
        self._record = None
        return self.draft

    def _take(self, record: LogLine | None) -> None:
        if record is None:
            return
        apply(self.draft, RULES, record)
