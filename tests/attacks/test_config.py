"""Hostile configurations: each is refused in bounded time and memory, with a named error."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.errors import AssayError, MalformedFile, UnreadableFile, UnsupportedFile
from assay.knowledge import store
from assay.observe.checkpoint import files
from assay.observe.checkpoint.config import Origin, model
from assay.observe.checkpoint.read import read
from assay.types.message import message

ORIGIN = Origin("test", "config.json", "config", ())


def published(name: str = "Qwen/Qwen3-30B-A3B") -> dict[str, Any]:
    return dict((store.entry("model", name) or {})["config"])


def refused(tmp_path: Path, content: bytes) -> MalformedFile:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(MalformedFile) as caught:
        read(path)
    assert caught.value.file == str(path)
    assert caught.value.exit_code == 2
    assert caught.value.field is not None
    assert caught.value.offset is not None
    return caught.value


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "json"),
        (b"{", "json"),
        (b"[]", "not_object"),
        (b"null", "not_object"),
        (b'"text"', "not_object"),
        (b"\xff\xfe{}", "json"),
        (b'{"model_type": "\xc3\x28"}', "json"),
        (b"[" * 200_000, "nesting"),
        (b'{"a":' * 100_000, "nesting"),
        (b'{"hidden_size": ' + b"9" * 100_000 + b"}", "out_of_range"),
        (b'{"model_type": "qwen3", "model_type": "llama"}', "repeated_key"),
        (b'{"text_config": {"a": 1, "a": 2}}', "repeated_key"),
        (b"{}", "missing_key"),
        (b'{"model_type": 7}', "not_text"),
    ],
)
def test_content_that_is_no_configuration(tmp_path: Path, content: bytes, code: str) -> None:
    assert refused(tmp_path, content).message.code == f"error.malformed.{code}"


def test_a_long_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_JSON_BYTES", 1000)
    (tmp_path / "config.json").write_bytes(b'{"a": "' + b"a" * 1000 + b'"}')
    with pytest.raises(UnsupportedFile) as caught:
        read(tmp_path / "config.json")
    assert caught.value.message == message("error.limit.bytes", file="config.json", limit=1000)
    assert caught.value.exit_code == 3
    assert refused(tmp_path, b"[" * 1001).message.code == "error.malformed.not_object"


def test_a_sparse_file_of_a_terabyte(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as stream:
        stream.truncate(2**40)
    with pytest.raises(MalformedFile):
        read(path)


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    os.mkfifo(path)
    started = time.monotonic()
    with pytest.raises(UnreadableFile) as caught:
        read(path)
    assert caught.value.message.code == "error.unreadable.not_regular"
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/stdin"])
def test_a_device_is_no_file(path: str) -> None:
    with pytest.raises((UnreadableFile, MalformedFile)):
        read(path)


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UnreadableFile):
        read(tmp_path)


def test_links_in_a_circle(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.symlink_to(path)
    with pytest.raises(UnreadableFile):
        read(path)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}", encoding="utf-8")
    real = os.open

    def denied(name: Any, *rest: Any, **more: Any) -> int:
        if str(name) == str(path):
            raise PermissionError(13, "denied")
        return real(name, *rest, **more)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(UnreadableFile) as caught:
        read(path)
    assert caught.value.message.code == "error.unreadable.permission"


def test_a_closed_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "config.json").write_text("{}", encoding="utf-8")
    closed.chmod(0)
    if os.geteuid() == 0:  # the superuser passes every door: the system's answer is played

        def denied(*_: Any, **__: Any) -> Any:
            raise PermissionError(13, "denied")

        monkeypatch.setattr(os, "open", denied)
    try:
        with pytest.raises(UnreadableFile) as caught:
            read(closed)
        assert caught.value.message.code == "error.unreadable.permission"
    finally:
        closed.chmod(0o700)


@pytest.mark.parametrize("name", ["a\x00b", "x" * 5000, "../" * 3000 + "config.json", "~nobody-of-that-name/x", "."])
def test_strange_names(name: str) -> None:
    with pytest.raises(AssayError):
        read(name)


@pytest.mark.parametrize("key", ["num_hidden_layers", "num_experts", "vocab_size", "hidden_size"])
@pytest.mark.parametrize("value", [2**31, 2**63, 10**6, -(2**63), 10**30])
def test_absurd_sizes_end_at_once(key: str, value: int) -> None:
    config = published()
    started = time.monotonic()
    if key in {"vocab_size", "hidden_size"} and value == 10**6:
        value = 10**9
    with pytest.raises(MalformedFile) as caught:
        model(config | {key: value}, None, ORIGIN)
    assert caught.value.field == key
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("Qwen/Qwen3-30B-A3B", "mlp_only_layers", "all"),
        ("Qwen/Qwen3-30B-A3B", "mlp_only_layers", [-1]),
        ("Qwen/Qwen3-30B-A3B", "decoder_sparse_step", 0),
        ("Qwen/Qwen3-30B-A3B", "tie_word_embeddings", "yes"),
        ("Qwen/Qwen3-30B-A3B", "quantization_config", [1]),
        ("Qwen/Qwen3-30B-A3B", "quantization_config", {"quant_method": 7}),
        ("Qwen/Qwen3-30B-A3B", "quantization_config", {"quant_method": "fp8", "weight_block_size": "128"}),
        ("Qwen/Qwen3-30B-A3B", "quantization_config", {"quant_method": "fp8", "modules_to_not_convert": "all"}),
        ("openai/gpt-oss-20b", "layer_types", ["full_attention"]),
        ("openai/gpt-oss-20b", "sliding_window", 0),
        ("deepseek-ai/DeepSeek-V3", "kv_lora_rank", 0),
        ("deepseek-ai/DeepSeek-V3", "num_nextn_predict_layers", -1),
        ("deepseek-ai/DeepSeek-V3", "num_nextn_predict_layers", 9),
        ("deepseek-ai/DeepSeek-V3", "first_k_dense_replace", -3),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "hybrid_override_pattern", "M" * 20_000),
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1", "block_configs", [1]),
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1", "block_configs", [{}] * 80),
        ("google/gemma-3-27b-it", "text_config", [1]),
        ("google/gemma-3-27b-it", "vision_config", "none"),
    ],
)
def test_wrong_values_are_named(name: str, key: str, value: Any) -> None:
    with pytest.raises(MalformedFile) as caught:
        model(published(name) | {key: value}, None, ORIGIN)
    assert caught.value.field is not None
    assert key in caught.value.field or value == [{}] * 80


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = sorted({key for name in store.names("model") for key in (store.entry("model", name) or {}).get("config", {})})


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from([
        "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V3", "openai/gpt-oss-20b", "google/gemma-4-26B-A4B",
        "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "Qwen/Qwen3.5-35B-A3B", "moonshotai/Kimi-K2.5",
    ]),
    key=st.sampled_from(KEYS),
    value=JSON,
)  # fmt: skip
def test_any_value_in_any_key_is_read_or_refused(name: str, key: str, value: Any) -> None:
    config = published(name)
    for target in (config, config.get("text_config")):
        if target is not None:
            changed = config | {key: value} if target is config else config | {"text_config": target | {key: value}}
            try:
                found = model(json.loads(json.dumps(changed)), None, ORIGIN)
            except AssayError as error:
                assert error.exit_code in {2, 3}  # noqa: PT017 - either way is right
            else:
                assert found.weights.value is None or found.weights.value > 0


@pytest.mark.parametrize("pattern", ["model.layers.{}.self_attn*", "*.layers.{}.self*attn", "re:.*layers.{}.*attn.*"])
def test_a_list_of_very_many_patterns_is_not_compared(pattern: str) -> None:
    config = published()
    config["quantization_config"] = {
        "quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic",
        "modules_to_not_convert": [pattern.format(number) for number in range(20_000)],
    }  # fmt: skip
    started = time.process_time()
    found = model(config, None, ORIGIN)
    assert time.process_time() - started < 2
    assert found.weights.value is None


def test_a_repeated_key_among_very_many_is_found_at_once(tmp_path: Path) -> None:
    keys = ",".join(f'"k{number}": 1' for number in range(100_000))
    started = time.process_time()
    refused(tmp_path, f'{{{keys}, "k99999": 2}}'.encode())
    assert time.process_time() - started < 2


def test_a_name_of_a_million_characters_is_not_repeated(tmp_path: Path) -> None:
    error = refused(tmp_path, f'{{"{"k" * 1_000_000}": 1, "{"k" * 1_000_000}": 2}}'.encode())
    assert len(str(error.message.parameters)) < 400


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b'{"hidden_size": 1, "model_type": "nothing \\ud800"}', b"model_type"),
        (b'{"hidden_size": 1, "model_type": "deepseek_v4"}', b"model_type"),
        (b'{"\\ud800": 1, "a": 2, "\\ud800": 1}', b"\\ud800"),
        (b'{"a": 1, "hidden_size": ' + b"9" * 5000 + b"}", b"999"),
    ],
    ids=["unknown", "refused", "half a character twice", "long number"],
)
def test_a_refusal_says_where(tmp_path: Path, content: bytes, field: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(AssayError) as caught:
        read(path)
    parameters = dict(caught.value.message.parameters)
    assert (caught.value.file, parameters["file"]) == (str(path), "config.json")
    found = content.index(field) if field.isdigit() else content.rindex(field) - 1
    assert caught.value.offset == found
