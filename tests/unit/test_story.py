"""One token's way through a model: stations, bytes that a step reads, refusals, the document."""

import json

import pytest

from assay.answers import story
from assay.cli.main import main
from assay.errors import UsageError
from assay.reason.speed.shape import group_bytes

WORKSTATION = ("RTX PRO 6000 Blackwell Workstation Edition",)
MODELS = ("Qwen3-30B-A3B", "gpt-oss-120b", "Qwen3-8B")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("runtime", ["vllm", "llama.cpp", "sglang"])
def test_the_stations_read_what_the_roofline_reads(model: str, runtime: str) -> None:
    """Summed over the stations, a step reads what the speed estimate counts, at batch 1 and at 64."""
    told = story.answer(model, WORKSTATION, runtime, None)
    model = told.found.model
    for sequences, figure in ((1, told.one), (64, told.many)):
        assert figure.value == pytest.approx(sum(group_bytes(model, group, sequences) for group in model.groups))


def test_a_table_that_is_looked_up_is_not_read() -> None:
    """An untied embedding costs one row; experts cost the chosen ones: 8 of 128 at batch 1."""
    told = story.answer("Qwen3-30B-A3B", WORKSTATION, "vllm", None)
    read = {one.group.role: (one.one.value, one.group.size) for one in told.stations}
    assert read["embedding"][0] == 0
    assert read["experts"][0] == pytest.approx(read["experts"][1] * 8 / 128)
    assert read["head"][0] == pytest.approx(read["head"][1])


def test_a_step_at_64_never_reads_more_than_the_weights() -> None:
    """However many sequences, each weight is read once."""
    told = story.answer("Qwen3-30B-A3B", WORKSTATION, "vllm", None)
    assert (told.one.value or 0) < (told.many.value or 0) < (told.found.model.weights.value or 0)


def test_the_order_is_a_tokens_own() -> None:
    """Looked up first, attended, multiplied by experts, the output head last."""
    roles = [one.group.role for one in story.answer("Qwen3-30B-A3B", WORKSTATION, "vllm", None).stations]
    assert roles[0] == "embedding"
    assert roles[-1] == "head"
    assert roles.index("attention") < roles.index("router") < roles.index("experts")


def test_what_attends_is_told_or_said_to_be_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """An index that chooses among the heads' keys: vLLM's backends for that were not read."""
    told = {}
    for model in ("gpt-oss-20b", "nvidia/MiniMax-M3-NVFP4"):
        assert main(["explain", "model", model, "--gpu", "h200-sxm-141gb", "--runtime", "vllm"]) in {0, 1, 3}
        told[model] = capsys.readouterr().out
    assert "attention with bf16 keys and values: FLASH_ATTN (FlashAttention 3)" in told["gpt-oss-20b"]
    assert "which kernel attends is not known" not in told["gpt-oss-20b"]
    assert "which kernel attends is not known" in told["nvidia/MiniMax-M3-NVFP4"]


def test_several_cards_have_no_one_story() -> None:
    """A vague name is refused with the cards that it may mean."""
    with pytest.raises(UsageError) as caught:
        story.answer("Qwen3-30B-A3B", ("H200",), "vllm", None)
    assert "H200 NVL" in str(caught.value.message.parameters)


@pytest.mark.parametrize(("arguments", "said"), [
    (["explain", "model"], "which model?"),
    (["explain", "formats", "Qwen3-8B", "--gpu", "5090"], "takes cards only"),
    (["explain", "formats", "--runtime", "vllm", "--gpu", "5090"], "takes cards only"),
    (["explain", "weather", "--gpu", "5090"], "formats, model"),
])  # fmt: skip
def test_what_cannot_be_told(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line that says what to do."""
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_the_page_names_kernels_and_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    """A cell whose source was not read says so; a known one names its kernel at each batch."""
    assert main(["explain", "model", "Qwen3-8B", "--gpu", *WORKSTATION, "--runtime", "llama.cpp"]) == 0
    page = capsys.readouterr().out
    assert "batch 1: native: bf16 activations, multiplied as bf16 on vector units; mul_mat_vec_f (MMVF)" in page
    assert main(["explain", "model", "Qwen3-8B", "--gpu", "Tesla V100 PCIe 32GB", "--runtime", "vllm"]) == 0
    assert "is not known: this runtime's source was not read" in capsys.readouterr().out


def test_the_document_cites_every_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """`assay.story/1`: stations with their evidence, sentences with their sources, all listed."""
    assert main(["explain", "model", "gpt-oss-120b", "--gpu", *WORKSTATION, "--runtime", "vllm", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "assay.story/1"
    experts = next(one for one in document["stations"] if one["role"] == "experts")
    assert experts["path"] == "weight-only"
    assert all(one["source"] in document["sources"] for one in experts["evidence"])
    assert all(source in document["sources"] for one in document["sentences"] for source in one["sources"])
