"""A model from an ONNX file: the graph's tensors with their formats, the configuration beside it for the layers.

The extra `onnx` brings the message definitions. Weights, inside the file or beside it, are never read.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from assay.errors import AssayError, MissingExtra
from assay.observe.checkpoint import assemble, config, files, onnx_graph, onnx_wire, unknown_types
from assay.observe.checkpoint.fields import MAX_LAYERS, Fields
from assay.observe.checkpoint.onnx_graph import Weight
from assay.observe.checkpoint.onnx_tensors import Store
from assay.observe.checkpoint.tensors import Layout, joined
from assay.types.message import Message, message
from assay.types.model import LayerGroup, Model, Role, TensorGroup

SUFFIX = ".onnx"
INSTALL = "pip install 'gpu-assay[onnx]'"
PAST = re.compile(r"past(?:_key_values)?[._](\d{1,5})\.?_?(key|value)")
GENAI = "genai_config.json"
ARCHITECTURE = "onnx"
SELDOM = 200
"""One part in so many of the parameters are biases and norms that only some exporters keep."""


class _Known(NamedTuple):
    """What stands beside a graph or in its inputs: layers and dimensions; zeros where nothing says it.

    Attributes:
        least, most: parameters that a graph of this model holds; None: no upper bound is known.
    """

    architecture: str
    layers: tuple[LayerGroup, ...]
    hidden_size: int = 0
    vocabulary: int = 0
    intermediate: int = 0
    experts: int = 0
    experts_per_token: int = 0
    max_context: int | None = None
    least: int = 0
    most: int | None = None


def _parsed(path: Path) -> Any:
    """The model's message without its weights.

    Raises:
        MissingExtra: the package onnx is not installed.
        MalformedFile: the file is no ONNX model.
    """
    content = onnx_wire.structure(path)
    try:
        from onnx import ModelProto  # noqa: PLC0415 - an extra, wanted for this container only
    except ImportError as error:
        raise MissingExtra(
            message("error.onnx_extra", file=path.name), message("hint.install_extra", command=INSTALL), file=str(path)
        ) from error
    failure = import_module("google.protobuf.message").DecodeError
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except failure as error:
        raise files.malformed(str(path), "protobuf", "model", 0) from error
    if not model.HasField("graph") or not model.opset_import:
        raise files.malformed(str(path), "not_onnx", "opset_import" if model.HasField("graph") else "graph", 0)
    return model


def _weights(model: Any, store: Store) -> list[Weight]:
    found = list(onnx_graph.scopes(model.graph, store))
    for function in model.functions:
        found += onnx_graph.scopes(function, store)
    return onnx_graph.weights(found)


def _described(layout: Layout) -> tuple[int, int]:
    """The fewest and the most parameters of a graph: a tower may lie in another file.

    Exporters store a tied table once more for the head, and tables of rotary angles for each position.
    """
    sizes: dict[bool, int] = {True: 0, False: 0}
    for tensor in layout.tensors:
        if tensor.role != "mtp":
            sizes[tensor.role == "vision"] += tensor.elements * tensor.copies
    tables = layout.vocabulary * layout.hidden_size + 2 * (layout.max_context or 0) * layout.hidden_size
    return sizes[False], sizes[False] + sizes[True] + tables


def _from_layout(architecture: str, layout: Layout) -> _Known:
    least, most = _described(layout)
    return _Known(
        architecture,
        joined(layout.layers),
        layout.hidden_size,
        layout.vocabulary,
        layout.intermediate,
        layout.experts,
        layout.experts_per_token,
        layout.max_context,
        least,
        most,
    )


def _from_genai(path: Path) -> _Known | None:
    """What onnxruntime-genai's own configuration says, or None when it describes no decoder."""
    model = Fields(files.read_object(path), str(path)).nested("model")
    decoder = None if model is None else model.nested("decoder")
    if model is None or decoder is None or not decoder.has("num_hidden_layers"):
        return None
    heads, width = decoder.count("num_attention_heads"), decoder.count("head_size")
    keys = decoder.count("num_key_value_heads", heads)
    layers = LayerGroup("full", decoder.count("num_hidden_layers", high=MAX_LAYERS), heads, keys, width, width)
    context = model.count("context_length", high=2**31) if model.has("context_length") else None
    hidden = decoder.count("hidden_size", 0, low=0)
    return _Known(
        ARCHITECTURE,
        (layers,),
        hidden,
        model.count("vocab_size", 0, low=0),
        max_context=context,
        least=layers.count * hidden * width * 2 * (heads + keys),  # queries, keys, values and output alone
    )


