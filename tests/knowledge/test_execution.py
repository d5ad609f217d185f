"""The rows of what runtimes execute: ids exist, cells do not contradict each other, every decided cell has a source."""

from collections import Counter
from typing import Any, get_args

import pytest

from assay.answers import lacking
from assay.knowledge import store
from assay.knowledge.catalog import execution
from assay.knowledge.catalog.instruction_sets import number_formats
from assay.reason.execution import contradicted
from assay.types.execution import Path, Unit

ROWS: dict[str, dict[str, Any]] = store.entries("execution")
CELLS = [(name, body, cell) for name, body in ROWS.items() for cell in body["cells"]]
OTHER_ACTIVATIONS = {"q8_1"}
"""What activations are turned into that is no number format: blocks of 32 INT8 values with a scale."""


def test_ids_exist() -> None:
    formats = set(store.names("weight_format"))
    sets, runtimes = set(store.names("instruction_set")), set(store.names("runtime"))
    for name, body, cell in CELLS:
        assert set(body["formats"]) <= formats, name
        assert set(cell["isa"]) <= sets, name
        assert body["runtime"] in runtimes, name
        assert body.get("role", "any") in ("any", "linear", "experts"), name
        assert cell["path"] in get_args(Path), name


def test_regimes_name_number_formats_units_and_kernels() -> None:
    numbers = {one.id for one in number_formats()}
    for name, _, cell in CELLS:
        for regime in cell.get("regimes", ()):
            assert regime["multiplies"] in numbers, name
            assert regime["activations"] in numbers | OTHER_ACTIVATIONS, name
            assert regime["unit"] in get_args(Unit), name
            assert regime.get("path", cell["path"]) in get_args(Path), name


def test_a_decided_cell_says_what_is_multiplied_or_why_not() -> None:
    for name, body, cell in CELLS:
        assert body["where"], name
        assert body["sources"], name
        decided = cell["path"] in ("native", "converted", "weight-only")
        assert decided == bool(cell.get("regimes")), (name, cell)
        assert (cell["path"] == "refused") == bool(cell.get("refusal")), (name, cell)
        if cell["path"] == "unknown":
            assert cell.get("notes"), f"{name}: an unknown cell that is written down says why"


def test_regimes_follow_each_other_without_gaps() -> None:
    for name, _, cell in CELLS:
        batches = [regime["batch"] for regime in cell.get("regimes", ())]
        if batches in ([], ["any"], ["small", "large"]):
            continue
        expected = 1
        for batch in batches:
            first, _, last = batch.partition("..")
            assert int(first) == expected, (name, batches)
            expected = int(last or first) + 1
        assert batches[-1].endswith(".."), (name, batches)


def test_no_cell_is_said_twice() -> None:
    said = Counter(
        (body["runtime"], weight_format, body.get("role", "any"), isa)
        for _, body, cell in CELLS
        for weight_format in body["formats"]
        for isa in cell["isa"]
    )
    assert [key for key, number in said.items() if number > 1] == []


def test_kernels_and_cards_agree() -> None:
    """No cell multiplies on matrix units what the card is proven not to have."""
    wrong = [
        (name, isa, bad)
        for name, body, cell in CELLS
        for isa in cell["isa"]
        for weight_format in body["formats"][:1]
        if (found := execution.cell(body["runtime"], weight_format, body.get("role", "linear"), isa)) is not None
        if (bad := contradicted(found.regimes, lacking.formats(isa)))
    ]
    assert wrong == []


@pytest.mark.parametrize("path", ["native", "converted", "weight-only", "refused"])
def test_paths_occur(path: str) -> None:
    assert any(cell["path"] == path for _, _, cell in CELLS)


def test_a_stored_type_that_is_multiplied_is_native_and_any_other_is_not() -> None:
    """`native` multiplies the stored element type, `weight-only` a wide one."""
    wide = {"bf16", "fp16", "fp32"}
    for name, _, cell in CELLS:
        for regime in cell.get("regimes", ()):
            path = regime.get("path", cell["path"])
            if path == "weight-only":
                assert regime["multiplies"] in wide, name
            if path == "converted":
                assert regime["multiplies"] not in {"bf16", "fp16"} or "bf16" in name, name


ATTENTION = store.entries("attention")


