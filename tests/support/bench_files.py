"""Results of benchmark tools as they write them, made here: fields and units are theirs, the figures nobody's."""

import csv
import io
import json
from typing import Any

LLAMA_FIELDS = (
    "build_commit", "build_number", "cpu_info", "gpu_info", "backends", "model_filename", "model_type", "model_size",
    "model_n_params", "n_batch", "n_ubatch", "n_threads", "cpu_mask", "cpu_strict", "poll", "type_k", "type_v",
    "n_gpu_layers", "n_cpu_moe", "split_mode", "main_gpu", "no_kv_offload", "flash_attn", "devices", "tensor_split",
    "tensor_buft_overrides", "use_mmap", "embeddings", "no_op_offload", "no_host", "n_prompt", "n_gen", "n_depth",
    "test_time", "avg_ns", "stddev_ns", "avg_ts", "stddev_ts",
)  # fmt: skip
OLD_BACKENDS = ("cuda", "vulkan", "kompute", "metal", "sycl", "rpc", "gpu_blas", "blas")


def llama_row(**changes: Any) -> dict[str, Any]:
    """A row of `llama-bench -o json`: 128 tokens generated in 1 s and 1.03 s."""
    times = [1_000_000_000, 1_030_000_000]
    speeds = [128e9 / time for time in times]
    mean = sum(times) / 2
    row: dict[str, Any] = {
        "build_commit": "0123abcd", "build_number": 6543, "cpu_info": "A processor",
        "gpu_info": "NVIDIA GeForce RTX 5090", "backends": "CUDA",
        "model_filename": "models/Qwen3-8B-Q4_K_M.gguf", "model_type": "qwen3 8B Q4_K - Medium",
        "model_size": 5_020_000_000, "model_n_params": 8_190_000_000, "n_batch": 2048, "n_ubatch": 512, "n_threads": 8,
        "cpu_mask": "0x0", "cpu_strict": False, "poll": 50, "type_k": "f16", "type_v": "f16", "n_gpu_layers": 99,
        "n_cpu_moe": 0, "split_mode": "layer", "main_gpu": 0, "no_kv_offload": False, "flash_attn": True,
        "devices": "auto", "tensor_split": "0.00", "tensor_buft_overrides": "none", "use_mmap": True,
        "embeddings": False, "no_op_offload": 0, "no_host": False, "n_prompt": 0, "n_gen": 128, "n_depth": 0,
        "test_time": "2026-10-01T10:00:00Z", "avg_ns": round(mean), "stddev_ns": 21_213_203,
        "avg_ts": sum(speeds) / 2, "stddev_ts": 2.636, "samples_ns": times, "samples_ts": speeds,
    }  # fmt: skip
    return row | changes


def prompt_row(**changes: Any) -> dict[str, Any]:
    """A row that reads a prompt of 512 tokens in 0.1 s."""
    return llama_row(
        n_prompt=512, n_gen=0, avg_ns=100_000_000, stddev_ns=0, avg_ts=5120.0, stddev_ts=0.0,
        samples_ns=[100_000_000], samples_ts=[5120.0], **changes,
    )  # fmt: skip


def old_llama_row() -> dict[str, Any]:
    """A row of a release of 2024: a flag for each backend, no depth."""
    row = llama_row(gpu_info="NVIDIA GeForce RTX 4090/NVIDIA GeForce RTX 4090")
    for name in ("backends", "devices", "n_depth", "n_cpu_moe", "cpu_mask", "poll", "tensor_buft_overrides", "no_host"):
        del row[name]
    return row | {name: name == "cuda" for name in OLD_BACKENDS}


def as_csv(*rows: dict[str, Any]) -> str:
    """The rows as `llama-bench -o csv` writes them: every value quoted, flags as 0 and 1, no samples."""
    found = io.StringIO()
    found.write(",".join(LLAMA_FIELDS) + "\n")
    writer = csv.writer(found, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for row in rows:
        writer.writerow([int(row[name]) if isinstance(row[name], bool) else row[name] for name in LLAMA_FIELDS])
    return found.getvalue()


def as_lines(*rows: dict[str, Any]) -> str:
    """The rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def vllm_result(**changes: Any) -> dict[str, Any]:
    """A result of `vllm bench serve --save-result`: 40 requests, 8 at once, 512 tokens in and 128 out, in 10 s."""
    row: dict[str, Any] = {
        "date": "20261001-101112", "endpoint_type": "vllm", "backend": "vllm", "label": None,
        "model_id": "Qwen/Qwen3-8B", "tokenizer_id": "Qwen/Qwen3-8B", "num_prompts": 40, "request_rate": "inf",
        "burstiness": 1.0,
        "max_concurrency": 8, "duration": 10.0, "completed": 40, "failed": 0, "total_input_tokens": 20_480,
        "total_output_tokens": 5120, "request_throughput": 4.0, "request_goodput": None, "output_throughput": 512.0,
        "total_token_throughput": 2560.0, "max_output_tokens_per_s": 600.0, "max_concurrent_requests": 9,
        "mean_ttft_ms": 95.0, "median_ttft_ms": 90.0, "std_ttft_ms": 20.0, "p99_ttft_ms": 180.0,
        "mean_tpot_ms": 15.0, "median_tpot_ms": 14.9, "std_tpot_ms": 0.6, "p99_tpot_ms": 16.5,
        "mean_itl_ms": 15.0, "median_itl_ms": 14.7, "std_itl_ms": 2.0, "p99_itl_ms": 30.0,
    }  # fmt: skip
    return row | changes


def old_vllm_result() -> dict[str, Any]:
    """The same of benchmark_serving.py in 2024: no limit of requests at once, a throughput of the input."""
    row = vllm_result(best_of=1, use_beam_search=False, input_throughput=2048.0, num_prompts=40)
    for name in ("endpoint_type", "label", "burstiness", "max_concurrency", "failed", "total_token_throughput",
                 "request_goodput", "max_output_tokens_per_s", "max_concurrent_requests"):  # fmt: skip
        del row[name]
    # All 40 at once, each as slow.
    return row | {"mean_ttft_ms": 1000.0, "median_ttft_ms": 1000.0, "p99_ttft_ms": 1500.0, "mean_tpot_ms": 60.0,
                  "mean_itl_ms": 60.0, "median_itl_ms": 60.0, "p99_itl_ms": 90.0}  # fmt: skip


def sglang_result(**changes: Any) -> dict[str, Any]:
    """A line of SGLang's bench_serving."""
    row = vllm_result(
        backend="sglang", dataset_name="random", tag=None, random_input_len=512, random_output_len=128,
        random_range_ratio=1.0, request_rate=float("inf"), accept_length=None, concurrency=7.9, p95_itl_ms=20.0,
        server_info={"version": "0.5.4", "model_path": "Qwen/Qwen3-8B", "kv_cache_dtype": "auto", "tp_size": 2},
        input_throughput=2048.0, total_throughput=2560.0,
    )  # fmt: skip
    for name in (
        "model_id",
        "tokenizer_id",
        "date",
        "endpoint_type",
        "num_prompts",
        "failed",
        "total_token_throughput",
    ):
        del row[name]
    return row | changes
