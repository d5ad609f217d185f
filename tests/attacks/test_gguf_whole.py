"""GGUF files that contradict themselves or are not whole: none of them is told to fit."""

import struct
from pathlib import Path
from typing import Any

import pytest

from assay.answers.check import CheckRequest, answer
from assay.errors import MalformedFile
from assay.observe.checkpoint.read import read

HIDDEN, WORDS = 64, 32
KEYS = {
    "block_count": 2, "embedding_length": HIDDEN, "feed_forward_length": 128, "attention.head_count": 4,
    "attention.head_count_kv": 2, "context_length": 512, "vocab_size": WORDS,
}  # fmt: skip
TOP = {"token_embd.weight": (HIDDEN, WORDS), "output_norm.weight": (HIDDEN,)}
BLOCK = {
    "attn_norm": (HIDDEN,), "attn_q": (HIDDEN, HIDDEN), "attn_k": (HIDDEN, 32), "attn_v": (HIDDEN, 32),
    "attn_output": (HIDDEN, HIDDEN), "ffn_norm": (HIDDEN,), "ffn_up": (HIDDEN, 128), "ffn_gate": (HIDDEN, 128),
    "ffn_down": (128, HIDDEN),
}  # fmt: skip
EXPERTS = {f"ffn_{part}_exps": (HIDDEN, 128, 8) for part in ("up", "gate")} | {"ffn_down_exps": (128, HIDDEN, 8)}

Shapes = dict[str, tuple[int, ...]]


def blocks(count: int = 2, **changed: tuple[int, ...] | None) -> Shapes:
    """The tensors of a whole model; `changed` shapes replace those of every block, None leaves one out."""
    block = {name: shape for name, shape in (BLOCK | changed).items() if shape is not None}
    named = {f"blk.{index}.{name}.weight": shape for index in range(count) for name, shape in block.items()}
    return TOP | named


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def pair(key: str, value: Any) -> bytes:
    if isinstance(value, str):
        return text(key) + struct.pack("<I", 8) + text(value)
    if isinstance(value, list):
        return text(key) + struct.pack(f"<IIQ{len(value)}I", 9, 4, len(value), *value)
    return text(key) + struct.pack("<II", 4, value)


