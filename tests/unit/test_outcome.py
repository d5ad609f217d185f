"""The plain verdict is that of `fit`, with the same total: on the whole catalogue, and where parts are unknown."""

from dataclasses import replace

import pytest

from assay.answers.asked import CardCount
from assay.answers.cards import card
from assay.answers.judged import setting_of
from assay.knowledge.catalog.described import all_described
from assay.knowledge.catalog.runtimes import kv_format, runtime
from assay.reason.memory.fit import Setting, fit
from assay.reason.memory.outcome import fixed_of, outcome
from assay.types.message import message
from assay.types.plan import Workload
from assay.types.quantity import unknown

MODELS = tuple(all_described().values())
RUNTIMES = ("vllm", "llama.cpp", "sglang", "transformers")
WORKLOADS = (Workload(4096, 1, 1024), Workload(32_768, 8, 1024), Workload(131_072, 64, 1024))


def setting(index: int, engine: str, gpu: str, cards: int, kv: str = "bf16") -> Setting:
    return setting_of(MODELS[index], runtime(engine), kv_format(kv), (CardCount(card(gpu), cards),))


def agree(asked: Setting, workload: Workload) -> str:
    plain, whole = outcome(asked, workload), fit(asked, workload)
    plan = whole.memory
    assert plain.verdict == whole.verdict
    assert plain.complete == (plan.total.value is not None)
    parts = (plan.weights, plan.kv, plan.state, plan.activation, plan.overhead)
    assert plain.total[0] == pytest.approx(sum(part.lowest or 0 for part in parts), abs=1)
    assert plain.total[1] == pytest.approx(sum(part.highest or 0 for part in parts), abs=1)
    if plan.available.value is None:
        assert plain.available is None
    else:
        assert plain.available == (plan.available.lowest, plan.available.highest)
    assert outcome(asked, workload, fixed_of(asked)) == plain
    return plain.verdict


@pytest.mark.parametrize("engine", RUNTIMES)
@pytest.mark.parametrize("gpu", ["geforce-rtx-5090", "h200-sxm-141gb", "radeon-8060s"])
def test_it_answers_as_fit_does(engine: str, gpu: str) -> None:
    verdicts = {
        agree(setting(index, engine, gpu, cards), workload)
        for index in range(len(MODELS))
        for cards, workload in zip((1, 2, 8), WORKLOADS, strict=True)
    }
    assert verdicts  # which of them are met depends on what is known of the runtime


def test_all_three_verdicts_are_met() -> None:
    met = {
        agree(setting(index, "vllm", "rtx-pro-6000-blackwell-workstation-edition", cards), workload)
        for index in range(len(MODELS))
        for cards in (1, 2)
        for workload in WORKLOADS
    }
    assert met == {"yes", "no", "unknown"}


def test_what_is_not_known_is_never_a_yes() -> None:
    small = next(index for index, model in enumerate(MODELS) if model.name == "Qwen/Qwen3-0.6B")
    asked = setting(small, "vllm", "h200-sxm-141gb", 1)
    assert agree(asked, WORKLOADS[0]) == "yes"
    weightless = replace(asked.model, weights=unknown("B", message("unknown.group_format")))
    assert agree(asked._replace(model=weightless), WORKLOADS[0]) == "unknown"
    doubted = replace(asked.model, doubts=(message("text", text="?"),))
    assert agree(asked._replace(model=doubted), WORKLOADS[0]) == "unknown"
    blind = asked.runtime._replace(memory=None)
    assert agree(asked._replace(runtime=blind), WORKLOADS[0]) == "unknown"
    assert asked.runtime.memory is not None
    idle = asked.runtime._replace(memory=asked.runtime.memory._replace(activation=None, compute=None))
    assert agree(asked._replace(runtime=idle), WORKLOADS[0]) == "unknown"
    huge = Workload(1 << 30, 64, 1024)
    assert agree(asked._replace(runtime=blind), huge) == "no"  # certainly too large, whatever is unknown
    assert agree(setting(small, "vllm", "h200-sxm-141gb", 3), WORKLOADS[0]) == "no"  # heads do not divide


@pytest.mark.parametrize("kv", ["bf16", "fp8"])
def test_kv_formats_count(kv: str) -> None:
    agree(setting(0, "vllm", "geforce-rtx-5090", 1, kv), WORKLOADS[1])
