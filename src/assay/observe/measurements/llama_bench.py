"""llama-bench's results: JSON, JSON lines and CSV have the same fields.

The fields are those of llama.cpp's tools/llama-bench (`test::get_fields`); releases before 2025 have a flag for each
backend in the place of `backends`, and none has a version of its schema.
"""

import re

from assay.observe.measurements.fields import Fields
from assay.observe.runtimes.gguf_names import RECIPE, stem, weights_in
from assay.types.measurement import (
    Figures,
    Host,
    Kind,
    MeasuredCard,
    MeasuredModel,
    Measurement,
    Origin,
    Workload,
)
from assay.types.message import Message, message

MARKS = ("n_prompt", "n_gen", "avg_ns")
"""Fields that a row of llama-bench has and a serving benchmark's file has not."""
SETTINGS = (
    "backends", "n_batch", "n_ubatch", "n_threads", "n_gpu_layers", "n_cpu_moe", "split_mode", "main_gpu", "flash_attn",
    "no_kv_offload", "devices", "tensor_split", "type_k", "type_v", "cpu_info",
)  # fmt: skip
OLD_BACKENDS = ("cuda", "vulkan", "kompute", "metal", "sycl", "opencl", "rpc", "gpu_blas", "blas")
ALL_LAYERS = 99
"""The number that people write for "all"; llama-bench's own word is -1."""
KV_TYPES = {"f16": "fp16", "f32": "fp32"}
SIZES = {"Small": "_S", "Medium": "_M", "Large": "_L"}
FTYPE = re.compile(
    r"\b(?P<type>I?Q\d\w*|TQ\d_\d|B?F16|F32|MXFP4|NVFP4)(?:(?P<mix> mix)| - (?P<size>Small|Medium|Large))?"
    r"(?: MoE)?(?: - [\d.]+ bpw[\w ]*)?(?: \(guessed\))?$"
)


def is_row(body: object) -> bool:
    """Whether a JSON value is a result of llama-bench."""
    return isinstance(body, dict) and sum(name in body for name in MARKS) >= 2


def weights_of(row: Fields) -> str | None:
    """The weight format: the recipe in the file's name, else the type that llama.cpp says most tensors have."""
    named = weights_in(stem(row.text("model_filename") or ""))
    if named is not None:
        return named
    said = FTYPE.search(row.text("model_type") or "")
    if said is None:
        return None
    recipe = said["type"].upper() + SIZES.get(said["size"] or "", "")
    if said["mix"]:
        return "gguf:IQ3_M" if recipe == "IQ3_S" else None
    return "gguf:Q2_K" if recipe == "Q2_K_M" else f"gguf:{recipe}"


def _model(row: Fields) -> MeasuredModel:
    name = RECIPE.sub("", stem(row.text("model_filename") or "")) or row.text("model_type") or ""
    return MeasuredModel(name, None, weights_of(row), "file" if name else "nobody")


def _backends(row: Fields) -> tuple[str, ...]:
    said = row.text("backends")
    if said is not None:
        return tuple(part.strip() for part in said.split(","))
    return tuple(name for name in OLD_BACKENDS if row.flag(name))


def _cards(row: Fields) -> tuple[MeasuredCard, ...]:
    """The cards that the test ran on; where the file does not tell which of several, all of them as one name.

    `gpu_info` lists every device of the machine, once for each backend that sees it.
    """
    info = row.text("gpu_info")
    if info is None:
        return ()
    names = [name.strip() for name in info.split(", " if row.has("backends") else "/")]
    graphic = [name for name in _backends(row) if name.upper() not in {"BLAS", "RPC", "GPU_BLAS", "CPU"}]
    unclear = (MeasuredCard(info, (), 1, "file"),)
    if len(graphic) > 1 or "RPC" in _backends(row):
        return unclear if len(names) > 1 else (MeasuredCard(names[0], (), 1, "file"),)
    devices = row.text("devices") or "auto"
    if devices == "none":
        return ()
    if row.text("split_mode") == "none":
        main = row.whole("main_gpu") if row.has("main_gpu") else 0
        names = names[main : main + 1] if main < len(names) else names
    elif devices != "auto":
        if len(set(names)) > 1:
            return unclear
        names = names[: devices.count("/") + 1]
    return tuple(MeasuredCard(name, (), names.count(name), "file") for name in dict.fromkeys(names))


