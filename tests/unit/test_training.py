"""The memory of training: published arithmetic, exact parameter counts, and what follows from a change."""

from dataclasses import replace

import pytest

from assay.answers.model import answer as model_of
from assay.knowledge.catalog.training import training_terms
from assay.observe.checkpoint import config
from assay.reason.memory.fit import CardMemory
from assay.reason.training import activations, plan, states, widths
from assay.reason.training.bounds import Bounds
from assay.reason.training.plan import Subject
from assay.reason.training.ways import ways
from assay.types.message import message
from assay.types.model import Model
from assay.types.quantity import exact, unknown
from assay.types.training import Training

GIB = 2**30
TERMS = training_terms()
LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
TINY = {
    **LLAMA,
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 22,
    "num_key_value_heads": 4,
    "max_position_embeddings": 2048,
}


def laid_out(keys: dict[str, object]) -> Model:
    return config.model(keys, None, config.Origin("model", "config.json", "config", (), "bf16"))


def card(gib: float, cards: int = 1) -> CardMemory:
    return CardMemory("card", exact(gib * GIB, "B", "documented", "s"), exact(0.0, "B", "documented", "s"), cards)


def subject(model: Model, gib: float = 80, cards: int = 1) -> Subject:
    return Subject(model, card(gib, cards), TERMS)


def optimizer_of(model: Model, asked: Training) -> Bounds:
    return states.optimizer(model, asked, states.trained_parameters(model, asked), 1, TERMS).size


def trained(keys: dict[str, object], rank: int, targets: str) -> Bounds:
    return states.adapter_parameters(laid_out(keys), Training(rank=rank, targets=targets))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("keys", "rank", "targets", "published"),
    [
        (LLAMA, 8, "query-value", 4_194_304),  # LitGPT's table, Llama 2 7B
        (
            {**LLAMA, "hidden_size": 5120, "intermediate_size": 13824, "num_attention_heads": 40,
             "num_hidden_layers": 40, "num_key_value_heads": 40},
            8, "query-value", 6_553_600,
        ),  # LitGPT's table, Llama 2 13B
        (TINY, 64, "all-linear", 50_462_720),  # huggingface/peft issue 1514, TinyLlama, print_trainable_parameters
    ],
)  # fmt: skip
def test_adapters_have_the_parameters_that_trainers_print(
    keys: dict[str, object], rank: int, targets: str, published: int
) -> None:
    assert trained(keys, rank, targets) == Bounds(published, published, published)


def test_states_of_full_training_are_zero_s_sixteen_bytes() -> None:
    model = laid_out(LLAMA)
    asked = Training("full", shard="none")
    found = plan.parts(subject(model), asked)
    each = sum(found[name].size.typical for name in ("weights", "gradients", "optimizer")) / model.parameters
    assert each == 16


def test_sharding_divides_the_states_by_the_cards() -> None:
    model = laid_out(LLAMA)
    one = plan.parts(subject(model), Training("full", shard="none"))
    four = plan.parts(subject(model, cards=4), Training("full"))
    for name in ("weights", "gradients", "optimizer"):
        assert four[name].size.typical == one[name].size.typical / 4
    assert four["gathered"].size.low > 0


def test_nf4_takes_4_127_bits() -> None:
    assert TERMS["nf4"].value == pytest.approx(4.127 / 8, rel=1e-4)
    model = laid_out(LLAMA)
    linear = widths.parameters(model, "attention", "mlp")
    found = states.weights(model, Training("qlora", precision="bf16"), 1, TERMS).size
    assert found.typical == pytest.approx(linear * 4.126953125 / 8 + 2 * (model.parameters - linear))


@pytest.mark.parametrize(("optimizer", "each"), [("adamw", 8), ("adamw-8bit", 2.03125)])
def test_states_of_the_optimizers(optimizer: str, each: float) -> None:
    asked = Training("lora", optimizer=optimizer)  # type: ignore[arg-type]
    model = laid_out(LLAMA)
    count = states.adapter_parameters(model, asked).typical
    assert optimizer_of(model, asked).typical == each * count


def test_8_bit_states_of_the_embedding_may_be_wide() -> None:
    model = laid_out(LLAMA)
    found = optimizer_of(model, Training("full", optimizer="adamw-8bit"))
    table = 32000 * 4096
    assert found.high - found.low == pytest.approx(table * (8 - 2.03125))


def test_adafactor_keeps_a_row_and_a_column_of_each_matrix() -> None:
    model = laid_out(LLAMA)
    layer = 4 * (4096 + 4096) + 3 * (4096 + 11008) + 2 * 4096
    everything = 32 * layer + 2 * (32000 + 4096) + 4096
    found = optimizer_of(model, Training("full", optimizer="adafactor"))
    assert found.typical == pytest.approx(4 * everything)


def test_activations_of_a_layer_follow_from_its_widths() -> None:
    """20 bytes of each hidden element and 8 of each element of the MLP's width, the LLaMA block in 16 bits."""
    asked = Training("full", "adamw", "bf16", sequence=1000, checkpointing=False)
    found = activations.kept(laid_out(LLAMA), asked, TERMS).size
    assert found.typical == pytest.approx(1000 * 32 * (20 * 4096 + 8 * 11008))


