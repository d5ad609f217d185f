"""Kernels that move memory: reading, copying and a triad over buffers far above L2, and reading within L2.

Every lane moves 16 bytes at a time, several at once, so that enough is under way; the lanes of the grid stand side by
side and stride over the buffer together. Words are integers, so that random bytes are as good as any.

Every kernel was assembled for every target; none was ever run.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from assay.observe.device.probe.kernels import isa, texts
from assay.types.probe import Array, Fill, Kernel, Language, Limits, Scalar, Workload

THREADS = 256
BLOCKS_PER_SM = 4
"""1,024 lanes: no multiprocessor from Turing on holds fewer."""
PIECE_BYTES = 16
READS = 8
"""Pieces that a lane has under way."""
MOST_BYTES = 2**32
ABOVE_L2 = 4
BUFFERS = 4
"""Of what is free, a buffer takes at most one in so many."""
L2_TURNS = 64
FACTOR = 3
"""Of the triad a = b + 3 c, modulo 2 to the 32nd."""


class Movement(NamedTuple):
    """What a kernel moves.

    Attributes:
        name: of the workload, behind `memory.`.
        buffers: large buffers, those that are read first.
        written: whether the last of them is written; the others are read.
        pieces: pieces that a lane takes from each buffer in one turn.
    """

    name: str
    buffers: int
    written: bool
    pieces: int


READ = Movement("read", 1, written=False, pieces=READS)
COPY = Movement("copy", 2, written=True, pieces=READS)
TRIAD = Movement("triad", 3, written=True, pieces=READS // 2)
MOVEMENTS = (READ, COPY, TRIAD)
NAMES = ("first", "second", "third")
DECLARED = (".reg .b64 at, step, here;", ".reg .b32 left, word, low;", ".reg .pred more;")


def _lanes(limits: Limits) -> int:
    return limits.multiprocessors * BLOCKS_PER_SM * THREADS


def _registers(name: str, piece: int) -> str:
    return "{" + ",".join(f"{name}{4 * piece + word}" for word in range(4)) + "}"


def _start(lanes: int) -> list[str]:
    """`at`: the lane's place in bytes; `step`: what all lanes move together."""
    return [
        f"mad.lo.u32 word, block, {THREADS}, lane;",
        f"mul.wide.u32 at, word, {PIECE_BYTES};",
        f"mov.b64 step, {lanes * PIECE_BYTES};",
        "mov.b32 left, turns;",
        "mov.b32 low, 0;",
    ]


def _kept() -> list[str]:
    """Store what a lane folded its pieces into."""
    return [
        f"mad.lo.u32 word, block, {THREADS}, lane;",
        "mad.wide.u32 here, word, 4, folded;",
        "st.global.b32 [here], low;",
    ]


def _looped(loop: Sequence[str]) -> list[str]:
    return [
        "again:",
        '.pragma "nounroll";',
        *loop,
        "sub.u32 left, left, 1;",
        "setp.ne.u32 more, left, 0;",
        "@more bra.uni again;",
    ]


def _fold(names: Sequence[str], pieces: int) -> list[str]:
    """Add all words up: an exclusive-or of words that are read twice would be zero."""
    return [f"add.u32 low, low, {name}{word};" for name in names for word in range(4 * pieces)]


def _turn(movement: Movement) -> list[str]:
    """Read the pieces of all buffers first, so that they are under way together, then fold or write them."""
    sources = "abc"[: movement.buffers - movement.written]
    reads: list[str] = []
    advance: list[str] = []
    for piece in range(movement.pieces):
        for name, buffer in zip(sources, NAMES, strict=False):
            reads.append(f"add.u64 here, {buffer}, at;")
            reads.append(f"ld.global.v4.b32 {_registers(name, piece)}, [here];")
        reads.append("add.u64 at, at, step;")
    if not movement.written:
        return [*reads, *_fold(sources, movement.pieces)]
    target = NAMES[movement.buffers - 1]
    if len(sources) > 1:
        advance = [f"mad.lo.u32 a{word}, b{word}, {FACTOR}, a{word};" for word in range(4 * movement.pieces)]
    writes = [f"mul.lo.u64 here, step, {movement.pieces};", "sub.u64 here, at, here;", f"add.u64 here, here, {target};"]
    for piece in range(movement.pieces):
        writes += [f"st.global.v4.b32 [here], {_registers('a', piece)};", "add.u64 here, here, step;"]
    return [*reads, *advance, *writes]


def _l2_turn(mask: int) -> list[str]:
    """Read from a buffer whose length is a power of two, ever onwards; the first level of cache is passed by."""
    lines = []
    for piece in range(READS):
        lines += [
            f"and.b64 here, at, {mask};",
            "add.u64 here, here, first;",
            f"ld.global.cg.v4.b32 {_registers('a', piece)}, [here];",
            "add.u64 at, at, step;",
        ]
    return [*lines, *_fold("a", READS)]


def _entry(name: str, buffers: int, declared: Sequence[str], body: Sequence[str], *, folded: bool) -> texts.Entry:
    addresses = [*NAMES[:buffers], *(["folded"] if folded else [])]
    return texts.Entry(
        name=name,
        parameters=(*map(texts.address, addresses), texts.Parameter("turns", 32, address=False)),
        tables=(),
        body=(*DECLARED, *declared, *body),
        threads=THREADS,
        blocks_per_sm=BLOCKS_PER_SM,
    )


