"""A kernel that multiplies matrices in a loop, as a text to compile: statements of PTX, and the factors with them.

Whatever the instruction, an entry works in two rounds through the same loop. The first takes known factors and a few
turns, and the first block stores its accumulators: they can be compared with an exact reference. The second takes the
factors of the measurement and as many turns as it is told; each lane folds its accumulators into one word and stores
it, so that nothing is optimised away, and all blocks must store the same.

The body reads these registers: `known`, `factors`, `proof`, `folded` (addresses of 64 bits) and `turns` (32 bits).
"""

from collections.abc import Sequence
from typing import NamedTuple

from assay.knowledge.catalog.nvidia_probes import Spelling
from assay.observe.device.probe.kernels import isa, texts
from assay.types.probe import Language

KNOWN_TURNS = 2
"""Of the round with known factors; two show that the loop adds up."""


class Program(NamedTuple):
    """One entry.

    Attributes:
        spelling: the instruction.
        body: statements, without the braces around them.
        known, factors: both sets of factors, as the body reads them.
        threads: lanes of a block.
        blocks_per_sm: blocks that fit on a multiprocessor at once.
        products: matrix instructions in one turn of the loop.
        operations: of one block in one turn, a multiply-add is two.
        proof_bytes: what the first block stores of its accumulators.
    """

    spelling: Spelling
    body: tuple[str, ...]
    known: bytes
    factors: bytes
    threads: int
    blocks_per_sm: int
    products: int
    operations: int
    proof_bytes: int


def entry_name(spelling: Spelling) -> str:
    """The name of the entry: neither language takes dots in it."""
    return spelling.probe.id.replace(".", "_")


def rounds(
    read: Sequence[str],
    cleared: Sequence[str],
    loop: Sequence[str],
    kept: Sequence[tuple[str, int]],
    drained: Sequence[str] = (),
) -> list[str]:
    """The statements of both rounds.

    Args:
        read: what reads the factors of a round from the address in `source`.
        cleared: what clears the accumulators.
        loop: one turn.
        kept: name and bits of each register of the accumulators. A lane's lie together at the address `mine`.
        drained: what waits for the accumulators behind the loop.
    """
    stored = []
    position = 0
    for name, width in kept:
        stored.append(f"st.global.b{width} [mine+{position}], {name};")
        position += width // 8
    return [
        "mov.b64 source, known;",
        f"mov.b32 left, {KNOWN_TURNS};",
        "mov.b32 round, 0;",
        "start:",
        *read,
        *cleared,
        "again:",
        '.pragma "nounroll";',
        *loop,
        "sub.u32 left, left, 1;",
        "setp.ne.u32 more, left, 0;",
        "@more bra.uni again;",
        *drained,
        "setp.ne.u32 last, round, 0;",
        "@last bra.uni fold;",
        "setp.ne.u32 other, block, 0;",
        "@other bra.uni next;",
        f"mad.wide.u32 mine, lane, {position}, proof;",
        *stored,
        "next:",
        "mov.b64 source, factors;",
        "mov.b32 left, turns;",
        "mov.b32 round, 1;",
        "bra.uni start;",
        "fold:",
        *_folded(kept),
    ]


def _folded(kept: Sequence[tuple[str, int]]) -> list[str]:
    """All accumulators of a lane in one word, which is stored."""
    lines = ["mov.b32 word, 0;"]
    for name, width in kept:
        if width == 64:
            lines += [f"mov.b64 {{low, high}}, {name};", "xor.b32 word, word, low;", "xor.b32 word, word, high;"]
        else:
            lines.append(f"xor.b32 word, word, {name};")
    return [
        *lines,
        "mov.u32 low, %ntid.x;",
        "mad.lo.u32 block, block, low, lane;",
        "mad.wide.u32 mine, block, 4, folded;",
        "st.global.b32 [mine], word;",
    ]


DECLARED = (
    ".reg .b64 source, mine;",
    ".reg .b32 left, round, word, low, high;",
    ".reg .pred more, last, other;",
)


def text(program: Program, target: str, language: Language) -> str:
    """The program in one of both languages; PTX of the oldest version that has all it needs."""
    entry = texts.Entry(
        name=entry_name(program.spelling),
        parameters=(texts.address("proof"), texts.address("folded"), texts.Parameter("turns", 32, address=False)),
        tables=(("known", program.known), ("factors", program.factors)),
        body=(*DECLARED, *program.body),
        threads=program.threads,
        blocks_per_sm=program.blocks_per_sm,
    )
    return texts.text(entry, language, target, isa.needed(target, program.spelling.ptx))
