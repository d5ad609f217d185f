"""Hostile configurations of architectures that nobody knows: refused or counted, in bounded time."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.cli.main import main
from assay.errors import AssayError, MalformedFile, UnsupportedArchitecture
from assay.observe.checkpoint import likeness
from assay.observe.checkpoint.config import Origin, model
from assay.types.model import Model

ORIGIN = Origin("test", "config.json", "config", ())
Config = dict[str, Any]
PLAIN: Config = {
    "model_type": "fanciful", "hidden_size": 512, "num_hidden_layers": 2, "num_attention_heads": 8, "vocab_size": 1000,
    "intermediate_size": 1024, "torch_dtype": "bfloat16", "max_position_embeddings": 4096,
}  # fmt: skip
MIXTURE: Config = PLAIN | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 512}
LATENT: Config = MIXTURE | {"kv_lora_rank": 64, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32, "v_head_dim": 64}
KEYS = sorted(
    {*likeness.HARMLESS, *likeness.ROUTING, *likeness.SWITCHES, *likeness.SIZES, *likeness.GROUPED, *likeness.MIXTURE}
    | {*likeness.LATENT, *likeness.NEUTRAL, *likeness.ROTARY, "architectures", "layer_types", "qk_head_dim"}
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([0, 1, 2, 64, 512]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def described(config: Config) -> Model:
    return model(config, None, ORIGIN)


def fp8(spared: list[str]) -> Config:
    return {"quantization_config": {"quant_method": "fp8", "modules_to_not_convert": spared}}


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=st.sampled_from([PLAIN, MIXTURE, LATENT]), key=st.sampled_from(KEYS), value=JSON)
def test_any_value_in_any_key_is_read_or_refused(base: Config, key: str, value: Any) -> None:
    try:
        found = described(json.loads(json.dumps(base | {key: value})))
    except AssayError as error:
        assert error.exit_code in {2, 3}  # noqa: PT017 - either way is right
    else:
        assert found.like is not None or key == "model_type"
        assert found.weights.value is None or found.weights.root == "assumed"


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=st.sampled_from([PLAIN, MIXTURE, LATENT]), key=st.text(max_size=40), value=JSON)
def test_any_other_key_is_refused(base: Config, key: str, value: Any) -> None:
    if key not in base and key not in KEYS and key not in {"num_key_value_heads", "head_dim"}:
        with pytest.raises(UnsupportedArchitecture) as caught:
            described(base | {key: value})
        assert caught.value.message.code == "error.architecture_keys"


@pytest.mark.parametrize("base", [PLAIN, MIXTURE, LATENT])
@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"])
@pytest.mark.parametrize("value", [2**31, 2**63, -(2**63), 10**30, "8", [8], True, 2.5, 0])
def test_absurd_sizes_end_at_once(base: Config, key: str, value: Any) -> None:
    started = time.monotonic()
    with pytest.raises((MalformedFile, UnsupportedArchitecture)) as caught:
        described(base | {key: value})
    assert caught.value.field in {key, "model_type", "num_attention_heads"}
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "spared",
    [
        [f"model.layers.{number}.mixer" for number in range(200_000)],
        ["lm_head"] * 200_000,
        ["model.layers.*.mlp*"] * 100_000,
        ["re:.*mlp.*"] * 20_000,
        ["re:(((((a+)+)+)+)+)+$"],
        ["re:" + ".*x" * 5000],
        ["*" * 5000],
    ],
    ids=["names", "repeated", "wildcards", "patterns", "nested", "long", "stars"],
)
@pytest.mark.parametrize("layers", [2, 500])
def test_long_lists_end_soon(spared: list[str], layers: int) -> None:
    started = time.monotonic()
    found = described(PLAIN | {"num_hidden_layers": layers} | fp8(spared))
    assert time.monotonic() - started < 2
    assert found.weights.value is None or found.weights.root == "assumed"


def test_lists_in_deep_objects_are_found_without_recursion() -> None:
    inside: Config = {"ignore": ["nothing_of_that_name"]}
    for _ in range(50_000):
        inside = {"group": inside}
    quantized = {"quant_method": "fp8", "modules_to_not_convert": ["lm_head"], "further": inside}
    assert described(PLAIN | {"quantization_config": quantized}).weights.value is None


def test_a_hundred_thousand_odd_keys_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(PLAIN | {f"\x1b[31mkey{number:06}\n": 1 for number in range(100_000)}), encoding="utf-8")
    started = time.monotonic()
    assert main(["model", str(path)]) == 3
    assert time.monotonic() - started < 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "\x1b" not in said[0]
    assert "(+99992)" in said[0]
    assert len(said[0]) < 1000


@pytest.mark.parametrize("name", ["\x1b]0;x\x07", "a b", "а", "..", "-x", "x" * 10_000, "a/b"])
def test_a_name_that_is_none_is_not_followed(name: str) -> None:
    with pytest.raises(UnsupportedArchitecture) as caught:
        described(PLAIN | {"model_type": name})
    assert caught.value.message.code == "error.unsupported_architecture"
