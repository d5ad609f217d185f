"""Every way to run a model that may be asked for: weights x KV format x runtime x cards x copies x host memory."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from assay.types.decide import Dropped, Option

SIXTEEN = frozenset({"bf16", "fp16", "fp32", "gguf:BF16", "gguf:F16", "gguf:F32"})
"""Formats that hold weights as they are trained."""
FORMATS = (
    "fp8", "fp8_channel", "fp8_block128", "mxfp8", "int8_w8a8", "nvfp4", "mxfp4", "awq_int4", "gptq_int4",
)  # fmt: skip
"""What quantizers write for runtimes that read safetensors, widest first."""
RECIPES = ("gguf:Q8_0", "gguf:Q6_K", "gguf:Q5_K_M", "gguf:Q4_K_M", "gguf:Q3_K_M")
"""What llama-quantize writes, widest first."""
UNCHANGED = {"bf16": "gguf:BF16", "fp16": "gguf:F16", "fp32": "gguf:F32", "mxfp4": "gguf:MXFP4"}
"""What a conversion to GGUF makes of a released format without changing a weight."""


class Engine(NamedTuple):
    """A runtime as options see it.

    Attributes:
        id: of the runtime.
        reads_gguf: whether it reads GGUF and nothing else.
        kv: KV formats, the one that loses nothing first.
        offloads: whether part of a model may lie in host memory.
    """

    id: str
    reads_gguf: bool
    kv: tuple[str, ...]
    offloads: bool = False


class Stored(NamedTuple):
    """The weights as they are: their format, and whether they lie in a GGUF."""

    format: str
    in_gguf: bool

    @property
    def plain(self) -> bool:
        """Whether nothing was quantized yet."""
        return self.format in SIXTEEN


def weights_for(stored: Stored, engine: Engine) -> tuple[tuple[str, Dropped | None], ...]:
    """(format, why it is none) of everything that this runtime might be given."""
    if stored.in_gguf:
        why: Dropped | None = None if engine.reads_gguf else "container"
        made = RECIPES if engine.reads_gguf else ()
        return ((stored.format, why), *((name, None) for name in made if name != stored.format))
    if not engine.reads_gguf:
        return ((stored.format, None), *((name, None) for name in FORMATS if name != stored.format))
    unchanged = UNCHANGED.get(stored.format)
    first: tuple[tuple[str, Dropped | None], ...] = ((stored.format, "container"),)
    if unchanged is not None:
        first = ((unchanged, None),)
    return (*first, *((name, None) for name in RECIPES))


def shares_of(cards: int, *, alike: bool) -> tuple[tuple[int, int], ...]:
    """(cards that share a copy, copies) that use all cards; unlike cards share one copy."""
    if not alike:
        return ((cards, 1),)
    return tuple((each, cards // each) for each in range(1, cards + 1) if cards % each == 0)


def options(
    stored: Stored, engines: Sequence[Engine], cards: int, *, alike: bool = True
) -> Iterator[tuple[Option, Dropped | None]]:
    """Every option, and why it is none where its files alone tell.

    Args:
        stored: the weights as they are.
        engines: runtimes.
        cards: how many there are.
        alike: whether they are equal.
    """
    for engine in engines:
        for (name, why), kv, (each, copies) in product(
            weights_for(stored, engine), engine.kv, shares_of(cards, alike=alike)
        ):
            yield Option(name, kv, engine.id, each, copies), why
            if engine.offloads and why is None and kv == engine.kv[0] and copies == 1:
                yield Option(name, kv, engine.id, each, copies, offload=True), None


def keeps_weights(option: Option, stored: Stored) -> bool:
    """Whether the weights are those that were released, if in another container."""
    return option.weights in (stored.format, UNCHANGED.get(stored.format))
