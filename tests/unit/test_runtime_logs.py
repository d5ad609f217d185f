"""Start-up logs of the three runtimes, as published: what is read out of each, and in which line."""

import tomllib
from pathlib import Path

import pytest

from assay.observe.runtimes.read import read
from assay.types.log import ServerLog

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"
MANIFEST = tomllib.loads((LOGS / "manifest.toml").read_text(encoding="utf-8"))
GIB, MIB = 2**30, 2**20
LEAST = {"vllm": 10, "llama.cpp": 10, "sglang": 3}


def log(name: str) -> ServerLog:
    return read(str(LOGS / f"{name}.log"))


def told(text: str, tmp_path: Path) -> ServerLog:
    file = tmp_path / "server.log"
    file.write_text(text, encoding="utf-8")
    return read(str(file))


def test_every_log_says_where_it_was_published() -> None:
    assert {path.stem for path in LOGS.glob("*.log")} == set(MANIFEST)
    for name, entry in MANIFEST.items():
        assert entry["source"].startswith("https://github.com/"), name
        assert entry["date"], name
        assert entry["cut"], name
        assert "xllamacpp" not in name or entry["command"], name


@pytest.mark.parametrize(("runtime", "least"), LEAST.items())
def test_there_are_enough_logs_of_each_runtime(runtime: str, least: int) -> None:
    assert sum(entry["runtime"] == runtime for entry in MANIFEST.values()) >= least


@pytest.mark.parametrize("name", MANIFEST)
def test_the_runtime_is_recognised_from_the_log(name: str) -> None:
    assert log(name).runtime == MANIFEST[name]["runtime"]


@pytest.mark.parametrize("name", MANIFEST)
def test_every_figure_stands_in_its_line(name: str) -> None:
    lines = (LOGS / f"{name}.log").read_text(encoding="utf-8").split("\n")
    found = log(name)
    facts = [getattr(found, field) for field in ServerLog.__slots__]
    facts += [buffer.figure for buffer in found.buffers] + list(found.selections) + list(found.troubles)
    numbers = [fact.line for fact in facts if hasattr(fact, "line")]
    assert numbers
    assert all(1 <= number <= len(lines) for number in numbers)
    if found.weights is not None:
        assert any(word in lines[found.weights.line - 1] for word in ("took", "mem usage"))


@pytest.mark.parametrize(
    ("name", "weights", "kv", "tokens", "graphs", "utilization"),
    [
        ("vllm-qwen2-7b-a100-80gb", 14.2488, 5.01, 93_872, 0.5, 0.25),
        ("vllm-qwen2-7b-2x-a100-40gb-ray", 7.1217, 11.03, 412_944, 1.0, 0.5),
        ("vllm-gpt-oss-120b-4x-a100", 17.2217, 45.32, 2_640_144, 1.88, 0.8),
        ("vllm-glm-5.1-nvfp4-8x-rtx-pro-6000-dcp1-mtp0", 55.67, 19.55, 341_504, 1.22, 0.865),
        ("vllm-qwen3.5-35b-a3b-fp8-gb10", 34.22, 55.72, 729_696, 0.04, 0.8),
    ],
)
def test_vllm_memory(name: str, weights: float, kv: float, tokens: int, graphs: float, utilization: float) -> None:
    found = log(name)
    assert found.weights is not None
    assert found.weights.value == pytest.approx(weights * GIB)
    assert found.kv_memory is not None
    assert found.kv_memory.value == pytest.approx(kv * GIB)
    assert found.kv_tokens is not None
    assert found.kv_tokens.value == tokens
    assert found.graphs is not None
    assert found.graphs.value == pytest.approx(graphs * GIB)
    assert found.utilization is not None
    assert found.utilization.value == utilization


def test_what_a_terminal_wrapped_is_joined_again() -> None:
    found = log("vllm-qwen2-7b-2x-a100-40gb-ray")
    assert found.tensor_parallel is not None
    assert found.tensor_parallel.value == 2
    assert ("attention", "FLASH_ATTN") in {(one.role, one.name) for one in found.selections}


def test_vllm_selections_by_their_own_words() -> None:
    found = {(one.role, one.name) for one in log("vllm-qwen3.5-35b-a3b-fp8-gb10").selections}
    assert {
        ("linear", "CutlassFP8ScaledMMLinearKernel"),
        ("moe", "TRITON"),
        ("attention", "FLASH_ATTN"),
        ("attention", "FlashAttention 2"),
        ("vision", "FLASH_ATTN"),
    } == found
    assert ("moe", "B12X") in {
        (one.role, one.name) for one in log("vllm-glm-5.1-nvfp4-8x-rtx-pro-6000-dcp1-mtp0").selections
    }
    assert ("linear", "Marlin") in {(one.role, one.name) for one in log("vllm-gpt-oss-120b-4x-a100").selections}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("vllm-nemotron-3-nano-gb10", "vllm_no_kv"),
        ("vllm-qwen3.5-35b-gb10-memory-taken", "vllm_memory_taken"),
        ("vllm-context-too-long-fp8-kv", "vllm_context_kv"),
        ("sglang-deepseek-v4-pro-8x-h200-no-kv", "sglang_no_kv"),
        ("ik-llama-cpp-out-of-memory", "llama_allocation"),
    ],
)
def test_an_error_at_the_end_is_recognised(name: str, code: str) -> None:
    assert [one.code for one in log(name).troubles] == [code]


