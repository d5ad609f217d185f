"""Records the flags that each runtime's server takes, read from its released source; nothing of it is executed.

    python tools/extract_flags.py [--checkout NAME=FOLDER=OWNER/REPOSITORY@COMMIT]... [--check]

Packages are downloaded by name and version with pip. A source archive is kept as pip unpacks it: a build backend that
refuses to be imported stands before the real one, so that no line of the package runs. What has no package with its
source (`tensorrt-llm`: a stub; `modelopt`: its example scripts) is read from a checkout that is named on the command
line; without one, the record that stands is kept. --check writes nothing and exits 1 where something differs.
"""

import argparse
import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

TARGET = Path(__file__).resolve().parents[1] / "src/assay/knowledge/data/generated/flags.json"
KIND = "flag_record"
REFUSING_BACKENDS = ("setuptools", "scikit_build_core", "hatchling", "mesonpy")


class Found(NamedTuple):
    """The files that were read, the flags they define, and the values that some flags are limited to."""

    files: tuple[str, ...]
    flags: frozenset[str]
    choices: dict[str, list[str]]


class Source(NamedTuple):
    """A runtime, the version to read, and what reads it; `package` is None where a checkout must be named."""

    runtime: str
    version: str
    package: str | None
    wheel: bool
    read: Callable[[Path], Found]


def _tree(root: Path, name: str) -> ast.Module:
    return ast.parse((root / name).read_text(encoding="utf-8"))


def _strings(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _called(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Calls of a function or method of this name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == name:
            yield node


def _arguments(tree: ast.AST) -> set[str]:
    """Flags of every `add_argument` in a piece of code."""
    return {text for call in _called(tree, "add_argument") for text in _strings(call.args) if text.startswith("-")}


def _class(tree: ast.Module, name: str) -> ast.ClassDef:
    return next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)


def _function(tree: ast.Module | ast.ClassDef, name: str) -> ast.FunctionDef:
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)


