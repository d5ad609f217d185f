from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.reason.memory import fit as fit_module
from assay.reason.memory.fit import CardMemory, Need, Setting, available_memory, fit, need
from assay.reason.memory.overhead import overhead, scheduler_load
from assay.reason.memory.weights import loaded_weights, weights_per_card
from assay.types.message import message
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.plan import Workload
from assay.types.quantity import Quantity, exact, unknown
from assay.types.runtime import Activation, ComputeBuffer, KvFormat, Runtime, RuntimeMemory

GIB = 2**30
BF16 = KvFormat("bf16", 1, 2)
MEMORY = RuntimeMemory(
    fraction=exact(0.92, "ratio", "documented", "vllm"),
    sliding="batch",
    block_tokens=16,
    cell_padding=1,
    batched_tokens=(2048, 8192),
    sequences=(256, 1024),
    ubatch_tokens=0,
    large_from=70 * GIB,
    large_except=("a100",),
    grouped=True,
    hybrid_padding=1.5,
    loaded={"mxfp4": Quantity(1.06, "ratio", "assumed", ("bound",), low=1.0, high=1.1)},
    video_architectures=frozenset({"sees_video"}),
    terms={"context": Quantity(0.4 * GIB, "B", "assumed", low=0.1 * GIB, high=0.8 * GIB)},
    activation=Activation((2, 6, 12), (1, 2, 4), (1, 2, 4), ("bound",)),
    compute=None,
    sources=("vllm",),
)
VLLM = Runtime("vllm", "vLLM", "1", ("config",), "model", ("bf16",), "tensor", frozenset(), MEMORY, ())
BLIND = VLLM._replace(memory=None, name="Blind")