def test_the_classic_block_keeps_what_korthikanti_counts() -> None:
    """34 bytes of each hidden element; 2 of them are masks of dropout, which such models are trained without."""
    model = laid_out(LLAMA)
    plain = next(group for group in model.groups if group.role == "mlp")._replace(parameters=32 * 2 * 4096 * 16384)
    plain = plain._replace(active=plain.parameters)
    classic = replace(model, groups=tuple(plain if group.role == "mlp" else group for group in model.groups))
    asked = Training("full", "adamw", "bf16", sequence=1000, checkpointing=False)
    found = activations.kept(classic, asked, TERMS).size
    assert found.low == pytest.approx(1000 * 32 * (34 - 2) * 4096)


def test_checkpointing_keeps_the_input_of_each_layer() -> None:
    asked = Training("full", "adamw", "bf16", sequence=1000)
    assert activations.kept(laid_out(LLAMA), asked, TERMS).size.typical == 1000 * 32 * 4096 * 2


def test_only_the_chosen_experts_leave_activations_and_all_are_trained() -> None:
    mixture = model_of("Qwen3-30B-A3B")
    asked = Training("full", checkpointing=False)
    rows = widths.all_layers(mixture).mlp
    assert rows == pytest.approx(3 * 48 * 8 * 768)
    assert states.trained_parameters(mixture, asked).typical == mixture.parameters


def test_experts_may_stay_in_16_bits_under_qlora() -> None:
    mixture = model_of("Qwen3-30B-A3B")
    found = states.weights(mixture, Training("qlora"), 1, TERMS).size
    experts = widths.parameters(mixture, "experts")
    assert found.high - found.low > experts * (2 - 0.52)
    assert found.high < 2 * mixture.parameters + 2 * mixture.parameters * 0.1


def test_adapters_on_experts_are_asked_for() -> None:
    mixture = model_of("Qwen3-30B-A3B")
    without = states.adapter_parameters(mixture, Training(targets="all-linear")).typical
    each = states.adapter_parameters(mixture, Training(targets="experts")).typical
    assert each - without == pytest.approx(16 * 48 * 128 * 3 * (2048 + 768))


def test_latent_attention_is_bounded_from_both_sides() -> None:
    """DeepSeek-V3: what a layer's five matrices really have lies between the bounds."""
    model = model_of("DeepSeek-V3")
    real = 61 * ((7168 + 1536) + (1536 + 128 * 192) + (7168 + 576) + (512 + 128 * 256) + (128 * 128 + 7168))
    found = states.adapter_parameters(model, Training(rank=1, targets="attention"))
    assert found.low <= real <= found.high


def test_the_parts_add_up_and_the_peak_is_the_larger_of_what_does_not_meet() -> None:
    found = plan.plan(subject(laid_out(LLAMA)), Training("full", shard="none"))
    for end in ("lowest", "value", "highest"):
        parts = [getattr(getattr(found, name), end) for name in (*plan.ADDED, "overhead")]
        assert sum(parts) == pytest.approx(getattr(found.total, end), abs=8)
        kept, logits, layer, step = (getattr(getattr(found, name), end) for name in plan.PEAK_PARTS)
        assert getattr(found.peak, end) == pytest.approx(max(kept + max(logits, layer), step), abs=4)


@pytest.mark.parametrize(("gib", "expected"), [(8, "no"), (24, "unknown"), (40, "yes")])
def test_three_answers(gib: float, expected: str) -> None:
    model = replace(laid_out(LLAMA), max_context=None)
    found = plan.plan(subject(model, gib), Training(sequence=8192, shard="none"))
    assert plan.verdict(found)[0] == expected


def test_the_longest_sequence_fits_and_one_token_more_does_not() -> None:
    where = subject(laid_out({**LLAMA, "max_position_embeddings": 1 << 20}), 24)
    asked = Training(shard="none")
    longest, largest = plan.reach(where, asked, plan.plan(where, asked))
    tokens, batches = int(longest.value or 0), int(largest.value or 0)
    assert plan.fits(where, asked._replace(sequence=tokens))[0]
    assert not plan.fits(where, asked._replace(sequence=tokens + 1))[0]
    assert batches == 0 or plan.fits(where, asked._replace(micro_batch=batches))[0]
    assert not plan.fits(where, asked._replace(micro_batch=batches + 1))[0]


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_every_way_fits_when_it_is_asked_for(method: str) -> None:
    where = subject(laid_out(LLAMA), 24)
    asked = Training(method, checkpointing=False, micro_batch=8, shard="none")  # type: ignore[arg-type]
    found = ways(where, asked)
    assert found
    for way in found:
        moved = where._replace(card=where.card._replace(cards=way.cards))
        assert plan.verdict(plan.plan(moved, way.training))[0] == "yes"
        assert way.training != asked
    names = [way.changes for way in found]
    assert len(set(names)) == len(names)


def test_checkpointing_alone_is_the_first_advice_where_it_is_enough() -> None:
    where = subject(laid_out(LLAMA), 40)
    asked = Training(checkpointing=False, loss="chunked", micro_batch=4, shard="none")
    assert plan.verdict(plan.plan(where, asked))[0] != "yes"
    assert ways(where, asked)[0].changes == ("checkpointing",)


def test_nothing_is_certain_on_a_card_whose_memory_is_not_known() -> None:
    model = laid_out(LLAMA)
    where = Subject(model, CardMemory("card", unknown("B", message("x")), exact(0, "B", "documented", "s"), 1), TERMS)
    assert plan.verdict(plan.plan(where, Training()))[0] == "unknown"
    assert plan.fits(where, Training()) == (False, False)


def test_every_term_is_an_interval_that_holds_its_value_and_has_sources() -> None:
    for name, found in TERMS.items():
        assert found.sources, name
        assert (found.lowest or 0) <= (found.value or 0) <= (found.highest or 0), name