def test_attention_names_known_things() -> None:
    kv, sets = set(store.names("kv_format")), set(store.names("instruction_set"))
    architectures = set(store.names("architecture"))
    for name, body in ATTENTION.items():
        for cell in body["cells"]:
            assert set(cell["isa"]) <= sets, name
            assert set(cell["kv"]) <= kv, name
            assert ("backend" in cell) != ("refused" in cell), name
            assert "otherwise" not in cell or cell.get("needs"), name
        assert {*body.get("architectures", ()), *body.get("apart", ())} <= architectures, name


def test_attention_says_nothing_twice() -> None:
    """A second cell of a KV type is reached only where the first asks for heads of some size."""
    for name, body in ATTENTION.items():
        reached = Counter(
            (isa, form) for cell in body["cells"] if "heads" not in cell for isa in cell["isa"] for form in cell["kv"]
        )
        assert max(reached.values(), default=1) == 1, name
    rows = Counter(
        (body["runtime"], body["kind"], isa, architecture)
        for body in ATTENTION.values()
        for isa in {isa for cell in body["cells"] for isa in cell["isa"]}
        for architecture in body.get("architectures", (None,))
    )
    assert [key for key, number in rows.items() if number > 1] == []


@pytest.mark.parametrize(("isa", "kind", "architecture", "backend", "otherwise"), [
    ("sm_90a", "standard", "llama", "fa3", "flashinfer"), ("sm_100a", "standard", "llama", "trtllm_mha", "flashinfer"),
    ("sm_120a", "standard", "llama", "flashinfer", "triton"), ("sm_120a", "latent", "deepseek_v3", "triton", None),
    # DeepSeek V3 and Kimi have an override of their own, DeepSeek V2 has not
    ("sm_100a", "latent", "deepseek_v3", "trtllm_mla", "triton"),
    ("sm_100a", "latent", "deepseek_v2", "flashinfer", "triton"),
    ("sm_90a", "latent-sparse", "deepseek_v32", "dsa", None),
    ("sm_120a", "standard", "gpt_oss", "triton", None), ("sm_90a", "standard", "gpt_oss", "fa3", "triton"),
    ("sm_100a", "standard", "gpt_oss", "trtllm_mha", "triton"), ("gfx942", "standard", "gpt_oss", "aiter", None),
    ("sm_86", "standard", "llama4", "triton", None), ("sm_89", "standard", "gemma4", "triton", None),
])  # fmt: skip
def test_sglang_s_default_attention(
    isa: str, kind: str, architecture: str, backend: str, otherwise: str | None
) -> None:
    found = execution.attention("sglang", isa, kind, architecture)
    assert found is not None
    choice = found.choice("bf16")
    assert choice is not None
    assert (choice.backend, choice.otherwise) == (backend, otherwise)


def test_sglang_s_conditions() -> None:
    """FlashInfer installed; on Hopper CUDA 12.3 and no tree of drafts; FP8 as E4M3."""
    for isa, kv, codes in (
        ("sm_86", "bf16", ["flashinfer"]),
        ("sm_90a", "bf16", ["cuda_12_3", "one_draft"]),
        ("sm_90a", "fp8", ["cuda_12_3", "one_draft", "e4m3"]),
    ):
        found = execution.attention("sglang", isa, "standard", "qwen3")
        choice = found.choice(kv) if found else None
        assert choice is not None
        assert [need.code.removeprefix("attends.needs.") for need in choice.needs] == codes


def test_what_sglang_s_source_leaves_open_is_unknown() -> None:
    """On sm_100 a model of delta layers gets what the strategy of its state cache decides."""
    assert execution.attention("sglang", "sm_100a", "standard", "qwen3_5_moe") is None
    assert execution.attention("sglang", "sm_100a", "standard", "qwen3") is not None


@pytest.mark.parametrize(("isa", "architecture", "starts"), [
    ("sm_100a", "llama", "TRTLLM (trtllm-gen"), ("sm_103a", "gpt_oss", "TRTLLM (trtllm-gen"),
    ("sm_120a", "llama", "TRTLLM (its own kernels"), ("sm_86", "llama", "TRTLLM (its own kernels"),
    ("sm_120a", "gpt_oss", None), ("sm_121a", "llama", None),
])  # fmt: skip
def test_tensorrt_llm_s_attention(isa: str, architecture: str, starts: str | None) -> None:
    found = execution.attention("tensorrt-llm", isa, "standard", architecture)
    backends = {} if found is None else dict(found.backends)
    assert bool(backends) == (starts is not None)
    assert all(backends[kv].startswith(starts) for kv in ("bf16", "fp16", "fp8") if starts)
