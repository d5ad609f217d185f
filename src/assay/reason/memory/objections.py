"""What a runtime has against a model on these cards, whatever their memory: heads and blocks that do not divide."""

from assay.types.message import Message, message
from assay.types.model import Model, TensorGroup
from assay.types.plan import Verdict
from assay.types.runtime import Runtime

BLOCK_FORMATS = {"fp8_block128": 128}
"""Weight formats whose scale blocks must not be cut by tensor parallelism: elements of a block's side."""

MATRICES = (2, 3)
"""Matrices of one expert: with or without a gate."""

Objection = tuple[Verdict, Message]


def _heads(model: Model, cards: int) -> bool:
    """Whether attention heads divide evenly; fewer KV heads than cards are replicated, a latent cache has none."""
    for layer in model.layers:
        if layer.query_heads % cards:
            return False
        if layer.kind != "mla" and layer.kv_heads and layer.kv_heads % cards and cards % layer.kv_heads:
            return False
    return True


def _expert_width(group: TensorGroup, model: Model) -> int | None:
    """Inner width of one expert, where each has tensors of its own; None for stacked ones, whose shape is not known."""
    if not model.experts or not model.hidden_size:
        return None
    whole = any(group.tensors and group.tensors % (matrices * model.experts) == 0 for matrices in MATRICES)
    if not whole:
        return None
    width, rest = divmod(group.parameters, group.tensors * model.hidden_size)
    return None if rest else width


def _blocks(model: Model, cards: int) -> tuple[int, int] | None:
    """(width of an expert on one card, block) where a block would be cut; None where all is well or not known."""
    for group in model.groups:
        block = BLOCK_FORMATS.get(group.format)
        if block and group.role == "experts":
            width = _expert_width(group, model)
            if width and width % (cards * block):
                return width // cards, block
    return None


def objection(model: Model, runtime: Runtime, cards: int) -> Objection | None:
    """The first thing that keeps a runtime from dividing a model over `cards` cards, or None."""
    if cards == 1:
        return None
    if runtime.split is None:
        return "unknown", message("check.split_unknown", "warning", runtime=runtime.name)
    if runtime.split != "tensor":
        return None
    if not _heads(model, cards):
        heads = max(layer.query_heads for layer in model.layers)
        kv_heads = max(layer.kv_heads for layer in model.layers)
        return "no", message(
            "check.heads", "warning", heads=heads, kv_heads=kv_heads, cards=cards, runtime=runtime.name
        )
    cut = _blocks(model, cards)
    if cut is not None:
        return "no", message("check.blocks", "warning", width=cut[0], block=cut[1], runtime=runtime.name)
    return None
