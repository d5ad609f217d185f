"""Commands that run a model: none for what does not fit, the runtime's own words, cards by UUID, shares of a card."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packages import SMOLLM2, real_file

from assay.answers import adapters, pinned, serving
from assay.answers.asked import CheckRequest
from assay.answers.check import answer as check
from assay.answers.launch import LaunchAnswer, answer
from assay.answers.serving import LaunchRequest, LaunchResult, PipelineRequest
from assay.cli.main import main
from assay.errors import AssayError, MissingKnowledge, UnknownModel, UsageError
from assay.knowledge.catalog.gpus import gpu
from assay.knowledge.catalog.launch import flag_record, spellings
from assay.observe.device.device import Device
from assay.observe.device.resolve import resolve_device
from assay.reason.deploy import adapters as room
from assay.reason.deploy.command import address, health_line, one_line, shell, spelled
from assay.reason.deploy.offload import Offloaded
from assay.reason.deploy.shares import shared
from assay.report.layout.launch import _stack_title
from assay.types.gpu import PciId
from assay.types.launch import Server, Value
from assay.types.quantity import Quantity, exact

OWNER = "rtx-pro-6000-blackwell-workstation-edition"
SMALL = "Qwen/Qwen3-0.6B"
GIB = 2**30


@pytest.fixture(autouse=True)
def no_cards_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinned, "_devices", lambda: ())


def asked(model: str, *gpus: str, **options: Any) -> LaunchAnswer:
    own = {name: options.pop(name) for name in tuple(options) if name in LaunchRequest._fields}
    return answer(LaunchRequest(CheckRequest(model, gpus, **options), **own))


def result(model: str, *gpus: str, **options: Any) -> LaunchResult:
    (found,) = asked(model, *gpus, **options).results
    return found


def server(model: str, *gpus: str, **options: Any) -> Server:
    (found,) = result(model, *gpus, **options).stacks[0].servers
    return found


def told(found: Server) -> str:
    return shlex.join(found.words)


def adapter(folder: Path, name: str = "style", rank: int = 12, hidden: int = 4096, layer: int = 0, **keys: Any) -> str:
    import numpy as np
    from safetensors.numpy import save_file

    place = folder / name
    place.mkdir()
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 16, "target_modules": ["q_proj"], **keys}
    (place / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    stem = f"base_model.model.model.layers.{layer}.self_attn.q_proj"
    pair = {
        f"{stem}.lora_A.weight": np.zeros((rank, hidden), np.float16),
        f"{stem}.lora_B.weight": np.zeros((64, rank), np.float16),
    }
    save_file(pair, str(place / "adapter_model.safetensors"))
    return str(place)


def test_what_does_not_fit_has_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    found = result("Llama-3.3-70B", "5090")
    assert (found.verdict, found.stacks, found.steps) == ("no", (), ())
    assert [reason.code for reason in found.reasons] == ["check.short"]
    for options in ([], ["--compose"], ["--json"]):
        assert main(["launch", "Llama-3.3-70B", "--gpu", "5090", *options]) == 1
        assert "vllm serve" not in (page := capsys.readouterr().out)
        assert "vllm-openai" not in page


def test_what_is_not_certain_is_printed_with_its_reason_and_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["launch", "gemma-3-27b-it", "--gpu", "RTX PRO 6000 Blackwell Workstation Edition", "--runtime", "sglang"])
        == 3
    )
    page = capsys.readouterr().out
    assert "sglang.launch_server --model-path google/gemma-3-27b-it" in page
    assert "too close" in page


def test_what_fits_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "Qwen3-8B", "--gpu", "5090"]) == 0
    assert "--max-model-len 32768" in capsys.readouterr().out


def test_a_gguf_file_has_no_command_under_vllm_but_the_reason() -> None:
    found = result(str(real_file(SMOLLM2)), "5090", runtime="vllm")
    assert (found.verdict, found.stacks) == ("unknown", ())
    assert "check.gguf_plugin" in [reason.code for reason in found.reasons]


def test_a_file_that_is_yet_to_be_made_has_no_command() -> None:
    found = result("Qwen3-8B", "5090", weights="awq_int4")
    assert (found.verdict, found.stacks) == ("unknown", ())
    assert "check.needs_file" in [reason.code for reason in found.reasons]


@pytest.mark.parametrize(
    ("runtime", "kv", "words"),
    [
        ("vllm", "bf16", "--kv-cache-dtype bfloat16"),
        ("vllm", "fp8", "--kv-cache-dtype fp8"),
        ("sglang", "fp8", "--kv-cache-dtype fp8_e4m3"),
    ],
)
def test_a_kv_type_is_said_in_the_runtimes_own_words(runtime: str, kv: str, words: str) -> None:
    assert words in told(server("Qwen3-8B", "5090", runtime=runtime, kv=kv))


def test_the_line_of_a_verdict_is_made_from_the_same_table() -> None:
    line = check(CheckRequest("Qwen3-8B", ("2x 5090",), kv="bf16")).results[0].launch or ""
    whole = told(server("Qwen3-8B", "2x 5090", kv="bf16"))
    assert line.startswith("vllm serve Qwen/Qwen3-8B --max-model-len 32768 --tensor-parallel-size 2")
    assert "--kv-cache-dtype bfloat16" in line
    assert whole.startswith(line)


def test_a_value_without_a_word_is_not_guessed() -> None:
    found = spelled(spellings("sglang"), {"model": "m", "kv": "fp16", "pooling": "pooling"})
    assert found.unspelled == ("kv", "pooling")
    assert one_line(found.arguments) == "python3 -m sglang.launch_server --model-path m"
    with pytest.raises(MissingKnowledge) as caught:
        result("Qwen3-8B", "5090", runtime="tensorrt-llm", served_name="small")
    assert dict(caught.value.message.parameters)["names"] == "served_name"


@pytest.mark.parametrize("path", ["a b", "it's", "x{value}y", "$(reboot)", "a;b", "{0}", "naïve"])
def test_what_was_typed_is_quoted_and_never_read_as_a_template(path: str) -> None:
    found = spelled(spellings("vllm"), {"model": path, "context": 5})
    assert shlex.split(one_line(found.arguments)) == ["vllm", "serve", path, "--max-model-len", "5"]


def test_several_cards_run_one_model_or_a_copy_each() -> None:
    split, copies = result("Qwen3-8B", "2x 5090").stacks
    assert (split.kind, copies.kind) == ("split", "copies")
    assert "--tensor-parallel-size 2" in told(split.servers[0])
    assert [one.port for one in copies.servers] == [8000, 8001]
    assert len({one.devices for one in copies.servers}) == 2
    assert all("--tensor-parallel-size" not in told(one) for one in copies.servers)


def test_copies_are_offered_only_where_one_card_holds_the_workload() -> None:
    assert [stack.kind for stack in result("Qwen3-30B-A3B", f"2x {OWNER}").stacks] == ["split", "copies"]
    assert [stack.kind for stack in result("Qwen3-32B", "4x 5090").stacks] == ["split"]


def test_copies_answer_where_the_heads_do_not_divide() -> None:
    found = result("Qwen3-8B", "3x 5090")
    assert found.verdict == "yes"
    assert [stack.kind for stack in found.stacks] == ["copies"]
    assert "check.heads" in [reason.code for reason in found.reasons]


def _device(name: str, uuid: str | None, index: int = 0) -> Device:
    found = gpu(name)
    pci = found.pci[0] if found.pci else PciId("10de:0000")
    total = int(found.memory_driver.value or 0)
    return Device(index, found.driver_names[0], pci, None, uuid, total, "580", "nvml")


def test_cards_of_this_machine_are_pinned_by_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    here = (_device("geforce-rtx-4090", "GPU-other"), _device("geforce-rtx-5090", "GPU-aaaa", 1))
    monkeypatch.setattr(pinned, "_devices", lambda: here)
    found = result("Qwen3-8B", "5090")
    assert found.stacks[0].servers[0].environment == (("CUDA_VISIBLE_DEVICES", "GPU-aaaa"),)
    assert found.finder is None
    two = result("Qwen3-8B", "2x 5090")
    assert two.stacks[0].servers[0].devices == ("GPU-aaaa", "GPU-FILL-IN-2")
    assert two.finder is not None


def test_a_card_that_is_not_exactly_known_is_not_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    vague = replace(_device("geforce-rtx-4090", "GPU-vague"), name="NVIDIA RTX PRO 6000 Blackwell", pci=None)
    assert resolve_device(vague).match == "ambiguous"
    monkeypatch.setattr(pinned, "_devices", lambda: (vague,))
    first = resolve_device(vague).candidates[0]
    assert result("Qwen3-8B", first).stacks[0].servers[0].devices == ("GPU-FILL-IN-1",)


def test_cards_that_a_runtime_is_not_known_for_are_refused() -> None:
    with pytest.raises(MissingKnowledge):
        result("Qwen3-8B", "mi300x", runtime="tensorrt-llm")
    with pytest.raises(MissingKnowledge):
        result("Qwen3-8B", "5090 + mi300x")
    with pytest.raises(MissingKnowledge):
        result("Qwen3-8B", "mi300x", compose=True)
    with pytest.raises(UsageError):
        result("Qwen3-8B", "5090", port=65_530)


def test_offload_does_not_hide_a_context_beyond_the_model() -> None:
    found = result(str(real_file(SMOLLM2)), "5090", context=100_000, concurrency=40, offload=True)
    assert (found.verdict, found.stacks) == ("no", ())


def test_a_pipeline_is_not_promised_where_a_part_is_not_certain() -> None:
    old = result("Qwen3-0.6B", "Quadro RTX 8000", pipeline=PARTS)
    assert old.verdict != "yes"
    with pytest.raises(MissingKnowledge):
        result("Qwen3-8B", OWNER, pipeline=PARTS._replace(embedder=str(real_file(SMOLLM2))))


def test_without_the_cards_a_placeholder_names_none_and_says_how_to_fill_it() -> None:
    found = result("Qwen3-8B", "5090")
    assert found.stacks[0].servers[0].devices == ("GPU-FILL-IN-1",)
    assert "nvidia-smi --query-gpu=index,uuid,name" in (found.finder or "")
    assert [note.code for note in found.notes] == ["launch.fill_in"]
    amd = result("Qwen3-8B", "mi300x")
    assert amd.stacks[0].servers[0].environment[0][0] == "ROCR_VISIBLE_DEVICES"
    assert "rocminfo" in (amd.finder or "")


def test_what_the_card_should_say() -> None:
    (found,) = result("Qwen3-8B", OWNER).card_checks
    assert found.capability == "12.0"
    assert found.memory.value == 97_887 * 2**20
    assert found.power.value == 600
    assert any("compute_cap" in line for line in found.lines)
    assert any("get_device_capability" in line for line in found.lines)
    (amd,) = result("Qwen3-8B", "mi300x").card_checks
    assert amd.lines == ()


def test_adapters_have_slots_of_the_rank_the_runtime_takes(tmp_path: Path) -> None:
    paths = (adapter(tmp_path, "style"), adapter(tmp_path, "tone", rank=4))
    found = result("Qwen3-8B", OWNER, adapters=paths)
    words = told(found.stacks[0].servers[0])
    assert found.verdict == "yes"
    assert f"--lora-modules style={paths[0]} tone={paths[1]}" in words
    assert "--enable-lora" in words
    assert "--max-loras 2" in words
    assert "--max-lora-rank 16" in words
    assert "--max-cpu-loras" not in words


def test_sglang_counts_requests_without_an_adapter_as_one_more(tmp_path: Path) -> None:
    words = told(server("Qwen3-8B", OWNER, runtime="sglang", adapters=(adapter(tmp_path),)))
    assert "--max-loras-per-batch 2" in words
    assert "--max-lora-rank 12" in words


def test_llama_cpp_is_given_adapters_as_gguf_after_they_are_made(tmp_path: Path) -> None:
    gguf = tmp_path / "tone.gguf"
    gguf.write_bytes(b"GGUF")
    path = adapter(tmp_path, hidden=576)
    found = result(str(real_file(SMOLLM2)), "5090", adapters=(path, str(gguf)))
    (step,) = found.steps
    assert step.line == f"python3 convert_lora_to_gguf.py {path} --outfile style.gguf"
    assert f"--lora style.gguf,{gguf}" in told(found.stacks[0].servers[0])
    assert found.verdict == "yes"


def test_experts_in_host_memory_are_told_by_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = result(str(real_file(SMOLLM2)), "5090").check.fit
    monkeypatch.setattr(serving, "offloaded", lambda *_: Offloaded(12, None, exact(5.0 * GIB, "B", "assumed"), plan))
    found = result(str(real_file(SMOLLM2)), "5090", concurrency=200, offload=True)
    words = told(found.stacks[0].servers[0])
    assert "-ngl all" in words
    assert "-ncmoe 12" in words
    assert found.verdict == "unknown"


def test_slots_are_as_many_as_fit_and_none_makes_it_uncertain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = (adapter(tmp_path, "style"), adapter(tmp_path, "tone"))
    free = result("Qwen3-8B", OWNER).check.fit.memory.free.lowest or 0
    monkeypatch.setattr(adapters, "slot", lambda *_: exact(free * 0.7, "B", "assumed"))
    one = result("Qwen3-8B", OWNER, adapters=paths)
    assert "--max-loras 1" in told(one.stacks[0].servers[0])
    assert "--max-cpu-loras 2" in told(one.stacks[0].servers[0])
    assert "launch.adapters_exchanged" in [note.code for note in one.notes]
    monkeypatch.setattr(adapters, "slot", lambda *_: exact(free * 1.1, "B", "assumed"))
    none = result("Qwen3-8B", OWNER, adapters=paths)
    assert none.verdict == "unknown"
    assert "launch.no_adapter_room" in [reason.code for reason in none.reasons]


def test_a_slot_is_at_least_what_its_matrices_take() -> None:
    model = asked("Qwen3-8B", OWNER).model
    sides = 36 * ((4096 + 4096) * 2 + (4096 + 1024) * 2 + (4096 + 12_288) * 3)
    assert (room.slot(model, 16).value or 0) >= sides * 16 * 2
    assert (room.slot(model, 16).value or 0) < 1.5 * (sides + 2 * (4096 + 151_936)) * 16 * 2
    latent = asked("DeepSeek-V3", "8x b200").model
    assert room.slot(latent, 16).value is None


def test_an_adapter_of_another_model_is_named(tmp_path: Path) -> None:
    key = "base_model_name_or_path"
    own = result("Qwen3-8B", OWNER, adapters=(adapter(tmp_path, "own", **{key: "someone/qwen3-8b"}),))
    assert (own.verdict, [note.code for note in own.notes]) == ("yes", ["launch.fill_in"])
    paths = (adapter(tmp_path, "other", **{key: "meta-llama/Llama-3.1-8B"}),)
    found = result("Qwen3-8B", OWNER, adapters=paths)
    assert found.verdict == "yes"
    said = next(dict(note.parameters) for note in found.notes if note.code == "launch.adapter_base")
    assert (said["base"], said["model"]) == ("meta-llama/Llama-3.1-8B", "Qwen/Qwen3-8B")
    joined = result("Qwen3-8B", OWNER, pipeline=PARTS, adapters=paths)
    assert "launch.adapter_base" in [note.code for note in joined.notes]


@pytest.mark.parametrize(
    ("strange", "code"), [({"hidden": 5120}, "launch.adapter_shape"), ({"layer": 36}, "launch.adapter_layers")]
)
def test_an_adapter_of_other_shapes_is_not_certain(tmp_path: Path, strange: dict[str, int], code: str) -> None:
    paths = (adapter(tmp_path, **strange),)
    for options in ({}, {"pipeline": PARTS}):
        found = result("Qwen3-8B", OWNER, adapters=paths, **options)
        assert found.verdict == "unknown"
        assert code in [reason.code for reason in found.reasons]


def test_adapters_that_no_runtime_takes(tmp_path: Path) -> None:
    with pytest.raises(MissingKnowledge):
        result("Qwen3-8B", OWNER, adapters=(adapter(tmp_path, "huge", rank=1024),))
    with pytest.raises(UnknownModel):
        result("Qwen3-8B", OWNER, adapters=(str(tmp_path / "absent"),))
    (tmp_path / "other").mkdir()
    twice = (adapter(tmp_path, "same"), adapter(tmp_path / "other", "same"))
    with pytest.raises(UsageError):
        result("Qwen3-8B", OWNER, adapters=twice)
    gguf = tmp_path / "a.gguf"
    gguf.write_bytes(b"GGUF")
    with pytest.raises(MissingKnowledge):
        result("Qwen3-8B", OWNER, adapters=(str(gguf),))


def test_rank_is_rounded_up_to_what_is_taken() -> None:
    record = flag_record("vllm")
    assert record is not None
    accepted = record.choices["--max-lora-rank"]
    assert [room.rank_for(rank, accepted) for rank in (1, 9, 65, 512, 513)] == [1, 16, 128, 512, None]
    assert room.rank_for(7, ()) == 7


def test_weights_that_modelopt_makes_have_a_step_and_are_served_from_its_folder() -> None:
    found = result("Qwen3-8B", OWNER, runtime="tensorrt-llm", weights="nvfp4", kv="fp8")
    (step,) = found.steps
    assert "--pyt_ckpt_path Qwen/Qwen3-8B --qformat nvfp4 --kv_cache_qformat fp8" in step.line
    one = found.stacks[0].servers[0]
    assert one.words[:2] == ("trtllm-serve", "./Qwen3-8B-NVFP4")
    assert one.config == (("kv_cache_config.dtype", "fp8"),)
    assert 'dtype: "fp8"' in shell(one)
    assert shell(one).endswith("--config trtllm.yaml")


PARTS = PipelineRequest(SMALL, SMALL, 1_000_000)


def test_a_pipeline_shares_one_card_and_stays_below_it() -> None:
    found = result("Qwen3-8B", OWNER, pipeline=PARTS)
    assert found.verdict == "yes"
    (stack,) = found.stacks
    assert [one.role for one in stack.servers] == ["generator", "embedder", "reranker"]
    assert [one.port for one in stack.servers] == [8000, 8001, 8002]
    assert len({one.devices for one in stack.servers}) == 1
    available = found.check.fit.memory.available.lowest or 0
    fractions = [share.fraction or 0 for share in found.shares]
    index = found.shares[-1].need
    assert sum(fractions) * available / 0.92 + (index.highest or 0) <= available
    for share in found.shares[:-1]:
        assert (share.fraction or 0) * available / 0.92 >= (share.need.highest or 0) * 0.999
    assert "--runner pooling" in told(stack.servers[1])
    assert "is_original_qwen3_reranker" in told(stack.servers[2])


def test_the_preset_s_own_embedder_and_reranker_have_derived_shares() -> None:
    found = result(
        "Qwen3-8B", OWNER, pipeline=PipelineRequest("Qwen3-Embedding-0.6B", "Qwen3-Reranker-0.6B", 1_000_000)
    )
    assert found.verdict == "yes"
    assert [share.model for share in found.shares[1:3]] == ["Qwen/Qwen3-Embedding-0.6B", "Qwen/Qwen3-Reranker-0.6B"]
    assert all(share.fraction is not None and share.need.basis == "derived" for share in found.shares[:3])
    assert "vllm serve Qwen/Qwen3-Embedding-0.6B" in told(found.stacks[0].servers[1])
    assert "is_original_qwen3_reranker" in told(found.stacks[0].servers[2])


def test_a_pipeline_with_adapters_counts_their_slots(tmp_path: Path) -> None:
    bare = result("Qwen3-8B", OWNER, pipeline=PARTS)
    found = result("Qwen3-8B", OWNER, pipeline=PARTS, adapters=(adapter(tmp_path),))
    assert (found.shares[0].need.value or 0) > (bare.shares[0].need.value or 0)
    assert "--max-loras 1" in told(found.stacks[0].servers[0])


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        (PipelineRequest(None, SMALL, 5), "launch.name_embedder"),
        (PipelineRequest(SMALL, None, 5), "launch.name_reranker"),
        (PipelineRequest(SMALL, SMALL, None), "launch.name_vectors"),
    ],
)
def test_what_a_pipeline_lacks_is_asked_for(parts: PipelineRequest, code: str) -> None:
    found = result("Qwen3-8B", OWNER, pipeline=parts)
    assert (found.verdict, found.stacks) == ("unknown", ())
    assert code in [reason.code for reason in found.reasons]


def test_a_pipeline_that_is_too_large_has_no_command() -> None:
    found = result("Qwen3-8B", OWNER, pipeline=PARTS._replace(vectors=100_000_000))
    assert (found.verdict, found.stacks) == ("no", ())


def test_a_pipeline_is_for_one_card_and_vllm() -> None:
    with pytest.raises(UsageError):
        result("Qwen3-8B", "2x 5090", pipeline=PARTS)
    with pytest.raises(MissingKnowledge):
        result("Qwen3-8B", "5090", runtime="sglang", pipeline=PARTS)


def _between(low: float, high: float) -> Quantity:
    return replace(exact((low + high) / 2 * GIB, "B", "assumed"), low=low * GIB, high=high * GIB)


@pytest.mark.parametrize(
    ("needs", "verdict"),
    [([(4, 5), (1, 2)], "yes"), ([(4, 9), (1, 2)], "unknown"), ([(8, 9), (2, 3)], "no")],
)
def test_shares_have_three_answers(needs: list[tuple[float, float]], verdict: str) -> None:
    beside = exact(0.5 * GIB, "B", "assumed")
    found = shared(tuple(_between(*each) for each in needs), beside, _between(9.9, 10.1), 0.9)
    assert found.verdict == verdict
    assert bool(found.fractions) == (verdict == "yes")
    if found.fractions:
        assert sum(found.fractions) * 9.9 + 0.5 <= 9.9 * 0.9


EVERYWHERE = "0.0.0.0"  # noqa: S104 - named, not bound


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), (EVERYWHERE, "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]"), ("gpu1", "gpu1")],
)
def test_where_a_server_is_asked(host: str, shown: str) -> None:
    assert address(server("Qwen3-8B", "5090", host=host, port=9000)) == f"http://{shown}:9000"


def test_a_list_in_a_yaml_file() -> None:
    items: dict[str, Value] = {"adapters": ((("name", "a"), ("path", "/x")), (("name", "b"), ("path", "/y")))}
    found = spelled(spellings("tensorrt-llm"), items)
    assert found.config == (("lora_config.lora_dir", ((("text", "/x"),), (("text", "/y"),))),)
    assert one_line(spelled(spellings("llama.cpp"), items).arguments) == "--lora /x,/y"


@pytest.mark.parametrize(
    "host", ["0.0.0.0; rm -rf /", "", "$(reboot)", "a b", "1.2.3.999", "fe80::1%; id", "-x", "[::1]"]
)
def test_a_host_that_is_none_is_refused(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "Qwen3-8B", "--gpu", "5090", "--host", host]) == 2
    page = capsys.readouterr()
    assert not page.out
    assert page.err.count("\n") == 2


@pytest.mark.parametrize("host", ["localhost", "gpu1", "gpu1.lan"])
def test_a_compose_file_takes_addresses_alone(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Compose: `invalid IP address`, docker/compose issue 12815."""
    words = ["launch", "Qwen3-8B", "--gpu", "5090", "--host", host]
    assert main([*words, "--compose"]) == 2
    page = capsys.readouterr()
    assert not page.out
    assert host in page.err
    assert "127.0.0.1" in page.err
    assert main(words) != 2


