"""Part of a model in host memory: the card's part surely fits, one layer more would not, and nothing is promised."""

from pathlib import Path

import pytest
from packages import SMOLLM2, real_file

from assay.answers import pinned
from assay.cli.main import main
from assay.knowledge.catalog.runtimes import kv_format, runtime, term
from assay.reason.deploy.offload import host_verdict, offloaded
from assay.reason.memory.fit import CardMemory, Setting, fit
from assay.reason.memory.placement import block_count
from assay.types.message import message
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.plan import Workload
from assay.types.quantity import Quantity, exact, unknown

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


def _placed(setting: Setting, **placement: int) -> Setting:
    memory = setting.runtime.memory
    assert memory is not None
    server = memory.server._replace(**placement)
    return setting._replace(runtime=setting.runtime._replace(memory=memory._replace(server=server)))


def test_experts_leave_first_and_as_few_as_must() -> None:
    setting = _setting(16, experts=20)
    assert fit(setting, WORK).verdict != "yes"
    found = offloaded(setting, WORK)
    assert found is not None
    assert found.gpu_layers is None
    assert 0 < found.experts_of < block_count(setting.model)
    assert found.weights.value == pytest.approx(20 * GIB * found.experts_of / 40)
    assert fit(_placed(setting, host_experts=found.experts_of), WORK).verdict == "yes"
    assert fit(_placed(setting, host_experts=found.experts_of - 1), WORK).verdict != "yes"


def test_layers_leave_where_there_are_no_experts_or_they_are_not_enough() -> None:
    setting = _setting(8, rest=12)
    dense = offloaded(setting, WORK)
    assert dense is not None
    assert dense.experts_of == 0
    assert dense.gpu_layers is not None
    assert 0 < dense.gpu_layers < 41
    assert fit(_placed(setting, gpu_layers=dense.gpu_layers + 1), WORK).verdict != "yes"
    small = offloaded(_setting(6, experts=20, rest=8), WORK)
    assert small is not None
    assert small.gpu_layers is not None


def test_no_card_is_small_enough_for_a_command() -> None:
    assert offloaded(_setting(1, rest=12), WORK) is None


def test_an_offloaded_model_is_printed_and_without_the_hosts_memory_not_promised(
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
    assert "The host needs" in page


def test_with_a_layer_its_cache_leaves_the_card() -> None:
    long = Workload(40_960, 8, 1024)
    found = offloaded(_setting(24), long)
    assert found is not None
    assert found.gpu_layers is not None
    on_card = found.gpu_layers - 1  # the output is counted as one
    assert found.fit.memory.kv.value == pytest.approx(_kv(on_card))
    assert dict(found.fit.memory.host.inputs)["KV cache in host memory"].value == pytest.approx(_kv(40 - on_card))


def _kv(layers: int) -> float:
    return 2 * 4 * 128 * 2 * 40_960 * 8 * layers


@pytest.mark.parametrize(("ram", "code"), [(256, 0), (2, 1), (10, 3)])
def test_with_the_hosts_memory_known_both_parts_count(
    ram: int, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pinned, "_devices", lambda: ())
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["profile", "set", "ram-gib", str(ram)]) == 0
    arguments = ["launch", str(real_file(SMOLLM2)), "--gpu", "5090", "--concurrency", "200", "--offload"]
    assert main(arguments) == code
    assert f"{ram} GiB" in capsys.readouterr().out


def test_the_host_is_asked_at_both_ends_of_its_need() -> None:
    need = Quantity(4.0, "B", "assumed", low=3, high=6)
    assert [host_verdict(need, exact(ram, "B", "assumed")) for ram in (2, 5, 6)] == ["no", "unknown", "yes"]
    assert host_verdict(need, unknown("B", message("unknown.profile_ram"))) == "unknown"
