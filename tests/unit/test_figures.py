"""What a model is said to be stored as: its layers' matrices decide, not a large vocabulary."""

from dataclasses import replace

from assay.observe.checkpoint.read import read
from assay.report.figures import matrix_formats, stored_format
from assay.types.model import TensorGroup


def test_a_large_vocabulary_names_no_format() -> None:
    model = read("Qwen/Qwen3-0.6B")
    groups = (
        TensorGroup("embedding", "bf16", 1000, 10, 1, 2000),
        TensorGroup("mlp", "gptq_int4", 1000, 1000, 3, 500),
        TensorGroup("attention", "gptq_int4", 500, 500, 3, 250),
        TensorGroup("attention", "fp32", 1, 1, 3, 4),
    )
    assert matrix_formats(replace(model, groups=groups)) == ("gptq_int4",)


def test_a_mixture_names_its_parts_and_an_unknown_part_leaves_it_unnamed() -> None:
    model = read("Qwen/Qwen3-0.6B")
    half = (TensorGroup("mlp", "gguf:Q6_K", 10, 10, 1, 40), TensorGroup("attention", "gguf:Q4_K", 20, 20, 1, 60))
    assert stored_format(replace(model, groups=half)) == "gguf:Q4_K + gguf:Q6_K"
    part = (*half, TensorGroup("mlp", "unknown", 20, 20, 1, 60))
    assert stored_format(replace(model, groups=part)) is None