def test_a_kv_type_without_a_word_names_those_that_have_one() -> None:
    """TensorRT-LLM's llm_args.py knows `auto` and `fp8`; of another word it warns, and goes on without it."""
    with pytest.raises(MissingKnowledge) as caught:
        result("Qwen3-8B", OWNER, runtime="tensorrt-llm", kv="fp16")
    assert dict(caught.value.message.parameters)["kv"] == "fp16"
    assert dict(caught.value.hint.parameters)["known"] == "bf16, fp8"


def test_the_line_that_waits_is_quoted() -> None:
    one = server("Qwen3-8B", "5090")._replace(host="a; b")
    assert shlex.split(health_line(one))[4] == "http://a; b:8000/health;"
    assert "'http://[::1]:8000/health'" in health_line(one._replace(host="::1"))


@pytest.mark.parametrize(
    "options",
    [
        ["--name", ""],
        ["--name", "a\x1b[31mb"],
        ["--host", "127.0.0.1\n"],
        ["--chat-template", "/nope"],
        ["--embedder", SMALL],
        ["--reranker", SMALL],
        ["--vectors", "5"],
        ["--index", "hnsw"],
        ["--dimension", "5"],
    ],
)
def test_what_no_command_can_hold_is_refused(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "Qwen3-8B", "--gpu", "5090", *options]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_control_characters_in_a_model_are_refused() -> None:
    with pytest.raises(UsageError):
        result("Qwen3\x1b[2J", "5090")


