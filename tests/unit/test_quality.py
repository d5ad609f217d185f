"""Whose published figures speak for a model and a format."""

from dataclasses import replace

import pytest

from assay.reason.quality import cache_quality_of, loss_of, nearness, quality_of
from assay.types.quality import Measured, Metric, Protocol, Quality, Traits

PROTOCOLS = {"kld": Protocol("kld", "KLD", "kld"), "mmlu": Protocol("mmlu", "MMLU", "accuracy")}
ASKED = Traits(("org/model", "org/base"), "Family", 8e9, experts=False, released="bf16")


def figure(value: float = 70.0, **other: object) -> Measured:
    base = Measured(
        "f", "org/model", "Family", 8e9, None, ("fp8",), None, "mmlu", value, 80.0, "bf16", "reported", ("s",)
    )
    return base._replace(**other)


def asked(figures: list[Measured], wanted: str = "fp8", traits: Traits = ASKED) -> Quality:
    return quality_of(traits, wanted, figures, PROTOCOLS, {"fp8_block128": ("fp8",)})


@pytest.mark.parametrize(
    ("metric", "value", "baseline", "loss"),
    [
        ("kld", 0.03, 0.0, 0.03),
        ("perplexity", 6.6, 6.0, 0.1),
        ("ratio", 1.25, 1.0, 0.25),
        ("accuracy", 72.0, 80.0, 0.1),
        ("accuracy", 84.0, 80.0, -0.05),
        ("agreement", 92.0, 100.0, 0.08),
        ("loss", 1.5, 0.0, 0.015),
    ],
)
def test_more_loss_is_worse_whatever_the_metric(metric: Metric, value: float, baseline: float, loss: float) -> None:
    told = figure(value, baseline=baseline)
    assert loss_of(told, Protocol("p", "P", metric)) == pytest.approx(loss)


def test_the_model_s_own_figures_come_before_its_family_s_and_others() -> None:
    own, kin, other = (
        figure(76.0, id="own"),
        figure(60.0, id="kin", model="org/kin", parameters=14e9),
        figure(40.0, id="other", model="x/y", family="Other"),
    )
    for told, near, loss in (
        ([other, kin, own], "model", 0.05),
        ([other, kin], "family", 0.25),
        ([other], "size", 0.5),
    ):
        found = asked(told).costs
        assert [(cost.near, cost.loss.value) for cost in found] == [(near, pytest.approx(loss))]


@pytest.mark.parametrize(
    ("parameters", "family", "near"),
    [
        (16e9, "Family", "family"),
        (4e9, "Family", "family"),
        (16.1e9, "Family", None),
        (3.9e9, "Family", None),
        (12e9, "Other", "size"),
        (12.1e9, "Other", None),
        (12.1e9, "Family", "family"),
    ],
)
def test_a_relative_is_near_in_size(parameters: float, family: str, near: str | None) -> None:
    assert nearness(figure(model="x/y", family=family, parameters=parameters), ASKED) == near


def test_dense_models_say_nothing_of_mixtures_of_experts() -> None:
    mixture = ASKED._replace(names=("x/moe",), experts=True)
    assert nearness(figure(), mixture) is None
    assert nearness(figure(active=1e9), mixture) == "family"
    assert nearness(figure(model="x/y", active=1e9), ASKED) is None


def test_a_copy_has_the_figures_of_what_it_was_made_from() -> None:
    assert nearness(figure(model="org/base", parameters=1.0), ASKED) == "model"


def test_each_protocol_has_its_own_cost() -> None:
    found = asked([figure(76.0), figure(0.02, id="k", protocol="kld", baseline=0.0)]).costs
    assert [(cost.protocol.id, cost.loss.unit) for cost in found] == [("kld", "nat"), ("mmlu", "ratio")]


def test_several_figures_are_a_range_with_every_source() -> None:
    found = asked([figure(76.0), figure(72.0, id="b", sources=("t",)), figure(78.0, id="c")]).costs[0]
    assert (found.loss.value, found.loss.low, found.loss.high) == pytest.approx((0.05, 0.025, 0.1))
    assert found.loss.sources == ("s", "t")
    assert found.loss.basis == "reported"


def test_what_relatives_say_is_assumed_and_named() -> None:
    found = asked([figure(76.0, model="org/kin")])
    assert found.costs[0].loss.basis == "assumed"
    assert [note.code for note in found.notes] == ["quality.relatives"]
    assert dict(found.notes[0].parameters)["models"] == "org/kin"


def test_nothing_near_is_unknown_with_its_reason() -> None:
    for told in ([], [figure(formats=("int8_w8a8",))], [figure(model="x/y", family="Other", parameters=70e9)]):
        found = asked(told)
        assert found.costs == ()
        assert not found.lossless
        assert [note.code for note in found.notes] == ["quality.nothing_near"]


def test_a_coarser_format_is_an_upper_end_only_where_the_format_has_no_figure() -> None:
    bound = asked([figure(76.0)], "fp8_block128").costs[0]
    assert (bound.bounded_by, bound.loss.value, bound.loss.low, bound.loss.high) == ("fp8", 0.05, 0, 0.05)
    assert bound.loss.basis == "assumed"
    own = asked([figure(76.0), figure(78.0, id="o", formats=("fp8_block128",))], "fp8_block128").costs[0]
    assert (own.bounded_by, own.loss.value) == (None, pytest.approx(0.025))


def test_as_released_costs_nothing_and_16_bits_are_16_bits() -> None:
    for wanted in ("bf16", "fp16", "gguf:F16"):
        assert asked([figure()], wanted) == Quality((), lossless=True, notes=())
    released = ASKED._replace(released="mxfp4")
    assert asked([], "mxfp4", released).lossless
    assert not asked([], "bf16", released).lossless


def test_quantized_weights_quantized_again_are_named_and_take_no_figures_from_16_bits() -> None:
    released = ASKED._replace(released="fp8_block128")
    from_fp8 = figure(78.0, formats=("nvfp4",), baseline_format="fp8_block128")
    found = asked([figure(60.0, formats=("nvfp4",)), from_fp8], "nvfp4", released)
    assert [cost.figures for cost in found.costs] == [(from_fp8,)]
    note = found.notes[0]
    assert (note.code, note.level, dict(note.parameters)) == (
        "quality.requantized",
        "warning",
        {"have": "fp8_block128", "want": "nvfp4"},
    )
    assert [note.code for note in asked([figure()], "fp8", released).notes] == [
        "quality.requantized",
        "quality.nothing_near",
    ]
    assert asked([from_fp8], "nvfp4").costs == ()


def test_a_cache_has_figures_of_its_own() -> None:
    of_cache = figure(79.2, kv="q8_0")
    found = cache_quality_of(ASKED, "q8_0", [figure(), of_cache], PROTOCOLS)
    assert [cost.figures for cost in found.costs] == [(of_cache,)]
    assert cache_quality_of(ASKED, "fp16", [of_cache], PROTOCOLS).lossless
    assert [note.code for note in cache_quality_of(ASKED, "q4_0", [of_cache], PROTOCOLS).notes] == [
        "quality.nothing_near"
    ]
    assert asked([of_cache]).costs == ()


def test_a_loss_is_never_without_a_source() -> None:
    cost = asked([figure()]).costs[0]
    assert cost.loss.sources
    with pytest.raises(ValueError, match="interval"):
        replace(cost.loss, low=1.0)
