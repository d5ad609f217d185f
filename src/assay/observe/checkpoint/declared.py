"""Whether the stored formats are those that the configuration declares: a runtime chooses its kernels by that."""

from pathlib import Path

from assay.knowledge.catalog import weight_formats
from assay.observe.checkpoint import files, quantization
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.tensors import Layout, Tensor
from assay.observe.checkpoint.whole import Named
from assay.types.message import Message, message

SEPARATE = "hf_quant_config.json"
_PLAIN = frozenset(("bf16", "fp16", "fp32", "fp64", "other", "unknown"))


def _first(stored: list[Named]) -> dict[str, str]:
    """The converted format of each module, its first copy standing for all."""
    found: dict[str, str] = {}
    for module, matrix in stored:
        if matrix.format not in _PLAIN and matrix.tensors:
            found.setdefault(module, matrix.format)
    return found


def _differs(tensor: Tensor, stored: str, declared: str) -> Message:
    told = {"tensor": tensor.module, "stored": stored, "declared": declared}
    return message("note.format_declared_otherwise", "warning", **told)


def notes(stored: list[Named], layout: Layout, document: Fields) -> list[Message]:
    """A warning that names the first matrix of another width than declared, or converted where nothing declares it.

    Formats of one width are not told apart here: they differ in what becomes of the activations, or in their scales.
    """
    converted = _first(stored)
    if not converted:
        return []
    scheme = quantization.scheme(document, None)
    if scheme.open or scheme.doubts:
        return []
    if not scheme.rules:
        if files.present(Path(document.file).with_name(SEPARATE)):
            return []
        module, name = next(iter(converted.items()))
        return [message("note.format_not_declared", "warning", tensor=module, stored=name)]
    for tensor in layout.tensors:
        stands = converted.get(tensor.module)
        if stands is None or not tensor.linear:
            continue
        declared, held = scheme.storage_of(tensor), weight_formats.storage(stands)
        if declared is not None and held is not None and held.bits != declared.bits:
            return [_differs(tensor, stands, declared.format)]
    return []
