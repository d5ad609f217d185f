"""Which container a file or a folder is: everything beside GGUF and the safetensors of published repositories."""

import os
from dataclasses import replace
from pathlib import Path

from assay.observe.checkpoint import files, weight_files
from assay.types.model import Model

CONFIG = "config.json"
ADAPTER = "adapter_config.json"
TORCH = (".bin", ".pt", ".pth")
KEYS = (b'"architecture"', b'"pretrained_config"')
"""One of them is in every config.json of TensorRT-LLM."""
ZIP = b"PK\x03\x04"
TORCH_FILES = ("pytorch_model.bin", "pytorch_model.bin.index.json")


def from_file(path: Path) -> Model | None:
    """The model of an ONNX or torch file, or of an adapter's configuration or weights; None for other files.

    Raises:
        AssayError: the file is one of these and cannot be read.
    """
    if path.suffix == ".onnx":
        from assay.observe.checkpoint import onnx  # noqa: PLC0415 - one container of many

        return onnx.read(path)
    if path.name.startswith(("adapter_", "adapters.")) and files.present(path.parent / ADAPTER):
        return _adapter(path.parent)
    if path.suffix in TORCH:
        from assay.observe.checkpoint import torch_zip  # noqa: PLC0415 - same

        return torch_zip.from_file(path)
    if path.name == CONFIG or (path.suffix == ".safetensors" and files.present(path.with_name(CONFIG))):
        return _configured(path.parent)
    return None


def from_folder(folder: Path) -> Model | None:
    """The model of a folder in one of these containers; None for the others.

    Raises:
        AssayError: the folder is one of these and cannot be read.
        UnknownModel: there are several ONNX files, and the folder does not say which is meant.
    """
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise files.unreadable(folder, error) from error
    if ADAPTER in names and CONFIG not in names:
        return _adapter(folder)
    found = (_configured(folder) if CONFIG in names else None) or _contained(folder, names)
    if found is None:
        return None
    from assay.observe.checkpoint.folder import with_adapter  # noqa: PLC0415 - a file needs none of it

    return with_adapter(found, folder)


def _contained(folder: Path, names: set[str]) -> Model | None:
    """The model of a folder's torch or ONNX files, unless it holds files that are read before them."""
    if any(name.endswith((".safetensors", ".gguf")) and not name.startswith("adapter") for name in names):
        return None
    if not names.isdisjoint(TORCH_FILES):
        from assay.observe.checkpoint import torch_zip  # noqa: PLC0415 - one container of many

        return torch_zip.from_folder(folder, _name(folder))
    graphs = sorted(name for name in names if name.endswith(".onnx"))
    if graphs:
        return _graph(folder, graphs)
    return _only_torch(folder, names) if CONFIG in names else None


def _is_zip(path: Path) -> bool:
    descriptor, _ = files.open_regular(path)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(len(ZIP)) == ZIP


def _only_torch(folder: Path, names: set[str]) -> Model | None:
    """The model of the only file of weights, whatever it is called, if it is torch's (`gptq_model-4bit-128g.bin`)."""
    held = [name for name in names if weight_files.holds_weights(name)]
    if len(held) != 1 or not held[0].endswith(TORCH) or not _is_zip(folder / held[0]):
        return None
    from assay.observe.checkpoint import torch_zip  # noqa: PLC0415 - one container of many

    return replace(torch_zip.from_file(folder / held[0]), name=_name(folder))


def _name(folder: Path) -> str:
    from assay.observe.checkpoint.folder import display_name  # noqa: PLC0415 - a file needs none of it

    return display_name(folder)


def _adapter(folder: Path) -> Model:
    from assay.observe.checkpoint import adapter  # noqa: PLC0415 - one container of many

    return adapter.read(folder, _name(folder))


def _graph(folder: Path, graphs: list[str]) -> Model:
    """The model of a folder's ONNX file: the only one, or the one called model.onnx."""
    from assay.observe.checkpoint import onnx  # noqa: PLC0415 - one container of many

    usual = f"model{onnx.SUFFIX}"
    chosen = usual if usual in graphs else graphs[0]
    if len(graphs) > 1 and chosen != usual:
        from assay.observe.checkpoint.folder import ambiguous  # noqa: PLC0415 - same

        raise ambiguous(folder, graphs)
    return onnx.read(folder / chosen)


def _configured(folder: Path) -> Model | None:
    """The model whose config.json is TensorRT-LLM's; None for other configurations."""
    path = folder / CONFIG
    content = files.read_at_most(path, files.MAX_JSON_BYTES)
    if not any(key in content for key in KEYS):  # another reader parses it: a configuration can have megabytes
        return None
    document = files.parse_object(content, str(path))
    from assay.observe.checkpoint import tensorrt_llm  # noqa: PLC0415 - one container of many

    return tensorrt_llm.from_folder(folder, document, _name(folder)) if tensorrt_llm.recognised(document) else None