def write(path: Path, tensors: Shapes, architecture: str = "llama", whole: Any = None, **keys: Any) -> Path:
    """A GGUF file of F32 tensors; `keys` overlay `KEYS`, None leaves one out; `whole` are keys without a prefix."""
    own = {f"{architecture}.{key.replace('__', '.')}": value for key, value in (KEYS | keys).items()}
    pairs = {"general.architecture": architecture, **own, **(whole or {})}
    body = [pair(key, value) for key, value in pairs.items() if value is not None]
    data = 0
    for name, shape in tensors.items():
        size = 4
        for extent in shape:
            size *= extent
        extents = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        body.append(text(name) + extents + struct.pack("<IQ", 0, data))
        data += -(-size // 32) * 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(body) - len(tensors)) + b"".join(body)
    path.write_bytes(head + bytes(-len(head) % 32 + data))
    return path


def refused(path: Path) -> MalformedFile:
    with pytest.raises(MalformedFile) as caught:
        read(path)
    assert caught.value.exit_code == 2
    return caught.value


def exit_code(path: Path) -> int:
    return answer(CheckRequest(str(path), ("rtx-5090",))).exit_code


def test_the_whole_file_fits(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gguf", blocks())
    assert exit_code(path) == 0
    assert read(path).doubts == ()


@pytest.mark.parametrize("number", [2, 3])
def test_prediction_blocks_leave_one_that_predicts(tmp_path: Path, number: int) -> None:
    path = write(tmp_path / "a.gguf", blocks(), nextn_predict_layers=number)
    assert refused(path).field == "llama.nextn_predict_layers"


@pytest.mark.parametrize("chosen", [None, 0, 9])
def test_a_mixture_says_how_many_experts_run(tmp_path: Path, chosen: int | None) -> None:
    tensors = blocks(**dict.fromkeys(("ffn_up", "ffn_gate", "ffn_down")), **EXPERTS, ffn_gate_inp=(HIDDEN, 8))
    assert read(write(tmp_path / "b.gguf", tensors, expert_count=8, expert_used_count=2)).experts_per_token == 2
    path = write(tmp_path / "a.gguf", tensors, expert_count=8, expert_used_count=chosen)
    assert refused(path).field == "llama.expert_used_count"


def split(folder: Path, tensors: Shapes, announced: int | None, second: str = "llama", number: int = 1) -> Path:
    """The first of two parts with all of `tensors`; the second says to be that `number`."""
    names = list(tensors)
    for part, held in enumerate((names[:9], names[9:])):
        path = folder / f"m-{part + 1:05d}-of-00002.gguf"
        keys = {"split.no": part * number, "split.count": 2, "split.tensors.count": announced}
        write(path, {name: tensors[name] for name in held}, second if part else "llama", keys)
    return folder / "m-00001-of-00002.gguf"


def test_a_split_model_holds_the_tensors_that_it_announces(tmp_path: Path) -> None:
    assert read(split(tmp_path, blocks(), len(blocks()))).doubts == ()
    error = refused(split(tmp_path, blocks(), len(blocks()) + 1))
    assert error.field == "split.tensors.count"


def test_the_parts_of_a_split_model_are_of_one_architecture(tmp_path: Path) -> None:
    assert refused(split(tmp_path, blocks(), len(blocks()), "qwen3")).field == "general.architecture"


def test_a_part_by_its_name_is_no_whole_model(tmp_path: Path) -> None:
    assert read(write(tmp_path / "m-00001-of-00001.gguf", blocks())).doubts == ()
    assert refused(write(tmp_path / "m-00001-of-00003.gguf", blocks())).field == "split.count"


@pytest.mark.parametrize(
    ("keys", "tensor"),
    [
        ({"attention__head_count_kv": 1}, "blk.0.attn_k.weight"),
        ({"attention__head_count_kv": 3}, "blk.0.attn_k.weight"),
        ({"attention__head_count_kv": None}, "blk.0.attn_k.weight"),
        ({"attention__head_count_kv": [2, 1]}, "blk.1.attn_k.weight"),
        ({"attention__key_length": 1}, "blk.0.attn_k.weight"),
        ({"attention__value_length": 1}, "blk.0.attn_v.weight"),
    ],
    ids=str,
)
def test_keys_and_values_have_the_rows_of_the_metadata(tmp_path: Path, keys: dict[str, Any], tensor: str) -> None:
    error = refused(write(tmp_path / "a.gguf", blocks(), **keys))
    assert (error.message.code, error.field) == ("error.malformed.size_mismatch", tensor)


def test_a_block_that_says_to_remember_nothing_has_no_keys(tmp_path: Path) -> None:
    keys = {"attention__head_count_kv": [2, 0]}
    assert refused(write(tmp_path / "a.gguf", blocks(), "deci", **keys)).field == "blk.1.attn_k.weight"
    state = {"ssm__conv_kernel": 4, "ssm__inner_size": 64, "ssm__state_size": 16, "ssm__group_count": 1}
    path = write(tmp_path / "b.gguf", blocks(), "qwen35", full_attention_interval=2, **state)
    assert refused(path).field == "blk.0.attn_k.weight"


def test_shapes_that_differ_from_block_to_block_are_read(tmp_path: Path) -> None:
    own = {"blk.1.attn_k.weight": (HIDDEN, 128), "blk.1.attn_v.weight": (HIDDEN, 128)}
    keys = {"attention__sliding_window": 16, "attention__key_length": 64, "attention__value_length": 64}
    keys |= {"attention__key_length_swa": 16, "attention__value_length_swa": 16}
    path = write(tmp_path / "a.gguf", blocks() | own, "gpt-oss", **keys)
    assert [(layer.kind, layer.key_dim) for layer in read(path).layers] == [("sliding", 16), ("full", 64)]
    gated = blocks(attn_q=(HIDDEN, 2 * HIDDEN))
    assert read(write(tmp_path / "b.gguf", gated)).layers[0].kv_heads == 2
    fused = blocks(attn_q=None, attn_k=None, attn_v=None, attn_qkv=(HIDDEN, 128))
    assert read(write(tmp_path / "c.gguf", fused, "phi3")).layers[0].kv_heads == 2
    latent = blocks(attn_k=None, attn_v=None, attn_kv_a_mqa=(HIDDEN, 48), attn_k_b=(16, 32, 4), attn_v_b=(32, 16, 4))
    keys = {"attention__kv_lora_rank": 32, "rope__dimension_count": 16, "attention__key_length_mla": 32}
    assert read(write(tmp_path / "d.gguf", latent, "deepseek2", **keys)).layers[0].kind == "mla"


@pytest.mark.parametrize(
    ("tensors", "doubt"),
    [
        (blocks(ffn_up=None, ffn_gate=None, ffn_down=None), "doubt.blocks_missing"),
        (blocks(attn_q=None, attn_k=None, attn_v=None, attn_output=None), "doubt.blocks_missing"),
        (blocks(1) | {"blk.9.foo.weight": (HIDDEN,)}, "doubt.blocks_missing"),
        ({name: shape for name, shape in blocks().items() if name != "token_embd.weight"}, "doubt.tensor_missing"),
        ({"blk.0.foo": (HIDDEN, WORDS), "xyz": (HIDDEN, 4)}, "doubt.blocks_missing"),
        (blocks(ffn_down=(0, HIDDEN)), "doubt.tensor_empty"),
    ],
)
def test_what_is_not_whole_is_not_said_to_fit(tmp_path: Path, tensors: Shapes, doubt: str) -> None:
    path = write(tmp_path / "a.gguf", tensors)
    assert doubt in {found.code for found in read(path).doubts}
    assert exit_code(path) == 3


def test_blocks_of_one_kind_each_are_whole(tmp_path: Path) -> None:
    attention = {f"blk.0.{part}.weight": BLOCK[part] for part in ("attn_q", "attn_k", "attn_v", "attn_output")}
    norms = {f"blk.{block}.attn_norm.weight": (HIDDEN,) for block in range(3)}
    state = {"blk.1.ssm_in.weight": (HIDDEN, 164), "blk.1.ssm_conv1d.weight": (4, 96),
             "blk.1.ssm_out.weight": (64, HIDDEN)}  # fmt: skip
    feeding = {"blk.2.ffn_up.weight": (HIDDEN, 128), "blk.2.ffn_down.weight": (128, HIDDEN)}
    keys = {"ssm__conv_kernel": 4, "ssm__inner_size": 64, "ssm__state_size": 16, "ssm__group_count": 1}
    keys |= {"block_count": 3, "attention__head_count_kv": [2, 0, 0], "feed_forward_length": [0, 0, 128]}
    path = write(tmp_path / "a.gguf", TOP | attention | state | feeding | norms, "nemotron_h", **keys)
    assert read(path).doubts == ()
    keys = {"block_count": 3, "attention__head_count_kv": [2, 0, 0], "feed_forward_length": [0, 0, 128]}
    gate = {"blk.2.ffn_gate.weight": (HIDDEN, 128), "blk.0.attn_norm.weight": (HIDDEN,)}
    gate |= {"blk.2.ffn_norm.weight": (HIDDEN,)}
    assert read(write(tmp_path / "b.gguf", TOP | attention | feeding | gate, "deci", **keys)).doubts == ()


def test_a_split_model_says_how_many_tensors_it_has_and_which_part_is_which(tmp_path: Path) -> None:
    error = refused(split(tmp_path, blocks(), None))
    assert (error.message.code, error.field) == ("error.malformed.missing_key", "split.tensors.count")
    assert refused(split(tmp_path, blocks(), len(blocks()), number=2)).field == "split.no"
    keys = {"split.no": 1, "split.count": 1}
    assert refused(write(tmp_path / "a.gguf", blocks(), whole=keys)).field == "split.no"


def lacks(path: Path) -> dict[str, str]:
    """What the doubts say is missing or too small, by tensor; none of it may fit."""
    found = {
        str(dict(doubt.parameters).get("tensor")): doubt.code.removeprefix("doubt.") for doubt in read(path).doubts
    }
    assert not found or exit_code(path) == 3
    return {tensor: code for tensor, code in found.items() if tensor != "None"}


MATRICES = [part for part, shape in BLOCK.items() if len(shape) > 1]


@pytest.mark.parametrize("part", MATRICES)
@pytest.mark.parametrize("every", [True, False])
def test_a_block_without_one_of_its_matrices(tmp_path: Path, part: str, *, every: bool) -> None:
    tensors = blocks()
    for block in (0, 1) if every else (1,):
        del tensors[f"blk.{block}.{part}.weight"]
    path = write(tmp_path / "a.gguf", tensors)
    assert lacks(path) == {f"blk.{0 if every else 1}.{part}.weight": "tensor_missing"}
    assert {doubt.code for doubt in read(path).doubts} == {"doubt.blocks_missing", "doubt.tensor_missing"}


@pytest.mark.parametrize("part", ["attn_q", "attn_output", "ffn_up", "ffn_gate", "ffn_down"])
def test_a_matrix_smaller_than_described(tmp_path: Path, part: str) -> None:
    inputs, outputs = BLOCK[part]
    tensors = blocks() | {f"blk.1.{part}.weight": (inputs, outputs - 1)}
    assert lacks(write(tmp_path / "a.gguf", tensors)) == {f"blk.1.{part}.weight": "tensor_small"}
    assert lacks(write(tmp_path / "b.gguf", blocks() | {f"blk.1.{part}.weight": (inputs, outputs + 1)})) == {}


def test_the_table_has_a_row_for_each_word(tmp_path: Path) -> None:
    tensors = blocks() | {"token_embd.weight": (HIDDEN, WORDS - 1)}
    assert lacks(write(tmp_path / "a.gguf", tensors)) == {"token_embd.weight": "tensor_small"}
    assert lacks(write(tmp_path / "b.gguf", blocks() | {"output.weight": (HIDDEN, WORDS - 1)})) == {
        "output.weight": "tensor_small"
    }


def mixture(**changed: tuple[int, ...] | None) -> Shapes:
    """The whole model with experts."""
    dense = dict.fromkeys(("ffn_up", "ffn_gate", "ffn_down"))
    return blocks(**dense, **(EXPERTS | {"ffn_gate_inp": (HIDDEN, 8)} | changed))


SPARSE = {"expert_count": 8, "expert_used_count": 2}


@pytest.mark.parametrize(
    ("changed", "keys", "found"),
    [
        ({}, {}, {}),
        ({"ffn_gate_inp": None}, {}, {"blk.0.ffn_gate_inp.weight": "tensor_missing"}),
        ({"ffn_gate_exps": None}, {}, {"blk.0.ffn_gate_exps.weight": "tensor_missing"}),
        ({"ffn_gate_exps": None, "ffn_up_exps": None, "ffn_gate_up_exps": (HIDDEN, 256, 8)}, {}, {}),
        ({"ffn_down_exps": (128, HIDDEN, 7)}, {}, {"blk.0.ffn_down_exps.weight": "tensor_small"}),
        ({"ffn_up_exps": (HIDDEN, 64, 8)}, {}, {"blk.0.ffn_up_exps.weight": "tensor_small"}),
        ({}, {"leading_dense_block_count": 1}, {"blk.0.ffn_up.weight": "tensor_missing"}),
        ({}, {"expert_shared_count": 1}, {"blk.0.ffn_up_shexp.weight": "tensor_missing"}),
    ],
)
def test_blocks_of_experts(tmp_path: Path, changed: Any, keys: dict[str, int], found: dict[str, str]) -> None:
    assert lacks(write(tmp_path / "a.gguf", mixture(**changed), **SPARSE, **keys)) == found


def test_fused_matrices_are_whole_and_have_all_rows(tmp_path: Path) -> None:
    fused = dict.fromkeys(("attn_q", "attn_k", "attn_v", "ffn_gate"))
    whole = blocks(**fused, attn_qkv=(HIDDEN, 128), ffn_up=(HIDDEN, 256))
    assert lacks(write(tmp_path / "a.gguf", whole, "phi3")) == {}
    small = blocks(**fused, attn_qkv=(HIDDEN, 127), ffn_up=(HIDDEN, 256))
    assert lacks(write(tmp_path / "b.gguf", small, "phi3")) == {"blk.0.attn_qkv.weight": "tensor_small"}
    without = blocks(**fused, attn_qkv=(HIDDEN, 128), ffn_up=(HIDDEN, 128))
    assert len(lacks(write(tmp_path / "c.gguf", without, "phi3"))) == 1


LATENT = {
    "attn_q": (HIDDEN, 128), "attn_k": None, "attn_v": None, "attn_kv_a_mqa": (HIDDEN, 48), "attn_k_b": (16, 32, 4),
    "attn_v_b": (32, 16, 4),
}  # fmt: skip
RANKS = {
    "attention__kv_lora_rank": 32, "rope__dimension_count": 16, "attention__key_length_mla": 32,
    "attention__value_length_mla": 16,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, {}),
        ({"attn_k_b": None, "attn_v_b": None, "attn_kv_b": (32, 128)}, {}),
        ({"attn_q": None, "attn_q_a": (HIDDEN, 24), "attn_q_b": (24, 128)}, {}),
        ({"attn_kv_a_mqa": None}, {"blk.0.attn_kv_a_mqa.weight": "tensor_missing"}),
        ({"attn_v_b": None}, {"blk.0.attn_v_b.weight": "tensor_missing"}),
        ({"attn_q": None, "attn_q_a": (HIDDEN, 24)}, {"blk.0.attn_q_b.weight": "tensor_missing"}),
        ({"attn_k_b": (15, 32, 4)}, {"blk.0.attn_k_b.weight": "tensor_small"}),
        ({"attn_output": None}, {"blk.0.attn_output.weight": "tensor_missing"}),
    ],
)
def test_latent_attention(tmp_path: Path, changed: Any, found: dict[str, str]) -> None:
    keys = RANKS | {"attention__q_lora_rank": 24}
    path = write(tmp_path / "a.gguf", blocks(**(LATENT | changed)), "deepseek2", **keys)
    assert read(path).layers[0].kind == "mla"
    assert lacks(path) == found


