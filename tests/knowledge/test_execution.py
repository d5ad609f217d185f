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


def test_attention_names_known_things_and_says_each_once() -> None:
    kv, sets = set(store.names("kv_format")), set(store.names("instruction_set"))
    for name, body in store.entries("attention").items():
        said = Counter((isa, form) for cell in body["cells"] for isa in cell["isa"] for form in cell["kv"])
        assert max(said.values()) == 1, name
        assert {isa for isa, _ in said} <= sets, name
        assert {form for _, form in said} <= kv, name
        assert all(("backend" in cell) != ("refused" in cell) for cell in body["cells"]), name


@pytest.mark.parametrize(("isa", "kind", "backend"), [
    ("sm_90a", "standard", "fa3"), ("sm_100a", "standard", "trtllm_mha"), ("sm_120a", "standard", "flashinfer"),
    ("sm_120a", "latent", "triton"), ("sm_100a", "latent", "flashinfer"),
])  # fmt: skip
def test_sglang_s_default_attention(isa: str, kind: str, backend: str) -> None:
    found = execution.attention("sglang", isa, kind)
    assert found is not None
    assert dict(found.backends)["bf16"] == backend