def _fields(found: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
    for node in found.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node


def _literal(tree: ast.Module, name: str) -> list[str]:
    """The members of `name = Literal[...]`, as text."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name:
            return [str(one.value) for one in ast.walk(node) if isinstance(one, ast.Constant)]
    raise SystemExit(f"{name} is not where it was")


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def vllm(root: Path) -> Found:
    """`vllm serve`: engine arguments are spelled out, those of the front end follow from the fields of its classes."""
    engine, front = "vllm/engine/arg_utils.py", "vllm/entrypoints/common/cli_args.py"
    cache, lora = "vllm/config/cache.py", "vllm/config/lora.py"
    engine_tree, front_tree = _tree(root, engine), _tree(root, front)
    flags = set()
    for name in ("EngineArgs", "AsyncEngineArgs"):
        flags |= _arguments(_function(_class(engine_tree, name), "add_cli_args"))
    for name in ("BaseFrontendArgs", "FrontendArgs"):
        flags |= {_option(field) for field, _ in _fields(_class(front_tree, name))}
    flags |= _arguments(_function(front_tree, "make_arg_parser"))
    choices = {
        "--kv-cache-dtype": _literal(_tree(root, cache), "CacheDType"),
        "--max-lora-rank": _literal(_tree(root, lora), "MaxLoRARanks"),
    }
    return Found((engine, front, cache, lora), frozenset(flags), choices)


def _spelled(name: str, annotation: ast.expr) -> set[str]:
    """The spellings that a field of SGLang's argument classes has; none for what is no option."""
    if not isinstance(annotation, ast.Subscript) or getattr(annotation.value, "id", "") != "A":
        return set()
    for call in _called(annotation, "Arg"):
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        if "no_cli" in given:
            return set()
        own = set(_strings([given["cli_name"]])) if "cli_name" in given else {_option(name)}
        return own | (set(_strings(ast.walk(given["aliases"]))) if "aliases" in given else set())
    return {_option(name)}


def sglang(root: Path) -> Found:
    """`sglang.launch_server`: one option for each annotated field of the argument classes."""
    folder, listed = "sglang/srt/arg_groups/fields", "sglang/srt/arg_groups/choices.py"
    files = sorted(str(path.relative_to(root)) for path in (root / folder).glob("*.py"))
    flags = {
        flag
        for name in files
        for node in _tree(root, name).body
        if isinstance(node, ast.ClassDef)
        for field, assigned in _fields(node)
        for flag in _spelled(field, assigned.annotation)
    }
    choices = {"--kv-cache-dtype": _sglang_kv(root, files)}
    return Found((*files, listed), frozenset(flags), choices)


def _sglang_kv(root: Path, files: list[str]) -> list[str]:
    for name in files:
        for node in _tree(root, name).body:
            for field, assigned in _fields(node) if isinstance(node, ast.ClassDef) else ():
                if field == "kv_cache_dtype":
                    given = next(_called(assigned.annotation, "Arg")).keywords
                    return list(_strings(ast.walk(next(one.value for one in given if one.arg == "choices"))))
    raise SystemExit("kv_cache_dtype is not where it was")


OPTION = re.compile(r"common_arg\(\s*((?:\{[^{}]*\}\s*,?\s*){1,2})")
EXAMPLES = re.compile(r"set_examples\(\{([^}]*)\}\)")


def llama_cpp(root: Path) -> Found:
    """`llama-server`: options of common/arg.cpp that belong to every program, or to the server."""
    name = "thirdparty/llama.cpp/common/arg.cpp"
    text = (root / name).read_text(encoding="utf-8")
    flags: set[str] = set()
    for piece in text.split("add_opt(")[1:]:
        head, where = OPTION.match(piece), EXAMPLES.search(piece)
        if head is None or (where is not None and not re.search(r"EXAMPLE_(COMMON|SERVER)\b", where[1])):
            continue
        flags |= {flag for flag in re.findall(r'"([^"]*)"', head[1]) if flag.startswith("-")}
    listed = re.search(r"kv_cache_types\s*=\s*\{([^}]*)\}", text)
    if listed is None:
        raise SystemExit("kv_cache_types is not where it was")
    types = [one.lower() for one in re.findall(r"GGML_TYPE_(\w+)", listed[1])]
    return Found((name,), frozenset(flags), {"--cache-type-k": types, "--cache-type-v": types})


def tensorrt_llm(root: Path) -> Found:
    """`trtllm-serve serve`: its click options, and the keys of the YAML file that --config takes."""
    serve, arguments = "tensorrt_llm/commands/serve.py", "tensorrt_llm/llmapi/llm_args.py"
    lora = "tensorrt_llm/lora_helper.py"
    flags: set[str] = set()
    for decorator in _function(_tree(root, serve), "serve").decorator_list:
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", "") == "option":
            flags |= {text for text in _strings(decorator.args) if text.startswith("-")}
    tree = _tree(root, arguments)
    for prefix, found in (
        ("", _class(tree, "BaseLlmArgs")),
        ("kv_cache_config.", _class(tree, "KvCacheConfig")),
        ("lora_config.", _class(_tree(root, lora), "LoraConfig")),
    ):
        flags |= {prefix + field for field, _ in _fields(found)}
    return Found((serve, arguments, lora), frozenset(flags), {})


PRESETS = "modelopt_recipes/configs/ptq/presets"


def modelopt(root: Path) -> Found:
    """ModelOpt's example script that quantizes a checkpoint of the hub's layout; its formats are the names of files."""
    name = "examples/hf_ptq/hf_ptq.py"
    choices = {
        flag: sorted(path.stem for path in (root / PRESETS / folder).glob("*.yaml"))
        for flag, folder in (("--qformat", "model"), ("--kv_cache_qformat", "kv"))
    }
    return Found((name,), frozenset(_arguments(_tree(root, name))), choices)


def lora_converter(root: Path) -> Found:
    """llama.cpp's script that turns an adapter of PEFT into GGUF."""
    name = "thirdparty/llama.cpp/convert_lora_to_gguf.py"
    return Found((name,), frozenset(_arguments(_tree(root, name))), {})


SOURCES = (
    Source("vllm", "0.33.0", "vllm", wheel=False, read=vllm),
    Source("sglang", "0.5.23", "sglang", wheel=True, read=sglang),
    Source("llama.cpp", "2026.10.11549", "xllamacpp", wheel=False, read=llama_cpp),
    Source("llama.cpp-lora", "2026.10.11549", "xllamacpp", wheel=False, read=lora_converter),
    Source("tensorrt-llm", "1.3.0rc3", None, wheel=False, read=tensorrt_llm),
    Source("modelopt", "", None, wheel=False, read=modelopt),
)


def _wheel(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), requirement], check=True)
    (archive,) = folder.glob("*.whl")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder / "unpacked")
    return folder / "unpacked"


