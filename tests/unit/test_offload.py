"""Part of a model in host memory: the card's part surely fits, one layer more would not, and nothing is promised."""

from dataclasses import replace

import pytest
from packages import SMOLLM2, real_file

from assay.answers import pinned
from assay.cli.main import main
from assay.knowledge.catalog.runtimes import kv_format, runtime, term
from assay.reason.deploy.offload import layer_count, offloaded
from assay.reason.memory.fit import CardMemory, Setting, fit
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.plan import Workload
from assay.types.quantity import exact

GIB = 2**30
WORK = Workload(4096, 1, 1024)


def _setting(card: float, experts: float = 0, rest: float = 4) -> Setting:
    groups = [TensorGroup("attention", "gguf:Q4_K", 10**9, 10**9, 100, int(rest * GIB))]
    if experts:
        groups.append(TensorGroup("experts", "gguf:Q4_K", 10**10, 10**9, 100, int(experts * GIB)))
    size = sum(group.size for group in groups)
    model = Model(
        "m", "qwen3_moe", None, None, tuple(groups), (LayerGroup("full", 40, 32, 4, 128, 128),),
        exact(size, "B", "documented", "file"), 2048, 50_000, 6144, 128 if experts else 0, 8 if experts else 0, 40_960,
        "gguf",
    )  # fmt: skip
    memory = CardMemory("g", exact(card * GIB, "B", "documented", "s"), term("memory_term", "driver_reserve"), 1)
    return Setting(model, runtime("llama.cpp"), memory, kv_format("fp16"))


def _without(setting: Setting, role: str, gone: float) -> Setting:
    groups = tuple(
        group._replace(size=int(group.size * (1 - gone))) if group.role == role else group
        for group in setting.model.groups
    )
    lost = sum(group.size for group in setting.model.groups) - sum(group.size for group in groups)
    weights = replace(setting.model.weights, value=(setting.model.weights.value or 0) - lost)
    return setting._replace(model=replace(setting.model, groups=groups, weights=weights))


def test_experts_leave_first_and_as_few_as_must() -> None:
    setting = _setting(16, experts=20)
    assert fit(setting, WORK).verdict != "yes"
    found = offloaded(setting, WORK)
    assert found is not None
    assert found.layers is None
    assert 0 < found.experts_of < layer_count(setting.model)
    assert found.host_bytes == pytest.approx(20 * GIB * found.experts_of / 40)
    assert fit(_without(setting, "experts", found.experts_of / 40), WORK).verdict == "yes"
    assert fit(_without(setting, "experts", (found.experts_of - 1) / 40), WORK).verdict != "yes"


def test_layers_leave_where_there_are_no_experts_or_they_are_not_enough() -> None:
    dense = offloaded(_setting(8, rest=12), WORK)
    assert dense is not None
    assert dense.experts_of == 0
    assert dense.layers is not None
    assert 0 < dense.layers < 40
    small = offloaded(_setting(6, experts=20, rest=8), WORK)
    assert small is not None
    assert small.layers is not None


def test_no_card_is_small_enough_for_a_command() -> None:
    assert offloaded(_setting(1, rest=12), WORK) is None


def test_an_offloaded_model_is_printed_and_not_promised(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinned, "_devices", lambda: ())
    model = str(real_file(SMOLLM2))
    many = ["launch", model, "--gpu", "5090", "--concurrency", "200"]
    assert main(many) == 1
    assert "llama-server" not in capsys.readouterr().out
    assert main([*many, "--offload"]) == 3
    page = capsys.readouterr().out
    assert "-ngl all" not in page
    assert "-ngl " in page
    assert "Not computed" in page


def test_with_a_layer_its_cache_leaves_the_card() -> None:
    long = Workload(40_960, 8, 1024)
    found = offloaded(_setting(24), long)
    assert found is not None
    assert found.layers is not None
    assert found.fit.memory.kv.value == pytest.approx(_kv(found.layers))


def _kv(layers: int) -> float:
    return 2 * 4 * 128 * 2 * 40_960 * 8 * layers