STATE = {"ssm__conv_kernel": 4, "ssm__inner_size": 64, "ssm__state_size": 16, "ssm__group_count": 1}
LINEAR = {
    "attn_q": None, "attn_k": None, "attn_v": None, "attn_output": None, "attn_qkv": (HIDDEN, 96),
    "attn_gate": (HIDDEN, 64), "ssm_conv1d": (4, 96), "ssm_out": (64, HIDDEN), "ssm_beta": (HIDDEN, 4),
    "ssm_alpha": (HIDDEN, 4),
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, {}),
        ({"attn_qkv": None, "attn_gate": None, "ssm_in": (HIDDEN, 160)}, {}),
        ({"ssm_beta": None, "ssm_alpha": None, "ssm_ba": (HIDDEN, 8)}, {}),
        ({"attn_gate": None}, {"blk.0.attn_gate.weight": "tensor_missing"}),
        ({"ssm_out": None}, {"blk.0.ssm_out.weight": "tensor_missing"}),
        ({"attn_qkv": (HIDDEN, 95)}, {"blk.0.attn_qkv.weight": "tensor_small"}),
    ],
)
def test_recurrent_blocks(tmp_path: Path, changed: Any, found: dict[str, str]) -> None:
    linear = {name: shape for name, shape in blocks(**(LINEAR | changed)).items() if not name.startswith("blk.1.")}
    full = {name: shape for name, shape in blocks().items() if name.startswith("blk.1.")}
    assert lacks(write(tmp_path / "a.gguf", linear | full, "qwen35", full_attention_interval=2, **STATE)) == found


