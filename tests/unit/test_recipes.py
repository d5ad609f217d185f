"""Recipes of llama-quantize: their rules, the tensors they are applied to, and what a person is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.answers.asked import CheckRequest
from assay.answers.check import answer
from assay.answers.model import answer as read
from assay.answers.weights import by_recipe
from assay.errors import MissingKnowledge, UnsupportedArchitecture
from assay.knowledge.catalog import recipes
from assay.observe.checkpoint import config
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.recipes import Converted, of_parts
from assay.reason.memory.recipes import choices, groups, kind_of, needs_matrix
from assay.types.recipe import Choice, Facts, How, Weight

LLAMA = {
    "model_type": "llama",
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 16,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}
FACTS = Facts("llama", 16, 0, 8, 2)


def laid_out(**changes: Any) -> Converted:
    return of_parts(config.understand(Fields({**LLAMA, **changes}, "config.json")), ("config.json",))


def applied(name: str, weights: tuple[Weight, ...], facts: Facts = FACTS, how: How | None = None) -> dict[str, Choice]:
    recipe = recipes.recipe(name)
    assert recipe is not None
    found = choices(weights, recipe, recipes.common(), facts, how or How())
    return {choice.weight.name: choice for choice in found}


def one(name: str, weight: Weight, facts: Facts = FACTS) -> str:
    return applied(name, (weight,), facts)[weight.name].type


def written(folder: Path, **changes: Any) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps({**LLAMA, **changes}), "utf-8")
    return str(path)


def test_the_recipes_of_llama_quantize_are_all_there() -> None:
    assert {name.removeprefix("gguf:") for name in recipes.known()} == {
        "F32",
        "F16",
        "BF16",
        "Q4_0",
        "Q4_1",
        "Q5_0",
        "Q5_1",
        "Q8_0",
        "Q2_K",
        "Q2_K_S",
        "Q3_K_S",
        "Q3_K_M",
        "Q3_K_L",
        "Q4_K_S",
        "Q4_K_M",
        "Q5_K_S",
        "Q5_K_M",
        "Q6_K",
        "IQ1_S",
        "IQ1_M",
        "IQ2_XXS",
        "IQ2_XS",
        "IQ2_S",
        "IQ2_M",
        "IQ3_XXS",
        "IQ3_XS",
        "IQ3_S",
        "IQ3_M",
        "IQ4_NL",
        "IQ4_XS",
        "TQ1_0",
        "TQ2_0",
        "MXFP4_MOE",
    }


def test_every_type_and_condition_of_the_data_is_known() -> None:
    blocks = recipes.common().blocks
    conditions = {
        "gqa4", "experts4", "eight_experts", "not_eight_experts", "falcon", "not_falcon", "matrix", "no_matrix",
        "first_two", "first_four", "first_eighth", "first_sixteenth", "counted_first_eighth", "middle", "more_bits",
    }  # fmt: skip
    for name in recipes.known():
        recipe = recipes.recipe(name)
        assert recipe is not None
        rules = [rule for found in recipe.rules.values() for rule in found]
        types = {recipe.default, recipe.head, *(rule.type for rule in rules)}
        assert types <= set(blocks), name
        assert {condition for rule in rules for condition in rule.when} <= conditions, name


def test_names_are_understood_in_any_case_and_by_their_second_names() -> None:
    for name in ("gguf:Q4_K_M", "gguf:q4_k_m", "GGUF:Q4_K_M", "gguf:Q4_K"):
        recipe = recipes.recipe(name)
        assert recipe is not None
        assert recipe.id == "gguf:Q4_K_M"
    assert recipes.recipe("gguf:rules") is None
    assert recipes.recipe("rules") is None
    assert recipes.recipe("Q4_K_M") is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("output.weight", "head"),
        ("token_embd.weight", "embedding"),
        ("blk.0.attn_output.weight", "output"),
        ("blk.0.attn_qkv.weight", "value"),
        ("blk.0.attn_v_b.weight", "other"),
        ("blk.0.ffn_gate_up_exps.weight", "gate"),
        ("blk.0.ffn_down_shexp.weight", "down"),
        ("blk.0.ssm_out.weight", "other"),
    ],
)
def test_kinds(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_more_bits_in_the_first_and_last_eighth_and_every_third_between() -> None:
    found = applied("gguf:Q4_K_M", laid_out().weights)
    raised = [index for index in range(16) if found[f"blk.{index}.ffn_down.weight"].type == "Q6_K"]
    assert raised == [0, 1, 4, 7, 10, 13, 14, 15]
    assert [index for index in range(16) if found[f"blk.{index}.attn_v.weight"].type == "Q6_K"] == raised
    assert {found[f"blk.{index}.ffn_up.weight"].type for index in range(16)} == {"Q4_K"}


def test_the_head_and_a_tied_embedding_take_more() -> None:
    untied = applied("gguf:Q4_K_M", laid_out().weights)
    assert (untied["output.weight"].type, untied["token_embd.weight"].type) == ("Q6_K", "Q4_K")
    tied = applied("gguf:Q4_K_M", laid_out(tie_word_embeddings=True).weights)
    assert tied["token_embd.weight"].type == "Q6_K"
    assert applied("gguf:Q8_0", laid_out().weights)["output.weight"].type == "Q8_0"


@pytest.mark.parametrize(
    ("recipe", "columns", "expected"),
    [
        ("gguf:Q4_K_S", 512, "Q4_K"),
        ("gguf:Q4_K_S", 480, "Q5_0"),
        ("gguf:Q5_K_S", 480, "Q5_1"),
        ("gguf:Q6_K", 480, "Q8_0"),
        ("gguf:Q3_K_S", 480, "Q4_0"),
        ("gguf:IQ4_XS", 480, "IQ4_NL"),
        ("gguf:Q6_K", 100, "F16"),
        ("gguf:Q4_0", 100, "F16"),
        ("gguf:F16", 100, "F16"),
    ],
)
def test_rows_that_are_not_whole_blocks_fall_back(recipe: str, columns: int, expected: str) -> None:
    assert one(recipe, Weight("blk.9.attn_gate.weight", (columns, 64), "attention", 0)) == expected


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("blk.0.attn_norm.weight", (512,)),
        ("blk.0.attn_q.bias", (512, 4)),
        ("blk.0.ffn_gate_inp.weight", (512, 64)),
        ("blk.0.ssm_norm.weight", (64, 8)),
        ("blk.0.ssm_conv1d.weight", (256, 512)),
        ("blk.0.ffn_gate_inp_shexp.weight", (512, 1)),
        ("rope_freqs.weight", (64,)),
    ],
)
def test_what_is_never_converted(name: str, shape: tuple[int, ...]) -> None:
    assert one("gguf:Q4_K_M", Weight(name, shape, "other", 0)) == "F32"


def test_eight_experts_and_70b_raise_values() -> None:
    value = Weight("blk.9.attn_v.weight", (512, 128), "attention", 0)
    assert one("gguf:Q3_K_S", value) == "Q3_K"
    assert one("gguf:Q3_K_S", value, FACTS._replace(blocks=80)) == "Q5_K"
    assert one("gguf:Q3_K_S", value, FACTS._replace(blocks=80, kv_heads=8)) == "Q3_K"
    assert one("gguf:Q3_K_S", value, FACTS._replace(blocks=80, architecture="qwen3")) == "Q3_K"
    assert one("gguf:Q3_K_S", value, FACTS._replace(experts=8)) == "Q8_0"
    assert one("gguf:Q3_K_S", value, FACTS._replace(experts=16)) == "Q3_K"


def test_mxfp4_takes_stacked_matrices_only() -> None:
    found = applied(
        "gguf:MXFP4_MOE",
        (
            Weight("blk.0.ffn_up_exps.weight", (512, 64, 8), "experts", 0),
            Weight("blk.0.ffn_up.weight", (512, 64), "mlp", 0),
        ),
    )
    assert [choice.type for choice in found.values()] == ["Q8_0", "MXFP4"]


def test_bytes_are_those_of_whole_blocks() -> None:
    found = applied("gguf:Q4_K_S", (Weight("blk.9.attn_q.weight", (512, 64), "attention", 0),))
    assert found["blk.9.attn_q.weight"].size == 512 // 256 * 144 * 64


def test_an_importance_matrix_is_needed_by_the_smallest_types() -> None:
    weights = laid_out().weights
    for name in recipes.known():
        recipe = recipes.recipe(name)
        assert recipe is not None
        found = choices(weights, recipe, recipes.common(), FACTS)
        small = name in {"gguf:Q2_K_S", "gguf:IQ3_XXS", "gguf:IQ3_XS"} or name.startswith(("gguf:IQ1", "gguf:IQ2"))
        assert needs_matrix(found, recipe) is small, name


def test_groups_add_up() -> None:
    found = applied("gguf:Q4_K_M", laid_out().weights)
    rows = groups(tuple(found.values()))
    assert sum(row.size for row in rows) == sum(choice.size for choice in found.values())
    assert sum(row.tensors for row in rows) == len(found)
    parameters = 2 * 512_000 + 16 * (2 * 512 * 512 + 2 * 512 * 128 + 3 * 512 * 1024) + 33 * 512
    assert sum(row.parameters for row in rows) == parameters
    assert {row.format for row in rows} == {"gguf:F32", "gguf:Q4_K", "gguf:Q6_K"}


def test_experts_lie_in_one_tensor_and_a_token_reads_the_chosen() -> None:
    source = laid_out(model_type="mixtral", num_local_experts=8, num_experts_per_tok=2)
    found = {weight.name: weight for weight in source.weights}
    up = found["blk.3.ffn_up_exps.weight"]
    assert (up.shape, up.role, up.active) == ((512, 1024, 8), "experts", 512 * 1024 * 2)
    assert found["blk.3.ffn_gate_inp.weight"].shape == (512, 8)
    assert source.facts.experts == 8


def test_fused_matrices_of_phi() -> None:
    found = {weight.name: weight for weight in laid_out(model_type="phi3").weights}
    assert found["blk.2.attn_qkv.weight"].shape == (512, 512 + 2 * 128)
    assert found["blk.2.ffn_up.weight"].shape == (512, 2048)
    assert not any(".ffn_gate." in name or ".attn_q." in name for name in found)


def test_older_releases_had_other_rules_for_fused_matrices() -> None:
    weights = laid_out(model_type="phi3").weights
    facts = FACTS._replace(architecture="phi3")
    now = applied("gguf:Q5_K_M", weights, facts)
    then = applied("gguf:Q5_K_M", weights, facts, How(older=True))
    assert [now[f"blk.{index}.attn_qkv.weight"].type for index in (0, 2, 3)] == ["Q6_K", "Q5_K", "Q5_K"]
    assert {then[f"blk.{index}.attn_qkv.weight"].type for index in range(16)} == {"Q6_K"}


def test_a_model_by_recipe(tmp_path: Path) -> None:
    source = written(tmp_path)
    model = by_recipe(read(source), source, "gguf:q4_k_m")
    assert model.container == "gguf"
    assert model.requantized_from == read(source).name
    assert model.weights.value == sum(group.size for group in model.groups)
    assert model.weights.root == "documented"
    assert "llama-cpp-quantizer" in model.weights.sources
    assert [note.code for note in model.notes] == ["note.recipe"]
    assert model.parameters == read(source).parameters


def test_what_is_told(tmp_path: Path) -> None:
    def codes(recipe: str, **changes: Any) -> set[str]:
        source = written(tmp_path, **changes)
        return {note.code for note in by_recipe(read(source), source, recipe).notes}

    assert codes("gguf:Q4_K") == {"note.recipe", "note.recipe_alias"}
    assert "note.recipe_fallback" in codes("gguf:Q4_K_M", hidden_size=544, head_dim=64)
    assert "note.recipe_matrix" in codes("gguf:IQ2_M")
    assert "note.recipe_matrix_changes" in codes("gguf:IQ4_XS")
    assert "note.recipe_older" in codes("gguf:Q4_K_M", model_type="phi3")


def test_a_range_where_an_importance_matrix_would_change_the_size(tmp_path: Path) -> None:
    source = written(tmp_path)
    weights = by_recipe(read(source), source, "gguf:IQ4_XS").weights
    assert weights.value == weights.high
    assert weights.low is not None
    assert weights.low < (weights.value or 0)


def test_a_type_that_the_configuration_does_not_say_is_no_doubt_any_more(tmp_path: Path) -> None:
    source = written(tmp_path, torch_dtype=None)
    assert read(source).doubts
    model = by_recipe(read(source), source, "gguf:Q8_0")
    assert not model.doubts
    assert model.weights.value


def test_dynamic_mixtures_are_refused_by_name() -> None:
    request = CheckRequest("Qwen3-30B-A3B", ("RTX 4090",), weights="gguf:UD-Q4_K_XL")
    with pytest.raises(MissingKnowledge) as caught:
        answer(request)
    assert caught.value.message.code == "error.recipe_dynamic"
    with pytest.raises(MissingKnowledge) as caught:
        answer(request._replace(weights="gguf:Q9_K"))
    assert caught.value.message.code == "error.unknown_weight_format"
    assert caught.value.hint.code == "hint.recipes"


def test_a_matrix_without_a_known_name_is_refused() -> None:
    parts = config.understand(Fields(LLAMA, "config.json"))
    parts.layout.tensors[5] = parts.layout.tensors[5]._replace(module="layers.0.self_attn.new_proj")
    with pytest.raises(UnsupportedArchitecture) as caught:
        of_parts(parts, ())
    assert caught.value.field == "layers.0.self_attn.new_proj"


def test_llama_cpp_is_the_runtime_of_a_recipe() -> None:
    found = answer(CheckRequest("Qwen3-30B-A3B", ("RTX 4090",), weights="gguf:Q4_K_M"))
    assert found.runtime.id == "llama.cpp"
    assert found.model.weights.value == 18_550_716_416
