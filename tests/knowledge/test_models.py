"""Every model of the catalogue: it is read, its source exists, and published totals are met to the parameter."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from assay.errors import UnknownModel
from assay.knowledge import store
from assay.knowledge.catalog import architectures, described, models, weight_formats
from assay.observe.checkpoint.catalogue import laid_out
from assay.observe.checkpoint.config import Origin
from assay.observe.checkpoint.config import model as read_config
from assay.observe.checkpoint.read import read
from assay.types.model import Model

ROOT = Path(__file__).parents[2]
TOTALS = tomllib.loads((Path(__file__).parents[1] / "data" / "models" / "totals.toml").read_text(encoding="utf-8"))
NAMES = store.names("model")
OWN = [name for name in NAMES if "same_as" not in (store.entry("model", name) or {})]
GIB = 2**30


def _elements(model: Model) -> int:
    """Elements as the hub counts them: every tensor of the files, block scales too."""
    groups = (*model.groups, *model.optional)
    scales = sum((group.size - group.parameters) // 4 for group in groups if group.format == "fp8_block128")
    return sum(group.parameters for group in groups) + scales


def test_the_catalogue_holds_the_models_people_ask_for() -> None:
    assert len(OWN) >= 60
    asked = """Qwen3-30B-A3B Yi-34B internlm2-chat-20b Llama-3.3-70B-Instruct Mixtral-8x22B-v0.1 Llama-3.1-8B
        DeepSeek-V3 gpt-oss-120b gpt-oss-20b gemma-3-27b-it Qwen3-30B-A3B-FP8"""
    for name in asked.split():
        assert read(name).parameters > 0


@pytest.mark.parametrize("name", OWN)
def test_a_model_of_the_catalogue_is_understood(name: str) -> None:
    model = read(name)
    assert model.name == name
    assert model.container == "catalogue"
    assert model.doubts == ()
    assert model.weights.value == sum(group.size for group in model.groups) > 0
    assert model.weights.basis == "derived"
    assert sum(layer.count for layer in model.layers) > 0
    assert 0 < model.active_parameters <= model.parameters
    assert all(weight_formats.known(group.format) for group in model.groups + model.optional)
    assert model.max_context is not None
    assert architectures.architecture(model.architecture) is not None


@pytest.mark.parametrize("name", OWN)
def test_a_model_names_its_source_and_its_base(name: str) -> None:
    body = store.entry("model", name) or {}
    assert body["family"]
    entries = [store.entry("source", source) or {} for source in body["sources"]]
    assert any(entry["kind"] == "vendor-document" for entry in entries)
    for entry in entries:
        assert name in entry["url"]
        # A configuration that was not read itself is a copy and says so.
        assert entry["kind"] == "vendor-document" or (entry["kind"] == "copy" and "sizes" in entry["note"])
    model = read(name)
    if model.released_format is not None:
        assert weight_formats.known(model.released_format)
    bulk = max(model.groups, key=lambda group: group.parameters).format
    if model.released_format not in {None, bulk}:
        assert model.requantized_from is not None
    if model.requantized_from in OWN:
        assert read(model.requantized_from).released_format == model.released_format


@pytest.mark.parametrize(("name", "parameters"), TOTALS["instantiated"].items())
def test_parameters_are_those_of_the_instantiated_class(name: str, parameters: int) -> None:
    assert read(name).parameters == parameters


@pytest.mark.parametrize(("name", "elements"), TOTALS["stored_elements"].items())
def test_elements_are_those_of_the_published_files(name: str, elements: int) -> None:
    assert _elements(read(name)) == elements


@pytest.mark.parametrize(("name", "size"), TOTALS["stored_bytes"].items())
def test_bytes_are_those_of_the_published_files(name: str, size: int) -> None:
    model = read(name)
    assert sum(group.size for group in (*model.groups, *model.optional)) == size


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("Qwen3-30B-A3B", 56.87),
        ("Llama-3.1-8B", 14.96),
        ("Llama-3.3-70B-Instruct", 131.42),
        ("Llama-3.1-70B-Instruct-FP8", 67.67),
        # the reference counts a vocabulary of 32,768 (later releases); v0.1 has 32,000: 18 MB less
        ("Mixtral-8x22B-v0.1", 261.93),
        ("DeepSeek-V3", 626.92),
        ("gpt-oss-120b", 60.77),
        # the published total of 27,432,406,640 parameters in BF16; the reference leaves a part of the vision tower out
        ("gemma-3-27b-it", 51.10),
    ],
)
def test_reference_weights(name: str, gib: float) -> None:
    assert round((read(name).weights.value or 0) / GIB, 2) == gib


def _bf16_cache(model: Model, tokens: int) -> int:
    """Bytes of keys and values in BF16, windows kept to their size."""
    total = 0
    for layer in model.layers:
        seen = min(tokens, layer.window) if layer.window else tokens
        width = layer.latent_dim + layer.rope_dim
        if layer.kind != "mla":
            width = layer.kv_heads * (layer.key_dim + layer.value_dim)
        total += layer.count * width * 2 * seen
    return total


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("Qwen3-30B-A3B", 3.00),
        ("Llama-3.1-8B", 4.00),
        ("Llama-3.3-70B-Instruct", 10.0),
        ("Mixtral-8x22B-v0.1", 7.00),
        ("DeepSeek-V3", 2.145),
        ("gpt-oss-120b", 1.13),
        ("gemma-3-27b-it", 2.91),
    ],
)
def test_layers_give_the_reference_cache(name: str, gib: float) -> None:
    assert _bf16_cache(read(name), 32768) / GIB == pytest.approx(gib, abs=0.006)


def test_cache_of_one_token() -> None:
    assert _bf16_cache(read("Qwen3-30B-A3B"), 1) == 98_304
    assert [(layer.kind, layer.count, layer.latent_dim + layer.rope_dim) for layer in read("DeepSeek-V3").layers] == [
        ("mla", 61, 576)
    ]
    assert {(layer.kind, layer.count, layer.window) for layer in read("gpt-oss-120b").layers} == {
        ("full", 18, None),
        ("sliding", 18, 128),
    }
    assert {(layer.kind, layer.count, layer.window) for layer in read("gemma-3-27b-it").layers} == {
        ("full", 10, None),
        ("sliding", 52, 1024),
    }


def test_states_of_recurrent_layers() -> None:
    # Qwen3.5-35B-A3B: 8192 channels x 3 taps in BF16, 32 heads x 128 x 128 in FP32
    linear = next(layer for layer in read("Qwen3.5-35B-A3B").layers if layer.kind == "linear")
    assert (linear.count, linear.state_size) == (30, 8192 * 3 * 2 + 32 * 128 * 128 * 4)
    # Nemotron-3-Nano: 6144 channels x 3 taps in BF16, 64 heads x 64 x 128 in FP32
    layers = {layer.kind: layer for layer in read("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16").layers}
    assert layers["mamba"].count == 23
    assert layers["mamba"].state_size == 6144 * 3 * 2 + 64 * 64 * 128 * 4
    assert (layers["full"].count, layers["none"].count) == (6, 23)


def test_the_formats_as_released() -> None:
    assert read("Qwen3-30B-A3B").released_format == "bf16"
    assert read("DeepSeek-V3").released_format == "fp8_block128"
    assert read("gpt-oss-20b").released_format == "mxfp4"
    copy = read("nvidia/DeepSeek-V3.1-NVFP4")
    assert (copy.released_format, copy.requantized_from) == ("fp8_block128", "deepseek-ai/DeepSeek-V3.1")


@pytest.mark.parametrize("spelling", ["Qwen3-30B-A3B", "qwen3-30b-a3b", "qwen/qwen3-30b-a3b", "Qwen/Qwen3-30B-A3B"])
def test_a_name_is_found_without_case_and_owner(spelling: str) -> None:
    assert read(spelling).name == "Qwen/Qwen3-30B-A3B"


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Llama-3.3-70B", "meta-llama/Llama-3.3-70B-Instruct"),
        ("llama 3.3 70b", "meta-llama/Llama-3.3-70B-Instruct"),
        ("Mixtral-8x22B", "mistralai/Mixtral-8x22B-v0.1"),
        ("Qwen3-30B", "Qwen/Qwen3-30B-A3B"),
        ("gemma-3-27b", "google/gemma-3-27b-it"),
        ("qwen3-235b-nvfp4", "nvidia/Qwen3-235B-A22B-NVFP4"),
    ],
)
def test_words_that_change_neither_architecture_nor_size_may_be_left_out_and_it_is_said(
    spelling: str, name: str
) -> None:
    found = read(spelling)
    assert found.name == name
    assert [note.code for note in found.notes].count("note.taken_as") == 1


def test_two_models_of_the_same_words_are_not_chosen_between() -> None:
    with pytest.raises(UnknownModel) as caught:
        read("Qwen3-VL-32B")
    assert len(caught.value.candidates) == 2


@pytest.mark.parametrize("spelling", ["30B-A3B", "Qwen3-30B-FP4", "meta/Qwen3-30B-A3B", "", "qwen3", "gpt-oss", "-"])
def test_a_name_is_never_matched_in_part(spelling: str) -> None:
    with pytest.raises(UnknownModel):
        models.resolve(spelling)


def test_a_misspelt_name_gets_suggestions_only() -> None:
    with pytest.raises(UnknownModel) as caught:
        read("Qwen3-30B-A33B")
    assert "Qwen/Qwen3-30B-A3B" in caught.value.candidates
    assert caught.value.exit_code == 2


def test_an_ambiguous_short_name_is_refused_with_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "names", lambda _: ["a/Model", "b/model"])
    monkeypatch.setattr(store, "entry", lambda _, __: {})
    with pytest.raises(UnknownModel) as caught:
        models.resolve("MODEL")
    assert caught.value.candidates == ("a/Model", "b/model")


def test_another_name_of_the_same_model() -> None:
    assert read("meta-llama/Llama-3.1-8B") == read("Meta-Llama-3.1-8B")


def test_gguf_types_are_whole_and_unique() -> None:
    types = weight_formats.gguf_types()
    assert len(types) >= 30
    assert len({kind.format for kind in types.values()}) == len(types)
    assert all(kind.block_elements > 0 and kind.block_bytes > 0 for kind in types.values())


def test_reading_a_name_loads_little() -> None:
    program = (
        "import sys; from assay.observe.checkpoint.read import read; read('Qwen3-30B-A3B');"
        "print(*sorted(m for m in sys.modules if m in "
        "('numpy', 'difflib', 'mmap', 'gguf', 'safetensors', 'tomllib', 'importlib.metadata',"
        " 'assay.observe.checkpoint.gguf', 'assay.observe.checkpoint.folder')))"
    )
    read("Qwen3-30B-A3B")  # the catalogue is compiled now
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not loaded.stdout.split()


def test_the_tool_prints_an_entry_of_the_same_model(tmp_path: Path) -> None:
    config = {
        "model_type": "qwen3", "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2, "head_dim": 32,
        "intermediate_size": 128, "vocab_size": 10, "torch_dtype": "bfloat16", "max_position_embeddings": 128,
        "eos_token_id": 7, "rope_scaling": None, "quantization_config": {
            "quant_method": "compressed-tensors", "quantization_status": "compressed", "version": "1",
            "ignore": ["lm_head", *(f"model.layers.{number}.self_attn.o_proj" for number in range(3))],
            "config_groups": {"group_0": {"targets": ["Linear"], "input_activations": None,
                "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32}}},
        },
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tool = Path(__file__).parents[2] / "tools" / "add_model.py"
    command = [sys.executable, str(tool), str(tmp_path / "config.json"), "--id", "a/b", "--source", "s"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (entry,) = tomllib.loads(printed)["model"]
    assert entry["id"] == "a/b"
    assert "eos_token_id" not in entry["config"]
    assert sorted(entry["config"]["quantization_config"]["ignore"]) == ["lm_head", "model.layers.*.self_attn.o_proj"]
    origin = Origin("a/b", "a/b", "catalogue", ())
    assert read_config(entry["config"], None, origin) == read_config(config, None, origin)


def test_described_models_are_what_the_readers_make_of_them() -> None:
    check = subprocess.run(
        [sys.executable, "tools/describe_models.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_a_model_survives_being_written_and_read() -> None:
    for name in ("Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V3", "MiniMaxAI/MiniMax-M2.5"):
        laid = laid_out(models.entry(name))
        assert described.model_of(json.loads(json.dumps(described.body_of(laid)))) == laid
