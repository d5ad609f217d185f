"""Documents agree with their schemas, the schemas with the types, and the types with the contract."""

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
from scripts import script

from assay.cli.main import main
from assay.errors import KINDS, AssayError
from assay.report.json import error as wire_error
from assay.report.json.envelope import Letter, Q
from assay.types.message import message
from assay.types.quantity import Quantity, derive, exact, unknown

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "src" / "assay" / "report" / "json" / "schemas"
MODEL = "Qwen/Qwen3-30B-A3B"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return script("json_schemas")


@pytest.fixture(autouse=True)
def no_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def _document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def _validated(document: dict[str, Any]) -> dict[str, Any]:
    name, _, version = document["schema"].partition("/")
    schema = json.loads((SCHEMAS / f"{name}-{version}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(document)
    return document


def test_schemas_and_documentation_are_generated_from_the_types(generator: ModuleType) -> None:
    stale = [path.name for path, text in generator.outputs().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, "run tools/json_schemas.py"
    shipped = {path.name for path in SCHEMAS.iterdir()}
    assert shipped == {path.name for path in generator.outputs() if path.parent == SCHEMAS}


def test_every_schema_is_one(generator: ModuleType) -> None:
    for _, module in generator.commands():
        jsonschema.Draft202012Validator.check_schema(generator.schema_of(module))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("gpu", "RTX PRO 6000 Blackwell Workstation Edition"), 0),
        (("gpu", "2x 4090"), 0),
        (("gpu", "RTX PRO 6000 Blackwell"), 2),
        (("gpu", "no such card"), 2),
        (("formats", "4090", "5090"), 0),
        (("model", MODEL), 0),
        (("check", MODEL, "--gpu", "RTX PRO 6000 Blackwell"), 0),
        (("check", MODEL, "--gpu", "5090", "--gpu", "2x 5090", "--lang", "ru"), 1),
        (("check", MODEL, "--gpu", "H200", "--context", "4096", "--concurrency", "64"), 0),
        (("launch", MODEL, "--gpu", "RTX PRO 6000 Blackwell", "--compose"), 0),
        (("launch", MODEL, "--gpu", "5090"), 1),
        (("advise", MODEL, "--gpu", "RTX PRO 6000 Blackwell"), 0),
        (("advise", "Llama-3.3-70B", "--gpu", "2x 5090", "--for", "agents", "--lang", "ru"), 0),
        (("advise", "DeepSeek-V3", "--gpu", "4090"), 1),
        (("pack", "Qwen3-8B", "--gpu", "RTX PRO 6000 Blackwell"), 0),
        (("pack", "Qwen3-8B:users=9", "Qwen3-0.6B:copies=2", "--gpu", "5090", "--lang", "ru"), 1),
        (("pack", "Qwen3-8B:runtime=exllamav3", "--gpu", "5090", "--gpu", "l40s"), 3),
        (("pack", "Qwen3-8B:users=0", "--gpu", "5090"), 2),
        (("launch", MODEL, "--gpu", "H200", "--rag", "--lang", "ru"), 3),
        (("train", "Llama-3.1-8B", "--gpu", "4090", "--method", "full", "--lang", "ru"), 1),
        (("train", MODEL, "--gpu", "H200", "--gpus", "4", "--method", "qlora", "--optimizer", "adafactor"), 0),
        (("launch", MODEL, "--gpu", "2x H200", "--runtime", "tensorrt-llm", "--weights", "fp8", "--kv", "fp8"), 0),
        (("profile",), 0),
        (("profile", "set", "ram-gib", "64"), 0),
        (("profile", "set", "ram-gib", "0"), 2),
        (("check", MODEL, "--gpu", "no such card"), 2),
        (("--no-such-option",), 2),
    ],
)
def test_documents_agree_with_their_schema(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int
) -> None:
    found, document = _document(capsys, *arguments)
    assert found == code
    _validated(document)