def model(size: float = 15 * GIB, **changes: object) -> Model:
    base = Model(
        name="model",
        architecture="llama",
        released_format="bf16",
        requantized_from=None,
        groups=(TensorGroup("mlp", "bf16", int(size) // 2, int(size) // 2, 1, int(size)),),
        layers=(LayerGroup("full", 32, 32, 8, 128, 128),),
        weights=exact(int(size), "B", "documented", "config"),
        hidden_size=4096,
        vocabulary=128_256,
        intermediate=14_336,
        experts=0,
        experts_per_token=0,
        max_context=131_072,
        container="config",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def card(usable: float = 24 * GIB, cards: int = 1) -> CardMemory:
    reserve = Quantity(0.5 * GIB, "B", "reported", ("cuda",), low=0.3 * GIB, high=0.9 * GIB)
    return CardMemory("card", exact(usable, "B", "measured", "driver"), reserve, cards)


def answer(size: float = 15 * GIB, usable: float = 24 * GIB, context: int = 8192, runtime: Runtime = VLLM):  # type: ignore[no-untyped-def] # noqa: ANN201
    return fit(Setting(model(size), runtime, card(usable), BF16), Workload(context, 1, 128))


def test_available_is_the_runtimes_share_of_what_a_process_sees() -> None:
    figure = available_memory(card(), MEMORY)
    assert figure.value == int(23.5 * GIB * 0.92)
    assert figure.low == int(23.1 * GIB * 0.92)
    assert figure.high == int(23.7 * GIB * 0.92)


def test_yes_only_if_the_pessimistic_need_fits() -> None:
    assert answer().verdict == "yes"
    plan = answer().memory
    assert plan.total.high is not None
    assert plan.available.low is not None
    assert plan.total.high <= plan.available.low


def test_no_only_if_the_optimistic_need_does_not_fit() -> None:
    assert answer(size=30 * GIB).verdict == "no"


def test_between_the_two_it_says_so() -> None:
    found = answer(size=18.5 * GIB)
    assert found.verdict == "unknown"
    assert found.reasons[0].code == "check.too_close"


def test_a_runtime_whose_own_memory_is_not_known_gives_no_yes() -> None:
    assert answer(size=1 * GIB, runtime=BLIND).verdict == "unknown"


def test_weights_that_exceed_the_card_are_refused_even_then() -> None:
    assert answer(size=30 * GIB, runtime=BLIND).verdict == "no"


def test_a_card_whose_usable_memory_is_not_known_gives_no_yes() -> None:
    blind = CardMemory("card", unknown("B", message("unknown.memory_driver")), card().reserve, 1)
    found = fit(Setting(model(1 * GIB), VLLM, blind, BF16), Workload(128, 1, 128))
    assert found.verdict == "unknown"
    assert found.max_context.value is None


def test_unknown_weights_give_no_yes() -> None:
    vague = model(weights=unknown("B", message("unknown.weights")))
    found = fit(Setting(vague, VLLM, card(), BF16), Workload(128, 1, 128))
    assert found.verdict == "unknown"


def test_what_was_not_understood_of_a_model_gives_no_yes() -> None:
    doubtful = model(doubts=(message("unknown.weights"),))
    assert fit(Setting(doubtful, VLLM, card(), BF16), Workload(128, 1, 128)).verdict == "unknown"


def test_the_largest_context_is_where_the_verdict_turns() -> None:
    setting = Setting(model(), VLLM, card(), BF16)
    largest = fit(setting, Workload(8192, 1, 128)).max_context
    assert largest.value is not None
    tokens = int(largest.value)
    assert fit(setting, Workload(tokens, 1, 128)).verdict == "yes"
    assert fit(setting, Workload(tokens + 16, 1, 128)).verdict != "yes"


def test_the_largest_context_is_never_beyond_the_models_own() -> None:
    found = fit(Setting(model(1 * GIB, max_context=4096), VLLM, card(), BF16), Workload(128, 1, 128))
    assert found.max_context.value == 4096


def test_the_most_sequences_is_where_the_verdict_turns() -> None:
    setting = Setting(model(), VLLM, card(), BF16)
    most = fit(setting, Workload(1024, 1, 128)).max_concurrency
    assert most.value is not None
    count = int(most.value)
    assert fit(setting, Workload(1024, count, 128)).verdict == "yes"
    assert fit(setting, Workload(1024, count + 1, 128)).verdict != "yes"


def test_copies_are_whole_and_counted_on_the_pessimistic_side() -> None:
    found = answer(size=7 * GIB, usable=96 * GIB)
    assert found.copies.value is not None
    assert found.memory.total.high is not None
    assert found.memory.available.low is not None
    assert found.copies.value == found.memory.available.low // found.memory.total.high


def test_large_cards_batch_more_but_for_the_a100() -> None:
    small = need(Setting(model(), VLLM, card(24 * GIB), BF16), 1024, 1)
    large = need(Setting(model(), VLLM, card(96 * GIB), BF16), 1024, 1)
    a100 = need(Setting(model(), VLLM, card(96 * GIB)._replace(gpu_id="a100-sxm4-80gb"), BF16), 1024, 1)
    assert large.activation[1] > small.activation[1] == a100.activation[1]


def test_weights_split_over_cards_but_for_what_is_replicated() -> None:
    groups = (TensorGroup("mlp", "bf16", 500, 500, 1, 1000), TensorGroup("norm", "bf16", 5, 5, 1, 11))
    sized = model(groups=groups, weights=exact(1011, "B", "documented"))
    split = weights_per_card(sized, sized.weights, 2)
    assert split.value == 511


def test_tensor_parallelism_needs_heads_that_divide() -> None:
    found = fit(Setting(model(1 * GIB), VLLM, card(cards=3), BF16), Workload(128, 1, 128))
    assert found.verdict == "no"
    assert found.reasons[0].code == "check.heads"


def test_whole_layers_are_dealt_to_any_number_of_cards_and_the_fullest_counts() -> None:
    engine = VLLM._replace(split="layer")
    groups = (TensorGroup("mlp", "bf16", 500, 500, 1, 3200), TensorGroup("head", "bf16", 5, 5, 1, 100))
    sized = model(groups=groups, weights=exact(3300, "B", "documented"))
    # 32 layers and the output are 33 slots: 11 on each card, the fullest with 11 layers of 100 B.
    assert weights_per_card(sized, sized.weights, 3, "layer").value == 1100
    heavy = (groups[0], TensorGroup("head", "bf16", 5, 5, 1, 1000))
    sized = model(groups=heavy, weights=exact(4200, "B", "documented"))
    assert weights_per_card(sized, sized.weights, 3, "layer").value == 10 * 100 + 1000
    found = fit(Setting(model(1 * GIB), engine, card(cards=3), BF16), Workload(128, 1, 128))
    assert found.verdict == "yes"
    assert found.memory.kv.value == 11 * 128 * 2 * 8 * 128 * 2


def test_a_runtime_whose_way_of_splitting_is_not_known_gives_no_yes_on_several_cards() -> None:
    blind = VLLM._replace(split=None)
    assert fit(Setting(model(1 * GIB), blind, card(cards=2), BF16), Workload(128, 1, 128)).verdict == "unknown"


@given(st.floats(0.5, 60), st.floats(8, 96), st.integers(1, 131_072), st.integers(1, 64))
def test_more_memory_never_turns_a_yes_into_something_else(
    size: float, usable: float, context: int, sequences: int
) -> None:
    # A larger card also batches more (70 GiB), so growth is compared on one side of that line.
    workload = Workload(context, sequences, 1)
    here = fit(Setting(model(size * GIB), VLLM, card(usable * GIB), BF16), workload)
    more = usable * 1.05
    if here.verdict == "yes" and (usable < 70) == (more < 70):
        assert fit(Setting(model(size * GIB), VLLM, card(more * GIB), BF16), workload).verdict == "yes"


@given(st.integers(1, 100_000), st.integers(1, 64))
def test_needs_never_fall_with_context_or_sequences(context: int, sequences: int) -> None:
    setting = Setting(model(), VLLM, card(), BF16)
    here, more = need(setting, context, sequences), need(setting, context + 1, sequences + 1)
    assert all(a <= b for a, b in zip(_flat(here), _flat(more), strict=True))


def _flat(what: Need) -> list[float]:
    return [what.kv, what.kv_window, what.state, *what.activation]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_free_is_available_less_total(count: int) -> None:
    plan = fit(Setting(model(), VLLM, card(cards=count), BF16), Workload(8192, 1, 128)).memory
    assert plan.free.value == pytest.approx((plan.available.value or 0) - (plan.total.value or 0))
    assert plan.free.low is not None
    assert plan.free.low <= (plan.free.value or 0)


def test_more_sequences_than_the_schedulers_default_are_counted() -> None:
    assert scheduler_load(MEMORY, "card", 24 * GIB, 1024, 1, 1).sequences == 256
    assert scheduler_load(MEMORY, "card", 24 * GIB, 1024, 5000, 1).sequences == 5000


def test_kv_heads_that_do_not_divide_are_refused_and_fewer_than_cards_are_replicated() -> None:
    def verdict(query: int, kv: int, cards: int) -> str:
        layers = (LayerGroup("full", 4, query, kv, 64, 64),)
        return fit(Setting(model(1 * GIB, layers=layers), VLLM, card(cards=cards), BF16), Workload(128, 1, 128)).verdict

    assert verdict(56, 8, 7) == "no"
    assert verdict(32, 4, 8) == "yes"
    assert verdict(32, 8, 4) == "yes"


def test_a_latent_cache_has_no_kv_heads_to_divide() -> None:
    layers = (LayerGroup("mla", 4, query_heads=128, kv_heads=1, latent_dim=512, rope_dim=64),)
    found = fit(Setting(model(1 * GIB, layers=layers), VLLM, card(cards=8), BF16), Workload(128, 1, 128))
    assert found.verdict == "yes"


def test_scale_blocks_must_not_be_cut() -> None:
    groups = (TensorGroup("experts", "fp8_block128", 1000, 100, 1, 1000),)
    moe = model(1 * GIB, groups=groups, experts=128, experts_per_token=8, intermediate=8 * 1536)
    cut = fit(Setting(moe, VLLM, card(cards=8), BF16), Workload(128, 1, 128))
    assert (cut.verdict, cut.reasons[0].code) == ("no", "check.blocks")
    assert fit(Setting(moe, VLLM, card(cards=4), BF16), Workload(128, 1, 128)).verdict == "yes"


def test_weights_that_grow_when_loaded_are_an_interval() -> None:
    groups = (TensorGroup("experts", "mxfp4", 100, 100, 1, 1000), TensorGroup("head", "bf16", 50, 50, 1, 100))
    sized = model(groups=groups, weights=exact(1100, "B", "documented"))
    loaded = loaded_weights(sized, MEMORY)
    assert (loaded.low, loaded.value, loaded.high) == (1100, 1160, 1200)
    assert loaded_weights(sized, None).value == 1100


def test_several_cards_vision_and_video_cost_more() -> None:
    terms = {
        "context": exact(1, "B", "assumed"),
        "graphs": exact(10, "B", "assumed"),
        "graphs_mixed": exact(20, "B", "assumed"),
        "parallel": exact(100, "B", "assumed"),
        "vision": exact(1000, "B", "assumed"),
        "vision_video": exact(5000, "B", "assumed"),
    }
    memory = MEMORY._replace(terms=terms)
    seeing = (TensorGroup("vision", "bf16", 1, 1, 1, 2),)
    assert overhead(model(), memory).value == 11
    assert overhead(model(experts=8), memory).value == 21
    assert overhead(model(), memory, 2).value == 111
    assert overhead(model(groups=seeing), memory).value == 1011
    assert overhead(model(groups=seeing, architecture="sees_video"), memory).value == 5011


def test_caches_beside_recurrent_states_are_padded() -> None:
    hybrid = (LayerGroup("full", 2, 4, 4, 64, 64), LayerGroup("linear", 6, 4, state_size=1000))
    plain = need(Setting(model(layers=hybrid[:1]), VLLM, card(), BF16), 1024, 1)
    padded = need(Setting(model(layers=hybrid), VLLM, card(), BF16), 1024, 1)
    assert padded.kv == plain.kv * 1.5


def test_latent_attention_may_keep_scores_in_llama_cpps_buffer() -> None:
    compute = ComputeBuffer((1, 1, 1), (0, 0, 0), (0, 0, 0), ("bound",))
    memory = MEMORY._replace(
        activation=None, compute=compute, batched_tokens=(0, 0), ubatch_tokens=512, sequences=(0, 0), cell_padding=256
    )
    engine = VLLM._replace(memory=memory, split="layer")
    latent = (LayerGroup("mla", 4, query_heads=128, latent_dim=512, rope_dim=64),)

    def buffer(context: int) -> tuple[float, float]:
        return need(Setting(model(layers=latent), engine, card(), BF16), context, 1).activation

    scores = 512 * 16_384 * 128 * 4
    assert buffer(16_384)[1] > scores
    assert buffer(32_768)[1] - buffer(16_384)[1] == pytest.approx(scores, rel=0.02)
    assert buffer(32_768)[0] < scores / 4


def test_a_search_finds_the_last_that_fits_in_few_steps() -> None:
    for limit in range(40):
        for last in range(limit + 1):
            assert fit_module._largest(last.__ge__, limit) == last
    asked: list[int] = []

    def fits(n: int) -> bool:
        asked.append(n)
        return n <= 37

    assert fit_module._largest(fits, 1 << 20) == 37
    assert len(asked) <= 12
