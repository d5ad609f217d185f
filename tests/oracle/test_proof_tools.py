"""The recorded proofs against the tools themselves: nvJitLink again, and ptxas, which the program does not need."""

import hashlib
import json
import platform
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packages import real_file

from assay.answers import lacking, support
from assay.errors import MissingExtra, ToolFailed
from assay.knowledge.catalog import amd_probes, proofs
from assay.knowledge.catalog.nvidia_probes import spellings
from assay.observe.proof import amd, nvidia, sass, toolchain
from assay.observe.proof.toolchain import Toolchain
from assay.reason import proof
from assay.types.proof import Finding

LINUX = pytest.mark.skipif(platform.system() != "Linux", reason="the tools' packages are for Linux")
X86 = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"), reason="ptxas is fetched for x86-64 Linux"
)
TARGETS = tuple(name for name in proofs.targets() if name.startswith("sm_"))
AMD = tuple(name for name in proofs.targets() if name.startswith("gfx"))


@pytest.fixture(scope="module")
def tools() -> Toolchain:
    return toolchain.find()


def recorded(target: str) -> dict[str, Finding]:
    record = proofs.record(target)
    assert record is not None
    return {finding.probe: finding for finding in record.findings}


def matrix(finding: Finding) -> set[str]:
    return {name for name, _ in finding.opcodes if sass.is_matrix(name)}


def test_the_records_are_of_the_probes_as_they_are() -> None:
    for target in TARGETS:
        record = proofs.record(target)
        assert record is not None
        assert record.probes == nvidia.digest(), f"{target}: run tools/record_proofs.py"
        assert [finding.probe for finding in record.findings] == [one.probe.id for one in spellings()]


def test_every_probe_is_decided_on_every_target() -> None:
    undecided = [
        (target, name)
        for target in (*TARGETS, *AMD)
        for name, found in recorded(target).items()
        if found.verdict == "unknown"
    ]
    assert undecided == []
    assert len(TARGETS) >= 26
    assert set(amd.targets()) == set(AMD)


def test_the_records_of_amd_are_of_the_probes_as_they_are() -> None:
    for target in AMD:
        record = proofs.record(target)
        assert record is not None
        assert record.probes == amd_probes.digest(), f"{target}: run tools/record_proofs.py"
        assert [finding.probe for finding in record.findings] == [one.probe.id for one in amd_probes.calls()]


def test_the_short_verdicts_are_those_of_the_findings() -> None:
    for isa in (*TARGETS, *AMD):
        found = proof.of_formats(proof.evidence(support.probes(), support.records_of(isa)))
        lacking_formats = {name for name, one in found.items() if one.verdict in ("absent", "emulated")}
        assert {name for name in lacking.formats(isa) if name in found} == lacking_formats, isa


def test_ids_of_probes_are_unique_over_all_vendors() -> None:
    names = [probe.id for probe in support.probes()]
    assert len(names) == len(set(names))


@LINUX
@pytest.mark.parametrize("target", ["gfx906", "gfx942", "gfx1201"])
def test_amd_s_proof_made_now_is_the_recorded_one(target: str) -> None:
    made = amd.prove(target)
    kept = proofs.record(target)
    assert kept is not None
    if made.tools == kept.tools:
        assert made == kept
    else:
        assert {one.probe: one.verdict for one in made.findings} == {one.probe: one.verdict for one in kept.findings}


def test_every_probe_is_taken_by_some_target() -> None:
    """A probe that all targets refuse would be misspelled; INT4 through wgmma is refused by its types."""
    taken = {name for target in TARGETS for name, found in recorded(target).items() if found.verdict != "absent"}
    refused = {one.probe.id for one in spellings()} - taken
    assert refused == {"wgmma.m64n8k64.s4.s32", "wgmma.m64n8k64.u4.s32"}


@LINUX
@pytest.mark.parametrize("target", ["sm_75", "sm_90a", "sm_103a", "sm_120a"])
def test_a_proof_made_now_is_the_recorded_one(tools: Toolchain, target: str) -> None:
    made = {finding.probe: finding for finding in nvidia.prove(tools, target).record.findings}
    kept = proofs.record(target)
    assert kept is not None
    if kept.tools == tools.tools:
        assert made == recorded(target)
    else:  # another release words refusals differently, and helpers have other instructions
        for name, before in recorded(target).items():
            assert (made[name].verdict, matrix(made[name])) == (before.verdict, matrix(before)), name


@X86
def test_ptxas_says_the_same_on_every_target(tools: Toolchain) -> None:
    other = toolchain.of_ptxas(real_file("ptxas"), tools.disassembler)
    assert other.tools[0].name == "ptxas"
    with ThreadPoolExecutor(2) as pool:
        for target, made in zip(TARGETS, pool.map(lambda name: nvidia.prove(other, name), TARGETS), strict=True):
            before = recorded(target)
            for finding in made.record.findings:
                kept = before[finding.probe]
                assert (finding.verdict, matrix(finding)) == (kept.verdict, matrix(kept)), (target, finding.probe)