def test_blocks_that_share_keys_and_values_or_have_no_values(tmp_path: Path) -> None:
    keys = {"attention__sliding_window": 16, "attention__sliding_window_pattern": 2}
    full = {name: shape for name, shape in blocks().items() if name != "blk.1.attn_v.weight"}
    assert lacks(write(tmp_path / "a.gguf", full, "gemma4", **keys)) == {}  # the values are the keys
    sliding = {name: shape for name, shape in blocks().items() if name != "blk.0.attn_v.weight"}
    assert lacks(write(tmp_path / "b.gguf", sliding, "gemma4", **keys)) == {"blk.0.attn_v.weight": "tensor_missing"}
    shared = {name: shape for name, shape in full.items() if name != "blk.1.attn_k.weight"}
    assert lacks(write(tmp_path / "c.gguf", shared, "gemma4", attention__shared_kv_layers=1, **keys)) == {}


def test_a_head_that_no_embedding_stands_for(tmp_path: Path) -> None:
    head = {"output.weight": (HIDDEN, WORDS)}
    assert lacks(write(tmp_path / "a.gguf", mixture() | head, "minimax-m2", **SPARSE)) == {}
    assert lacks(write(tmp_path / "b.gguf", mixture(), "minimax-m2", **SPARSE)) == {"output.weight": "tensor_missing"}


