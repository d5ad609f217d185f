"""The published figures of quality: each has a model, formats of the catalogue, a protocol, a baseline and a source."""

from collections import Counter

import pytest

from assay.knowledge.catalog import quality, recipes, weight_formats
from assay.knowledge.catalog.described import described
from assay.knowledge.catalog.models import families
from assay.knowledge.catalog.sources import source
from assay.knowledge.store import names
from assay.reason.quality import loss_of, quality_of
from assay.types.quality import METRICS, Measured, Quality, Traits

FIGURES = quality.figures()
PROTOCOLS = quality.protocols()
OWNER = Traits(("Qwen/Qwen3-30B-A3B",), "Qwen3", 30.5e9, experts=True, released="bf16")


def of(traits: Traits, wanted: str) -> Quality:
    return quality_of(traits, wanted, FIGURES, PROTOCOLS, quality.bounds())


def known(name: str) -> bool:
    return weight_formats.known(name) or name in recipes.known()


def test_there_are_figures_of_many_models_and_protocols() -> None:
    assert len(FIGURES) >= 250
    assert len({figure.model for figure in FIGURES}) >= 20
    assert {protocol.metric for protocol in PROTOCOLS.values()} == set(METRICS)
    assert Counter(figure.family for figure in FIGURES)["Qwen3"] >= 50


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.id)
def test_a_figure_is_whole(figure: Measured) -> None:
    assert figure.protocol in PROTOCOLS
    assert bool(figure.formats) != (figure.kv is not None)
    assert all(known(name) for name in figure.formats), figure.formats
    assert known(figure.baseline_format)
    assert figure.kv is None or figure.kv in names("kv_format")
    assert figure.parameters > (figure.active or 0)
    assert figure.sources
    assert all(source(name).kind != "local" for name in figure.sources)
    metric = PROTOCOLS[figure.protocol].metric
    assert (figure.baseline == 0) == (metric in ("kld", "loss"))
    assert -0.5 < loss_of(figure, PROTOCOLS[figure.protocol]) < 5


def test_every_protocol_is_used_and_is_of_one_publisher() -> None:
    publishers: dict[str, set[str]] = {}
    for figure in FIGURES:
        publishers.setdefault(figure.protocol, set()).update(figure.sources)
    assert set(publishers) == set(PROTOCOLS)
    several = {name for name, found in publishers.items() if len(found) > 1}
    assert several == {"ppl-wikitext2-llama-cpp"}, "the same program on the same text"


def test_models_and_families_are_the_catalogue_s_where_it_has_them() -> None:
    told = families()
    for figure in FIGURES:
        model = described(figure.model) if figure.model in told else None
        if model is not None:
            assert figure.family == told[figure.model], figure.id
            assert figure.parameters == pytest.approx(model.parameters, rel=0.01), figure.id
            assert (figure.active is not None) == bool(model.experts), figure.id


def test_bounds_are_of_formats_of_the_catalogue() -> None:
    for name, coarser in quality.bounds().items():
        assert known(name)
        assert coarser
        assert all(known(other) and other != name for other in coarser)


def test_the_owner_s_model_has_figures_of_its_own_for_fp8_and_a_bound_for_its_blocks() -> None:
    fp8 = of(OWNER, "fp8")
    assert {cost.near for cost in fp8.costs} == {"model"}
    assert all(cost.loss.low is not None for cost in fp8.costs)
    blocks = of(OWNER, "fp8_block128")
    assert {cost.bounded_by for cost in blocks.costs if cost.near == "model"} == {"fp8"}
    assert of(OWNER, "bf16").lossless


def test_the_cost_of_a_format_is_no_constant() -> None:
    """Q4_K_M costs Llama 3 twice of what it costs Llama 2, and 70B less than 8B at 2 bits."""
    losses = {
        (figure.model, figure.formats[0]): loss_of(figure, PROTOCOLS[figure.protocol])
        for figure in FIGURES
        if figure.protocol == "ppl-ratio-wikitext2-llama-cpp"
    }
    old = losses["meta-llama/Llama-2-7b-hf", "gguf:Q4_K_M"]
    assert losses["meta-llama/Meta-Llama-3-8B", "gguf:Q4_K_M"] > 1.9 * old


def test_nvfp4_from_fp8_is_told_apart_from_nvfp4_from_bf16() -> None:
    deepseek = Traits(("deepseek-ai/DeepSeek-R1",), "DeepSeek", 671e9, experts=True, released="fp8_block128")
    found = of(deepseek, "nvfp4")
    assert [note.code for note in found.notes] == ["quality.requantized"]
    assert all(figure.baseline_format == "fp8_block128" for cost in found.costs for figure in cost.figures)
    assert of(deepseek._replace(released="bf16"), "nvfp4").costs == ()
