"""`assay prove`, `assay explain formats` and `assay formats` with compiled evidence."""

import json
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from assay.answers import support
from assay.cli.main import main
from assay.observe.proof import toolchain

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "src" / "assay" / "report" / "json" / "schemas"
OWNER = "RTX PRO 6000 Blackwell Workstation Edition"
LINUX = pytest.mark.skipif(platform.system() != "Linux", reason="the tools' packages are for Linux")


@pytest.fixture(autouse=True)
def no_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main([*arguments, "--json"])
    body = json.loads(capsys.readouterr().out)
    name, _, version = body["schema"].partition("/")
    schema = json.loads((SCHEMAS / f"{name}-{version}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(body)
    return code, body


@LINUX
def test_the_owners_case(capsys: pytest.CaptureFixture[str]) -> None:
    code, body = document(capsys, "prove", OWNER)
    (result,) = body["results"]
    verdicts = {row["format"]: row["verdict"] for row in result["formats"]}
    for name in ("fp4_e2m1", "fp6_e2m3", "fp6_e3m2", "fp8_e4m3", "fp16", "bf16", "tf32", "int8", "nvfp4", "mxfp4"):
        assert verdicts[name] == "native", name
    assert verdicts["int4"] == "emulated"
    rows = {row["format"]: row for row in result["formats"]}
    assert rows["nvfp4"]["instruction"] == "OMMA.SF.16864.F32.E2M1.E2M1.UE4M3.4X"
    assert rows["nvfp4"]["targets"] == ["sm_120a", "sm_120f"]
    assert rows["int4"]["instruction"] == "2 x IMMA.16832.S8.S8"
    assert result["targets"] == ["sm_120a", "sm_120", "sm_120f"]
    contradicted = [row["format"] for row in result["formats"] if row["contradicted"]]
    assert contradicted == ["fp64"]  # the guide's table has none, and DMMA comes out
    assert code == 1
    assert result["tools"][0]["version"]


@LINUX
def test_no_contradiction_is_exit_0(capsys: pytest.CaptureFixture[str]) -> None:
    code, body = document(capsys, "prove", "sm_120a", "--format", "int8")
    assert code == 0
    assert [row["format"] for row in body["results"][0]["formats"]] == ["int8"]


@LINUX
def test_a_plain_target_alone_under_reports_and_says_for_what_it_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    _, body = document(capsys, "prove", "sm_120", "--format", "nvfp4", "--all")
    (result,) = body["results"]
    assert result["targets"] == ["sm_120"]
    assert result["formats"][0]["verdict"] == "absent"
    assert all(probe["target"] == "sm_120" for probe in result["probes"])
    assert "not supported on .target 'sm_120'" in result["formats"][0]["deciding"]["refusal"]


@LINUX
def test_show_marks_the_deciding_instruction(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "sm_120a", "--format", "nvfp4", "--show"]) == 0
    out = capsys.readouterr().out
    assert "mma.sync.aligned.m16n8k64.row.col.kind::mxf4nvf4.block_scale.scale_vec::4X.f32.e2m1.e2m1.f32.ue4m3" in out
    marked = [line for line in out.splitlines() if line.startswith("  > ")]
    assert len(marked) == 1
    assert "OMMA.SF.16864.F32.E2M1.E2M1.UE4M3.4X" in marked[0]
    assert main(["prove", "sm_120a", "--format", "int4", "--show"]) == 0
    marked = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  > ")]
    assert len(marked) == 2
    assert all("IMMA.16832.S8.S8" in line for line in marked)


@LINUX
def test_the_words_have_their_limits(capsys: pytest.CaptureFixture[str]) -> None:
    main(["prove", "b200"])
    out = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "native is not full rate" in out
    assert "not exposed by this toolchain" in out
    assert "B200 SXM, tcgen05: the family of the instruction is compiled" in out
    assert "nvJitLink" in out
    assert "nvdisasm" in out


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (("prove", "v100 16gb sxm2"), 3, "missing-knowledge"),
        (("prove", "sm_70"), 3, "missing-knowledge"),
        (("prove", "m4 max 40-core"), 3, "missing-knowledge"),
        (("prove", "sm_120a", "--format", "fp5"), 2, "usage"),
        (("prove", "nonesuch 9000"), 2, "unknown-gpu"),
        (("explain", "weather", "--gpu", "4090"), 2, "usage"),
    ],
)
def test_errors(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, kind: str) -> None:
    assert main([*arguments, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == kind


@LINUX
def test_a_target_that_the_tools_do_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "sm_130a", "--json"]) == 3
    assert "sm_120a" in json.loads(capsys.readouterr().out)["error"]["hint"]