@pytest.mark.parametrize("name", ["output_norm", "blk.1.attn_norm", "blk.0.ffn_norm"])
def test_a_norm_that_llama_cpp_asks_for(tmp_path: Path, name: str) -> None:
    tensors = {other: shape for other, shape in blocks().items() if other != f"{name}.weight"}
    assert lacks(write(tmp_path / "a.gguf", tensors)) == {f"{name}.weight": "tensor_missing"}


@pytest.mark.parametrize(
    ("architecture", "norms"),
    [
        ("olmo2", ("post_attention_norm", "post_ffw_norm")),
        ("gpt-oss", ("attn_norm", "post_attention_norm")),
        ("cohere2", ("attn_norm",)),
        ("gemma3", ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")),
    ],
)
def test_norms_stand_where_the_architecture_has_them(tmp_path: Path, architecture: str, norms: tuple[str, ...]) -> None:
    tensors = blocks(**{"attn_norm": None, "ffn_norm": None, **dict.fromkeys(norms, (HIDDEN,))})
    head = {"output.weight": (HIDDEN, WORDS)}
    assert lacks(write(tmp_path / "a.gguf", tensors | head, architecture)) == {}


def test_blocks_that_the_metadata_do_not_count_are_no_prediction(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gguf", blocks(8), block_count=2)
    found = read(path)
    assert found.optional == ()
    assert found.weights.value == read(write(tmp_path / "b.gguf", blocks(8), block_count=8)).weights.value
    assert [(doubt.code, dict(doubt.parameters)) for doubt in found.doubts] == [
        ("doubt.blocks_beyond", {"found": 6, "described": 2})
    ]
    assert exit_code(path) == 3


def test_blocks_predict_that_have_what_prediction_needs(tmp_path: Path) -> None:
    keys = {"block_count": 4, "nextn_predict_layers": 1}
    ordinary = write(tmp_path / "a.gguf", blocks(4), **keys)
    assert read(ordinary).optional == ()
    assert lacks(ordinary) == {"blk.3.nextn.eh_proj.weight": "tensor_missing"}
    joining = {"blk.3.nextn.eh_proj.weight": (2 * HIDDEN, HIDDEN)}
    found = read(write(tmp_path / "b.gguf", blocks(4) | joining, **keys))
    assert found.doubts == ()
    assert {group.role for group in found.optional} == {"mtp"}
    assert refused(write(tmp_path / "c.gguf", blocks(40), block_count=40, nextn_predict_layers=9)).field is not None


@pytest.mark.parametrize(
    ("tensors", "architecture", "keys", "tensor"),
    [
        (
            {"attn_q": None, "attn_k": None, "attn_v": None, "attn_qkv": (HIDDEN, 128)},
            "phi3", {"attention__head_count_kv": 1}, "blk.0.attn_qkv.weight",
        ),
        (LATENT, "deepseek2", RANKS | {"attention__kv_lora_rank": 8}, "blk.0.attn_kv_a_mqa.weight"),
        (LATENT, "deepseek2", RANKS | {"rope__dimension_count": 8}, "blk.0.attn_kv_a_mqa.weight"),
    ],
)  # fmt: skip
def test_a_cache_smaller_than_the_tensors_that_fill_it(
    tmp_path: Path, tensors: Any, architecture: str, keys: dict[str, int], tensor: str
) -> None:
    assert lacks(write(tmp_path / "a.gguf", blocks(**tensors), architecture, **keys)) == {tensor: "tensor_large"}


def test_a_vocabulary_smaller_than_its_table(tmp_path: Path) -> None:
    assert lacks(write(tmp_path / "a.gguf", blocks(), vocab_size=10)) == {"token_embd.weight": "tensor_large"}
