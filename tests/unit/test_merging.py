"""Merging an adapter: what each stored format makes of it, and how many fit beside the base model."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from assay.answers.adapter import answer
from assay.answers.asked import CheckRequest
from assay.answers.check import answer as check
from assay.cli.main import main
from assay.errors import MissingKnowledge, UsageError
from assay.reason.deploy.merging import SIGNIFICAND, merge_into
from assay.report.layout.adapter import layout
from assay.report.numbers import LANGUAGES, Language
from assay.report.text import report_lines

STORED = {"bf16": ml_dtypes.bfloat16, "fp16": np.float16, "fp32": np.float32}


def adapter(folder: Path, rank: int = 16, **keys: Any) -> str:
    place = folder / "style"
    place.mkdir()
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 16, "target_modules": ["q_proj"], **keys}
    (place / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    stem = "base_model.model.model.layers.0.self_attn.q_proj"
    pair = {
        f"{stem}.lora_A.weight": np.zeros((rank, 4096), np.float16),
        f"{stem}.lora_B.weight": np.zeros((4096, rank), np.float16),
    }
    save_file(pair, str(place / "adapter_model.safetensors"))
    return str(place)


def codes(path: str, base: str) -> set[str]:
    return {note.code for note in answer(path, base).messages}


@pytest.mark.parametrize("name", SIGNIFICAND)
def test_the_rounding_of_a_merged_weight_keeps_to_its_bound_and_reaches_it(name: str) -> None:
    """The bound against the formats themselves: W + BA in FP64, rounded to the stored type."""
    random = np.random.default_rng(7)
    weights = random.normal(size=100_000).astype(STORED[name]).astype(np.float64)
    exact = weights + random.normal(scale=1e-2, size=weights.size)
    merged = exact.astype(STORED[name]).astype(np.float64)
    normal = np.abs(exact) >= 2**-14
    worst = float(np.max((np.abs(merged - exact) / np.abs(exact))[normal]))
    merge, bound = merge_into(name)
    assert merge == "rounds"
    assert bound is not None
    assert bound * 0.9 < worst <= bound
    assert np.any(merged != exact)  # it is not lossless
    if name == "fp16":
        assert float(np.max(np.abs(merged - exact)[~normal], initial=0.0)) <= 2**-25


def test_a_small_update_may_be_lost_whole() -> None:
    weights = np.float32(1.5).astype(ml_dtypes.bfloat16)
    bound = merge_into("bf16")[1] or 0.0
    assert (np.float32(weights) * np.float32(1 + bound / 4)).astype(ml_dtypes.bfloat16) == weights


@pytest.mark.parametrize("name", ["fp8", "fp8_block128", "nvfp4", "mxfp4", "gptq_int4", "gguf:Q4_K", "bnb_nf4"])
def test_into_a_quantized_format_it_is_quantized_again(name: str) -> None:
    assert merge_into(name) == ("requantizes", None)


def test_an_unknown_format_is_unknown() -> None:
    assert merge_into("unknown") == ("unknown", None)


def test_a_16_bit_base_rounds_and_a_quantized_one_is_quantized_again(tmp_path: Path) -> None:
    path = adapter(tmp_path)
    assert {"merge.rounds", "merge.if_qlora", "merge.beside"} <= codes(path, "Qwen3-8B")
    assert "merge.requantizes" not in codes(path, "Qwen3-8B")
    assert "merge.requantizes" in codes(path, "Qwen/Qwen3-32B-FP8")
    mixed = answer(path, "gpt-oss-20b")
    assert {row.merge for row in mixed.rows} == {"rounds", "requantizes"}


def test_an_adapter_of_a_4_bit_base_is_named_as_such(tmp_path: Path) -> None:
    path = adapter(tmp_path, base_model_name_or_path="unsloth/Qwen3-8B-bnb-4bit")
    found = codes(path, "Qwen3-8B")
    assert "merge.trained_on_4bit" in found
    assert "merge.if_qlora" not in found


def test_how_many_fit_beside_the_base_model(tmp_path: Path) -> None:
    path = adapter(tmp_path, rank=12)
    (large,) = answer(path, "Qwen3-8B", ("h200-sxm-141gb",)).beside
    (small,) = answer(path, "Qwen3-8B", ("4090",)).beside
    assert (large.verdict, large.rank) == ("yes", 16)
    assert large.slots is not None
    assert large.slots > (small.slots or 0) >= 0
    (plan,) = check(CheckRequest("Qwen3-8B", ("h200-sxm-141gb",))).results
    left = plan.fit.memory.free.lowest or 0
    assert left - (large.each.highest or 0) < (large.each.highest or 0) * large.slots <= left


def test_a_whole_model_is_no_adapter(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        answer("Qwen3-8B", "Qwen3-8B")
    path = adapter(tmp_path)
    with pytest.raises(MissingKnowledge):
        answer(path, path)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_answers_first(tmp_path: Path, language: Language) -> None:
    found = answer(adapter(tmp_path), "Qwen3-8B", ("h200-sxm-141gb",))
    lines = [line.text for line in report_lines(layout(found), language)]
    assert lines[0].startswith({"en": "Not without loss", "ru": "Не без потерь"}[language])
    assert any("H200" in line for line in lines)


def test_the_door(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = adapter(tmp_path)
    assert main(["model", path, "--base", "Qwen3-8B", "--gpu", "H200", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "assay.adapter/1"
    assert document["lossless"] is False
    assert document["merges"][0]["roundoff"] == 2**-8
    assert main(["model", path, "--gpu", "H200"]) == 2
    assert main(["model", "Qwen3-8B", "--base", "Qwen3-8B"]) == 2
    capsys.readouterr()
