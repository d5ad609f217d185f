"""What really executes: every tensor group of a model, or every weight format, under a runtime on a card."""

from dataclasses import replace
from functools import cache

from assay.answers import lacking
from assay.knowledge.catalog import execution
from assay.knowledge.catalog.runtimes import runtime
from assay.reason.execution import joint
from assay.types.execution import AttentionPath, ExecutionPath, Path, Regime
from assay.types.message import message
from assay.types.model import LayerGroup, LayerKind, Model, Role, TensorGroup
from assay.types.plan import GroupExecution
from assay.types.quantity import derive

PLAIN = {"bf16": "bf16", "fp16": "fp16", "fp32": "fp32", "gguf:BF16": "bf16", "gguf:F16": "fp16", "gguf:F32": "fp32"}
"""Weight formats that are number formats as they are."""
IN_GGUF = {"bf16": "gguf:BF16", "fp16": "gguf:F16", "fp32": "gguf:F32", "mxfp4": "gguf:MXFP4"}
"""What a conversion to GGUF writes for a format, where a runtime reads nothing else."""
UNPACKED = "execution.dequantized_while_loading"
"""The note of rows whose weights are 16 bits wide on the card, whatever the file holds."""
LOOKED_UP: frozenset[Role] = frozenset(("embedding",))
ON_VECTOR_UNITS: frozenset[Role] = frozenset(("norm",))
"""Roles whose tensors multiply elements one by one: no matrix instruction takes part, whatever the runtime."""
STATES: frozenset[LayerKind] = frozenset(("none", "mamba", "linear"))
"""Layers that attend to nothing."""
EXPERTS: frozenset[Role] = frozenset(("experts",))


@cache
def path_of(engine: str, weight_format: str, isa: str | None, role: str = "linear") -> ExecutionPath:
    """What a runtime does with a weight format on an instruction set; unknown where its source was not read.

    Args:
        engine: id of the runtime.
        weight_format: its id.
        isa: id of the instruction set, or None where the card's is not known.
        role: `linear`, or `experts` for routed experts.

    Raises:
        UsageError: no such runtime.
    """
    version = runtime(engine).version or ""
    found = None if isa is None else execution.cell(engine, weight_format, role, isa)
    if isa is None or found is None:
        return ExecutionPath(engine, version, weight_format, isa or "", "unknown", notes=(message("execution.unread"),))
    path, contradictions = joint(found.path, found.regimes, lacking.formats(isa))
    return ExecutionPath(
        engine,
        version,
        weight_format,
        isa,
        path,
        found.regimes,
        found.evidence,
        (*contradictions, *found.notes),
        found.refusal,
    )


def _apart(group: TensorGroup, shares: tuple[float, float], *, tied: bool) -> GroupExecution | None:
    """A group that no matrix product reads: a table that is looked up, a vector that scales elements; else None."""
    number = PLAIN.get(group.format)
    if group.role in ON_VECTOR_UNITS and number is not None:
        regime = Regime("any", "native", number, number, "fma", "")
        told = (message("execution.vector"),)
        return GroupExecution(group.role, group.format, "native", *shares, (regime,), (), told)
    if group.role in LOOKED_UP and not tied:
        path: Path = "native" if number is not None else "weight-only"
        return GroupExecution(group.role, group.format, path, *shares, (), (), (message("execution.looked_up"),))
    return None


def path_of_group(engine: str, weight_format: str, role: Role, isa: str | None) -> ExecutionPath:
    """What a runtime does with a format in a role; one that reads GGUF alone, with what a conversion would write."""
    converted = IN_GGUF.get(weight_format, weight_format) if runtime(engine).containers == ("gguf",) else weight_format
    return path_of(engine, converted, isa, "experts" if role in EXPERTS else "linear")


def of_model(model: Model, engine: str, isa: str | None) -> tuple[GroupExecution, ...]:
    """How each tensor group is executed, with its share of the bytes and of the work of one token.

    Raises:
        UsageError: no such runtime.
    """
    size = sum(group.size for group in model.groups) or 1
    work = sum(group.active for group in model.groups) or 1
    tied = all(group.role != "head" for group in model.groups)
    found = []
    for group in model.groups:
        shares = group.size / size, group.active / work
        apart = _apart(group, shares, tied=tied)
        if apart is not None:
            found.append(apart)
            continue
        path = path_of_group(engine, group.format, group.role, isa)
        found.append(
            GroupExecution(
                group.role, group.format, path.path, *shares, path.regimes, path.evidence, path.notes, path.refusal
            )
        )
    return tuple(found)


def loaded(model: Model, executed: tuple[GroupExecution, ...]) -> Model:
    """The model as the runtime holds it: groups that it unpacks while loading take 16 bits for each parameter.

    Args:
        model: as stored.
        executed: how each of its groups is executed, in their order.
    """
    widened = [any(note.code == UNPACKED for note in one.notes) for one in executed]
    if not any(widened):
        return model
    groups = tuple(
        group._replace(size=2 * group.parameters) if wide else group
        for group, wide in zip(model.groups, widened, strict=True)
    )
    size = sum(group.size for group in groups)
    formula = "as stored; 2 bytes for each parameter that is unpacked while loading"
    weights = derive("B", formula, [("weights", model.weights)], lambda _: size)
    return replace(model, groups=groups, weights=weights)


def _kind(layers: tuple[LayerGroup, ...]) -> str:
    """The kind of a model's attention: the most that one of its layers asks of a backend."""
    latent = any(layer.kind == "mla" for layer in layers)
    indexed = any(layer.index_dim for layer in layers)
    return "-".join(name for name, asked in (("latent", latent), ("sparse", indexed)) if asked) or "standard"


def attention_of(model: Model, engine: str, isa: str | None) -> AttentionPath | None:
    """Which attention backend a runtime picks for a model on an instruction set; None where that was not read.

    What an unknown architecture asks of a backend (sinks, say) its keys need not tell: nothing is said of it.
    """
    attending = tuple(layer for layer in model.layers if layer.kind not in STATES)
    if isa is None or not attending or model.like is not None:
        return None
    heads = frozenset(layer.key_dim for layer in attending if layer.key_dim)
    return execution.attention(engine, isa, _kind(attending), model.architecture, heads)
