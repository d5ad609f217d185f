"""Every flag of the launch table stands in the recorded source of the version it is said of."""

import re
from collections.abc import Iterator

import pytest

from assay.knowledge import store
from assay.knowledge.catalog.launch import OTHER_TABLES, flag_record, server_facts, spellings
from assay.knowledge.catalog.runtimes import runtime
from assay.types.launch import Spelling

TABLES = {name: body for name, body in store.entries("launch").items() if name not in OTHER_TABLES}
RUNNERS = sorted({runner for body in TABLES.values() for runner in body})
SERVERS = [name for name in RUNNERS if name in store.names("runtime")]


def _unknown_flags(runner: str, spelling: Spelling) -> Iterator[str]:
    record = flag_record(runner)
    assert record is not None, f"{runner}: no recorded flags"
    flags = [word for word in spelling.words if word.startswith("-")]
    # `python3 -m module` is Python's own; the program's flags come after it.
    if spelling.words[:2] == ("python3", "-m"):
        flags.remove("-m")
    yield from (flag for flag in flags if flag not in record.flags)
    if spelling.config is not None and spelling.config not in record.flags:
        yield spelling.config


@pytest.mark.parametrize("runner", RUNNERS)
def test_every_flag_is_one_that_the_recorded_version_takes(runner: str) -> None:
    unknown = {name: found for name, one in spellings(runner).items() if (found := list(_unknown_flags(runner, one)))}
    assert unknown == {}


def test_a_flag_that_the_version_lacks_is_seen() -> None:
    real = spellings("vllm")["context"]
    assert list(_unknown_flags("vllm", real)) == []
    assert list(_unknown_flags("vllm", real._replace(words=("--max-model-length", "{value}")))) == [
        "--max-model-length"
    ]
    assert list(_unknown_flags("tensorrt-llm", real._replace(words=(), config="kv_cache_config.type")))


@pytest.mark.parametrize("runner", RUNNERS)
def test_values_of_a_limited_flag_are_among_its_choices(runner: str) -> None:
    record = flag_record(runner)
    assert record is not None
    for spelling in spellings(runner).values():
        limited = {value for flag in spelling.words for value in record.choices.get(flag, ())}
        if limited and spelling.values:
            assert set(spelling.values.values()) <= limited


@pytest.mark.parametrize("name", SERVERS)
def test_every_kv_type_of_a_runtime_has_its_word_or_is_the_models_own(name: str) -> None:
    spelled = set(spellings(name)["kv"].values)
    own = {"bf16", "fp16"} if runtime(name).kv_default == "model" else set()
    assert set(runtime(name).kv_types) <= spelled | own


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_has_a_model_host_and_port_and_says_where_it_is_healthy(name: str) -> None:
    assert {"model", "host", "port"} <= set(spellings(name))
    assert server_facts(name).health.startswith("/")
    assert re.fullmatch(r"[a-z0-9./_-]+(:[A-Za-z0-9._{}-]+)?", server_facts(name).image)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_spelling_has_a_reason_and_no_stray_template(name: str) -> None:
    for runner, body in TABLES[name].items():
        assert body["why"], (name, runner)
        assert ("words" in body) or ("config" in body)
        marks = set(re.findall(r"\{(\w+)\}", " ".join(body.get("words", []))))
        assert marks <= {"value", "values", "joined", "model", "kv", "output"}


@pytest.mark.parametrize(("name", "version"), [("vllm", "0.33.0"), ("sglang", "0.5.23")])
def test_the_recorded_version_is_the_runtimes(name: str, version: str) -> None:
    record = flag_record(name)
    assert record is not None
    assert record.version == runtime(name).version == version