def _host(row: Fields) -> Host:
    """Whether parts of the model, or the cache, stayed in host memory."""
    moved = row.has("tensor_buft_overrides") and row.body["tensor_buft_overrides"] != "none"
    if moved or row.flag("no_kv_offload") or (row.has("n_cpu_moe") and row.whole("n_cpu_moe") > 0):
        return "yes"
    if not row.has("n_gpu_layers"):
        return "unsaid"
    layers = row.number("n_gpu_layers", least=-2)
    if layers < 0 or layers >= ALL_LAYERS:
        return "no"
    return "yes" if layers == 0 else "unsaid"


def _kv(row: Fields) -> str | None:
    keys, values = row.text("type_k"), row.text("type_v")
    return KV_TYPES.get(keys, keys) if keys is not None and keys == values else None


def _speed(row: Fields, tokens: int) -> tuple[float, float | None, int]:
    """(token/s, its standard deviation, repetitions), the times and the speeds held against each other.

    Raises:
        MalformedFile: a time that is none, or times and speeds that contradict each other.
    """
    nanoseconds, speed = row.number("avg_ns", above=True), row.number("avg_ts", above=True)
    spread = row.optional("stddev_ts")
    samples = row.body.get("samples_ns")
    if samples is None:
        # The mean of speeds is above the speed of the mean time, the more so the more the times differ.
        relative = (row.optional("stddev_ns") or 0.0) / nanoseconds
        row.agrees("avg_ts", speed, tokens * 1e9 / nanoseconds, 0.02 + 4 * relative**2)
        return speed, spread, 1
    if not isinstance(samples, list) or not samples:
        raise row.wrong("list", "samples_ns", samples)
    times = [
        Fields({"samples_ns": sample}, row.file, row.row, alone=row.alone).number("samples_ns", above=True)
        for sample in samples
    ]
    row.agrees("avg_ns", nanoseconds, sum(times) / len(times))
    row.agrees("avg_ts", speed, sum(tokens * 1e9 / time for time in times) / len(times))
    return speed, spread if len(times) > 1 else None, len(times)


def _figures(row: Fields, prompt: int, generated: int) -> tuple[Kind, Figures]:
    speed, spread, samples = _speed(row, prompt + generated)
    if prompt and generated:
        # One time for both: only the generated tokens over all of it can be told.
        share = generated / (prompt + generated)
        return "mixed", Figures(throughput=speed * share, spread=spread and spread * share, samples=samples)
    if prompt:
        return "prefill", Figures(prefill=speed, spread=spread, samples=samples)
    return "decode", Figures(
        decode_per_sequence=speed, decode_total=speed, throughput=speed, spread=spread, samples=samples
    )


def _notes(row: Fields, host: Host) -> tuple[Message, ...]:
    found = [message("bench.note.without_sampling")]
    if host == "yes":
        found.append(message("bench.note.host", "warning"))
    if row.has("type_k") and row.has("type_v") and _kv(row) is None:
        found.append(message("bench.note.two_kv", keys=row.text("type_k"), values=row.text("type_v")))
    return tuple(found)


def measurement(row: Fields, digest: str) -> Measurement:
    """The measurement in one row.

    Raises:
        MalformedFile: a field that cannot be what it says, or fields that contradict each other.
    """
    prompt, generated = row.whole("n_prompt"), row.whole("n_gen")
    if not prompt and not generated:
        raise row.wrong("positive", "n_prompt", 0)
    kind, figures = _figures(row, prompt, generated)
    host = _host(row)
    build = "b" + str(row.whole("build_number")) if row.has("build_number") else None
    commit = row.text("build_commit")
    return Measurement(
        when=row.text("test_time"),
        kind=kind,
        cards=_cards(row),
        model=_model(row),
        runtime="llama.cpp",
        version=f"{build} ({commit})" if build and commit else build or commit,
        workload=Workload(
            1, prompt or None, generated or None, row.whole("n_depth") if row.has("n_depth") else 0, _kv(row)
        ),
        figures=figures,
        origin=Origin("llama-bench", row.file, digest, row.row),
        host=host,
        settings=tuple((name, str(row.body[name])) for name in SETTINGS if row.has(name)),
        notes=_notes(row, host),
    )
