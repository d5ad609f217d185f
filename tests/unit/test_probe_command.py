"""`assay probe`: this processor measured in earnest; invented recordings of cards through every path."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import probe_recordings as made
import pytest
from probe_recordings import CARD

from assay.cli.main import main
from assay.observe.device.probe import cpu, store
from assay.observe.device.probe.recording import Recording, from_text, read, to_text, write

SCHEMAS = Path(__file__).parents[2] / "src" / "assay" / "report" / "json" / "schemas"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short arrays and products: the paths are the same, the figures mean nothing."""
    monkeypatch.setattr(cpu, "SIDE", 64)
    monkeypatch.setattr(cpu, "CACHES", 1)
    monkeypatch.setattr(cpu, "cache_bytes", lambda _root=Path("/"): {2: 2**20})


def saved(tmp_path: Path, recording: Recording, name: str = "probe.json") -> str:
    path = tmp_path / name
    write(path, recording)
    return str(path)


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main([*arguments, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    name, _, version = found["schema"].partition("/")
    schema = json.loads((SCHEMAS / f"{name}-{version}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(found)
    return code, found


@pytest.mark.usefixtures("small")
def test_the_processor_is_measured_recorded_stored_and_replayed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = str(tmp_path / "cpu.json")
    code, body = document(capsys, "probe", "--device", "cpu", "--seconds", "4", "--record", file)
    assert code == 0
    assert (body["device"]["kind"], body["synthetic"], body["stored"]) == ("cpu", False, 1)
    rated = {one["name"]: one for one in body["measurements"] if one["sustained"]}
    assert {"memory.read", "memory.copy"} <= rated.keys()
    figure = rated["memory.copy"]["sustained"]["rate"]
    assert (figure["unit"], figure["basis"]) == ("B/s", "measured")
    assert 1e8 < figure["value"] < 1e13
    assert any(one["code"] == "probe.note.cpu" for one in body["messages"])
    code, again = document(capsys, "probe", "--replay", file)
    assert again | {"stored": 1} == body
    code, compared = document(capsys, "probe", "compare", "1", file)
    assert (code, {row["change"] for row in compared["rows"]}) == (0, {"same"})


@pytest.mark.usefixtures("small")
def test_without_numpy_the_install_line_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "_numpy", lambda: None)
    code, body = document(capsys, "probe", "--device", "cpu", "--seconds", "3", "--no-store")
    rows = {one["name"]: one for one in body["measurements"]}
    assert rows["memory.copy"]["boost"] is not None
    assert rows["memory.triad"]["refused"] == {"why": "missing", "words": "pip install 'gpu-assay[probe]'"}
    assert (code, body["stored"]) == (0, None)


@pytest.mark.usefixtures("small")
def test_a_wrong_result_counts_for_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu._Work, "check", lambda _self: "it is wrong")
    _, body = document(capsys, "probe", "--device", "cpu", "--seconds", "3", "--no-store")
    assert all(one["boost"] is None for one in body["measurements"])
    assert {one["wrong"] for one in body["measurements"] if one["refused"] is None} == {"it is wrong"}
    assert body["bandwidth"] is None


def test_a_card_as_its_sheet_says(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, body = document(capsys, "probe", "--replay", saved(tmp_path, made.good()))
    assert (code, body["gpu"], body["synthetic"]) == (0, "geforce-rtx-5090", True)
    assert {one["holds"] for one in body["claims"]} == {"holds"}
    formats = body["formats"]
    assert (formats["int4"], formats["nvfp4"], formats["int8"]) == ("emulated", "native", "native")
    (bf16,) = (one for one in body["claims"] if (one["what"], one["accumulate"]) == ("bf16", "fp32"))
    assert bf16["measured"]["basis"] == "assumed"  # invented figures are never measured ones
    assert 0.9 < bf16["share_at_clock"] < 1.1
    assert "nvidia-smi" in body["device"]["smi"]
    assert body["crossings"] == [{"weights": "awq_int4", "format": "bf16", "pays": [1, 16], "stops": 256}]
    (fp4,) = (one for one in body["cells"] if one["format"] == "fp4_e2m1")
    assert fp4["no_faster"]
    assert body["bandwidth"]["value"] == pytest.approx(1.65e12 * 0.9)


def test_no_figure_of_an_invented_recording_says_that_it_was_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _, body = document(capsys, "probe", "--replay", saved(tmp_path, made.good()))

    def bases(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["basis"]} if "basis" in value else set()
            return own.union(*(bases(one) for one in value.values()))
        return set().union(*(bases(one) for one in value)) if isinstance(value, list) else set()

    assert "assumed" in bases(body)
    assert "measured" not in bases(body)


def test_a_restricted_sibling_under_its_name_fails(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, body = document(capsys, "probe", "--replay", saved(tmp_path, made.capped()))
    assert code == 1
    failed = {one["what"] for one in body["claims"] if one["holds"] == "fails"}
    assert {"int8", "nvfp4"} <= failed
    assert "memory" not in failed


def test_a_card_lost_in_the_middle_keeps_what_was_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = saved(tmp_path, made.lost())
    code, body = document(capsys, "probe", "--replay", file)
    assert (code, body["trouble"]) == (4, "lost")
    rows = body["measurements"]
    assert all(one["sustained"] is not None for one in rows[:4])
    assert rows[4]["boost"] is not None
    assert rows[4]["sustained"] is None
    assert {one["refused"]["why"] for one in rows[5:]} == {"lost"}
    assert main(["probe", "--replay", file]) == 4
    out = capsys.readouterr().out
    assert len(re.findall("the card was lost: CUDA_ERROR_DEVICE_UNAVAILABLE", out)) == 1


def test_a_busy_card_is_refused_and_forced(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["probe", "--replay", saved(tmp_path, made.busy())]) == 4
    error = capsys.readouterr().err.splitlines()
    assert error[0] == "error: the card works for somebody else: 97 %; python (4711)"
    assert "--force" in error[1]
    forced = made.busy()._replace(force=True)
    code, _ = document(capsys, "probe", "--replay", saved(tmp_path, forced))
    assert code == 0


@pytest.mark.parametrize(
    ("trouble", "line", "kind"),
    [
        ("permission", "error: the card may not be used: X", "permission"),
        ("driver", "error: the driver is too old or does not work: X", "device"),
        ("nvml", "error: the card is on the bus, but NVML is not there: X", "device"),
        ("memory", "error: the card has too little free memory: X", "device"),
        ("lost", "error: the card was lost: X", "device"),
        ("other", "error: the card does not answer as it should: X", "device"),
    ],
)
def test_one_clear_line_for_each_trouble(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, trouble: Any, line: str, kind: str
) -> None:
    file = saved(tmp_path, made.troubled(trouble, "X"))
    assert main(["probe", "--replay", file]) == 4
    error = capsys.readouterr().err.splitlines()
    assert error[0] == line
    assert error[1].startswith("hint: ")
    assert len(error) == 2
    code, body = document(capsys, "probe", "--replay", file)
    assert (code, body["error"]["kind"]) == (4, kind)


def test_too_little_memory_ends_a_workload_and_not_the_probe(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    whole = made.good()
    poor = whole._replace(memory=(2**30, 32 * 2**30))
    code, body = document(capsys, "probe", "--replay", saved(tmp_path, poor))
    rows = {one["name"]: one for one in body["measurements"]}
    assert rows["memory.read"]["refused"]["why"] == "memory"
    assert rows["gemm.bf16.plain.8192"]["boost"] is not None
    assert code == 0
    name = whole.entries[3].workload.name
    met = whole._replace(troubles=(made.Met(name, 0, "memory", "out of memory"),))
    code, body = document(capsys, "probe", "--replay", saved(tmp_path, met))
    rows = {one["name"]: one for one in body["measurements"]}
    assert rows[name]["refused"] == {"why": "memory", "words": "out of memory"}
    assert (code, body["trouble"]) == (0, None)


def test_an_unknown_card_and_a_part_of_one_are_held_against_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from assay.types.gpu import PciId

    stranger = CARD._replace(name="NVIDIA Nonesuch 9000", pci=PciId("10de:ffff"))
    code, body = document(capsys, "probe", "--replay", saved(tmp_path, made.good()._replace(identity=stranger)))
    assert (code, body["gpu"], body["claims"]) == (3, None, [])
    code, body = document(
        capsys, "probe", "--replay", saved(tmp_path, made.good()._replace(identity=CARD._replace(mig=True)))
    )
    assert (code, body["claims"]) == (3, [])


def test_the_page_speaks_russian(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    main(["probe", "--replay", saved(tmp_path, made.good()), "--lang", "ru"])
    out = capsys.readouterr().out
    assert "эти числа придуманы для проверки" in out
    assert "probe." not in out
    main(["probe", "--replay", saved(tmp_path, made.lost()), "--lang", "ru"])
    assert "карта потеряна" in capsys.readouterr().out


def test_two_probes_side_by_side(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    one, other = saved(tmp_path, made.good(), "a.json"), saved(tmp_path, made.capped(), "b.json")
    code, body = document(capsys, "probe", "compare", one, other)
    changes = {row["workload"]: row["change"] for row in body["rows"]}
    assert code == 0
    assert changes["memory.read"] == "same"
    assert changes["micro.mma.sync.int8.int32"] == "slower"
    assert main(["probe", "compare", one, other, "--lang", "ru"]) == 0
    assert "медленнее" in capsys.readouterr().out
    assert main(["probe", "compare", "7", one]) == 2
    assert "no stored probe has the number 7" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [("--device", "gpu0"), ("--seconds", "0"), ("--record", "a", "--replay", "b"), ("--replay", "/nonexistent")],
)
def test_bad_input(arguments: tuple[str, ...]) -> None:
    assert main(["probe", *arguments]) == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda body: body | {"schema": "x"}, "schema"),
        (lambda body: body | {"unheard": 1}, "unheard"),
        (lambda body: body | {"fill": "ones"}, "fill"),
        (lambda body: body | {"budget_s": -1}, "budget_s"),
        (lambda body: {key: value for key, value in body.items() if key != "memory"}, "memory"),
        (lambda body: body | {"memory": [1]}, "memory"),
        (lambda body: body | {"entries": [body["entries"][0] | {"work": "1"}]}, "entries[0].work"),
        (lambda body: body | {"entries": [body["entries"][0] | {"work": 0.0}]}, "entries[0].work"),
        (lambda body: body | {"entries": [body["entries"][0] | {"batches": [[1, 2]]}]}, "entries[0].batches[0]"),
        (
            lambda body: (
                body
                | {"entries": [body["entries"][0] | {"batches": [{"launches": 0, "seconds": 1.0, "ended_at": 1.0}]}]}
            ),
            "entries[0].batches",
        ),
        (lambda body: [body], "schema"),
    ],
)
def test_a_malformed_recording_names_the_field(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, change: Any, field: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(change(json.loads(to_text(made.good())))), encoding="utf-8")
    code, body = document(capsys, "probe", "--replay", str(path))
    assert (code, body["error"]["kind"], body["error"]["field"]) == (2, "malformed-file", field)


def test_text_that_is_no_recording(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for text in ("", "{", "[" * 100_000, '{"schema": NaN}', '{"budget_s": 1e999}'):
        path = tmp_path / "bad.json"
        path.write_text(text, encoding="utf-8")
        assert main(["probe", "--replay", str(path)]) == 2
    assert main(["probe", "--replay", str(tmp_path)]) == 2
    capsys.readouterr()


def test_a_recording_survives_its_file(tmp_path: Path) -> None:
    for build in made.ALL.values():
        recording = build()
        assert recording.synthetic
        assert from_text(to_text(recording), "x") == recording
        assert read(Path(saved(tmp_path, recording))) == recording


def test_the_store_keeps_what_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "a" / "probes.sqlite"
    assert store.listed(path) == ()
    assert store.get(path, 1) is None
    first, second = made.good(), made.lost()
    assert [store.put(path, first), store.put(path, second)] == [1, 2]
    assert store.get(path, 1) == first
    assert store.get(path, 3) is None
    assert [one.number for one in store.listed(path)] == [1, 2]
    assert store.listed(path)[0].name == CARD.name


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    from assay.errors import MalformedFile, PermissionRefused

    path = tmp_path / "probes.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(MalformedFile):
        store.listed(path)
    with pytest.raises(PermissionRefused):
        store.put(tmp_path / "probes.sqlite" / "x", made.good())


def test_no_recording_in_the_benchmarks_is_synthetic() -> None:
    folder = Path(__file__).parents[2] / "benchmarks" / "recordings"
    assert not [path.name for path in folder.glob("**/*.json") if read(path).synthetic]
