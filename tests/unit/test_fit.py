from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.reason.memory import fit as fit_module
from assay.reason.memory.fit import CardMemory, Need, Setting, available_memory, fit, need
from assay.reason.memory.overhead import (
    Load,
    activation_bytes,
    growing_bytes,
    mlp_row,
    overhead,
    profiled_bytes,
    reserve_bytes,
    scheduler_load,
)
from assay.reason.memory.weights import loaded_weights, weights_per_card
from assay.types.message import message
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.plan import Workload
from assay.types.quantity import Quantity, exact, unknown
from assay.types.runtime import (
    Activation,
    BlockPool,
    ComputeBuffer,
    IndexWorkspace,
    KvFormat,
    Runtime,
    RuntimeMemory,
    StaticReserve,
    Tier,
)

GIB = 2**30
BF16 = KvFormat("bf16", 1, 2)
MEMORY = RuntimeMemory(
    fraction=exact(0.92, "ratio", "documented", "vllm"),
    fraction_of="all",
    sliding="window",
    cell_padding=1,
    ubatch_tokens=0,
    tiers=(Tier(0, (), 2048, 256, 256, 0), Tier(70 * GIB, ("a100",), 8192, 1024, 1024, 0)),
    whole_prompts=False,
    pool=BlockPool(16, 1.5, 2, 2, "requests"),
    graphs_counted=True,
    reserve=None,
    loaded={"mxfp4": Quantity(1.06, "ratio", "assumed", ("bound",), low=1.0, high=1.1)},
    video_architectures=frozenset({"sees_video"}),
    terms={"context": Quantity(0.4 * GIB, "B", "assumed", low=0.1 * GIB, high=0.8 * GIB)},
    activation=Activation((2, 6, 12), (1, 2, 4), (1, 2, 4), (0, 1, 1), ("bound",)),
    workspace=None,
    fast_links=("linked",),
    encoder_tokens=1000,
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
    found = answer(size=19.3 * GIB)
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


def test_latent_projections_down_are_kept_whole_on_every_card() -> None:
    groups = (TensorGroup("attention", "bf16", 1_000_000, 1_000_000, 10, 2_000_000),)
    layers = (LayerGroup("mla", 2, query_heads=128, latent_dim=64, rope_dim=16),)
    latent = model(groups=groups, layers=layers, weights=exact(2_000_000, "B", "documented"), hidden_size=512)
    split = weights_per_card(latent, latent.weights, 4)
    keys, queries = 2 * 80 * 512 * 2, 2 * 64 * 512 * 2
    assert split.low == (2_000_000 - keys) / 4 + keys
    assert split.value == (2_000_000 - keys - 3 * queries) / 4 + keys + 3 * queries
    assert split.high == (2_000_000 - keys - 4 * queries) / 4 + keys + 4 * queries


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
    tensors = 4 * 128 * 3
    groups = (TensorGroup("experts", "fp8_block128", tensors * 4096 * 1536, 100, tensors, 1000),)
    # The widest row is that of a dense first layer: it says nothing of the experts.
    moe = model(1 * GIB, groups=groups, experts=128, experts_per_token=8, intermediate=18_432)
    cut = fit(Setting(moe, VLLM, card(cards=8), BF16), Workload(128, 1, 128))
    assert (cut.verdict, cut.reasons[0].code) == ("no", "check.blocks")
    assert fit(Setting(moe, VLLM, card(cards=4), BF16), Workload(128, 1, 128)).verdict == "yes"
    stacked = replace(moe, groups=(groups[0]._replace(tensors=8),))
    assert fit(Setting(stacked, VLLM, card(cards=8), BF16), Workload(128, 1, 128)).verdict == "yes"


def test_weights_that_grow_when_loaded_are_an_interval() -> None:
    groups = (TensorGroup("experts", "mxfp4", 100, 100, 1, 1000), TensorGroup("head", "bf16", 50, 50, 1, 100))
    sized = model(groups=groups, weights=exact(1100, "B", "documented"))
    loaded = loaded_weights(sized, MEMORY)
    assert (loaded.low, loaded.value, loaded.high) == (1100, 1160, 1200)
    assert loaded_weights(sized, None).value == 1100


def test_several_cards_experts_and_fast_links_cost_more() -> None:
    terms = {
        "context": exact(1, "B", "assumed"),
        "graphs": exact(10, "B", "assumed"),
        "graphs_mixed": exact(20, "B", "assumed"),
        "parallel": exact(100, "B", "assumed"),
        "parallel_linked": exact(300, "B", "assumed"),
        "vision": exact(1000, "B", "assumed"),
    }
    memory = MEMORY._replace(terms=terms)

    def taken(what: Model, cards: int = 1, rules: RuntimeMemory = memory, *, linked: bool = False) -> float | None:
        return overhead(what, rules, Load(2048, 1, 4096, cards, 50, linked), 80 * GIB).value

    assert taken(model()) == 11
    assert taken(model(experts=8)) == 21
    assert taken(model(), 2) == 111
    assert taken(model(), 2, linked=True) == 311
    # Before 0.20 vLLM did not count the graphs that it was about to capture.
    assert taken(model(), rules=memory._replace(graphs_counted=False)) == 1
    assert scheduler_load(memory, "linked-80gb", 80 * GIB, 1, 1, 2).linked
    assert not scheduler_load(memory, "card", 80 * GIB, 1, 1, 2).linked


def test_a_release_that_reads_prompts_in_one_piece_has_them_in_a_batch() -> None:
    whole = MEMORY._replace(whole_prompts=True)
    assert scheduler_load(whole, "card", 24 * GIB, 32_768, 4, 1).batched_tokens == 32_768
    assert scheduler_load(whole, "card", 24 * GIB, 512, 4, 1).batched_tokens == 2048
    assert scheduler_load(MEMORY, "card", 24 * GIB, 32_768, 4, 1).batched_tokens == 2048


def test_the_peak_is_that_of_the_layer_or_that_of_sampling() -> None:
    terms = Activation((2, 4, 8), (1, 1, 1), (1, 3, 9), (0, 1, 1), ("bound",))
    batch = 2048 * 2
    rows = [batch * (4096 * a + 3 * 14_336) for a in (2, 4, 8)]
    few = activation_bytes(model(), terms, Load(2048, 1, 4096, 1))
    assert list(few) == rows
    many = activation_bytes(model(), terms, Load(2048, 1024, 4096, 1))
    assert many[1] == batch * 4096 + 1024 * 128_256 * 4 * 3
    # No more sequences than tokens of a batch are sampled.
    assert activation_bytes(model(), terms, Load(2048, 9999, 4096, 1)) == activation_bytes(
        model(), terms, Load(2048, 2048, 4096, 1)
    )
    assert activation_bytes(model(), terms, Load(2048, 1, 4096, 2))[0] == batch * (4096 * 2 + 3 * 7168)


def test_the_workspace_of_experts_stays_while_tokens_are_sampled() -> None:
    terms = Activation((0, 0, 0), (0, 0, 0), (0, 1, 1), (0, 1, 2), ("bound",))
    sparse = model(experts=128, experts_per_token=8, intermediate=8 * 768, hidden_size=2048)
    assert mlp_row(sparse, 1) == 8 * (2048 + 768)
    assert mlp_row(sparse, 2) == 8 * (2048 + 384)
    wide = replace(sparse, intermediate=8 * 4096)
    assert mlp_row(wide, 1) == 8 * (8192 + 4096)
    low, typical, high = activation_bytes(sparse, terms, Load(8192, 1024, 4096, 1))
    workspace = 8192 * 2 * 8 * 2816
    assert typical - low == 1024 * 128_256 * 4 + workspace
    assert high - typical == workspace


def test_a_vision_tower_is_profiled_before_the_batch_and_leaves_its_output() -> None:
    terms = {name: Quantity(size * GIB, "B", "assumed", low=size * GIB / 2, high=size * 2 * GIB)
             for name, size in (("vision", 1), ("vision_video", 5))}  # fmt: skip
    memory = MEMORY._replace(terms=terms)
    load = Load(2048, 256, 4096, 1)
    blind = profiled_bytes(model(), memory, load)
    seeing = model(groups=(TensorGroup("vision", "bf16", 1, 1, 1, 2),))
    seen = profiled_bytes(seeing, memory, load)
    assert blind[0] < 0.5 * GIB < 1 * GIB < 2 * GIB
    assert seen == (max(blind[0], 0.5 * GIB), max(blind[1], GIB), max(blind[2], 2 * GIB) + 4096 * 1000 * 2)
    video = profiled_bytes(replace(seeing, architecture="sees_video"), memory, load)
    assert video[1] == 5 * GIB


def test_sparse_attention_sets_memory_aside_for_the_longest_context() -> None:
    memory = MEMORY._replace(workspace=IndexWorkspace((0, 10, 20), (5, 6, 7), ("bound",)))
    sparse = model(layers=(LayerGroup("mla", 4, query_heads=128, latent_dim=512, rope_dim=64, index_dim=128),))
    load = Load(2048, 256, 4096, 1)
    plain = profiled_bytes(sparse, MEMORY, load)
    found = profiled_bytes(sparse, memory, load)
    assert [one - other for one, other in zip(found, plain, strict=True)] == [5, 4096 * 10 + 6, 4096 * 20 + 7]
    assert profiled_bytes(model(), memory, load) == profiled_bytes(model(), MEMORY, load)


RESERVE = StaticReserve(100, 2, 2048, 1000, 10, 5, 70, 9000, 60 * GIB, (0.5, 0.8, 1.0))
STATIC = MEMORY._replace(fraction=None, reserve=RESERVE, pool=None, terms={}, sliding="share")


def test_what_sglang_leaves_free_follows_its_rule() -> None:
    load = Load(4096, 32, 8192, 2, 50, slots=32)
    assert reserve_bytes(model(), RESERVE, load, 24 * GIB) == (100 + 8192 + 2000 + 320 + 250,) * 3
    short = load._replace(batched_tokens=1)
    assert reserve_bytes(model(), RESERVE, short, 24 * GIB)[0] == 100 + 4096 + 2000 + 320 + 250
    assert reserve_bytes(model(), RESERVE, short, 80 * GIB)[0] == 9000
    latent = model(layers=(LayerGroup("mla", 4, query_heads=128, latent_dim=512, rope_dim=64),))
    assert reserve_bytes(latent, RESERVE, load, 24 * GIB)[0] == 100 + 8192 + 2000 + 320 + 70
    seeing = model(groups=(TensorGroup("vision", "bf16", 1, 1, 1, 2),))
    low, _, high = reserve_bytes(seeing, RESERVE, load, 24 * GIB)
    assert low == 10_862
    assert high == 24 * GIB - (24 * GIB - 10_862) * 0.5


def test_activations_count_beside_a_reserve_only_where_they_exceed_it() -> None:
    load = Load(2048, 1, 4096, 1, 50)
    without = growing_bytes(model(), MEMORY, load, 80 * GIB)
    ample = STATIC._replace(reserve=RESERVE._replace(fixed=without[2]))
    assert growing_bytes(model(), ample, load, 80 * GIB) == (0.0, 0.0, 0.0)
    tight = STATIC._replace(fraction=exact(1.0, "ratio", "documented"))
    assert growing_bytes(model(), tight, load, 80 * GIB) == without


def test_a_share_that_was_asked_for_is_kept_instead_of_the_rule() -> None:
    asked = STATIC._replace(fraction=exact(0.75, "ratio", "documented"))
    assert overhead(model(), asked, Load(2048, 1, 4096, 1, 50), 80 * GIB).value == 20 * GIB


def test_a_share_of_the_rest_leaves_room_unused_beside_the_cache() -> None:
    rest = MEMORY._replace(fraction=exact(0.9, "ratio", "documented"), fraction_of="rest", pool=None)
    grown = need(Setting(model(), VLLM._replace(memory=rest), card(), BF16), 8192, 2)
    assert grown.spare == pytest.approx(grown.kv / 9)
    assert grown.high == grown.kv + grown.activation[1] + grown.spare
    found = fit(Setting(model(), VLLM._replace(memory=rest), card(), BF16), Workload(8192, 2, 1024))
    free, used = found.memory.free, found.memory.total
    assert found.memory.available.value == (24 - 0.5) * GIB
    assert free.value == pytest.approx((found.memory.available.value or 0) - (used.value or 0))


def test_recurrent_states_take_whole_blocks_of_the_pool() -> None:
    hybrid = (LayerGroup("full", 2, 4, 4, 64, 64), LayerGroup("linear", 6, 4, state_size=1000))
    grown = need(Setting(model(layers=hybrid), VLLM, card(), BF16), 1024, 5)
    block = 2 * 16 * 4 * 128 * 2
    assert grown.state == (5 * 6000, 5 * 3 * 2 * block)
    assert grown.kv == 5 * 64 * block
    assert grown.spare == block  # one block is never used


def test_latent_attention_may_keep_scores_in_llama_cpps_buffer() -> None:
    compute = ComputeBuffer((1, 1, 1), (0, 0, 0), (0, 0, 0), ("bound",))
    memory = MEMORY._replace(activation=None, compute=compute, ubatch_tokens=512, tiers=(), pool=None, cell_padding=256)
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