def _figures(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [figure for item in value for figure in _figures(item)]
    if isinstance(value, dict):
        own = [value] if {"value", "unit", "basis"} <= value.keys() else []
        return own + [figure for item in value.values() for figure in _figures(item)]
    return []


LAUNCH = ("launch", MODEL, "--gpu", "H200")


def test_every_source_that_is_cited_stands_in_the_envelope(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ("gpu", "5090"),
        ("check", MODEL, "--gpu", "5090"),
        ("model", MODEL),
        ("formats", "5090"),
        LAUNCH,
        ("pack", "Qwen3-8B", "--gpu", "5090"),
    ):
        _, document = _document(capsys, *arguments)
        figures = _figures(document)
        assert len(figures) > 3
        cited = {name for figure in figures for name in figure["sources"]}
        assert cited
        assert cited <= document["sources"].keys()


def test_the_keys_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    _, gpu = _document(capsys, "gpu", "RTX PRO 6000 Blackwell Workstation Edition")
    assert {"query", "match", "count", "gpu", "candidates", "distinguish", "suggestions"} <= gpu.keys()
    body = gpu["gpu"]
    assert {
        "id",
        "name",
        "vendor",
        "architecture",
        "isa",
        "pci_ids",
        "memory",
        "usable_memory",
        "bandwidth",
    } <= body.keys()
    assert {"power_limit", "sm_count", "peaks"} <= body.keys()
    assert body["pci_ids"] == ["10de:2bb1"]
    assert body["memory"]["value"] == 96 * 2**30
    assert {"format", "accumulate", "sparsity", "rate"} <= body["peaks"][0].keys()
    _, model = _document(capsys, "model", MODEL)
    assert {"name", "architecture", "parameters", "weights", "groups", "layers", "max_context"} <= model.keys()
    assert model["parameters"].keys() == {"total", "active"}
    _, check = _document(capsys, "check", MODEL, "--gpu", "5090")
    result = check["results"][0]
    memory = "weights kv kv_per_sequence state activation overhead total available free host"
    assert set(memory.split()) <= result["memory"].keys()
    assert {"max_context", "max_concurrency", "copies", "execution", "speed", "reasons"} <= result.keys()
    speed = {"prefill", "decode_per_sequence", "decode_total", "ttft_unloaded", "itl", "bound"}
    assert speed <= result["speed"].keys()
    for document in (gpu, model, check):
        envelope = {"schema", "assay_version", "knowledge_digest", "sources", "messages"}
        assert envelope <= document.keys()


def test_notes_and_messages_speak_the_language_and_codes_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    _, english = _document(capsys, "check", MODEL, "--gpu", "5090", "--lang", "en")
    _, russian = _document(capsys, "check", MODEL, "--gpu", "5090", "--lang", "ru")
    pairs = list(zip(english["results"][0]["reasons"], russian["results"][0]["reasons"], strict=True))
    assert pairs
    for ours, theirs in pairs:
        assert ours["code"] == theirs["code"]
        assert re.search("[а-яё]", theirs["text"])
        assert not re.search("[а-яё]", ours["text"])


def test_a_figure_on_the_wire() -> None:
    letter = Letter("en")
    assumed = exact(10.0, "B", "assumed", "b")
    sure = exact(30.0, "B", "documented", "a")
    body = letter.q(derive("B", "a + b", [("a", sure), ("b", assumed)], lambda a, b: a + b))
    assert body == {
        "value": 40,
        "unit": "B",
        "basis": "derived",
        "sources": ["a", "b"],
        "weakest": "assumed",
        "weakest_share": body["weakest_share"],
        "formula": "a + b",
    }
    assert json.dumps(body["value"]) == "40"
    assert letter.q(Quantity(1.5, "s", "measured", low=1.0, high=2.0)) == {
        "value": 1.5,
        "unit": "s",
        "basis": "measured",
        "sources": [],
        "low": 1,
        "high": 2,
    }


def test_an_unknown_figure_has_its_reason() -> None:
    body = Letter("ru").q(unknown("B/s", message("unknown.bandwidth")))
    assert body["value"] is None
    assert body["note"] == "ни в одном источнике нет пропускной способности памяти"
    assert set(body) <= Q.__annotations__.keys()


def test_the_schema_refuses_an_unknown_figure_without_a_reason(generator: ModuleType) -> None:
    from assay.report.json import profile

    schema = generator.schema_of(profile)
    validator = jsonschema.Draft202012Validator({"$ref": "#/$defs/Q", "$defs": schema["$defs"]})
    body = {"value": None, "unit": "B", "basis": "assumed", "sources": []}
    assert not validator.is_valid(body)
    assert validator.is_valid({**body, "note": "why"})


def test_the_kinds_of_errors_are_a_closed_list(generator: ModuleType) -> None:
    raised = {found.kind for found in generator._tree(AssayError)} | {"interrupted", "bug"}
    assert raised == set(KINDS) == set(generator.MEANING)
    schema = json.loads((SCHEMAS / "assay.error-1.json").read_text(encoding="utf-8"))
    assert schema["$defs"]["ErrorBody"]["properties"]["kind"]["enum"] == list(KINDS)
    table = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    assert all(f"| `{kind}` |" in table for kind in KINDS)


def test_an_error_says_what_it_knows() -> None:
    from assay.errors import MalformedFile

    error = MalformedFile(
        message("error.unknown_gpu", query="x"),
        message("hint.unknown_gpu"),
        file="f",
        field="k",
        offset=0,
        candidates=["a"],
    )
    document = wire_error.document_of(error, "en")
    _validated(document)
    assert document["error"] | {"message": "", "hint": ""} == {
        "kind": "malformed-file",
        "message": "",
        "hint": "",
        "exit": 2,
        "file": "f",
        "field": "k",
        "offset": 0,
        "candidates": ["a"],
    }


def test_a_launch_document_cites_its_flags_and_speaks_the_callers_language(capsys: pytest.CaptureFixture[str]) -> None:
    _, document = _document(capsys, *LAUNCH)
    (stack,) = document["results"][0]["stacks"]
    (server,) = stack["servers"]
    cited = {name for argument in server["arguments"] for name in argument["sources"]}
    assert cited
    assert cited <= document["sources"].keys()
    _, russian = _document(capsys, *LAUNCH, "--lang", "ru")
    translated = russian["results"][0]["stacks"][0]["servers"][0]["arguments"]
    assert all(re.search("[а-я]", argument["why"]) for argument in translated)
    assert [argument["words"] for argument in translated] == [argument["words"] for argument in server["arguments"]]
