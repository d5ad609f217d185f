"""The verdict on a card: the best over instructions and over the targets that run on it."""

from typing import Any

from assay.reason.proof import FormatProof, evidence, of_formats, unpacking
from assay.types.proof import Finding, Probe, Record, Tool, Verdict

PROBE = Probe("p", "matrix", "int8", "s8", "int32", "dense", "mma.sync", (16, 8, 32))


def finding(probe: str, verdict: Verdict, target: str = "sm_1", **keys: Any) -> Finding:
    return Finding(probe, target, verdict, (("IMMA", 1),), 9, 1.0, **keys)


def proven(probes: list[Probe], *findings: Finding) -> dict[str, FormatProof]:
    targets = dict.fromkeys(one.target for one in findings)
    records = [
        Record(target, (Tool("t", "1"),), "", tuple(one for one in findings if one.target == target))
        for target in targets
    ]
    return of_formats(evidence(probes, records))


def test_the_best_target_and_door_decide() -> None:
    other = PROBE._replace(id="q", door="wgmma")
    found = proven(
        [PROBE, other],
        finding("p", "emulated", "sm_120"),
        finding("p", "absent", "sm_120a"),
        finding("q", "native", "sm_120a"),
        finding("q", "absent", "sm_120"),
    )["int8"]
    assert found.verdict == "native"
    assert found.deciding is not None
    assert (found.deciding.probe.id, found.targets) == ("q", ("sm_120a",))


def test_what_was_not_asked_hides_no_native_instruction() -> None:
    """A probe that the tool is too old for makes the verdict unknown, not emulated or absent."""
    assert proven([PROBE], finding("p", "unknown"), finding("p", "emulated"))["int8"].verdict == "unknown"
    assert proven([PROBE], finding("p", "unknown"), finding("p", "absent"))["int8"].verdict == "unknown"
    assert proven([PROBE], finding("p", "unknown"), finding("p", "native"))["int8"].verdict == "native"
    assert proven([PROBE], finding("p", "absent"), finding("p", "emulated"))["int8"].verdict == "emulated"


def test_a_sparse_product_decides_nothing_about_dense_ones() -> None:
    sparse = PROBE._replace(id="s", sparsity="2:4", shape=(16, 8, 64))
    found = proven([PROBE, sparse], finding("p", "emulated"), finding("s", "native"))["int8"]
    assert found.verdict == "emulated"
    assert found.sparse is not None
    assert found.sparse.finding.verdict == "native"


def test_among_equals_the_plain_the_wide_and_the_large_are_shown() -> None:
    small = PROBE._replace(id="small", shape=(8, 8, 16))
    half = PROBE._replace(id="half", accumulate="fp16", shape=(16, 8, 64))
    split = PROBE._replace(id="split", shape=(16, 8, 128))
    found = proven(
        [small, half, split, PROBE],
        finding("split", "native", notes=("proof.note.split",)),
        finding("half", "native"),
        finding("small", "native"),
        finding("p", "native"),
    )["int8"]
    assert found.deciding is not None
    assert found.deciding.probe.id == "p"
    assert dict(found.accumulate) == {"int32": "native", "fp16": "native"}


def test_unpacking_is_told_apart_and_best_over_targets() -> None:
    probe = PROBE._replace(id="cvt", kind="unpack", format="fp8_e4m3", shape=None)
    records = [
        Record("sm_120", (), "", (finding("cvt", "absent", "sm_120"),)),
        Record("sm_120a", (), "", (finding("cvt", "native", "sm_120a"),)),
    ]
    found = evidence([probe], records)
    assert of_formats(found) == {}
    assert [one.finding.target for one in unpacking(found)] == ["sm_120a"]


def test_a_probe_that_is_not_known_any_more_says_nothing() -> None:
    assert proven([], finding("gone", "native")) == {}


def test_a_refusal_is_quoted_for_the_card_s_own_target_and_a_door_that_it_has() -> None:
    other = PROBE._replace(id="w", door="wgmma")
    bf16 = PROBE._replace(id="b", format="bf16", door="wgmma")
    found = proven(
        [PROBE, other, bf16],
        finding("p", "absent", "sm_90a", refusal="short"),
        finding("w", "absent", "sm_90a", refusal="somewhat longer"),
        finding("b", "native", "sm_90a"),
        finding("w", "absent", "sm_90", refusal="x"),
    )["int8"]
    assert found.deciding is not None
    assert (found.deciding.probe.id, found.deciding.finding.target) == ("w", "sm_90a")