@pytest.mark.parametrize("name", ["a,b", "a=b"])
@pytest.mark.parametrize("runtime", ["vllm", "llama.cpp", "tensorrt-llm"])
def test_an_adapter_whose_path_would_be_taken_apart_is_refused(tmp_path: Path, name: str, runtime: str) -> None:
    path = adapter(tmp_path, name)
    with pytest.raises(UsageError) as caught:
        result("Qwen3-8B", OWNER, adapters=(path,), runtime=runtime)
    assert dict(caught.value.hint.parameters)["path"] == path


def _page(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main(["launch", *words])
    return " ".join(capsys.readouterr().out.split())


def test_a_host_is_explained_by_its_value(capsys: pytest.CaptureFixture[str]) -> None:
    base = ("Qwen3-8B", "--gpu", "5090")
    assert "--host 127.0.0.1: without it every network sees" in _page(capsys, *base)
    assert f"--host {EVERYWHERE}: it listens on this address: everyone" in _page(capsys, *base, "--host", EVERYWHERE)
    assert f"--host {EVERYWHERE}: inside its container" in _page(capsys, *base, "--compose")
    assert "everyone who reaches it" in _page(capsys, *base, "--host", "gpu1", "--json")


def test_flags_are_explained_in_the_words_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--served-model-name 'a b': " in _page(capsys, "Qwen3-8B", "--gpu", "5090", "--name", "a b")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_what_the_driver_prints_is_not_translated(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = _page(capsys, "Qwen3-8B", "--gpu", "5090", "--lang", language)
    assert "32607 MiB" in page
    assert "575.00 W" in page


def test_a_reach_of_nothing_is_not_stated() -> None:
    (found,) = result("Qwen3-8B", "5090").stacks
    assert _stack_title(found).code == "launch.stack.single.reach"
    none = found._replace(max_concurrency=exact(0, "", "assumed"))
    assert _stack_title(none).code == "launch.stack.single"


def test_a_default_without_a_word_is_left_out() -> None:
    found = server("Qwen3-8B", "5090", runtime="tensorrt-llm", kv="bf16")
    assert (found.config, "kv" in [argument.parameter for argument in found.arguments]) == ((), False)
    with pytest.raises(MissingKnowledge):
        result("Qwen3-8B", "5090", runtime="tensorrt-llm", kv="fp16")


def test_a_card_that_the_runtime_refuses_is_not_said_to_be_too_small(capsys: pytest.CaptureFixture[str]) -> None:
    page = _page(capsys, SMALL, "--gpu", "t4")
    assert page.startswith("No: vLLM does not run Qwen3-0.6B on Tesla T4")
    assert "Bfloat16 is only supported on GPUs" in page
    assert "does not fit" in _page(capsys, "Llama-3.3-70B", "--gpu", "5090")


def test_errors_have_words(capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--rag", "--runtime", "sglang"], ["--lora", "absent"], ["--runtime", "exllamav2"], ["--offload"]):
        code = main(["launch", "Qwen3-8B", "--gpu", "5090", *options, "--lang", "ru"])
        said = capsys.readouterr().err
        assert code in {0, 2, 3}
        assert "error." not in said
        assert "hint." not in said


def test_every_error_is_one_of_assays() -> None:
    with pytest.raises(AssayError):
        asked("Qwen3-8B", "no such card")


def test_a_graph_of_vectors_lies_in_host_memory_and_leaves_the_card_alone() -> None:
    on_card = result("Qwen3-8B", OWNER, pipeline=PARTS)
    in_host = result("Qwen3-8B", OWNER, pipeline=PARTS._replace(index_kind="hnsw"))
    index = in_host.shares[-1]
    assert (index.need.value, on_card.shares[-1].host) == (0, None)
    assert index.host is not None
    assert (index.host.value or 0) > 1_000_000 * 1024 * 4
    assert (in_host.shares[0].fraction or 0) > (on_card.shares[0].fraction or 0)
    many = result("Qwen3-8B", OWNER, pipeline=PARTS._replace(index_kind="hnsw", vectors=100_000_000))
    assert many.verdict == "yes"


def test_fewer_elements_of_a_vector_make_a_smaller_index() -> None:
    whole = result("Qwen3-8B", OWNER, pipeline=PARTS).shares[-1].need
    part = result("Qwen3-8B", OWNER, pipeline=PARTS._replace(dimension=256)).shares[-1].need
    assert (whole.value or 0) - (part.value or 0) == 1_000_000 * (1024 - 256) * 4


def test_a_graph_without_its_dimension_has_no_size() -> None:
    found = result("Qwen3-8B", OWNER, pipeline=PipelineRequest(None, SMALL, 5, "hnsw"))
    assert found.verdict == "unknown"
    assert "launch.name_dimension" in [reason.code for reason in found.reasons]
    assert found.shares[-1].host is not None
    assert found.shares[-1].host.value is None
