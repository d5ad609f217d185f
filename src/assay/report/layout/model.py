"""A model as a page: what it is, where its bytes are, what its layers remember."""

from assay.report.figures import fixed_state, group_size, layer_cache, stored_format, token_cache
from assay.types.message import Message, message
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.report import Block, Cell, Figure, Notes, Report, Row, Table


def _headline(model: Model) -> Message:
    name, total, active = model.name, model.parameters, model.active_parameters
    weights = model.weights.value
    if weights is None:
        code = "model.headline_unknown" if active == total else "model.headline_moe_unknown"
        return message(code, name=name, parameters=total, active=active)
    if active == total:
        return message("model.headline", name=name, parameters=total, weights=weights)
    return message("model.headline_moe", name=name, parameters=total, active=active, weights=weights)


def _facts(model: Model) -> Table:
    rows: list[tuple[str, Cell]] = [
        ("model.architecture", model.architecture),
        ("model.stored_format", stored_format(model) or message("figure.unknown")),
        ("model.released_format", model.released_format or message("model.released_format_unknown")),
        ("model.requantized_from", model.requantized_from),
        ("model.weights", model.weights),
        ("model.parameters", model.parameters),
        ("model.active", model.active_parameters if model.experts else None),
        ("model.experts", _experts(model)),
        ("model.max_context", model.max_context or message("model.max_context_unknown")),
        ("model.kv_per_token", token_cache(model)),
        ("model.state", fixed_state(model)),
    ]
    return Table(None, ("",), tuple(Row(message(code), (cell,)) for code, cell in rows if cell is not None))


def _experts(model: Model) -> Cell:
    if not model.experts:
        return None
    return message("model.experts_value", experts=model.experts, chosen=model.experts_per_token)


def _format(group: TensorGroup) -> Cell:
    return message("figure.unknown") if group.format == "unknown" else group.format


def _group_rows(model: Model, groups: tuple[TensorGroup, ...]) -> tuple[Row, ...]:
    return tuple(
        Row(
            message(f"role.{group.role}"),
            (_format(group), group.parameters, group.active, group_size(model, group)),
        )
        for group in groups
    )


def _groups(model: Model) -> Table:
    heads = ("model.column.format", "model.column.parameters", "model.column.active", "model.column.bytes")
    rows = _group_rows(model, model.groups)
    total = Row(message("model.total"), (None, model.parameters, None, model.weights), strong=True)
    return Table(message("model.groups"), tuple(message(head) for head in heads), (*rows, total))


def _heads(layers: LayerGroup) -> Cell:
    if layers.kind == "mla":
        return message("model.latent", latent=layers.latent_dim, rope=layers.rope_dim)
    if not layers.kv_heads:
        return None
    if layers.key_dim == layers.value_dim:
        return message("model.heads", query=layers.query_heads, kv=layers.kv_heads, size=layers.key_dim)
    return message(
        "model.heads_uneven",
        query=layers.query_heads,
        kv=layers.kv_heads,
        key=layers.key_dim,
        value=layers.value_dim,
    )


def _layers(model: Model) -> Table:
    heads = ("model.column.layers", "model.column.heads", "model.column.window", "model.column.kv_per_token")
    rows = tuple(
        Row(
            message(f"layer.{layers.kind}"),
            (layers.count, _heads(layers), layers.window, layer_cache(model, layers)),
        )
        for layers in model.layers
    )
    return Table(message("model.layers"), tuple(message(head) for head in heads), rows)


def layout(model: Model) -> Report:
    """The page of a model; what was not understood makes it unsure and stands in the second line."""
    doubts = (message("model.doubtful"), *model.doubts) if model.doubts else ()
    if model.weights.note is not None and model.weights.note.code == "unknown.weights_format":
        doubts = (message("model.weights_hint"), *doubts)
    blocks: list[Block] = [_facts(model), _groups(model), _layers(model)]
    if model.optional:
        heads = tuple(message(f"model.column.{name}") for name in ("format", "parameters", "active", "bytes"))
        blocks.append(Table(message("model.optional"), heads, _group_rows(model, model.optional)))
    if model.notes:
        blocks.append(Notes(message("model.notes"), model.notes))
    figures = [Figure(message("model.weights"), model.weights)]
    figures += [Figure(message("model.kv_per_token"), token_cache(model))]
    return Report(
        headline=(_headline(model), *doubts),
        tone="unsure" if doubts else "plain",
        blocks=tuple(blocks),
        figures=tuple(figures),
        sources=model.sources,
    )
