"""Deciding on plain numbers: options, what is known of them, the front, what is run, what would change it."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.answers.asked import CardCount
from assay.answers.cards import card
from assay.answers.judged import setting_of
from assay.answers.model import answer as read
from assay.knowledge.catalog.runtimes import kv_format, runtime
from assay.reason.decide.flips import Search, first, flips, moved_to, steps
from assay.reason.decide.needs import PURPOSES, goal_of, need_of, turn_of
from assay.reason.decide.options import Engine, Stored, keeps_weights, options, shares_of, weights_for
from assay.reason.decide.pareto import front, no_worse
from assay.reason.decide.recommend import choose, protocol_of, settled
from assay.reason.decide.weigh import Ground, at_least, both, loses_at_most, reach, weigh
from assay.reason.memory.fit import Setting, fit
from assay.reason.memory.outcome import fixed_of
from assay.types.decide import Limit, Loss, Need, Option, Pace, Weighed
from assay.types.plan import Verdict, Workload

NEED = Need("chat", "decode", 1, 8192, 1024, 512)
VERDICTS: tuple[Verdict, ...] = ("yes", "no", "unknown")


def loss(low: float, high: float, protocol: str = "mmlu") -> Loss:
    return Loss(protocol, low, high, 2, ("a-source",), "family")


def option(weights: str = "fp8", kv: str = "bf16", engine: str = "vllm", cards: int = 1, copies: int = 1) -> Option:
    return Option(weights, kv, engine, cards, copies)


def weighed(
    name: str = "fp8",
    speed: tuple[float, float, float] | None = (9.0, 10.0, 11.0),
    *,
    meets: Verdict = "yes",
    losses: tuple[Loss, ...] = (),
    kv: str = "bf16",
    engine: str = "vllm",
    size: float = 8.0,
    context: int = 8192,
    memory: float = 20.0,
) -> Weighed:
    pace = Pace(speed, speed, (0.1, 0.2, 0.3))
    same = name == "bf16"
    return Weighed(
        option(name, kv, engine), "no" if meets == "no" else "yes", meets, same, kv == "bf16", losses, pace,
        goal_of(NEED, pace), context, (memory - 1, memory), (30.0, 31.0), size, 16.0 if kv == "bf16" else 8.0,
    )  # fmt: skip


# Options


def test_every_format_is_offered_with_every_cache_and_share_of_the_cards() -> None:
    engines = (Engine("vllm", reads_gguf=False, kv=("bf16", "fp8")),)
    found = [one for one, why in options(Stored("bf16", in_gguf=False), engines, 4) if why is None]
    assert {(one.cards, one.copies) for one in found} == {(1, 4), (2, 2), (4, 1)}
    assert {one.weights for one in found} > {"bf16", "fp8", "fp8_block128", "mxfp8", "nvfp4", "mxfp4", "int8_w8a8"}
    assert len(found) == len({one.id for one in found}) == 3 * 2 * 10


def test_what_reads_gguf_is_given_the_released_weights_unchanged_or_a_recipe() -> None:
    reader = Engine("llama.cpp", reads_gguf=True, kv=("fp16",))
    names = [name for name, _ in weights_for(Stored("bf16", in_gguf=False), reader)]
    assert names[0] == "gguf:BF16"
    assert "gguf:Q4_K_M" in names
    assert weights_for(Stored("fp8", in_gguf=False), reader)[0] == ("fp8", "container")
    other = Engine("vllm", reads_gguf=False, kv=("bf16",))
    assert weights_for(Stored("gguf:Q8_0", in_gguf=True), other) == (("gguf:Q8_0", "container"),)


def test_released_weights_in_another_container_are_the_same_weights() -> None:
    stored = Stored("bf16", in_gguf=False)
    assert keeps_weights(option("gguf:BF16", "fp16", "llama.cpp"), stored)
    assert not keeps_weights(option("gguf:F16", "fp16", "llama.cpp"), stored)


def test_unlike_cards_share_one_copy() -> None:
    assert shares_of(2, alike=False) == ((2, 1),)
    assert shares_of(6, alike=True) == ((1, 6), (2, 3), (3, 2), (6, 1))


def test_part_of_a_model_leaves_the_card_only_where_the_runtime_can_place_it() -> None:
    reader = Engine("llama.cpp", reads_gguf=True, kv=("fp16", "q8_0"), offloads=True)
    found = [one for one, _ in options(Stored("bf16", in_gguf=False), (reader,), 1) if one.offload]
    assert found
    assert {one.kv for one in found} == {"fp16"}


# Needs


def test_a_purpose_says_what_is_usual_and_the_question_overrules_it() -> None:
    assert {name: usual.goal for name, usual in PURPOSES.items()}["batch"] == "total"
    assert need_of("chat", None, None, 4096).context == 4096
    assert need_of("long-context", None, None, 262_144).context == 262_144
    asked = need_of("agents", 7, 2048, 40_960)
    assert (asked.users, asked.context) == (7, 2048)
    assert asked.prompt + asked.output <= 2048


def test_a_turn_is_the_first_token_and_all_others() -> None:
    assert turn_of(Pace((5.0, 10.0, 20.0), None, (1.0, 2.0, 3.0)), 100) == (6.0, 12.0, 23.0)
    assert turn_of(Pace(None, None, (1.0, 2.0, 3.0)), 100) is None
    rate = goal_of(NEED._replace(goal="turn", output=100), Pace((5.0, 10.0, 20.0), None, (1.0, 2.0, 3.0)))
    assert rate == (1 / 23, 1 / 12, 1 / 6)


# Whether it meets the need


@pytest.mark.parametrize(
    ("rate", "expected"), [((20, 30, 40), "yes"), ((10, 30, 40), "unknown"), ((5, 10, 19), "no"), (None, "unknown")]
)
def test_a_speed_meets_what_was_asked_with_its_pessimistic_end(
    rate: tuple[float, float, float] | None, expected: str
) -> None:
    assert at_least(rate, 20.0) == expected
    assert at_least(rate, None) == "yes"


def test_an_unknown_loss_is_not_zero() -> None:
    limit = Limit(0.01)
    assert loses_at_most((), limit, lossless=False) == "unknown"
    assert loses_at_most((), limit, lossless=True) == "yes"
    assert loses_at_most((), None, lossless=False) == "yes"


def test_a_loss_is_judged_by_the_protocol_that_was_named_and_never_by_another() -> None:
    both_known = (loss(0.0, 0.005, "mmlu"), loss(0.02, 0.03, "gsm8k"))
    assert loses_at_most(both_known, Limit(0.01, "mmlu"), lossless=False) == "yes"
    assert loses_at_most(both_known, Limit(0.01, "gsm8k"), lossless=False) == "no"
    assert loses_at_most(both_known, Limit(0.01), lossless=False) == "no"
    assert loses_at_most(both_known, Limit(0.01, "gpqa"), lossless=False) == "unknown"
    assert loses_at_most((loss(0.005, 0.02),), Limit(0.01), lossless=False) == "unknown"


@pytest.mark.parametrize(("one", "other"), list(product(VERDICTS, VERDICTS)))
def test_a_no_outweighs_a_doubt_and_a_doubt_a_yes(one: Verdict, other: Verdict) -> None:
    assert both(one, other) == max((one, other), key=("yes", "unknown", "no").index)


# Grounds of the catalogue


def setting(model: str = "Qwen3-8B", gpu: str = "geforce-rtx-4090", engine: str = "vllm", kv: str = "bf16") -> Setting:
    return setting_of(read(model), runtime(engine), kv_format(kv), (CardCount(card(gpu), 1),))


Speeds = Callable[[int], float]


def ground(
    made: Setting,
    name: str = "bf16",
    speeds: Speeds = lambda _: 100.0,
    width: float = 0.1,
    losses: tuple[Loss, ...] = (),
) -> Ground:
    def pace(workload: Workload, _output: int) -> Pace:
        rate = speeds(workload.concurrency)
        ends = rate * (1 - width), rate, rate * (1 + width)
        total = tuple(workload.concurrency * end for end in ends)
        return Pace(ends, total, (0.1, 0.1, 0.1))  # type: ignore[arg-type]

    same = name == "bf16"
    return Ground(
        option(name, made.kv.id, made.runtime.id), made, fixed_of(made), "yes", pace, same, True, losses,  # noqa: FBT003 -- a field, by place

        made.model.weights.value or 0.0, 16.0,
    )  # fmt: skip


@pytest.mark.parametrize("engine", ["vllm", "llama.cpp", "sglang"])
@pytest.mark.parametrize("sequences", [1, 3, 8])
@pytest.mark.parametrize("gpu", ["geforce-rtx-4090", "l4", "geforce-rtx-5090"])
def test_the_reach_is_the_largest_context_of_the_whole_fit(engine: str, sequences: int, gpu: str) -> None:
    made = setting(gpu=gpu, engine=engine, kv="fp16")
    found = reach(ground(made), sequences, 1024)
    largest = fit(made, Workload(8192, sequences, 1024)).max_context
    assert largest.lowest is not None
    assert found == largest.lowest // 1024 * 1024 or found == largest.lowest == made.model.max_context


def test_weighing_is_the_verdict_of_the_whole_fit_with_what_stands_against_it() -> None:
    made = ground(setting())
    found = weigh(made, NEED)
    whole = fit(made.setting, Workload(8192, 1, 1024))
    assert found.verdict == whole.verdict == "yes"
    assert found.total == pytest.approx((whole.memory.total.lowest, whole.memory.total.highest), abs=1)
    assert weigh(made._replace(standing="unknown"), NEED).meets == "unknown"
    assert weigh(made, NEED._replace(context=1 << 20)).verdict == "no"  # more than the model takes
    assert weigh(made, NEED._replace(min_rate=95.0)).meets == "unknown"
    assert weigh(made, NEED._replace(min_rate=111.0)).meets == "no"


def test_copies_share_the_users_and_add_their_throughput() -> None:
    one = ground(setting())
    pair = one._replace(option=one.option._replace(copies=2))
    need = NEED._replace(users=3)
    assert weigh(pair, need).total == weigh(one, need._replace(users=2)).total
    assert weigh(pair, need).pace.total == pytest.approx((360.0, 400.0, 440.0))


@given(st.integers(1, 64), st.sampled_from([2048, 8192, 32_768]), st.floats(1, 80), st.floats(0, 40))
def test_more_memory_never_turns_a_yes_into_a_no(users: int, context: int, gib: float, more: float) -> None:
    def verdict(size: float) -> Verdict:
        made = setting()
        usable = made.card.usable
        bigger = type(usable)(size * 2**30, "B", "assumed", usable.sources)
        return weigh(
            ground(made._replace(card=made.card._replace(usable=bigger))), NEED._replace(users=users, context=context)
        ).verdict

    order = ("no", "unknown", "yes")
    assert order.index(verdict(gib + more)) >= order.index(verdict(gib))


# Pareto

RATES = st.floats(1, 100)
LOSSES = st.lists(
    st.builds(
        lambda low, more, name: loss(low, low + more, name), st.floats(0, 0.1), st.floats(0, 0.1), st.sampled_from("ab")
    ),
    max_size=2,
    unique_by=lambda one: one.protocol,
).map(tuple)
FORMATS = st.sampled_from(["bf16", "fp8", "nvfp4", "awq_int4"])


@st.composite
def many(draw: st.DrawFn) -> list[Weighed]:
    """Options of a few formats; those of one format lose the same, whatever runs them."""
    known = {name: draw(LOSSES) for name in ("fp8", "nvfp4", "awq_int4")}
    return [
        weighed(
            name,
            None if draw(st.booleans()) and draw(st.booleans()) else (rate / 2, rate, rate * 2),
            losses=known.get(name, ()),
            kv=draw(st.sampled_from(["bf16", "fp8"])),
            engine=draw(st.sampled_from(["vllm", "sglang"])),
            context=draw(st.sampled_from([4096, 8192])),
            memory=draw(st.sampled_from([10.0, 20.0])),
        )
        for name, rate in draw(st.lists(st.tuples(FORMATS, RATES), max_size=7))
    ]


@given(many())
def test_nothing_on_the_front_is_dominated_and_everything_else_is(found: list[Weighed]) -> None:
    edge = front(found, 512)
    for one in found:
        betters = [other for other in edge if no_worse(other, one, 512) and not no_worse(one, other, 512)]
        assert bool(betters) == (one not in edge)


@given(many(), many())
def test_adding_options_never_worsens_the_front(found: list[Weighed], more: list[Weighed]) -> None:
    after = front([*found, *more], 512)
    for one in front(found, 512):
        assert one in after or any(no_worse(other, one, 512) for other in after)


@given(many())
def test_being_no_worse_is_transitive(found: list[Weighed]) -> None:
    for one, two, three in product(found, repeat=3):
        if no_worse(one, two, 512) and no_worse(two, three, 512):
            assert no_worse(one, three, 512)


def test_an_option_whose_loss_nobody_measured_stands_beside_a_measured_one() -> None:
    measured = weighed("fp8", (19.0, 20.0, 21.0), losses=(loss(0.0, 0.001),))
    unmeasured = weighed("nvfp4", (9.0, 10.0, 11.0))
    assert front([measured, unmeasured], 512) == (measured, unmeasured)
    released = weighed("bf16", (19.0, 20.0, 21.0))
    assert front([released, unmeasured], 512) == (released,)


def test_figures_of_different_protocols_are_never_compared() -> None:
    one = weighed("fp8", (19.0, 20.0, 21.0), losses=(loss(0.0, 0.001, "mmlu"),))
    other = weighed("nvfp4", (9.0, 10.0, 11.0), losses=(loss(0.5, 0.6, "gsm8k"),))
    assert front([one, other], 512) == (one, other)
    same = weighed("nvfp4", (9.0, 10.0, 11.0), losses=(loss(0.5, 0.6, "mmlu"),))
    assert front([one, same], 512) == (one,)


# What is run


def test_released_weights_are_run_where_they_meet_the_need_however_fast_others_are() -> None:
    released, fast = weighed("bf16"), weighed("fp8", (90.0, 100.0, 110.0), losses=(loss(0.0, 0.001),))
    found = choose([fast, released], NEED)
    assert found.best == released
    assert {reason.code for reason in found.reasons} >= {"advise.faster_certainly", "advise.no_loss_allowed"}


def test_who_allows_a_loss_gets_what_is_certainly_better_within_it() -> None:
    released, fast = weighed("bf16"), weighed("fp8", (90.0, 100.0, 110.0), losses=(loss(0.0, 0.001),))
    need = NEED._replace(most_lost=Limit(0.01))
    assert choose([fast, released], need).best == fast
    close = weighed("fp8", (10.0, 20.0, 30.0), losses=(loss(0.0, 0.001),))
    assert choose([close, released], need).best == released
    unknown = fast._replace(losses=(), meets="unknown")
    assert choose([unknown, released], need).best == released


def test_the_mildest_change_comes_first_where_the_released_weights_do_not_meet_the_need() -> None:
    cache = weighed("bf16", kv="fp8", size=16.0)
    wide, narrow = weighed("fp8", size=8.0), weighed("nvfp4", (90.0, 100.0, 110.0), size=4.5)
    released = weighed("bf16", meets="no", size=16.0)
    assert choose([narrow, wide, cache, released], NEED).best == cache
    assert choose([narrow, wide, released], NEED).best == wide
    known = weighed("int8_w8a8", (1.0, 2.0, 3.0), size=8.1, losses=(loss(0.0, 0.01),))
    assert choose([narrow, wide, known], NEED).best == known  # of like width the one that is known to lose little


def test_nothing_certain_is_no_yes() -> None:
    assert choose([weighed("bf16", meets="unknown"), weighed(meets="no")], NEED).verdict == "unknown"
    assert choose([weighed(meets="no")], NEED).verdict == "no"
    assert choose([], NEED) == choose([weighed(meets="no")], NEED)


def test_runtimes_that_cannot_be_told_apart_keep_their_order() -> None:
    first_one = weighed("bf16", (8.0, 10.0, 12.0), engine="vllm")
    near, far = (
        weighed("bf16", (9.0, 11.0, 13.0), engine="sglang"),
        weighed("bf16", (13.0, 14.0, 15.0), engine="sglang"),
    )
    assert settled([first_one, near]) == first_one
    assert settled([first_one, far]) == far


def test_the_column_of_losses_has_one_protocol() -> None:
    options_found = [
        weighed("fp8", losses=(loss(0, 0.1, "a"), loss(0, 0.1, "b"))),
        weighed("nvfp4", losses=(loss(0, 0.1, "b"),)),
    ]
    assert protocol_of(options_found) == "b"
    assert protocol_of([weighed("fp8")]) is None


# What would change it


def test_values_are_tried_on_the_way_and_the_change_is_found_to_the_unit() -> None:
    assert steps(1, 6) == [2, 3, 4, 6]
    assert steps(8, 2) == [5, 3, 2]
    for at in range(2, 60):
        assert first(1, 64, lambda value, at=at: value >= at) == at  # type: ignore[misc]
        assert first(64, 1, lambda value, at=at: value < at) == at - 1  # type: ignore[misc]
    assert first(1, 64, lambda _: False) is None


def overtaking(width: float) -> tuple[Ground, Ground]:
    """A rival that gets ahead at 25 users: 200 / users against a constant 8."""
    made = setting("Qwen3-0.6B", "h200-sxm-141gb")
    return ground(made, "bf16", lambda users: 200 / users, width), ground(made, "fp8", lambda _: 8.0, width)


def test_the_users_at_which_a_rival_comes_ahead_are_found_with_the_interval() -> None:
    best, rival = overtaking(0.1)
    need = NEED._replace(context=2048)
    found = flips(Search((best, rival), need), weigh(best, need), [rival.option])
    ahead = next(flip for flip in found if flip.kind == "overtakes")
    assert (ahead.moved, ahead.at, ahead.option) == ("users", 26, rival.option)
    assert ahead.low is not None
    assert ahead.high is not None
    # 8 x 1.1 meets 200 / users x 0.9 at 20.5; 8 x 0.9 lies above 200 / users x 1.1 from 30.6 on.
    assert (ahead.low, ahead.high) == (21, 31)
    assert not ahead.certain


def test_a_change_whose_intervals_never_part_is_open() -> None:
    best, rival = overtaking(0.99)
    need = NEED._replace(context=2048)
    ahead = Search((best, rival), need).overtakes(best.option, rival.option, "users")
    assert ahead is not None
    assert ahead.low == 1
    assert not ahead.certain


def test_the_recommendation_changes_where_the_released_weights_no_longer_fit() -> None:
    released, small = ground(setting()), ground(setting("Qwen3-0.6B"), "nvfp4")
    search = Search((released, small), NEED)
    found = search.instead(released.option, "users")
    assert [flip.option for flip in found] == [small.option]
    at = found[0].at
    assert weigh(released, NEED._replace(users=at - 1)).verdict == "yes"
    assert weigh(released, NEED._replace(users=at)).verdict != "yes"


def test_a_shorter_context_shortens_the_prompt() -> None:
    moved = moved_to(NEED, "context", 100)
    assert (moved.context, moved.prompt, moved.output) == (100, 50, 50)
    assert moved_to(NEED, "users", 9).users == 9
