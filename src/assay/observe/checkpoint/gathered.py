"""A model from weights that a container held and the configuration beside it: roles, active parameters, doubts."""

from collections.abc import Iterable
from typing import Any

from assay.knowledge.catalog import weight_formats
from assay.observe.checkpoint import assemble, config, declared, likeness, names, quantization, unknown_types, whole
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.stored import Matrix
from assay.observe.checkpoint.tensors import Layout, Tensor
from assay.observe.checkpoint.whole import Named
from assay.types.message import Message, message
from assay.types.model import Model, Role, TensorGroup
from assay.types.quantity import Quantity

_TWINS = {
    "mxfp4": frozenset({"mxfp4_w4a16"}),
    "int4_w4a16": frozenset({"int4_w4a4", "int4_w4a8", "int4_w4afp8"}),
}
"""Formats stored alike, which only the configuration tells apart: they differ in what becomes of the activations."""


def _numberless(module: str) -> str:
    """`experts.7.up_proj` as `experts.*.up_proj`, as layouts name it."""
    head, found, rest = module.partition(".experts.")
    first, dot, tail = rest.partition(".")
    return f"{head}.experts.*{dot}{tail}" if found and first.isdigit() else module


def _told(matrix: Matrix, tensor: Tensor | None) -> Matrix:
    """The matrix with what its shape in the configuration tells: the width of packed elements, their true number."""
    if matrix.open is None or tensor is None:
        return matrix
    elements = tensor.elements
    if matrix.open.bits == 0 and matrix.format == "unknown":
        return matrix._replace(parameters=elements)
    if not matrix.open.holds(tensor.shape, matrix.parameters):
        return matrix  # another matrix than described stays a doubt
    if not matrix.open.bits:  # filled-up rows are no parameters
        return matrix._replace(parameters=elements)
    bits, rest = divmod(matrix.open.bits, elements or 1)
    name = matrix.open.family.format(bits)
    known = not rest and weight_formats.known(name)
    return matrix._replace(parameters=elements, format=name if known else "unknown")


def _resolved(matrices: list[Matrix], document: Fields, layout: Layout) -> list[Matrix]:
    """The matrices as headers, layout and configuration together tell them."""
    activations = quantization.of_activations(document)
    if activations:
        matrices = [each._replace(format=activations.get(each.format, each.format)) for each in matrices]
    if all(matrix.open is None and matrix.format not in _TWINS for matrix in matrices):
        return matrices
    scheme = quantization.scheme(document, None)
    tensors = {tensor.module: tensor for tensor in layout.tensors if len(tensor.shape) > 1}
    found = []
    for matrix in matrices:
        if matrix.open is not None or matrix.format in _TWINS:
            tensor = tensors.get(_numberless(matrix.module))
            told = _told(matrix, tensor)
            said = None if tensor is None else scheme.storage_of(tensor)
            if said is not None and said.format in _TWINS.get(told.format, ()):
                told = told._replace(format=said.format)
            elif said is not None and matrix.open is not None and matrix.open.family and not matrix.open.rows:
                # Nothing but the configuration tells a width from a number of rows: both must be what it says.
                told = told if told.format == said.format else told._replace(format="unknown")
            found.append(told)
        else:
            found.append(matrix)
    return found


def _active(parameters: int, role: Role, layout: Layout, *, tied: bool) -> int:
    if role == "experts" and layout.experts:
        return parameters * layout.experts_per_token // layout.experts
    if role == "embedding" and not tied:
        return parameters // layout.vocabulary if layout.vocabulary else 0
    return parameters


def _predicting(document: Fields, layout: Layout) -> frozenset[str]:
    """Beginnings of the layers behind the last that the configuration says to predict, where the layout lists none."""
    first, key = len(layout.layers), "num_nextn_predict_layers"
    holders = [fields for fields in (document, document.nested("text_config")) if fields is not None]
    number = max(fields.prediction(key, first) for fields in holders)
    return frozenset(f"layers.{layer}" for layer in range(first, first + number))


def _role(module: str, predicting: frozenset[str]) -> Role:
    """The role of a module that the layout does not name."""
    return "mtp" if predicting and ".".join(module.split(".", 2)[:2]) in predicting else names.role(module)


