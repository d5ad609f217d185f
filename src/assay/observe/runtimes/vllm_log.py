"""vLLM's start-up log: arguments, engine configuration, kernels, memory, errors."""

import re

from assay.observe.runtimes.draft import GIB, Draft, Rule, apply, count, rule, size
from assay.types.log import LogLine

MARK = re.compile(
    r"vLLM API server|LLM engine (?:\(v|with config)|EngineCore|GPU KV cache size:|Available KV cache memory:"
    r"|(?:gpu_worker|gpu_model_runner|kv_cache_utils|model_runner|api_server)\.py:\d+\]"
)
ARGUMENTS: tuple[tuple[str, str], ...] = (
    ("max_model_len", "context"),
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
VALUE = r"'?(?P<value>[^',(){}\[\]\s]+)"
BACKENDS = {"Flash Attention": "FLASH_ATTN", "Triton": "TRITON_ATTN", "FlashInfer": "FLASHINFER"}
"""Names of older releases -> those of newer ones."""


def _settings(draft: Draft, text: str, line: int) -> None:
    """Keys of a dictionary (`'max_model_len': 16384`) or of keyword arguments (`max_seq_len=16384`)."""
    for key, name in ARGUMENTS:
        spelled = rf"(?:{key}|max_seq_len)" if name == "context" else key
        match = re.search(rf"\b{spelled}(?:'\s*:\s*|=){VALUE}", text)
        if match is not None:
            draft.figure(name, match["value"], line)
    for key, name in TEXTS:
        match = re.search(rf"(?:\b|'){key}(?:'\s*:\s*|=){VALUE}", text)
        if match is not None:
            draft.text(name, match["value"].removeprefix("torch."), line, last=True)
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
    if name not in {"MLA", "nccl"}:
        draft.select("attention", BACKENDS.get(name, name), match["target"] or "", line)


def _weight_only(draft: Draft, match: re.Match[str], line: int) -> None:
    draft.select("linear", "Marlin", match["format"], line)


RULES: tuple[Rule, ...] = (
    rule(r"vLLM API server version (?P<version>\S+)", _start),
    rule(r"non-default args: (?P<rest>\{.*)", _arguments),
    rule(r"Initializing an? (?:V\d )?LLM engine (?:\(v(?P<version>[^)]+)\) )?with config: (?P<rest>.*)", _engine),
    rule(r"Using max model len (\d+)", lambda d, m, n: d.figure("context", m[1], n, which="first")),
    rule(r"max_num_batched_tokens=(\d+)\.", lambda d, m, n: d.figure("batched_tokens", m[1], n)),
    rule(r"Resolved architecture: (\w+)", lambda d, m, n: d.text("architecture", m[1], n)),
    rule(r"Found GPU(?P<index>\d+) (?P<name>.+?) which is of cuda capability (?P<capability>\d+\.\d+)", _found_device),
    rule(r"device_name=([\w-]+)", lambda d, m, n: d.device("0", m[1].replace("_", " "), n)),
    rule(
        r"Model loading took (-?[\d.]+) GiB|Loading model weights took (-?[\d.]+) GB",
        lambda d, m, n: d.figure("weights", m[1] or m[2], n, GIB, "most"),
    ),
    rule(r"Available KV cache memory: (-?[\d.]+) GiB", lambda d, m, n: d.figure("kv_memory", m[1], n, GIB, "least")),
    rule(r"GPU KV cache size: ([\d,]+) tokens", lambda d, m, n: d.figure("kv_tokens", m[1], n, which="least")),
    rule(r"Maximum concurrency for (?P<tokens>[\d,]+) tokens per request: (?P<times>[\d.]+)x", _concurrency),
    rule(
        r"Graph capturing finished in .*?took (-?[\d.]+) GiB", lambda d, m, n: d.figure("graphs", m[1], n, GIB, "most")
    ),
    rule(r"CUDA graph memory profiling is enabled", lambda d, _m, _n: d.flags.add("graphs_profiled")),
    rule(r"current --gpu-memory-utilization=([\d.]+)", lambda d, m, n: d.figure("utilization", m[1], n)),
    rule(
        r"esired GPU memory utilization (?:is )?\(([\d.]+), [\d.]+ GiB\)",
        lambda d, m, n: d.figure("utilization", m[1], n),
    ),
    rule(r"x gpu_memory_utilization \(([\d.]+)\)", lambda d, m, n: d.figure("utilization", m[1], n)),
    rule(
        r"model weights take (?P<weights>[\d.]+)\s?GiB; non_torch_memory takes (?P<other>-?[\d.]+)\s?GiB; "
        r"PyTorch activation peak memory takes (?P<peak>-?[\d.]+)\s?GiB",
        _split_of_memory,
    ),
    rule(
        r"Actual usage is (?P<weights>[\d.]+) GiB for weight, (?P<peak>-?[\d.]+) GiB for peak activation, "
        r"(?P<other>-?[\d.]+) GiB for non-torch",
        _split_of_memory,
    ),
    rule(r"Selected (\S+) for (\w+)", lambda d, m, n: d.select("linear", m[1], m[2], n)),
    rule(r"Using (\S+) for (\w+ GEMM)", lambda d, m, n: d.select("linear", m[1], m[2], n)),
    rule(r"Using '?(?P<name>[\w.-]+?)'? (?P<target>\w+) MoE backend", _moe),
    rule(
        r"Using (?:AttentionBackendEnum\.)?(?P<name>Flash Attention|[\w-]+)(?: (?P<target>MLA prefill))?"
        r"(?: attention)? backend(?: out of|\.| on V\d engine)",
        _attention,
    ),
    rule(r"Using backend (?:AttentionBackendEnum\.)?(\S+) for vit", lambda d, m, n: d.select("vision", m[1], "vit", n)),
    rule(r"Using FlashAttention version (\d)", lambda d, m, n: d.select("attention", f"FlashAttention {m[1]}", "", n)),
    rule(r"does not have native support for (?P<format>FP\d) computation", _weight_only),
    rule(r"No available memory for the cache blocks", lambda d, _m, n: d.trouble("vllm_no_kv", n)),
    rule(
        r"max seq len \((\d+)\), \(([\d.]+) GiB KV cache is needed, which is larger than the available KV cache "
        r"memory \((-?[\d.]+) GiB\)\.(?:.*?maximum model length is (\d+))?",
        lambda d, m, n: d.trouble(
            "vllm_context_kv",
            n,
            context=count(m[1]),
            need=size(m[2]),
            room=size(m[3]),
            most=count(m[4]),
        ),
    ),
    rule(
        r"max seq len \((\d+)\) is larger than the maximum number of tokens that can be stored in KV cache \((\d+)\)",
        lambda d, m, n: d.trouble("vllm_context_tokens", n, context=count(m[1]), most=count(m[2])),
    ),
    rule(
        r"max_model_len \((\d+)\) is greater than the derived max_model_len \(\w+=(\d+)",
        lambda d, m, n: d.trouble("vllm_context_model", n, context=count(m[1]), most=count(m[2])),
    ),
    rule(
        r"Free memory on device.*? \(([\d.]+)/([\d.]+) GiB\) on startup is less than desired GPU memory utilization",
        lambda d, m, n: d.trouble("vllm_memory_taken", n, free=size(m[1]), size=size(m[2])),
    ),
    rule(
        r"quantization method (\w+) is not supported for the current GPU\. "
        r"Minimum capability: (\d+)\. Current capability: (\d+)",
        lambda d, m, n: d.trouble("vllm_quantization", n, method=m[1], least=m[2], have=m[3]),
    ),
    rule(
        r"attention heads \((\d+)\) must be divisible by tensor parallel size \((\d+)\)",
        lambda d, m, n: d.trouble("vllm_heads", n, heads=count(m[1]), ranks=count(m[2])),
    ),
    rule(
        r"(?:OutOfMemoryError|CUDA out of memory)(?:.*?Tried to allocate ([\d.]+) (GiB|MiB))?",
        lambda d, m, n: d.trouble("out_of_memory", n, asked=f"{m[1]} {m[2]}" if m[1] else "?"),
    ),
)
HEAD = re.compile(r"\(\w+ pid=|\(\w+\)|(?:INFO|WARNING|ERROR|DEBUG) \d\d-\d\d|\[[\d-]{10}|\[\w+\.py:\d+\]|\w*Error:")
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
        self.draft.marks += MARK.search(record.text) is not None
        apply(self.draft, RULES, record)
