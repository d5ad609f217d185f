"""The peer: what it asks the package, what it makes of the answer, and what it says when there is none."""

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "speed"))

import aiconfigurator_peer as peer

SETTING = peer.Setting("Qwen/Qwen3-32B", "h100-sxm5-80gb", "tensorrt-llm", 2, "fp8_block128", "fp8")


class Engine:
    """Stands for the package's engine: 10 ms a step, 200 ms a prompt."""

    def predict_decode_latency(self, batch: int, _prompt: int, output: int) -> float:
        if batch > 512:
            raise ValueError("no data")
        return 10.0 * (output - 1)

    def predict_prefill_latency(self, batch: int, _prompt: int) -> float:
        return 200.0 * batch


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The calls of `compile`, with a package that always answers."""
    calls: list[Any] = []

    def compile_(*where: str, **how: Any) -> Engine:
        calls.append((where, how))
        if where[0] == "refused":
            raise RuntimeError("no such table")
        return Engine()

    package = SimpleNamespace(EngineHandle=SimpleNamespace(compile=compile_))
    monkeypatch.setattr(peer, "available", lambda: "")
    monkeypatch.setattr(peer, "_configured", lambda _model: True)
    monkeypatch.setattr(peer.importlib, "import_module", lambda _name: package)
    peer._compiled.cache_clear()
    yield calls
    peer._compiled.cache_clear()


def test_milliseconds_become_seconds_of_a_step_and_prompts_come_in_between(asked: list[Any]) -> None:
    found = peer.predict(SETTING, 11, 1024, 100)
    assert found.refusal == ""
    assert found.tpot == pytest.approx(0.010)
    assert found.tpot_loaded == pytest.approx(0.010 + 0.2 * 10 / 100)
    assert found.ttft == pytest.approx(0.2)
    assert len(asked) == 1


def test_a_setting_is_compiled_once_and_asked_in_the_packages_words(asked: list[Any]) -> None:
    for concurrency in (1, 8, 64):
        peer.predict(SETTING, concurrency, 1024, 100)
    where, how = asked[0]
    assert len(asked) == 1
    assert where == ("Qwen/Qwen3-32B", "h100_sxm", "trtllm")
    assert (how["tp_size"], how["moe_tp_size"], how["moe_ep_size"]) == (2, 2, 1)
    assert (how["gemm_quant_mode"], how["moe_quant_mode"]) == ("fp8_block", "fp8_block")
    assert how["kvcache_quant_mode"] == "fp8"


def test_refusals_are_told(asked: list[Any]) -> None:
    assert peer.predict(SETTING._replace(model="refused"), 1, 8, 8).refusal == "RuntimeError: no such table"
    assert peer.predict(SETTING, 1024, 8, 8).refusal == "ValueError: no data"
    assert "geforce-rtx-5090" in peer.predict(SETTING._replace(card="geforce-rtx-5090"), 1, 8, 8).refusal
    assert "gguf:Q4_K" in peer.predict(SETTING._replace(weights="gguf:Q4_K"), 1, 8, 8).refusal
    assert peer.predict(SETTING._replace(runtime="llama.cpp"), 1, 8, 8).tpot is None
    assert len(asked) == 2


def test_a_configuration_of_any_name_is_given_as_a_folder(asked: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "Some-8B.json"
    file.write_text("{}")
    peer.predict(SETTING._replace(model=str(file)), 1, 8, 8)
    assert not asked[0][0][0].endswith(".json")


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    peer._compiled.cache_clear()
    assert "pip install aiconfigurator-core==0.12.0" in peer.available()
    assert "pip install" in peer.predict(SETTING, 1, 8, 8).refusal
    peer._compiled.cache_clear()


def test_another_release_is_not_taken_for_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _name: "0.13.0")
    assert "0.13.0" in peer.available()