def test_without_the_tools_the_install_line_is_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "_packaged", lambda: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert main(["prove", OWNER]) == 3
    assert "pip install 'gpu-assay[prove]'" in capsys.readouterr().err


def test_formats_shows_compiled_evidence_from_the_records(capsys: pytest.CaptureFixture[str]) -> None:
    code, body = document(capsys, "formats", OWNER)
    assert code == 0
    rows = {row["format"]: row for row in body["results"][0]["formats"]}
    assert rows["nvfp4"]["evidence"][0]["basis"] == "compiled"
    assert rows["nvfp4"]["instruction"] == "OMMA.SF.16864.F32.E2M1.E2M1.UE4M3.4X"
    assert rows["int4"]["verdict"] == "emulated"
    assert rows["int1"]["verdict"] == "emulated"  # no document says anything of it
    assert rows["fp64"]["contradicted"]
    assert {"compiled", "documented"} == {one["basis"] for one in rows["fp64"]["evidence"]}
    assert "assay-proofs-nvidia" in body["sources"]


def test_volta_and_others_have_documents_only(capsys: pytest.CaptureFixture[str]) -> None:
    _, body = document(capsys, "formats", "v100")
    for result in body["results"]:
        assert all(one["basis"] != "compiled" for row in result["formats"] for one in row["evidence"])
    main(["formats", "v100"])
    assert "from documents only" in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_an_amd_card(capsys: pytest.CaptureFixture[str]) -> None:
    code, body = document(capsys, "prove", "mi300x")
    (result,) = body["results"]
    verdicts = {row["format"]: row["verdict"] for row in result["formats"]}
    assert {name for name, verdict in verdicts.items() if verdict == "native"} == {
        *("fp64", "fp32", "tf32", "bf16", "fp16", "fp8_e4m3", "fp8_e5m2", "int8")
    }
    assert code == 0
    assert result["tools"][0]["name"] == "LLVM"
    main(["prove", "mi300x", "--format", "fp8_e4m3"])
    assert "Instinct MI300X: FP8 is read as FNUZ" in re.sub(r"\s+", " ", capsys.readouterr().out)
    main(["formats", "mi300x", "mi355x"])
    out = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "Instinct MI300X: FP8 is read as FNUZ" in out  # CDNA 4 reads OCP
    document(capsys, "explain", "formats", "--gpu", "mi300x")


