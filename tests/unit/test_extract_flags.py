"""The reader of flags: what counts as an option in each runtime's source, and that nothing of it runs."""

from pathlib import Path
from types import ModuleType

import pytest
from scripts import script


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    return script("extract_flags")


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_llama_cpp_options_of_other_programs_are_left_out(tool: ModuleType, tmp_path: Path) -> None:
    text = """
const std::vector<ggml_type> kv_cache_types = { GGML_TYPE_F16, GGML_TYPE_Q8_0, };
add_opt(common_arg({"-c", "--ctx-size"}, "N", "text with {\\"-no\\"}", [](common_params & p, int v) {}));
add_opt(common_arg({"--fit"}, {"--no-fit"}, "x", [](auto & p, bool v) {}).set_examples({LLAMA_EXAMPLE_SERVER}));
add_opt(common_arg({"--ppl"}, "x", [](common_params & p) {}).set_examples({LLAMA_EXAMPLE_PERPLEXITY}));
add_opt(common_arg({"--lora"}, "F", "x", f).set_examples({LLAMA_EXAMPLE_COMMON, LLAMA_EXAMPLE_EXPORT_LORA}));
"""
    found = tool.llama_cpp(put(tmp_path, {"thirdparty/llama.cpp/common/arg.cpp": text}))
    assert found.flags == {"-c", "--ctx-size", "--fit", "--no-fit", "--lora"}
    assert found.choices["--cache-type-k"] == ["f16", "q8_0"]


def test_sglang_fields_have_aliases_and_names_of_their_own(tool: ModuleType, tmp_path: Path) -> None:
    text = """
class Fields(Struct):
    context_length: A[int, "help"] = 1
    tp_size: A[int, Arg(help="h", aliases=["--tensor-parallel-size"])] = 1
    fp8_backend: A[str, Arg(help="h", cli_name="--fp8-gemm-backend")] = ""
    hidden: A[str, Arg(help="h", no_cli=True)] = ""
    kv_cache_dtype: A[str, Arg(help="h", choices=["auto", "fp8_e4m3"])] = "auto"
    plain: int = 3
"""
    files = {"sglang/srt/arg_groups/fields/all.py": text, "sglang/srt/arg_groups/choices.py": ""}
    found = tool.sglang(put(tmp_path, files))
    expected = {"--context-length", "--tp-size", "--tensor-parallel-size", "--fp8-gemm-backend", "--kv-cache-dtype"}
    assert found.flags == expected
    assert found.choices == {"--kv-cache-dtype": ["auto", "fp8_e4m3"]}


def test_vllm_fields_of_the_front_end_and_arguments_of_the_engine(tool: ModuleType, tmp_path: Path) -> None:
    engine = """
class EngineArgs:
    @staticmethod
    def add_cli_args(parser):
        group.add_argument("--max-model-len", **kwargs)
        group.add_argument("--quantization", "-q", **kwargs)
    def elsewhere(self):
        parser.add_argument("--not-of-serve")
class AsyncEngineArgs(EngineArgs):
    @staticmethod
    def add_cli_args(parser):
        parser.add_argument("--enable-log-requests")
"""
    front = """
class BaseFrontendArgs:
    chat_template: str | None = None
class FrontendArgs(BaseFrontendArgs):
    port: int = 8000
def make_arg_parser(parser):
    parser.add_argument("model_tag")
    parser.add_argument("--headless")
"""
    files = {
        "vllm/engine/arg_utils.py": engine,
        "vllm/entrypoints/common/cli_args.py": front,
        "vllm/config/cache.py": 'CacheDType = Literal["auto", "fp8"]',
        "vllm/config/lora.py": "MaxLoRARanks = Literal[8, 16]",
    }
    found = tool.vllm(put(tmp_path, files))
    expected = {"--max-model-len", "--quantization", "-q", "--enable-log-requests"}
    assert found.flags == expected | {"--chat-template", "--port", "--headless"}
    assert found.choices["--max-lora-rank"] == ["8", "16"]


def test_tensorrt_llm_options_and_keys_of_its_file(tool: ModuleType, tmp_path: Path) -> None:
    serve = """
@click.command("serve")
@click.argument("model")
@click.option("--tensor_parallel_size", "--tp_size", type=int, help="not --this")
def serve(model, tensor_parallel_size):
    raise SystemExit("executed")
@click.option("--of_another")
def other(): ...
raise SystemExit("executed")
"""
    arguments = """
class KvCacheConfig(Base):
    dtype: str = "auto"
class BaseLlmArgs(Base):
    kv_cache_config: KvCacheConfig = None
"""
    files = {
        "tensorrt_llm/commands/serve.py": serve,
        "tensorrt_llm/llmapi/llm_args.py": arguments,
        "tensorrt_llm/lora_helper.py": "class LoraConfig(Base):\n    max_loras: int = 1\n",
    }
    found = tool.tensorrt_llm(put(tmp_path, files))
    keys = {"kv_cache_config", "kv_cache_config.dtype", "lora_config.max_loras"}
    assert found.flags == {"--tensor_parallel_size", "--tp_size"} | keys


def test_a_source_that_changed_its_shape_is_said(tool: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        tool.llama_cpp(put(tmp_path, {"thirdparty/llama.cpp/common/arg.cpp": "nothing"}))


def test_a_source_archive_is_unpacked_and_never_built(tool: ModuleType, tmp_path: Path) -> None:
    """A package whose build would leave a file behind: it is downloaded from a folder, and the file is not there."""
    import tarfile

    mark = tmp_path / "executed"
    package = put(
        tmp_path / "probe-1.0",
        {
            "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
            "setup.py": f'open({str(mark)!r}, "w").close()\nimport setuptools\nsetuptools.setup(name="probe")\n',
            "PKG-INFO": "Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n",
        },
    )
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    with tarfile.open(shelf / "probe-1.0.tar.gz", "w:gz") as archive:
        archive.add(package, "probe-1.0")
    requirement = f"probe @ {(shelf / 'probe-1.0.tar.gz').as_uri()}"
    root = tool._unbuilt(requirement, tmp_path / "work")
    assert (root / "setup.py").is_file()
    assert not mark.exists()
