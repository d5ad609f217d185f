"""What quantization costs a model: published figures, each under its own protocol."""

from typing import Literal, NamedTuple

from assay.types.message import Message
from assay.types.quantity import Basis, Quantity

Metric = Literal["kld", "perplexity", "ratio", "accuracy", "agreement", "loss"]
METRICS: tuple[Metric, ...] = ("kld", "perplexity", "ratio", "accuracy", "agreement", "loss")
Near = Literal["model", "family", "size"]
"""Whose figures: the same model's; its family's of half to twice its size; another family's of about its size."""
NATS = "nat"


class Protocol(NamedTuple):
    """How a loss was measured; figures of two protocols are never compared."""

    id: str
    name: str
    metric: Metric


class Measured(NamedTuple):
    """One published figure: a model in one format under one protocol.

    Attributes:
        id, protocol: ids of the catalogue; model: its name at the hub; family: its generation.
        parameters: all of them; active: those of one token for a mixture of experts, None for a dense model.
        formats: weight formats that the figure stands for; kv: the format of the cache instead.
        value, baseline: of the format, and of `baseline_format` in the same run.
        conditions: what else to know, as data.
    """

    id: str
    model: str
    family: str
    parameters: float
    active: float | None
    formats: tuple[str, ...]
    kv: str | None
    protocol: str
    value: float
    baseline: float
    baseline_format: str
    basis: Basis
    sources: tuple[str, ...]
    conditions: str | None = None


class Traits(NamedTuple):
    """What of a model decides whose figures are near it.

    Attributes:
        names: its own, and of the repository that it was made from, at the hub.
        family: its generation, None where it is not known; parameters: all of them.
        experts: whether it is a mixture of experts.
        released: the weight format of its first publication, None where it is not known.
    """

    names: tuple[str, ...]
    family: str | None
    parameters: float
    experts: bool
    released: str | None


class Cost(NamedTuple):
    """What a format loses by one protocol.

    Attributes:
        protocol: how it was measured.
        loss: a share of the released weights' score (`ratio`: 0.01 is one per cent worse, below zero better), of
            perplexity the share it rises by, of agreement the share of other tokens; of KLD in `nat`. An interval
            over the figures; its value their median.
        near: whose figures they are; figures: which.
        bounded_by: the coarser format whose figures are its upper end, where it has none of its own.
    """

    protocol: Protocol
    loss: Quantity
    near: Near
    figures: tuple[Measured, ...]
    bounded_by: str | None = None


class Quality(NamedTuple):
    """What is known of a format's cost for a model.

    Attributes:
        costs: by protocol, in the order of the catalogue; empty where nothing near is published.
        lossless: the weights, or the cache, as released.
        notes: why nothing is known; that quantized weights are quantized again; whose figures these are.
    """

    costs: tuple[Cost, ...]
    lossless: bool
    notes: tuple[Message, ...]
