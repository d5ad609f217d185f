"""`assay check --chart memory --svg FILE`: what goes where, and that drawing changes no answer."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from drawn import parsed

from assay.cli import picture
from assay.cli.main import main
from assay.report.json import check as wire

SCHEMA = Path(wire.__file__).parent / "schemas" / "assay.check-1.json"
OWNER = "RTX PRO 6000 Blackwell Workstation Edition"
QUESTIONS = (("Qwen3-8B", OWNER, 0), ("Qwen3-30B-A3B", "4090", 1), ("Qwen3-8B", "Radeon 8060S", 3))


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nobody"))
    monkeypatch.chdir(tmp_path)


def said(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["check", *arguments])
    return code, *capfd.readouterr()


@pytest.mark.parametrize(("model", "gpu", "code"), QUESTIONS)
def test_drawing_changes_neither_the_exit_code_nor_the_headline(
    capfd: pytest.CaptureFixture[str], model: str, gpu: str, code: int
) -> None:
    plain = said(capfd, model, "--gpu", gpu, "--runtime", "vllm")
    drawn = said(capfd, model, "--gpu", gpu, "--runtime", "vllm", "--chart", "memory", "--svg", "x.svg")
    assert plain[0] == drawn[0] == code
    assert drawn[1].splitlines()[0] == plain[1].splitlines()[0]
    parsed(Path("x.svg").read_text(encoding="utf-8"))
    without = said(capfd, model, "--gpu", gpu, "--runtime", "vllm", "--svg", "y.svg")
    assert without == plain  # a file was asked for, and no drawing on the page
    assert Path("y.svg").read_bytes() == Path("x.svg").read_bytes()


def test_the_drawing_stands_right_under_the_answer(capfd: pytest.CaptureFixture[str]) -> None:
    lines = said(capfd, "Qwen3-8B", "--gpu", OWNER, "--chart", "memory")[1].splitlines()
    assert lines[0].startswith("Yes: ")
    assert lines[3] == "Memory of each card, drawn"
    assert "█" in lines[6]


def test_a_dash_is_standard_output_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capfd, "Qwen3-8B", "--gpu", OWNER, "--svg", "-", "--chart", "memory", "--lang", "ru")
    assert code == 0
    root = parsed(out)
    assert root.get("lang") == "ru"


def _document(out: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(document)
    return document


def test_the_document_has_the_frontier_where_it_was_asked_for(capfd: pytest.CaptureFixture[str]) -> None:
    question = ("Qwen3-8B", "--gpu", OWNER, "--json")
    (result,) = _document(said(capfd, *question, "--chart", "memory")[1])["results"]
    steps = {step["context"]: step["concurrency"] for step in result["frontier"]}
    assert steps[32_768]["value"] == result["max_concurrency"]["value"]
    for more in ((), ("--svg", "x.svg")):
        assert "frontier" not in _document(said(capfd, *question, *more)[1])["results"][0]
    assert Path("x.svg").exists()


@pytest.mark.parametrize(
    ("more", "code", "kind"),
    [
        (("--svg", "-"), 2, "usage"),
        (("--svg", "no/such/folder/x.svg"), 2, "usage"),
        (("--svg", "."), 2, "usage"),
        (("--svg", ""), 2, "usage"),
        (("--svg", "/proc/x.svg"), 4, "permission"),
        (("--svg", "x" * 300 + ".svg"), 4, "permission"),
    ],
)
def test_what_cannot_be_written_is_said(
    capfd: pytest.CaptureFixture[str], more: tuple[str, ...], code: int, kind: str
) -> None:
    found, out, err = said(capfd, "Qwen3-8B", "--gpu", OWNER, "--json", *more)
    assert found == code
    assert json.loads(out)["error"]["kind"] == kind
    assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint"]


def test_an_unusable_place_is_refused_before_anything_is_computed(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.answers import check

    monkeypatch.setattr(check, "answer", lambda _: pytest.fail("computed"))
    assert said(capfd, "Qwen3-8B", "--gpu", OWNER, "--svg", "no/such/x.svg")[0] == 2


def test_an_old_file_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "kept.svg"
    kept.write_text("old")
    kept.chmod(0o640)
    link = tmp_path / "link.svg"
    link.symlink_to(kept)
    picture._replace(link.resolve(), b"new")
    assert kept.read_text() == "new"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert link.is_symlink()

    def failing(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="space"):
        picture._replace(kept, b"newer")
    assert kept.read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept.svg", "link.svg"]


def test_what_is_no_file_is_written_to_and_stays_what_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"  # never a device of this machine: a mistake would replace it for everybody
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        picture._replace(pipe, b"drawn")
        assert os.read(reader, 16) == b"drawn"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        picture._replace(tmp_path / "x.svg", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.svg").stat().st_mode) == 0o640


def test_an_unknown_chart_is_refused_with_what_there_is(capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = said(capfd, "Qwen3-8B", "--gpu", OWNER, "--chart", "pie")
    assert code == 2
    assert "memory" in err
