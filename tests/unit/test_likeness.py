"""Architectures that the catalogue does not know: like a known one by their keys, and never on firmer ground."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors_files import write

from assay.answers.asked import CardCount, CheckRequest
from assay.answers.cards import card
from assay.answers.check import answer
from assay.answers.judged import setting_of
from assay.answers.speed import speed_on
from assay.errors import MalformedFile, UnsupportedArchitecture
from assay.knowledge import store
from assay.knowledge.catalog import architectures
from assay.knowledge.catalog.runtimes import kv_format, runtime
from assay.observe.checkpoint import likeness
from assay.observe.checkpoint.config import Origin, model, understand
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.read import read
from assay.report.json.check import document as check_document
from assay.report.json.model import document as model_document
from assay.report.layout import check as check_layout
from assay.report.layout import model as model_layout
from assay.report.text import report_lines
from assay.types.model import Model
from assay.types.quantity import Quantity
from assay.types.report import Report, Table

Config = dict[str, Any]
ORIGIN = Origin("test", "config.json", "config", ("config.json",))
HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD, WIDTH, WORDS = 1024, 4, 16, 4, 64, 4096, 32_000

COMMON: Config = {
    "architectures": ["FancifulForCausalLM"], "attention_dropout": 0.0, "hidden_size": HIDDEN,
    "eos_token_id": 2, "initializer_range": 0.02, "max_position_embeddings": 65_536, "model_type": "fanciful",
    "num_attention_heads": HEADS, "num_hidden_layers": LAYERS, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
    "torch_dtype": "bfloat16", "transformers_version": "5.0.0", "use_cache": True, "vocab_size": WORDS,
}  # fmt: skip
SAID: Config = {"attention_bias": False, "mlp_bias": False, "tie_word_embeddings": False, "use_qk_norm": False}
PLAIN: Config = COMMON | {"intermediate_size": WIDTH, "num_key_value_heads": KV_HEADS}
MIXTURE: Config = PLAIN | {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 768}
MIXTRAL: Config = PLAIN | {"num_local_experts": 8, "num_experts_per_tok": 2}
ROUTED: Config = MIXTURE | {"n_shared_experts": 1, "first_k_dense_replace": 1, "norm_topk_prob": True, "n_group": 1}
SMALL: Config = COMMON | {
    "kv_lora_rank": 128, "q_lora_rank": 256, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "v_head_dim": 64,
    "intermediate_size": WIDTH,
}  # fmt: skip
LATENT: Config = SMALL | {
    "n_routed_experts": 16, "num_experts_per_tok": 4, "moe_intermediate_size": 512, "n_shared_experts": 1,
    "first_k_dense_replace": 1, "num_nextn_predict_layers": 1,
}  # fmt: skip
PATTERNS = [
    ("plain", PLAIN, "llama"),
    ("experts", MIXTURE, "qwen3_moe"),
    ("experts of full width", MIXTRAL, "mixtral"),
    ("shared experts", ROUTED, "qwen3_moe"),
    ("latent", SMALL, "deepseek_v3"),
    ("latent with experts", LATENT, "deepseek_v3"),
]
every_pattern = pytest.mark.parametrize(
    ("config", "like"), [row[1:] for row in PATTERNS], ids=[row[0] for row in PATTERNS]
)


def described(config: Config, separate: Config | None = None) -> Model:
    return model(config, separate, ORIGIN)


def size(config: Config) -> float:
    found = described(config).weights.value
    assert found is not None
    return found


def refusal(config: Config) -> UnsupportedArchitecture:
    with pytest.raises(UnsupportedArchitecture) as caught:
        described(config)
    return caught.value


def figures(report: Report) -> Iterator[Quantity]:
    yield from (entry.figure for entry in report.figures)
    for block in report.blocks:
        if isinstance(block, Table):
            yield from (cell for row in block.rows for cell in row.cells if isinstance(cell, Quantity))


def printed(report: Report) -> str:
    return " ".join(line.text.strip() for line in report_lines(report, "en", 100))


def written(tmp_path: Path, config: Config) -> str:
    path = tmp_path / "fanciful.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    return str(path)


@every_pattern
def test_a_known_pattern_is_followed_and_said(config: Config, like: str) -> None:
    found = described(config)
    assert (found.architecture, found.like) == ("fanciful", like)
    assert architectures.architecture(like) is not None
    assert found.notes[0].code == "note.like"
    assert found.notes[0].level == "warning"
    assert dict(found.notes[0].parameters) == {"architecture": "fanciful", "like": like}
    assert (found.weights.root, found.weights.weakest, found.weights.weakest_share) == ("assumed", "assumed", 1.0)


@every_pattern
def test_every_figure_of_the_model_rests_on_the_assumption(config: Config, like: str) -> None:
    found = described(config)
    report = model_layout.layout(found)
    shown = list(figures(report))
    assert len(shown) > 8
    assert {figure.root for figure in shown} == {"assumed"}
    assert f"taken to be like {like}" in printed(report)
    body = model_document(found, "en")
    told = [body["weights"], body["kv_per_token"], *(group["bytes"] for group in body["groups"] + body["optional"])]
    assert {figure["basis"] for figure in told} <= {"assumed", "derived"}
    assert {figure.get("weakest") for figure in told if figure["basis"] == "derived"} == {"assumed"}


@pytest.mark.parametrize("runtime", [None, "llama.cpp"])
@pytest.mark.parametrize("gpu", ["rtx-5090", "2x h100-sxm5-80gb"])
@every_pattern
def test_every_figure_of_a_verdict_rests_on_the_assumption(
    tmp_path: Path, config: Config, like: str, gpu: str, runtime: str | None
) -> None:
    found = answer(CheckRequest(written(tmp_path, config), (gpu,), runtime=runtime))
    report = check_layout.layout(found)
    shown = list(figures(report))
    assert len(shown) > 20
    assert {figure.root for figure in shown} == {"assumed"}
    (result,) = found.results
    memory = result.fit.memory
    for figure in (memory.weights, memory.kv, memory.kv_per_sequence, memory.state):
        assert (figure.basis, figure.root, figure.weakest_share) == ("derived", "assumed", 1.0)
    assert f"taken to be like {like}" in printed(report)
    assert any(entry["code"] == "note.like" for entry in check_document(found, "en")["messages"])


def test_the_speed_of_a_likeness_is_assumed_whatever_its_weights_are() -> None:
    bases = []
    for kind in (PLAIN, PLAIN | {"model_type": "llama"}):
        setting = setting_of(described(kind), runtime("vllm"), kv_format("bf16"), (CardCount(card("l40s"), 1),))
        bases.append(speed_on(setting, card("l40s"), 1).basis)
    assert bases == ["assumed", "documented"]


@every_pattern
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("linear_attention_heads", 4),
        ("mamba_d_state", 128),
        ("sliding_window", 4096),
        ("sliding_window_pattern", 6),
        ("layer_types", ["full_attention"] * 3 + ["sliding_attention"]),
        ("index_head_dim", 128),
        ("num_kv_shared_layers", 2),
        ("vision_config", {"hidden_size": 8}),
        ("text_config", {}),
        ("is_encoder_decoder", True),
        ("architectures", ["FancifulForMaskedLM"]),
        ("use_qk_norm", "per_layer"),
        ("moe_layer_freq", 2),
        ("moe_layer_freq", True),
        ("never_heard_of", None),
    ],
)
def test_a_key_that_is_not_understood_is_refused_by_name(config: Config, like: str, key: str, value: Any) -> None:
    error = refusal(config | {key: value})
    assert error.message.code == "error.architecture_keys"
    assert dict(error.message.parameters) == {
        "architecture": "fanciful", "file": "config.json", "like": like, "keys": key,
    }  # fmt: skip
    assert (error.field, error.exit_code) == (key, 3)


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        (PLAIN | {"mamba_d_state": 1, "zeta": 2}, "mamba_d_state, zeta"),
        (PLAIN | {f"odd_{number:02}": 1 for number in range(11)}, ", ".join(f"odd_{n:02}" for n in range(8)) + " (+3)"),
        (PLAIN | {"x" * 500: 1}, "x" * likeness.KEY_CHARACTERS),
        (PLAIN | {"num_experts_per_tok": 2}, "num_experts_per_tok"),
        (PLAIN | {"moe_intermediate_size": 768}, "moe_intermediate_size"),
        (PLAIN | {"num_nextn_predict_layers": 1}, "num_nextn_predict_layers"),
        (MIXTURE | {"num_local_experts": 4}, "num_experts, num_local_experts"),
        (MIXTURE | {"n_shared_experts": 1, "shared_expert_intermediate_size": 64},
         "n_shared_experts, shared_expert_intermediate_size"),
        (MIXTURE | {"moe_intermediate_size": 256}, "intermediate_size"),
        (LATENT | {"num_key_value_heads": 4}, "num_key_value_heads"),
        (LATENT | {"head_dim": 128}, "head_dim"),
    ],
)  # fmt: skip
def test_keys_that_do_not_belong_together(config: Config, keys: str) -> None:
    assert ("keys", keys) in refusal(config).message.parameters


@pytest.mark.parametrize(
    "missing",
    ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"],
)
def test_without_a_pattern_it_is_refused_as_ever(missing: str) -> None:
    error = refusal({key: value for key, value in PLAIN.items() if key != missing})
    assert error.message.code == "error.unsupported_architecture"
    assert error.field == "model_type"


@pytest.mark.parametrize(
    "config",
    [
        {key: value for key, value in LATENT.items() if key != "v_head_dim"},
        {key: value for key, value in MIXTURE.items() if key != "num_experts_per_tok"},
        {key: value for key, value in ROUTED.items() if key != "intermediate_size"},
        PLAIN | {"num_attention_heads": 12},
        PLAIN | {"model_type": ""},
        PLAIN | {"model_type": "a\x1b[31mb"},
        PLAIN | {"model_type": "a" * 65},
    ],
)
def test_half_a_pattern_is_none(config: Config) -> None:
    assert refusal(config).message.code == "error.unsupported_architecture"


@pytest.mark.parametrize(
    ("key", "value"),
    [("hidden_size", "1024"), ("num_hidden_layers", -1), ("num_key_value_heads", 3), ("vocab_size", 0)],
)
def test_a_wrong_value_of_a_pattern_is_named(key: str, value: Any) -> None:
    with pytest.raises(MalformedFile) as caught:
        described(PLAIN | {key: value})
    assert caught.value.field == key


SWITCHED_OFF: Config = {
    "sliding_window": None, "mlp_only_layers": [], "layer_types": ["full_attention"] * LAYERS, "decoder_sparse_step": 1,
    "num_nextn_predict_layers": 0, "is_encoder_decoder": False,
}  # fmt: skip


@pytest.mark.parametrize("config", [PLAIN, MIXTURE])
def test_what_is_switched_off_changes_nothing(config: Config) -> None:
    found = described(config | SWITCHED_OFF)
    assert (found.groups, found.layers) == (described(config).groups, described(config).layers)
    window = {"sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 2}
    assert described(config | window).layers == described(config).layers
    assert described(PLAIN | {"num_experts": 0}).like == "llama"


def test_a_plain_decoder_by_hand() -> None:
    attention = HIDDEN * HEAD * (2 * HEADS + 2 * KV_HEADS)
    layer = attention + 3 * HIDDEN * WIDTH + 4 * HIDDEN
    head_bias = WORDS
    expected = LAYERS * layer + 2 * WORDS * HIDDEN + HIDDEN + head_bias
    found = described(PLAIN | SAID)
    assert found.parameters == expected
    assert found.weights.value == 2 * expected
    (remembered,) = found.layers
    assert (remembered.kind, remembered.count, remembered.kv_heads, remembered.key_dim) == (
        "full",
        LAYERS,
        KV_HEADS,
        HEAD,
    )
    assert found.max_context == 65_536


@every_pattern
def test_what_is_left_open_is_counted_at_its_largest(config: Config, like: str) -> None:
    most = size(config)
    for key, off in SAID.items():
        least = size(config | {key: off})
        assert most >= least, key
        on = size(config | {key: not off})
        assert most >= on, key
    # Tied embeddings save a table, the rest is small: what is open never adds more than a hundredth.
    assert size(config | {"tie_word_embeddings": True}) < most
    assert size(config | SAID) < most < 1.01 * size(config | SAID)
    without = {key: value for key, value in config.items() if key != "rms_norm_eps"}
    assert size(without) > most  # LayerNorm has a bias
    assert like


@pytest.mark.parametrize("config", [PLAIN, MIXTURE, MIXTRAL, ROUTED])
def test_positions_that_nothing_says_are_counted_as_a_table(config: Config) -> None:
    without = {key: value for key, value in config.items() if key != "rope_theta"}
    assert size(without) == size(config) + 2 * 65_536 * HIDDEN
    assert size({key: value for key, value in config.items() if key != "num_key_value_heads"}) > size(config)


@every_pattern
def test_no_smaller_than_the_architecture_it_is_like(config: Config, like: str) -> None:
    known = config | SAID | {"model_type": like}
    assert size(config) >= size(known)
    assert described(config).layers == described(known).layers


def test_a_router_is_counted_with_its_correction() -> None:
    router = next(
        group for group in described(MIXTURE | SAID).groups if group.role == "router" and group.format == "bf16"
    )
    correction = next(group for group in described(MIXTURE | SAID).groups if group.format == "fp32")
    assert router.parameters == LAYERS * 8 * HIDDEN
    assert (correction.parameters, correction.size) == (LAYERS * 8, LAYERS * 8 * 4)


def test_shared_experts_and_dense_layers_are_read() -> None:
    roles = {group.role: group.parameters for group in described(ROUTED | SAID).groups}
    assert roles["shared_experts"] == (LAYERS - 1) * (3 * HIDDEN * 768 + HIDDEN)
    assert roles["mlp"] == 3 * HIDDEN * WIDTH
    assert roles["experts"] == (LAYERS - 1) * 8 * 3 * HIDDEN * 768
    assert {group.role for group in described(LATENT).optional} == {"mtp"}


def fp8(*spared: str) -> Config:
    return {"quantization_config": {"quant_method": "fp8", "modules_to_not_convert": list(spared)}}


@pytest.mark.parametrize(
    "spared",
    [["lm_head"], ["model.layers.0.mlp"], ["model.layers.1.self_attn.q_proj"], ["model.layers.*.mlp*"], ["mlp"]],
)
def test_a_quantized_likeness_is_counted(spared: list[str]) -> None:
    found = described(PLAIN | fp8(*spared))
    assert not found.doubts
    assert 0.5 * size(PLAIN) < (found.weights.value or 0) < size(PLAIN)
    assert found.weights.root == "assumed"


@pytest.mark.parametrize(
    "strange", ["model.layers.0.mixer", "visual", "re:.*router.*", "re:(a+)+$", "model.layers.9.mlp", "*.conv*"]
)
def test_a_list_that_names_what_a_likeness_lacks_leaves_the_bytes_unknown(strange: str) -> None:
    found = described(PLAIN | fp8("lm_head", strange))
    assert found.weights.value is None
    (doubt,) = found.doubts
    assert doubt.code == "doubt.quantization_not_understood"
    assert ("detail", strange) in doubt.parameters
    assert described(PLAIN | {"model_type": "llama"} | fp8("lm_head", "model.layers.0.mixer")).weights.value is not None


def test_the_lists_of_a_file_beside_count_as_well() -> None:
    beside = {"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head", "model.layers.0.conv"]}}
    assert described(PLAIN, beside).weights.value is None
    beside["quantization"]["exclude_modules"] = ["lm_head", "model.layers.0.mlp"]
    assert described(PLAIN, beside).weights.value is not None


def test_known_architectures_are_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("a known architecture is like nothing but itself")

    monkeypatch.setattr(likeness, "follow", never)
    seen = set()
    for name in store.names("model"):
        body = store.entry("model", name) or {}
        if "config" in body:
            found = model(body["config"], body.get("separate"), ORIGIN)
            assert found.like is None
            assert all(note.code != "note.like" for note in found.notes)
            seen.add(found.architecture)
    assert len(seen) > 15
    classes = json.loads((Path(__file__).parents[1] / "data/models/classes.json").read_text(encoding="utf-8"))
    for row in classes["classes"]:
        assert model(row["config"], None, ORIGIN).like is None


@pytest.mark.parametrize("name", ["deepseek_v4", "deepseek_ref", "step3p7"])
@pytest.mark.parametrize("config", [PLAIN, MIXTURE, LATENT])
def test_what_is_refused_by_name_stays_refused(config: Config, name: str) -> None:
    error = refusal(config | {"model_type": name})
    assert error.message.code == "error.architecture_detail"
    assert str(dict(error.message.parameters)["detail"]).startswith(f"{name}: ")


def test_who_does_not_ask_for_a_likeness_gets_none() -> None:
    with pytest.raises(UnsupportedArchitecture):
        understand(Fields(PLAIN, "config.json"))
    assert understand(Fields(PLAIN, "config.json"), alike=True).architecture["like"] == "llama"


KEYS: Config = {
    "block_count": 2, "context_length": 4096, "embedding_length": 64, "feed_forward_length": 128,
    "attention.head_count": 4, "attention.head_count_kv": 2, "attention.key_length": 16, "attention.value_length": 16,
    "attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 1e6, "rope.dimension_count": 16, "vocab_size": 100,
}  # fmt: skip
SHAPES: dict[str, tuple[int, ...]] = {
    "attn_q": (64, 64), "attn_k": (32, 64), "attn_v": (32, 64), "attn_output": (64, 64), "ffn_gate": (128, 64),
    "ffn_up": (128, 64), "ffn_down": (64, 128), "attn_norm": (64,), "ffn_norm": (64,),
}  # fmt: skip


def gguf_file(path: Path, keys: Config, shapes: dict[str, tuple[int, ...]], name: str = "fanciful") -> Path:
    writer = gguf.GGUFWriter(path, name)
    for key, value in keys.items():
        full = key if key.startswith("other.") else f"{name}.{key}"
        (writer.add_float32 if isinstance(value, float) else writer.add_uint32)(full, value)
    tensors = {"token_embd.weight": (100, 64), "output_norm.weight": (64,)}
    tensors |= {f"blk.{block}.{part}.weight": shape for block in range(2) for part, shape in shapes.items()}
    for tensor, shape in tensors.items():
        writer.add_tensor(tensor, np.zeros(shape, np.float16 if len(shape) > 1 else np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_like_llama(tmp_path: Path) -> None:
    path = gguf_file(tmp_path / "a.gguf", KEYS, SHAPES)
    found = read(path)
    assert (found.architecture, found.like) == ("fanciful", "llama")
    known = read(gguf_file(tmp_path / "b.gguf", KEYS, SHAPES, "llama"))
    assert (known.like, known.weights.root) == (None, "documented")
    assert (found.groups, found.layers) == (known.groups, known.layers)
    assert found.notes[0].code == "note.like"
    assert {figure.root for figure in figures(model_layout.layout(found))} == {"assumed"}
    verdict = check_layout.layout(answer(CheckRequest(str(path), ("rtx-5090",))))
    assert {figure.root for figure in figures(verdict)} == {"assumed"}


@pytest.mark.parametrize(
    ("keys", "shapes", "odd"),
    [
        ({"ssm.state_size": 16}, {}, "fanciful.ssm.state_size"),
        ({"attention.sliding_window": 512}, {}, "fanciful.attention.sliding_window"),
        ({"expert_count": 8}, {}, "fanciful.expert_count"),
        ({"other.thing": 8}, {}, "other.thing"),
        ({}, {"ssm_in": (64, 64)}, "blk.0.ssm_in.weight, blk.1.ssm_in.weight"),
        ({}, {"attn_k": (16, 64)}, "blk.0.attn_k.weight, blk.1.attn_k.weight"),
        ({}, {"attn_v": (64, 64)}, "blk.0.attn_v.weight, blk.1.attn_v.weight"),
    ],
)
def test_a_gguf_file_that_is_not_quite_llama(tmp_path: Path, keys: Config, shapes: Any, odd: str) -> None:
    path = gguf_file(tmp_path / "a.gguf", KEYS | keys, SHAPES | shapes)
    with pytest.raises(UnsupportedArchitecture) as caught:
        read(path)
    assert caught.value.message.code == "error.architecture_keys"
    assert ("keys", odd) in caught.value.message.parameters


@pytest.mark.parametrize("missing", ["attn_k", "ffn_gate", "attn_output"])
def test_a_gguf_file_without_llamas_tensors_is_refused_as_ever(tmp_path: Path, missing: str) -> None:
    shapes = {part: shape for part, shape in SHAPES.items() if part != missing}
    with pytest.raises(UnsupportedArchitecture) as caught:
        read(gguf_file(tmp_path / "a.gguf", KEYS, shapes))
    assert caught.value.message.code == "error.unsupported_architecture"


def tensor_folder(folder: Path, extra: int = 0) -> Path:
    config: Config = PLAIN | SAID | {"num_hidden_layers": 1, "vocab_size": 100}
    shapes = {
        "model.embed_tokens": (100, HIDDEN), "lm_head": (100, HIDDEN), "model.norm": (HIDDEN,),
        "model.layers.0.self_attn.q_proj": (HEADS * HEAD, HIDDEN),
        "model.layers.0.self_attn.k_proj": (KV_HEADS * HEAD, HIDDEN),
        "model.layers.0.self_attn.v_proj": (KV_HEADS * HEAD, HIDDEN),
        "model.layers.0.self_attn.o_proj": (HIDDEN, HEADS * HEAD),
        "model.layers.0.mlp.gate_proj": (WIDTH, HIDDEN), "model.layers.0.mlp.up_proj": (WIDTH, HIDDEN),
        "model.layers.0.mlp.down_proj": (HIDDEN, WIDTH),
        "model.layers.0.input_layernorm": (HIDDEN,), "model.layers.0.post_attention_layernorm": (HIDDEN,),
    }  # fmt: skip
    if extra:
        shapes["model.layers.0.state.in_proj"] = (extra, HIDDEN)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    write(folder / "model.safetensors", {f"{name}.weight": ("BF16", shape) for name, shape in shapes.items()})
    return folder


def test_files_of_a_likeness_give_their_own_bytes(tmp_path: Path) -> None:
    found = read(tensor_folder(tmp_path / "a"))
    assert (found.architecture, found.like) == ("fanciful", "llama")
    attention = HIDDEN * HEAD * (2 * HEADS + 2 * KV_HEADS)
    assert found.weights.value == 2 * (200 * HIDDEN + attention + 3 * HIDDEN * WIDTH + 3 * HIDDEN)
    assert found.weights.root == "assumed"
    assert not [doubt for doubt in found.doubts if doubt.code == "doubt.parameters_differ"]


def test_files_that_hold_more_than_a_likeness_has_are_doubted(tmp_path: Path) -> None:
    found = read(tensor_folder(tmp_path / "a", extra=4096))
    assert [doubt.code for doubt in found.doubts] == ["doubt.parameters_differ"]


def test_a_recipe_on_a_likeness_stays_an_assumption(tmp_path: Path) -> None:
    path = gguf_file(tmp_path / "a.gguf", KEYS, SHAPES)
    report = check_layout.layout(answer(CheckRequest(str(path), ("rtx-5090",), weights="gguf:Q8_0")))
    assert {figure.root for figure in figures(report)} == {"assumed"}


def test_published_models_under_another_name_are_refused_or_hardly_larger() -> None:
    """Never fewer bytes than the architecture really has, at most a table of positions more, and the same caches."""
    followed = 0
    for name in store.names("model"):
        body = store.entry("model", name) or {}
        if "config" not in body:
            continue
        known = model(body["config"], body.get("separate"), ORIGIN)
        try:
            found = model(body["config"] | {"model_type": "fanciful"}, body.get("separate"), ORIGIN)
        except UnsupportedArchitecture:
            continue
        followed += 1
        assert found.like is not None
        assert found.layers == known.layers, name
        if found.weights.value is not None and known.weights.value is not None:
            assert 1 <= found.weights.value / known.weights.value <= 1.08, name
    assert followed >= 20