def test_the_figures_of_an_error() -> None:
    (trouble,) = log("vllm-context-too-long-fp8-kv").troubles
    assert trouble.line == 4
    assert dict(trouble.parameters)["most"] == 122_080
    (trouble,) = log("ik-llama-cpp-out-of-memory").troubles
    assert dict(trouble.parameters)["size"] == pytest.approx(167_771.94 * MIB)


ERRORS = {
    "vllm_context_tokens": "The model's max seq len (32768) is larger than the maximum number of tokens that can be "
    "stored in KV cache (7344). Try increasing `gpu_memory_utilization`",
    "out_of_memory": "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has",
    "vllm_quantization": "ValueError: The quantization method fp8 is not supported for the current GPU. "
    "Minimum capability: 89. Current capability: 80.",
    "vllm_context_model": "ValueError: User-specified max_model_len (65536) is greater than the derived "
    "max_model_len (max_position_embeddings=40960 or",
    "vllm_heads": "ValueError: Total number of attention heads (40) must be divisible by tensor parallel size (3).",
}


@pytest.mark.parametrize(("code", "line"), ERRORS.items())
def test_errors_of_vllm(code: str, line: str, tmp_path: Path) -> None:
    found = told(f"INFO 01-01 00:00:00 [api_server.py:1] vLLM API server version 0.30.0\n{line}\n", tmp_path)
    assert [one.code for one in found.troubles] == [code]


def test_llama_cpp_buffers_types_and_devices() -> None:
    found = log("llama-cpp-qwen3-30b-a3b-rtx4090-rtx5090")
    assert [device.text for device in found.devices] == ["NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 5090"]
    assert dict(found.tensor_types) == {"f32": 241, "q4_K": 289, "q6_K": 49}
    kv = {one.device: one.figure.value / MIB for one in found.buffers if one.kind == "kv"}
    assert kv == {"CUDA0": 384, "CUDA1": 1152}
    model = {one.device: one.figure.value / MIB for one in found.buffers if one.kind == "model"}
    assert model == {"CPU_Mapped": 17447.91, "CUDA0": 135.76, "CUDA1": 648.66}
    compute = [one.figure.value / MIB for one in found.buffers if one.kind == "compute"]
    assert compute == pytest.approx([1080, 1080, 36.01])
    assert found.offloaded == (49, 49)
    assert found.kv_type is not None
    assert found.kv_type.text == "f16"
    assert "ARCHS = 890,1200" in {one.text.removeprefix("CUDA : ") for one in found.features}


def test_the_newest_format_of_llama_cpp() -> None:
    found = log("llama-cpp-smollm2-cpu-xllamacpp")
    assert found.sequences is not None
    assert found.total_context is not None
    assert (found.sequences.value, found.total_context.value) == (2, 8192)
    assert sum(one.figure.value for one in found.buffers if one.kind == "kv") == 180 * MIB
    assert "flash" in found.flags


def test_the_default_verbosity_of_llama_server_still_names_the_model() -> None:
    found = log("llama-cpp-smollm2-cpu-xllamacpp-quiet")
    assert found.model is not None
    assert found.model.text == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert not found.buffers


def test_a_fork_says_so_by_its_own_words() -> None:
    assert log("ik-llama-cpp-deepseek-v3-rtx4090").fork is not None
    assert log("llama-cpp-vulkan-b5781").fork is None


def test_sglang_pools() -> None:
    found = log("sglang-qwen3.5-moe-2x4090-ktransformers")
    assert found.kv_memory is not None
    assert found.kv_memory.value == pytest.approx(8.3 * GIB)
    assert found.state is not None
    assert found.state.value == pytest.approx(7.42 * GIB)
    assert found.tensor_parallel is not None
    assert found.tensor_parallel.value == 2


def test_the_smaller_pool_of_a_draft_model_is_not_the_cache() -> None:
    found = log("sglang-nvfp4-2x5090")
    assert found.kv_memory is not None
    assert found.kv_memory.value == pytest.approx(6.92 * GIB)


def test_a_second_start_in_one_file_begins_anew(tmp_path: Path) -> None:
    first = (LOGS / "vllm-qwen2-7b-a100-80gb.log").read_text(encoding="utf-8")
    second = (LOGS / "vllm-nemotron-3-nano-gb10.log").read_text(encoding="utf-8")
    found = told(first + second, tmp_path)
    assert found.model is not None
    assert found.model.text == "nvidia/NVIDIA-Nemotron-3-Nano-4B-FP8"
    assert found.kv_tokens is None


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_log_that_a_shell_on_windows_wrote(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "журнал.log"
    text = (LOGS / "llama-cpp-windows-b5273.log").read_text(encoding="utf-8")
    file.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    found = read(str(file))
    assert found.quantization is not None
    assert found.quantization.text == "Q5_K - Medium"