def _from_inputs(graph: Any) -> tuple[LayerGroup, ...]:
    """Layers by the cached keys and values that the graph takes: heads and elements per head are in their shapes."""
    shapes: dict[int, dict[str, tuple[int, int]]] = {}
    for value in graph.input:
        match = PAST.fullmatch(value.name) if isinstance(value.name, str) else None
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if match and len(sizes) == 4 and 0 < sizes[1] < 2**16 and 0 < sizes[3] < 2**16:
            shapes.setdefault(int(match[1]), {})[match[2]] = (sizes[1], sizes[3])
    layers = [
        LayerGroup("full", 1, 0, pair["key"][0], pair["key"][1], pair["value"][1])
        for pair in shapes.values()
        if len(pair) == 2
    ]
    return joined(layers)


def _beside(path: Path, graph: Any) -> tuple[_Known, list[Message]]:
    """What the files beside a graph say of the model: config.json, genai_config.json, else the graph's inputs."""
    doubts: list[Message] = []
    for folder in (path.parent, path.parent.parent):
        if files.present(folder / GENAI):
            known = _from_genai(folder / GENAI)
            if known is not None:
                return known, doubts
        file = folder / "config.json"
        if files.present(file):
            try:
                body, layout, _ = config.understand(Fields(files.read_object(file), str(file)))
            except AssayError as error:  # the graph itself is understood: its weights are figures without the layers
                doubts.append(error.message._replace(level="warning"))
            else:
                return _from_layout(body["id"], layout), doubts
            break
        if path.parent.name != "onnx":  # the hub's habit: onnx/model.onnx below config.json
            break
    doubts.append(message("doubt.onnx_no_configuration", "warning"))
    return _Known(ARCHITECTURE, _from_inputs(graph)), doubts


def _remembered(layers: tuple[LayerGroup, ...]) -> int:
    """Elements of keys and values that one token leaves in all layers."""
    return sum(layer.count * layer.kv_heads * (layer.key_dim + layer.value_dim) for layer in layers)


def _contradictions(groups: tuple[TensorGroup, ...], known: _Known, inputs: tuple[LayerGroup, ...]) -> list[Message]:
    """What the graph holds and what stands beside it, where they cannot be of one model."""
    stored = sum(group.parameters for group in groups)
    found = []
    few = stored + known.least // SELDOM < known.least
    if few or (known.most is not None and stored > known.most + known.most // SELDOM):
        described = known.least if few or known.most is None else known.most
        code = "doubt.parameters_fewer" if few else "doubt.parameters_more"
        found.append(message(code, "warning", stored=stored, described=described))
    cached, described = _remembered(inputs), _remembered(known.layers)
    apart = all(layer.key_dim for layer in known.layers)  # latent attention is exported with whole keys
    if cached and described and apart and cached != described:
        found.append(message("doubt.cache_differs", "warning", stored=cached, described=described))
    return found


def _groups(weights: list[Weight], known: _Known) -> tuple[TensorGroup, ...]:
    totals: dict[tuple[Role, str], list[int]] = {}
    for weight in weights:
        row = totals.setdefault((weight.role, weight.format), [0, 0, 0])
        for index, value in enumerate((weight.parameters, weight.tensors, weight.size)):
            row[index] += value
    untied = any(role == "head" for role, _ in totals)
    found = []
    for (role, name), (parameters, tensors, size) in totals.items():
        active = parameters
        if role == "experts" and known.experts:
            active = parameters * known.experts_per_token // known.experts
        elif role == "embedding" and untied and known.vocabulary:
            active = parameters // known.vocabulary
        found.append(TensorGroup(role, name, parameters, active, tensors, size))
    return tuple(found)


def _opsets(model: Any) -> str:
    """The operator sets that a model asks for: `ai.onnx 21, com.microsoft 1`."""
    sets = [(one.domain or "ai.onnx", one.version) for one in model.opset_import][:16]
    return ", ".join(f"{domain[:64]} {version}" for domain, version in sets)


def read(path: Path) -> Model:
    """The model of an ONNX file.

    Raises:
        UnreadableFile, MalformedFile: it cannot be read, or contradicts itself or the files beside it.
        UnsupportedFile: sparse tensors.
        MissingExtra: the package onnx is not installed.
    """
    model = _parsed(path)
    store = Store(path)
    weights = _weights(model, store)
    known, doubts = _beside(path, model.graph)
    doubts += unknown_types.doubts(store.unknown)
    groups = _groups(weights, known)
    if any(group.format == "unknown" for group in groups) and not store.unknown:
        doubts.append(message("doubt.stored_format_unknown", "warning"))
    doubts += _contradictions(groups, known, _from_inputs(model.graph))
    return Model(
        name=path.name,
        architecture=known.architecture,
        released_format=None,
        requantized_from=None,
        groups=groups,
        layers=known.layers,
        weights=assemble.stored_weights(groups, (path.name,)),
        hidden_size=known.hidden_size,
        vocabulary=known.vocabulary,
        intermediate=known.intermediate,
        experts=known.experts,
        experts_per_token=known.experts_per_token,
        max_context=known.max_context,
        container="onnx",
        sources=(path.name,),
        doubts=tuple(doubts),
        notes=(message("note.onnx_opset", opsets=_opsets(model)),),
    )
