"""What the nodes of an ONNX graph do with its tensors: which are packed weights, and in which format.

A converted weight is known by the operator that reads it: DequantizeLinear (QDQ), MatMulNBits and its relatives of
`com.microsoft`, the integer operators. Its scales and zero points belong to it.
Sources: onnx/defs, onnxruntime's ContribOperators.md.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from assay.errors import UnsupportedFile
from assay.observe.checkpoint import files, names
from assay.observe.checkpoint.matching import bare
from assay.observe.checkpoint.onnx_tensors import Store, Stored, place_of
from assay.types.message import message
from assay.types.model import Role

PLAIN = {"FLOAT": "fp32", "FLOAT16": "fp16", "BFLOAT16": "bf16"}
PACKED = {"INT8", "UINT8", "INT4", "UINT4", "INT2", "UINT2", "INT16", "UINT16", "FLOAT4E2M1"} | {
    "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "FLOAT8E8M0",
}  # fmt: skip
INTEGERS = {2: "onnx_int2", 4: "onnx_int4", 8: "onnx_int8"}
DYNAMIC = {
    "MatMulInteger": (1, (3,)), "ConvInteger": (1, (3,)), "QLinearMatMul": (3, (1, 2, 4, 5, 6, 7)),
    "QLinearConv": (3, (1, 2, 4, 5, 6, 7)), "QGemm": (3, (1, 2, 4, 5, 7, 8)), "DynamicQuantizeMatMul": (1, (2, 3)),
    "MatMulIntegerToFloat": (1, (3, 5)),
}  # fmt: skip
"""Operators whose activations are 8-bit integers as well: (input of the weight, inputs of scales and zero points)."""
MOVES = frozenset({"Transpose", "Reshape", "Cast", "Identity", "Unsqueeze", "Squeeze"})
TRAILING = ("weight", "bias", "MatMul", "Gemm", "Conv", "Add", "Gather", "Transpose", "scale", "qweight")


class Weight(NamedTuple):
    """A weight with its scales: logical parameters, bytes, and what it does."""

    role: Role
    format: str
    parameters: int
    size: int
    tensors: int


class _Claim(NamedTuple):
    """What an operator says of a tensor: its format, its logical parameters, and what else is stored for it."""

    format: str
    parameters: int
    parts: tuple[str, ...]
    node: str


class Scope:
    """One graph with its own names; what it lacks is looked up in the graphs around it."""

    def __init__(self, graph: Any, outer: "Scope | None", path: Path) -> None:
        self.graph = graph
        self.outer = outer
        self.tensors: dict[str, Stored] = {}
        self.claims: dict[str, _Claim] = {}
        self.readers: dict[str, Any] = {}
        self.scales: set[str] = set()
        self.sources = {name: node for node in graph.node for name in node.output if name}
        self.path = path

    def owner(self, name: str) -> "Scope | None":
        """The nearest graph that holds a tensor of this name."""
        scope: Scope | None = self
        while scope is not None and name not in scope.tensors:
            if name in scope.sources:
                return None
            scope = scope.outer
        return scope


def _attribute(node: Any, name: str, default: int) -> int:
    return next((int(one.i) for one in node.attribute if one.name == name), default)


def _input(node: Any, index: int) -> str:
    return node.input[index] if index < len(node.input) else ""


def _output(node: Any) -> str:
    return node.output[0] if node.output else ""


def scopes(graph: Any, store: Store, outer: Scope | None = None) -> Iterator[Scope]:
    """A graph and all graphs inside its nodes, the outer ones first, each with the tensors it holds.

    Raises:
        MalformedFile: see `Store.tensor`.
        UnsupportedFile: sparse tensors.
    """
    scope = Scope(graph, outer, store.path)
    for proto in getattr(graph, "initializer", ()):
        if not proto.name or proto.name in scope.tensors:
            raise files.malformed(str(store.path), "repeated_key", proto.name, place_of(proto))
        scope.tensors[proto.name] = store.tensor(proto)
    if len(getattr(graph, "sparse_initializer", ())):
        raise UnsupportedFile(
            message("error.onnx_sparse", file=store.path.name),
            message("hint.onnx"),
            file=str(store.path),
            field="sparse_initializer",
            offset=place_of(graph.sparse_initializer[0].values),
        )
    inner = []
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value" and attribute.HasField("t") and node.output:
                scope.tensors[node.output[0]] = store.tensor(attribute.t, node.output[0])
                scope.sources.pop(node.output[0], None)
            inner += [attribute.g] if attribute.HasField("g") else []
            inner += attribute.graphs
    yield scope
    for child in inner:
        yield from scopes(child, store, scope)


def _user(scope: Scope, output: str) -> tuple[Any, str]:
    """(the node that multiplies by a dequantized weight, the name it has there), or None and the last name."""
    node = None
    for _ in range(4):  # a weight may pass a Transpose or a Reshape on its way
        node = scope.readers.get(output) if output else None
        if node is None or node.op_type not in MOVES or not node.output:
            break
        output = node.output[0]
    return node, output


def _integer_activations(scope: Scope, output: str) -> bool:
    """Whether what reads this dequantized weight reads dequantized activations beside it: both are 8-bit then."""
    node, weight = _user(scope, output)
    for name in () if node is None else node.input:
        source = scope.sources.get(name)
        if name != weight and source is not None and source.op_type == "DequantizeLinear":
            before = scope.sources.get(_input(source, 0))
            return before is not None and before.op_type in ("QuantizeLinear", "DynamicQuantizeLinear")
    return False


def _scale_parts(scope: Scope, node: Any) -> tuple[tuple[str, ...], bool]:
    """(tensors of a DequantizeLinear's scale and zero point, whether the scale is itself dequantized)."""
    scale, zero = _input(node, 1), _input(node, 2)
    source = scope.sources.get(scale)
    if source is not None and source.op_type == "DequantizeLinear":
        return (_input(source, 0), _input(source, 1), _input(source, 2), zero), True
    return (scale, zero), False


def _qdq(scope: Scope, node: Any, weight: Stored) -> _Claim:
    """The claim of a DequantizeLinear that reads a stored tensor."""
    parts, twice = _scale_parts(scope, node)
    name = "unknown"
    dtype = weight.dtype.removeprefix("U")
    if dtype == "INT32":
        name = "other"  # a bias in the accumulator's type
    elif dtype == "INT8":
        name = "int8_w8a8" if _integer_activations(scope, _output(node)) else "onnx_int8"
    elif dtype in ("INT4", "INT2"):
        name = "onnx_int4" if dtype == "INT4" else "onnx_int2"
    elif dtype == "FLOAT4E2M1" and twice:
        name = "nvfp4"
    elif dtype == "FLOAT8E4M3FN":
        name = _fp8(scope, node, parts[0])
    user, _ = _user(scope, _output(node))
    return _Claim(name, weight.elements, parts, node.name if user is None else user.name)


def _fp8(scope: Scope, node: Any, scale: str) -> str:
    owner = scope.owner(scale)
    if owner is None or _attribute(node, "block_size", 0):
        return "unknown"
    both = _integer_activations(scope, _output(node))
    if owner.tensors[scale].elements == 1:
        return "fp8" if both else "unknown"
    return "fp8_channel" if both else "fp8_w8a16"


def _nbits(node: Any, weight: Stored, path: Path) -> _Claim:
    """The claim of MatMulNBits and MatMulBnb4, whose attributes give the logical matrix."""
    rows, columns = _attribute(node, "N", 0), _attribute(node, "K", 0)
    bits = _attribute(node, "bits", 4)
    if not 0 < rows < 2**31 or not 0 < columns < 2**31 or bits not in range(1, 9):
        raise files.malformed(str(path), "out_of_range", node.name or weight.name, weight.place)
    if weight.size < rows * columns * bits // 8:
        raise files.malformed(str(path), "size_mismatch", weight.name, weight.place)
    if node.op_type == "MatMulBnb4":
        name = "bnb_nf4" if _attribute(node, "quant_type", 1) == 1 else "unknown"
        return _Claim(name, rows * columns, (_input(node, 2),), node.name)
    parts = tuple(_input(node, index) for index in (2, 3, 4))
    return _Claim(INTEGERS.get(bits, "unknown"), rows * columns, parts, node.name)


def _unpacked(weight: Stored, bits: int) -> int:
    """Logical elements of a tensor that packs `bits` into bytes; the 4-bit types of ONNX count their own."""
    return weight.elements * 8 // bits if weight.dtype in ("UINT8", "INT8") and bits in (2, 4) else weight.elements


def _claims(scope: Scope, node: Any) -> Iterator[tuple[str, _Claim]]:
    """(tensor, what this node says of it) for the weights that a node reads in a converted form."""
    op = node.op_type
    first = _input(node, 1) if op in ("MatMulNBits", "MatMulBnb4") else _input(node, 0)
    owner = scope.owner(first)
    weight = None if owner is None else owner.tensors[first]
    if op == "DequantizeLinear" and weight is not None:
        yield first, _qdq(scope, node, weight)
    elif op in ("MatMulNBits", "MatMulBnb4") and weight is not None:
        yield first, _nbits(node, weight, scope.path)
    elif op == "GatherBlockQuantized" and weight is not None:
        bits = _attribute(node, "bits", 4)
        scales = (_input(node, 2), _input(node, 3))
        yield first, _Claim(INTEGERS.get(bits, "unknown"), _unpacked(weight, bits), scales, node.name)
    elif op == "MatMulBlockQuantizedFp4Weight" and (packed := scope.owner(_input(node, 1))) is not None:
        parts = tuple(_input(node, index) for index in (2, 3, 4))
        name = _input(node, 1)
        yield name, _Claim("nvfp4_w4a16", packed.tensors[name].elements * 2, parts, node.name)
    elif op == "QMoE":
        yield from _experts(scope, node)
    elif op in DYNAMIC:
        index, others = DYNAMIC[op]
        name = _input(node, index)
        owner = scope.owner(name)
        if owner is not None:
            parts = tuple(_input(node, other) for other in others)
            yield name, _Claim("int8_w8a8", owner.tensors[name].elements, parts, node.name)


def _experts(scope: Scope, node: Any) -> Iterator[tuple[str, _Claim]]:
    """The claims of QMoE: three matrices, each with scales and, in later versions, zero points."""
    bits = _attribute(node, "expert_weight_bits", 4)
    for index, (weight, scales) in enumerate(((2, 3), (5, 6), (8, 9))):
        name = _input(node, weight)
        owner = scope.owner(name)
        if owner is not None:
            parts = (_input(node, scales), _input(node, 11 + index))
            logical = _unpacked(owner.tensors[name], bits)
            yield name, _Claim(INTEGERS.get(bits, "unknown"), logical, parts, f"{node.name}/experts")


def _cleaned(name: str) -> str:
    """A tensor's or a node's name as a module path: `/model/layers.0/mlp/up_proj/MatMul` as `layers.0.mlp.up_proj`."""
    parts = name.strip("/").replace("/", ".").split(".")
    while len(parts) > 1 and parts[-1].startswith(TRAILING):
        parts.pop()
    return bare(".".join(parts))


def _role(scope: Scope, name: str, claim: _Claim | None) -> Role:
    """The role by the tensor's own name, else by the name of the node that reads it."""
    reader = scope.readers.get(name)
    for candidate in (name, "" if claim is None else claim.node, "" if reader is None else reader.name):
        found: Role = names.role(_cleaned(candidate)) if candidate else "other"
        if found != "other":
            return found
    return "other"


def _plain(stored: Stored) -> tuple[str, int]:
    """(format, parameters) of a tensor that no operator reads in a converted form."""
    if stored.dtype in PLAIN:
        return PLAIN[stored.dtype], stored.elements
    if (stored.dtype in PACKED and stored.elements > 1) or stored.dtype.isdigit():
        return "unknown", stored.elements
    return "other", 0  # shapes, indices, flags


def _connect(found: list[Scope]) -> None:
    """Note in each graph which node reads a name first, and what the nodes say of the weights."""
    for scope in found:
        for node in scope.graph.node:
            for name in node.input:
                (scope.owner(name) or scope).readers.setdefault(name, node)
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                for name in node.input[1:3]:
                    (scope.owner(name) or scope).scales.add(name)
    for scope in found:
        for node in scope.graph.node:
            for name, claim in _claims(scope, node):
                owner = scope.owner(name)
                if owner is not None:
                    owner.claims.setdefault(name, claim)


def weights(found: list[Scope]) -> list[Weight]:
    """All weights of a model's graphs, each counted once with its scales.

    Raises:
        MalformedFile: an operator's attributes contradict the tensor it reads.
    """
    _connect(found)
    parts = set(_parts(found))
    counted: set[tuple[int, str]] = set()
    result = []
    for scope in found:
        for name, stored in scope.tensors.items():
            claim = scope.claims.get(name)
            if claim is None and (id(scope), name) in parts:
                continue
            form, parameters = _plain(stored) if claim is None else (claim.format, claim.parameters)
            if claim is None and name in scope.scales:  # of activations: bytes that are loaded, and no parameters
                form, parameters = PLAIN.get(stored.dtype, "other"), 0
            size = stored.size + sum(_sizes(scope, claim, counted)) if claim is not None else stored.size
            result.append(Weight(_role(scope, name, claim), form, parameters, size, 1))
    return result


def _parts(found: list[Scope]) -> Iterator[tuple[int, str]]:
    """The tensors that are scales and zero points of others, by graph and name."""
    for scope in found:
        for claim in scope.claims.values():
            for part in claim.parts:
                owner = scope.owner(part) if part else None
                if owner is not None and part not in owner.claims:
                    yield id(owner), part


def _sizes(scope: Scope, claim: _Claim, counted: set[tuple[int, str]]) -> Iterator[int]:
    """Bytes of a weight's scales and zero points; what several weights share counts with the first."""
    for part in claim.parts:
        owner = scope.owner(part) if part else None
        if owner is not None and part not in owner.claims and (id(owner), part) not in counted:
            counted.add((id(owner), part))
            yield owner.tensors[part].size