def test_formats_loads_no_tool() -> None:
    script = (
        "import sys; from assay.cli.main import main; main(['formats', 'h100', '--json']);"
        "assert not [name for name in sys.modules if 'observe.proof' in name or name in ('subprocess', 'rich')]"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_explain_says_why_two_cards_differ(capsys: pytest.CaptureFixture[str]) -> None:
    code, body = document(capsys, "explain", "formats", "--gpu", "4090", "--gpu", OWNER)
    assert code == 0
    differing = {row["format"]: row["verdicts"] for row in body["differences"]}
    assert differing["nvfp4"] == {"sm_89": "absent", "sm_120a": "native"}
    assert differing["int4"] == {"sm_89": "native", "sm_120a": "emulated"}
    assert "bf16" not in differing
    told = " ".join(one["text"] for one in body["paragraphs"])
    assert "IMMA.16864.S4.S4" in told
    assert "2 x IMMA.16832.S8.S8" in told
    assert "Instruction 'mma with block scale' not supported on .target 'sm_89'" in told
    assert any(one["sources"] == ["assay-proofs-nvidia", *one["sources"][1:]] for one in body["paragraphs"])


def test_explain_of_one_card_and_of_cards_that_are_alike(capsys: pytest.CaptureFixture[str]) -> None:
    code, body = document(capsys, "explain", "formats", "--gpu", "a100")
    assert (code, body["differences"]) == (0, [])
    assert any("FP8" in one["text"] for one in body["paragraphs"])
    assert main(["explain", "formats", "--gpu", "l40s", "--gpu", "4090"]) == 0
    assert "same number formats" in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_h100_unpacks_what_it_cannot_multiply(capsys: pytest.CaptureFixture[str]) -> None:
    """sm_90a has no conversion of FP6 or FP4; sm_100a converts what it multiplies: only what is true is said."""
    _, body = document(capsys, "explain", "formats", "--gpu", "h100")
    assert not [one for one in body["paragraphs"] if one["code"] == "explain.unpack"]


def test_the_page_of_the_documentation_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "tools/proofs_page.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_disputed() -> None:
    assert [name for name, row in support.of("sm_120a").items() if row.disputed] == ["fp64"]
    assert [name for name, row in support.of("sm_80").items() if row.disputed] == []


@LINUX
def test_accumulators_of_tcgen05_are_asked_through_the_native_door(capsys: pytest.CaptureFixture[str]) -> None:
    _, body = document(capsys, "prove", "sm_100a", "--format", "fp8_e4m3", "--format", "fp4_e2m1")
    for row in body["results"][0]["formats"]:
        assert row["accumulate"] == {"fp16": "native", "fp32": "native"}, row["format"]
    assert [row["format"] for row in body["results"][0]["formats"]] == ["fp8_e4m3", "fp4_e2m1"]
    assert any(one["code"] == "proof.limit.kind" for one in body["messages"])


@LINUX
def test_a_bare_target_says_what_stands_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["prove", "sm_120", "--format", "nvfp4"])
    assert "sm_120 alone: sm_120f, sm_120a may expose more" in re.sub(r"\s+", " ", capsys.readouterr().out)


@LINUX
def test_one_card_without_a_compiler_does_not_silence_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    code, body = document(capsys, "prove", "sm_120a", "v100 16gb sxm2", "--format", "fp16")
    assert code == 3
    assert [result["isa"] for result in body["results"]] == ["sm_120a"]
    assert any(one["code"] == "error.documents_only" for one in body["messages"])


def test_nothing_asked_is_nothing_proven(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "gfx942", "--format", "int1", "--json"]) == 3
    assert "int1" in json.loads(capsys.readouterr().out)["error"]["message"]


def test_siblings_of_one_instruction_set_say_the_same_of_vector_units(capsys: pytest.CaptureFixture[str]) -> None:
    _, body = document(capsys, "formats", "v100", "b200", "b300")
    for name in ("fp32", "fp64"):
        by_isa: dict[str, set[bool]] = {}
        for result in body["results"]:
            (row,) = (row for row in result["formats"] if row["format"] == name)
            by_isa.setdefault(result["isa"], set()).add(row["vector_units"])
        assert all(len(said) == 1 for said in by_isa.values()), (name, by_isa)


def test_unknown_is_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    _, body = document(capsys, "explain", "formats", "--gpu", "m4 max 40-core", "--gpu", "v100 16gb sxm2")
    assert all("unknown" not in row["verdicts"].values() or len(set(row["verdicts"].values())) > 2
               for row in body["differences"])  # fmt: skip
    assert body["paragraphs"][0]["code"] == "explain.principle.documents"


def test_int4_on_cdna_is_a_product_of_the_vector_units(capsys: pytest.CaptureFixture[str]) -> None:
    _, body = document(capsys, "explain", "formats", "--gpu", "mi300x")
    told = {one["code"]: one["text"] for one in body["paragraphs"]}
    assert "INT4" in told["explain.vector"]
    assert "v_dot8" in told["explain.vector"]
    assert "INT4" not in told.get("explain.unpack", "")


def test_explain_prints_the_limits(capsys: pytest.CaptureFixture[str]) -> None:
    _, body = document(capsys, "explain", "formats", "--gpu", "b200", "--gpu", "4090")
    assert {"proof.limit.kind", "proof.limit.rate", "proof.limit.exposed"} <= {
        one["code"] for one in body["paragraphs"]
    }