@LINUX
def test_a_target_that_is_not_known_is_an_error_that_names_it(tools: Toolchain) -> None:
    with pytest.raises(ToolFailed) as caught:
        nvidia.prove(tools, "sm_999")
    assert caught.value.field == "sm_999"
    assert caught.value.exit_code == 4


@LINUX
def test_what_an_older_tool_does_not_know_is_unknown_and_not_absent(tools: Toolchain) -> None:
    older = tools._replace(isa="8.7")
    made = {finding.probe: finding for finding in nvidia.prove(older, "sm_120a").record.findings}
    newer = made["cvt.e4m3x2.bf16x2"]
    assert (newer.verdict, newer.notes) == ("unknown", ("proof.note.tool_too_old",))
    assert made["mma.sync.m16n8k32.s8.s32"].verdict == "native"


def test_missing_tools_get_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "_packaged", lambda: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingExtra) as caught:
        toolchain.find()
    assert dict(caught.value.hint.parameters)["command"] == "pip install 'gpu-assay[prove]'"


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return path


def test_ptxas_of_another_release_than_nvdisasm_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "_packaged", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    script(tmp_path / "ptxas", "print('release 13.5, V13.5.37')")
    with pytest.raises(MissingExtra) as caught:
        toolchain.find()
    assert caught.value.message.code == "error.prove_half"
    script(tmp_path / "nvdisasm", "print('release 13.0, V13.0.88')")
    with pytest.raises(MissingExtra) as caught:
        toolchain.find()
    assert caught.value.message.code == "error.prove_mismatch"
    assert dict(caught.value.message.parameters) == {"ptxas": "13.5.37", "nvdisasm": "13.0.88"}


@LINUX
def test_a_tool_that_hangs_is_stopped_with_all_that_it_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "SECONDS", 1)
    started = tmp_path / "started"
    body = [
        "import os, subprocess, time",
        "os.environ['PATH'] = '/usr/bin:/bin'",
        "child = subprocess.Popen(['sleep', '60'])",
        f"open({str(started)!r}, 'w').write(str(child.pid))",
        "time.sleep(60)",
    ]
    slow = script(tmp_path / "slow", "\n".join(body))
    with pytest.raises(ToolFailed):
        toolchain.of_ptxas(slow, slow)
    child = Path("/proc") / started.read_text() / "stat"
    deadline = time.monotonic() + 5
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_a_tool_that_prints_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "MAX_OUTPUT_BYTES", 2**16)
    endless = script(tmp_path / "endless", "while True: print('x' * 1000)")
    with pytest.raises(ToolFailed) as caught:
        toolchain.of_ptxas(endless, endless)
    assert "prints more" in str(dict(caught.value.message.parameters)["detail"])


@X86
def test_a_disassembly_that_is_cut_short_is_the_tools_fault(tools: Toolchain, tmp_path: Path) -> None:
    real = tools.disassembler
    body = [
        "import subprocess, sys",
        f"done = subprocess.run([{str(real)!r}, *sys.argv[1:]], capture_output=True, text=True)",
        "sys.stdout.write(done.stdout[:20000])",
    ]
    cut = script(tmp_path / "nvdisasm", "\n".join(body))
    with pytest.raises(ToolFailed) as caught:
        nvidia.prove(tools._replace(disassembler=cut), "sm_80")
    assert dict(caught.value.message.parameters)["tool"] == "nvdisasm"


def test_a_tool_that_dies_says_by_which_signal(tmp_path: Path) -> None:
    dying = script(tmp_path / "ptxas", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ToolFailed) as caught:
        toolchain.of_ptxas(dying, dying)
    assert "signal 11" in str(dict(caught.value.message.parameters)["detail"])


def test_generated_records_have_the_digest_that_they_say() -> None:
    folder = Path(toolchain.__file__).parents[2] / "knowledge" / "data" / "generated"
    for path in folder.glob("*proof*.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            f"  {json.dumps(name)}: {json.dumps(body, ensure_ascii=False)}"
            for name, body in document["entries"].items()
        ]
        assert hashlib.sha256("\n".join(rows).encode()).hexdigest() == document["digest"], path.name


def test_a_target_that_does_not_exist_is_no_agreement() -> None:
    root = Path(toolchain.__file__).parents[4]
    done = subprocess.run(
        [sys.executable, "tools/record_proofs.py", "--check", "sm_120x"], cwd=root, capture_output=True, check=False
    )
    assert done.returncode == 2


def test_a_tool_that_crashes_or_babbles_is_an_error(tmp_path: Path) -> None:
    for body in ("import os; os.abort()", "print('hello')", "raise SystemExit(3)"):
        broken = script(tmp_path / "broken", body)
        with pytest.raises(ToolFailed):
            toolchain.of_ptxas(broken, broken)
    with pytest.raises(ToolFailed):
        toolchain.of_library(tmp_path / "libnvJitLink.so.13", tmp_path / "nvdisasm")


@LINUX
def test_nothing_is_left_behind(tools: Toolchain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    nvidia.prove(tools, "sm_80")
    assert list(tmp_path.iterdir()) == []
