"""The tool that asks llama.cpp for its kernels: what it cuts out of the source, and rows from answers; no compiler."""

import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripts import script


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return script("llama_cpp_kernels")


def source(root: Path, tool: ModuleType, *, without: str = "") -> Path:
    """A folder laid out like ggml/src/ggml-cuda; the functions hold nested braces and nothing else."""
    folder = root / "ggml" / "src" / "ggml-cuda"
    folder.mkdir(parents=True)
    header = root / "ggml" / "include" / "ggml.h"
    header.parent.mkdir()
    header.write_text("enum ggml_type {\n    GGML_TYPE_F32 = 0,\n    GGML_TYPE_Q8_0 = 8,\n};\nenum other { A };\n")
    for name, functions in tool.FUNCTIONS.items():
        bodies = [
            f"static bool {one}(const int cc) {{ if (cc) {{ return true; }} return false; }}" for one in functions
        ]
        kept = [body for body in bodies if not without or without not in body]
        (folder / name).write_text("static bool other() { return true; }\n" + "\n\n".join(kept) + "\nint last;\n")
    common = folder / "common.cuh"
    common.write_text("#define GGML_CUDA_CC_VOLTA 700\n#define UNRELATED 1\n" + common.read_text())
    (folder / "mmq.cuh").write_text("#define MMQ_DP4A_MAX_BATCH_SIZE 64\n#define MMQ_ITER_K 256\n")
    (folder / "mmvq.cuh").write_text("#define MMVQ_MAX_BATCH_SIZE 8\n")
    return folder


def test_a_function_is_cut_out_whole(tool: ModuleType) -> None:
    wanted = "static bool wanted(int a) {\n  if (a) { return true; }\n  return false;\n}"
    assert tool._function(f"int before(int x) {{ return x; }}\n{wanted}\nint after;", "wanted") == wanted


@pytest.mark.parametrize("text", ["int other() { return 1; }", "bool wanted() { if (1) {"])
def test_a_source_that_changed_is_said(tool: ModuleType, text: str) -> None:
    with pytest.raises(SystemExit, match="wanted"):
        tool._function(text, "wanted")


def test_the_program_holds_the_selection_and_no_more(tool: ModuleType, tmp_path: Path) -> None:
    text = tool._program(source(tmp_path, tool))
    assert "static bool ggml_cuda_should_use_mmq(const int cc) { if (cc) { return true; } return false; }" in text
    assert "#define GGML_CUDA_CC_VOLTA 700" in text
    assert "#define MMVQ_MAX_BATCH_SIZE 8" in text
    assert "GGML_TYPE_Q8_0 = 8" in text
    assert all(word not in text for word in ("UNRELATED", "MMQ_ITER_K", "bool other()", "enum other", "int last"))


def test_a_function_that_is_gone_stops_it(tool: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="ggml_cuda_should_use_mmvq"):
        tool._program(source(tmp_path, tool, without="ggml_cuda_should_use_mmvq"))


def test_numbers_are_those_of_the_header(tool: ModuleType, tmp_path: Path) -> None:
    assert tool._numbers(source(tmp_path, tool)) == {"F32": 0, "Q8_0": 8}


def test_letters_become_stretches_of_batches(tool: ModuleType) -> None:
    letters = "v" * 8 + "t" * (tool.LARGEST - 8)
    assert list(tool._stretches(letters)) == [(1, 8, "v"), (9, None, "t")]
    assert list(tool._stretches("v" * tool.LARGEST)) == [(1, None, "v")]


def written(tool: ModuleType, letters: dict[tuple[str, str, int], str]) -> dict[str, Any]:
    """The rows for answers that are MMVQ to 8 and tiles above, but for these."""
    usual = "v" * 8 + "t" * (tool.LARGEST - 8)
    answers = {
        (name, isa, experts): (letters.get((name, isa, experts), usual), "fp16")
        for name in tool.TYPES
        for isa in tool.DEVICES
        for experts in (0, *tool.EXPERTS)
    }
    found: dict[str, Any] = tomllib.loads(tool.rows(answers))
    return found


def cell(rows: dict[str, Any], weight_format: str, role: str, isa: str) -> dict[str, Any]:
    """The one cell of a format, a role and an instruction set."""
    [found] = [
        each
        for row in rows.values()
        if weight_format in row["formats"] and row["role"] == role
        for each in row["cells"]
        if isa in each["isa"]
    ]
    return dict(found)


def test_rows_name_kernel_and_unit_for_each_batch(tool: ModuleType) -> None:
    found = cell(written(tool, {}), "gguf:Q4_K", "linear", "sm_89")
    assert found["path"] == "converted"
    assert [(one["batch"], one["unit"], one["kernel"]) for one in found["regimes"]] == [
        ("1..8", "dp4a", "mul_mat_vec_q"), ("9..", "tensor", "mul_mat_q (mma s8)"),
    ]  # fmt: skip
    assert cell(written(tool, {}), "gguf:Q8_0", "linear", "sm_89")["path"] == "native"


def test_a_fallback_at_large_batches_decides_the_path(tool: ModuleType) -> None:
    rows = written(tool, {("IQ1_M", "sm_89", 0): "v" * 8 + "b" * (tool.LARGEST - 8)})
    found = cell(rows, "gguf:IQ1_M", "linear", "sm_89")
    assert (found["path"], found["notes"]) == ("weight-only", ["execution.llama_dequantized"])
    assert found["regimes"][1]["multiplies"] == "fp16"
    assert cell(rows, "gguf:IQ1_M", "linear", "sm_90a")["path"] == "converted"


def test_fp4_on_fp4_is_native_and_said(tool: ModuleType) -> None:
    rows = written(tool, {("MXFP4", "sm_120a", 0): "v" * 8 + "4" * (tool.LARGEST - 8)})
    found = cell(rows, "gguf:MXFP4", "linear", "sm_120a")
    assert (found["path"], found["notes"]) == ("native", ["execution.llama_fp4_activations"])
    assert found["regimes"][1]["kernel"] == "mul_mat_q (mma kind::mxf4)"
    assert cell(rows, "gguf:MXFP4", "linear", "sm_100a")["notes"] == ["execution.llama_fp4_only_12x"]


def test_what_depends_on_the_number_of_experts_is_unknown(tool: ModuleType) -> None:
    rows = written(tool, {("Q4_K", "gfx950", 8): "b" * tool.LARGEST})
    found = cell(rows, "gguf:Q4_K", "experts", "gfx950")
    assert (found["path"], found.get("regimes")) == ("unknown", None)
    assert cell(rows, "gguf:Q4_K", "experts", "sm_89")["path"] == "converted"


def test_without_a_folder_nothing_is_written(tool: ModuleType, tmp_path: Path) -> None:
    before = tool.DATA.read_bytes()
    assert (tool.main([]), tool.main([str(tmp_path)])) == (2, 2)
    assert tool.DATA.read_bytes() == before