def _unbuilt(requirement: str, folder: Path) -> Path:
    """A source archive as pip unpacks it; the build that would follow is stopped before it reads the package.

    Raises:
        SystemExit: pip downloaded nothing.
    """
    stubs, scratch = folder / "stubs", folder / "scratch"
    scratch.mkdir(parents=True)
    for backend in REFUSING_BACKENDS:
        (stubs / backend).mkdir(parents=True)
        (stubs / backend / "__init__.py").write_text('raise ImportError("read, not built")\n', encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-clean", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--no-binary", ":all:", "--dest", str(folder / "out"), requirement],
        check=False,
        capture_output=True,
        env=os.environ | {"TMPDIR": str(scratch), "PYTHONPATH": str(stubs)},
    )
    found = [path.parent for path in scratch.glob("pip-download-*/*/pyproject.toml")]
    if len(found) != 1:
        raise SystemExit(f"{requirement}: pip downloaded no source archive")
    return found[0]


def _record(source: Source, root: Path, origin: str, version: str) -> dict[str, Any]:
    found = source.read(root)
    return {
        "version": version,
        "origin": origin,
        "files": {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in found.files},
        "choices": found.choices,
        "flags": sorted(found.flags),
    }


def records(checkouts: dict[str, tuple[Path, str]], standing: dict[str, Any]) -> dict[str, Any]:
    """The record of every runtime; of one that needs a checkout and has none, the one that stands."""
    entries = {}
    for source in SOURCES:
        if source.package is None:
            if source.runtime in checkouts:
                root, origin = checkouts[source.runtime]
                entries[source.runtime] = _record(source, root, origin, source.version or origin.partition("@")[2][:12])
            elif source.runtime in standing:
                entries[source.runtime] = standing[source.runtime]
            continue
        requirement = f"{source.package}=={source.version}"
        with tempfile.TemporaryDirectory() as name:
            root = (_wheel if source.wheel else _unbuilt)(requirement, Path(name))
            kind = "wheel" if source.wheel else "source archive"
            entries[source.runtime] = _record(source, root, f"{kind} of {requirement}", source.version)
        print(f"{source.runtime} {source.version}: {len(entries[source.runtime]['flags'])} flags")
    return entries


def _checkout(text: str) -> tuple[str, tuple[Path, str]]:
    """`NAME=FOLDER=OWNER/REPOSITORY@COMMIT`."""
    name, folder, origin = text.split("=", 2)
    return name, (Path(folder), origin)


def main(arguments: list[str]) -> int:
    """Write the record, or with --check only tell whether it differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--checkout", action="append", default=[], metavar="NAME=FOLDER=OWNER/REPOSITORY@COMMIT", type=_checkout
    )
    parser.add_argument("--check", action="store_true")
    wanted = parser.parse_args(arguments)
    standing = json.loads(TARGET.read_text(encoding="utf-8"))["entries"] if TARGET.exists() else {}
    entries = records(dict(wanted.checkout), standing)
    if wanted.check:
        return int(entries != standing)
    document = {"kind": KIND, "entries": entries}
    TARGET.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
