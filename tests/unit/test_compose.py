"""Compose files: valid by the schema of the Compose Specification, read back by a YAML parser, safe to interpolate."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from packages import COMPOSE_SCHEMA, SMOLLM2, real_file

from assay.answers import pinned
from assay.answers.asked import CheckRequest
from assay.answers.launch import answer
from assay.answers.serving import LaunchRequest, PipelineRequest
from assay.cli.main import main
from assay.reason.deploy.command import shell
from assay.reason.deploy.compose import compose
from assay.reason.deploy.yaml import document, nested
from assay.types.launch import Server

GOLDEN = Path(__file__).parents[1] / "golden"
OWNER = "rtx-pro-6000-blackwell-workstation-edition"


@pytest.fixture(autouse=True)
def no_cards_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinned, "_devices", lambda: ())


def servers(model: str, gpu: str, **options: Any) -> tuple[Server, ...]:
    own = {name: options.pop(name) for name in tuple(options) if name in LaunchRequest._fields}
    found = answer(LaunchRequest(CheckRequest(model, (gpu,), **options), **own)).results[0]
    return found.stacks[-1].servers


def read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found


CASES: dict[str, dict[str, Any]] = {
    "one": {"model": "Qwen3-8B", "gpu": "5090"},
    "copies": {"model": "Qwen3-8B", "gpu": "2x 5090"},
    "sglang": {"model": "Qwen3-8B", "gpu": "5090", "runtime": "sglang"},
    "yaml": {"model": "Qwen3-8B", "gpu": "5090", "runtime": "tensorrt-llm", "kv": "fp8", "weights": "fp8"},
    "pipeline": {
        "model": "Qwen3-8B",
        "gpu": OWNER,
        "pipeline": PipelineRequest("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", 1000),
    },
}


def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(real_file(COMPOSE_SCHEMA).read_text(encoding="utf-8")))


@pytest.mark.parametrize("case", CASES)
def test_every_compose_file_is_valid(case: str) -> None:
    validator = _validator()
    found = read(compose(servers(**CASES[case])))
    validator.validate(found)
    assert found["services"]
    broken = json.loads(json.dumps(found).replace('"image"', '"imag"'))
    assert not validator.is_valid(broken)


def test_cards_are_reserved_by_uuid_and_the_port_is_published_on_the_loopback() -> None:
    found = read(compose(servers("Qwen3-8B", "5090")))["services"]["server"]
    (device,) = found["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "device_ids": ["GPU-FILL-IN-1"], "capabilities": ["gpu"]}
    assert found["ports"] == ["127.0.0.1:8000:8000"]
    # Inside its container a server on the loopback would answer nobody.
    assert found["command"][found["command"].index("--host") + 1] == "0.0.0.0"  # noqa: S104 - compared
    assert "CUDA_VISIBLE_DEVICES" not in found.get("environment", {})
    assert found["image"] == "vllm/vllm-openai:v0.33.0"


def test_an_amd_card_is_given_as_devices() -> None:
    found = read(compose(servers(str(real_file(SMOLLM2)), "mi300x")))["services"]["server"]
    assert "/dev/kfd:/dev/kfd" in found["devices"]
    assert "deploy" not in found
    assert found["environment"] == {"HF_HOME": "/huggingface", "ROCR_VISIBLE_DEVICES": "GPU-FILL-IN-1"}
    assert found["image"].endswith("server-rocm")
    _validator().validate({"services": {"server": found}})


def test_a_file_of_this_machine_is_mounted_and_named_as_the_container_sees_it() -> None:
    path = str(real_file(SMOLLM2))
    found = read(compose(servers(path, "5090")))["services"]["server"]
    (mount,) = [one for one in found["volumes"] if isinstance(one, dict)]
    assert mount["source"] == str(Path(path).absolute())
    assert mount["read_only"] is True
    assert mount["target"] in found["command"]
    assert path not in found["command"]
    assert found["entrypoint"] == ["/app/llama-server"]


def test_the_yaml_of_a_runtime_stands_in_the_file_and_quantized_weights_are_mounted() -> None:
    found = read(compose(servers(**CASES["yaml"])))
    (config,) = found["configs"].values()
    assert read(config["content"]) == {"kv_cache_config": {"dtype": "fp8"}}
    service = found["services"]["server"]
    assert service["configs"][0]["target"] in service["command"]
    (mount,) = [one for one in service["volumes"] if isinstance(one, dict)]
    assert mount["target"] == service["command"][0]


def test_servers_of_one_card_start_after_one_another() -> None:
    found = read(compose(servers(**CASES["pipeline"])))["services"]
    assert found["embedder"]["depends_on"] == {"generator": {"condition": "service_healthy"}}
    assert found["reranker"]["depends_on"] == {"embedder": {"condition": "service_healthy"}}
    copies = read(compose(servers("Qwen3-8B", "2x 5090")))["services"]
    assert sorted(copies) == ["server-1", "server-2"]
    assert not any("depends_on" in one for one in copies.values())


def test_a_dollar_of_a_path_is_not_a_variable(tmp_path: Path) -> None:
    template = tmp_path / "a$HOME.jinja"
    template.write_text("", encoding="utf-8")
    service = read(compose(servers("Qwen3-8B", "5090", chat_template=str(template))))["services"]["server"]
    (mount,) = [one for one in service["volumes"] if isinstance(one, dict)]
    assert mount["target"].endswith("/a$$HOME.jinja")
    assert mount["source"].endswith("/a$$HOME.jinja")
    assert mount["target"] in service["command"]


def test_a_dollar_is_not_a_variable() -> None:
    text = compose(servers("Qwen3-8B", "5090", served_name="a$HOME"))
    assert '"a$$HOME"' in text


@pytest.mark.parametrize(
    "value",
    [
        {"a": {"b": [1, "x: y", {"c": True, "d": [None]}]}, "e": {}},
        {"quote": 'he said "no"', "hash": "# no", "dash": "- no", "yes": "yes", "number": "12", "line": "a\nb"},
        {"strange key": [], "тест": "тест", "tab": "\t", "unicode": "\u2028"},
    ],
)
def test_what_is_written_is_read_back(value: dict[str, Any]) -> None:
    assert read(document(value)) == value


def test_dotted_keys_are_nested() -> None:
    pairs = (("a.b", 1), ("a.c", ((("text", "x"),),)), ("d", "y"))
    assert nested(pairs) == {"a": {"b": 1, "c": ["x"]}, "d": "y"}


@pytest.mark.parametrize("name", ["shell", "compose"])
def test_golden(name: str) -> None:
    found = servers(**CASES["yaml"], served_name=None) + servers("Qwen3-8B", "2x 5090", kv="fp8")
    text = compose(found) if name == "compose" else "\n".join(shell(one) for one in found) + "\n"
    text = text.replace(str(Path.cwd()), "/here")
    path = GOLDEN / ("launch.compose.yaml" if name == "compose" else "launch.sh.txt")
    if os.environ.get("ASSAY_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_a_vendor_without_containers_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", str(real_file(SMOLLM2)), "--gpu", "apple-m6", "--compose"]) == 3
    capsys.readouterr()