def _sums(
    stored: list[Named], layout: Layout, predicting: frozenset[str]
) -> tuple[dict[tuple[Role, str], list[int]], bool]:
    """([parameters, tensors, bytes] by role and format, whether a stored copy of the tied head was left out)."""
    known = {tensor.module: tensor.role for tensor in layout.tensors}
    tied = all(tensor.role != "head" for tensor in layout.tensors)
    totals: dict[tuple[Role, str], list[int]] = {}
    twice = False
    for module, matrix in stored:
        role = known.get(module) or _role(module, predicting)
        if role == "head" and tied:
            twice = True  # some savers write it although it is the embedding: a runtime loads it once
            continue
        row = totals.setdefault((role, matrix.format), [0, 0, 0])
        for index, value in enumerate((matrix.parameters, matrix.tensors, matrix.size)):
            row[index] += value
    return totals, twice


def groups(
    stored: list[Named], layout: Layout, predicting: frozenset[str] = frozenset()
) -> tuple[tuple[TensorGroup, ...], bool]:
    """Groups of weights by role and format, and whether a stored copy of the tied head was left out."""
    totals, twice = _sums(stored, layout, predicting)
    tied = all(tensor.role != "head" for tensor in layout.tensors)
    found = tuple(
        TensorGroup(role, name, parameters, _active(parameters, role, layout, tied=tied), tensors, size)
        for (role, name), (parameters, tensors, size) in totals.items()
    )
    return found, twice


def doubts_of(found: tuple[TensorGroup, ...], layout: Layout, unknown: list[str]) -> list[Message]:
    """Doubts when the weights do not add up to what the configuration describes, or a type or format has no name."""
    loaded, optional = config.split(found)
    stored = sum(group.parameters for group in loaded)
    described = sum(tensor.elements * tensor.copies for tensor in layout.tensors if tensor.role != "mtp")
    doubts = []
    predicting = sum(group.parameters for group in optional)
    if abs(stored - described) * 200 > described:  # half a per cent: buffers that only some savers write
        doubts.append(message("doubt.parameters_differ", "warning", stored=stored, described=described))
    elif predicting > stored:  # prediction is a layer or three: what outweighs the model is the model
        doubts.append(message("doubt.parameters_differ", "warning", stored=stored + predicting, described=described))
    doubts += unknown_types.doubts(unknown)
    if any(group.format == "unknown" for group in loaded) and not unknown:
        doubts.append(message("doubt.stored_format_unknown", "warning"))
    return doubts


def of_layout(
    described: tuple[str, Layout, config.Origin],
    found: tuple[TensorGroup, ...],
    weights: Quantity | None = None,
    doubts: tuple[Message, ...] = (),
    notes: tuple[Message, ...] = (),
) -> Model:
    """A model of these groups with everything else from its layout.

    Args:
        described: architecture id, layout, and where they come from.
        found: groups of all tensors, multi-token prediction layers included.
        weights: bytes that a runtime loads; None: the sum of the groups as the files' headers give them.
        doubts: what was not understood.
        notes: what to know.
    """
    origin = described[2]
    loaded, optional = config.split(found)
    summed = assemble.stored_weights(loaded, origin.sources) if weights is None else weights
    return config.built(described, (loaded, optional), summed, doubts, notes)


def model(
    matrices: list[Matrix],
    document: dict[str, Any],
    origin: config.Origin,
    notes: tuple[Message, ...] = (),
    unknown: Iterable[str] = (),
    *,
    by_matrix: bool = True,
) -> Model:
    """The model of these weights, with the layers of this configuration.

    Args:
        matrices: what is stored.
        document: config.json.
        origin: where both come from.
        notes: what to know.
        unknown: of each tensor of an unknown type, the type.
        by_matrix: whether each matrix is compared with the configuration, or only their sum.

    Raises:
        UnsupportedArchitecture, MalformedFile: see `config.understand`.
    """
    fields = Fields(document, origin.file)
    body, layout, _ = config.understand(fields, alike=True)
    stored = [(_numberless(matrix.module), matrix) for matrix in _resolved(matrices, fields, layout)]
    found, twice = groups(stored, layout, _predicting(fields, layout))
    mlx = any(group.format.startswith("mlx_") for group in found)
    doubts = doubts_of(found, layout, list(unknown))
    if by_matrix:
        doubts += whole.doubts(stored, layout, alike="like" in body)
    told = [*notes, message("note.head_stored_twice")] if twice else [*notes]
    if origin.container in {"safetensors", "torch"} and not mlx:
        told += declared.notes(stored, layout, fields)
    return likeness.applied(
        of_layout((body["id"], layout, origin), found, doubts=tuple(doubts), notes=tuple(told)), body
    )