def _buffer_bytes(limits: Limits, movement: Movement) -> tuple[int, int]:
    """(length of each buffer, turns): far above L2 and at most a quarter of what is free, whole turns of all lanes."""
    turn = _lanes(limits) * PIECE_BYTES * movement.pieces
    wanted = max(ABOVE_L2 * limits.l2_bytes, min(MOST_BYTES, limits.free_bytes // BUFFERS))
    turns = max(wanted // turn, 1)
    if turns * turn < ABOVE_L2 * limits.l2_bytes:
        turns += 1
    return turns * turn, turns


def _kernel(
    limits: Limits, entry: texts.Entry, name: str, language: Language, arguments: Sequence[Array | Scalar]
) -> Kernel:
    needed = sum(one.bytes for one in arguments if isinstance(one, Array))
    return Kernel(
        workload=Workload(name=f"memory.{name}", kind="memory", door="cuda", unit="B/s", needed_bytes=needed),
        language=language,
        source=texts.text(entry, language, limits.isa, isa.needed(limits.isa)),
        entry=entry.name,
        target=limits.isa,
        grid=limits.multiprocessors * BLOCKS_PER_SM,
        block=THREADS,
        arguments=tuple(arguments),
        work=0,
    )


def _moving(movement: Movement, limits: Limits, fill: Fill, language: Language) -> Kernel:
    """A movement over large buffers. Those that are read are shown to the check beside what is written."""
    size, turns = _buffer_bytes(limits, movement)
    names = "abc"[: movement.buffers - movement.written]
    declared = [f".reg .b32 {name}<{4 * movement.pieces}>;" for name in names]
    body = [*_start(_lanes(limits)), *_looped(_turn(movement)), *([] if movement.written else _kept())]
    entry = _entry(f"memory_{movement.name}", movement.buffers, declared, body, folded=not movement.written)
    arrays = [Array(size, fill, written=movement.written) for _ in names]
    arrays.append(Array(size if movement.written else _lanes(limits) * 4, "zeros", written=True))
    made = _kernel(limits, entry, movement.name, language, [*arrays, Scalar(turns)])
    return made._replace(work=float(movement.buffers * size))


def _within_l2(limits: Limits, fill: Fill, language: Language) -> Kernel:
    """Reading a buffer of at most half of L2; work is of one turn of the loop."""
    size = 1 << max((limits.l2_bytes // 2).bit_length() - 1, PIECE_BYTES.bit_length())
    body = [*_start(_lanes(limits)), *_looped(_l2_turn(size - 1)), *_kept()]
    entry = _entry("memory_l2_read", 1, [f".reg .b32 a<{4 * READS}>;"], body, folded=True)
    arguments: list[Array | Scalar] = [
        Array(size, fill),
        Array(_lanes(limits) * 4, "zeros", written=True),
        Scalar(L2_TURNS),
    ]
    made = _kernel(limits, entry, "l2.read", language, arguments)
    return made._replace(work=float(_lanes(limits) * PIECE_BYTES * READS), iterations=len(arguments) - 1)


def kernels(limits: Limits, fill: Fill = "random", language: Language = "cuda") -> tuple[Kernel, ...]:
    """Read, copy and triad over large buffers, and reading within L2; nothing for a target that is not known.

    Args:
        limits: of the card. A buffer takes at most a quarter of the free memory and 4 GiB, yet at least four times L2;
            a length of 0 of L2 is one that is not known, and L2 is then not read.
        fill: of what is read.
        language: `cuda` or `ptx`.
    """
    if limits.isa not in isa.INTRODUCED:
        return ()
    moving = (_moving(movement, limits, fill, language) for movement in MOVEMENTS)
    return (*moving, _within_l2(limits, fill, language)) if limits.l2_bytes else tuple(moving)


def _words(content: bytes) -> list[int]:
    return [int.from_bytes(content[at : at + 4], "little") for at in range(0, len(content) - 3, 4)]


def _folded(fill: Fill, content: bytes) -> str | None:
    """Words that many random ones were folded into are hardly ever zero; of zeros, always."""
    words = _words(content)
    nothing = sum(word == 0 for word in words)
    wrong = len(words) - nothing if fill == "zeros" else nothing
    return f"{wrong} of {len(words)} folded words cannot be right" if 100 * wrong > len(words) else None


def _compared(right: Callable[[int], int], found: list[int], what: str) -> str | None:
    wrong = [place for place, word in enumerate(found) if word != right(place)]
    return f"{len(wrong)} of {len(found)} words {what}, the first is number {wrong[0]}" if wrong else None


def check(kernel: Kernel, written: Sequence[bytes]) -> str | None:
    """Whether what was written follows from what was read, as far as both are shown.

    Args:
        kernel: of this module.
        written: the first bytes of the arrays that are marked as written, in order.

    Returns:
        None, or in words what is wrong.
    """
    words = [_words(content) for content in written]
    if kernel.workload.name == "memory.copy":
        source, copy = words
        return _compared(source.__getitem__, copy, "differ from their source")
    if kernel.workload.name == "memory.triad":
        first, second, third = words
        return _compared(lambda at: (first[at] + FACTOR * second[at]) % 2**32, third, "are no sum of their sources")
    fill = next(one.fill for one in kernel.arguments if isinstance(one, Array))
    return _folded(fill, written[-1])
