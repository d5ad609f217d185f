"""One kernel for each number format, accumulator and family of instructions, and the judge of its results.

Which instruction stands for a format on a target follows from the recorded proofs: the largest that is native, else
the largest that is emulated. A format that no family of instructions takes is asked all the same, once: the
compiler's words are the proof that there is no instruction.
"""

from collections.abc import Sequence
from typing import NamedTuple

from assay.knowledge.catalog import proofs
from assay.knowledge.catalog.nvidia_probes import Spelling, spellings
from assay.observe.device.probe.kernels import fragments, matrices, mma, wgmma
from assay.observe.device.probe.kernels.program import Program, entry_name, text
from assay.types.probe import Array, Fill, Kernel, Language, Limits, Scalar, Workload
from assay.types.proof import Verdict

DOORS = ("wgmma", "mma.sync")
"""Families of instructions that have kernels, the faster first. tcgen05 has none: its formats are left to libraries."""
LEFT_OUT = frozenset({("mma.sync", "f16", (8, 8, 4)), ("wgmma", "b1", (64, 8, 256))})
"""(door, operand, shape): Volta's, which has a layout of its own and is made in software since; and single bits
through wgmma, which no model uses and mma.sync answers for."""
INTEGERS = frozenset({"int8", "int4", "int1"})
SCALING = {"": "", "ue8m0": "mx", "ue4m3": "nv"}
PERIODS = {"wgmma": wgmma.LANES, "mma.sync": fragments.LANES}
"""Lanes after which the folded words repeat."""
START = 256
"""Turns of the first launch: 0.1 ms or more where a multiprocessor makes 4,096 operations a clock."""


class Choice(NamedTuple):
    """The instruction that stands for a format, an accumulator and a door, and what is proven of it."""

    spelling: Spelling
    verdict: Verdict


RANK: dict[Verdict, int] = {"native": 3, "emulated": 2, "unknown": 1, "absent": 0}


def _volume(spelling: Spelling) -> int:
    rows, columns, depth = spelling.probe.shape or (0, 0, 0)
    return rows * columns * depth


def _verdicts(target: str) -> dict[str, Verdict]:
    record = proofs.record(target)
    return {} if record is None else {found.probe: found.verdict for found in record.findings}


def _asked() -> tuple[Spelling, ...]:
    """Dense products of matrices; of a format's operand types the first stands for all."""
    first: dict[str, str] = {}
    chosen = []
    for one in spellings():
        probe = one.probe
        if probe.kind == "matrix" and probe.sparsity == "dense" and first.setdefault(probe.format, probe.operand) == (
            probe.operand
        ):  # fmt: skip
            chosen.append(one)
    return tuple(chosen)


def choices(target: str) -> tuple[Choice, ...]:
    """What to ask of a target: native instructions first, refusals last; nothing of a target without a record."""
    known = _verdicts(target)
    best: dict[tuple[str, str, str], Choice] = {}
    possible = set()
    for one in _asked():
        probe = one.probe
        verdict = known.get(probe.id, "absent")
        if verdict != "absent":
            possible.add(probe.format)
        if probe.door not in DOORS or (probe.door, probe.operand, probe.shape) in LEFT_OUT:
            continue
        key = (probe.door, probe.format, probe.accumulate)
        before = best.get(key)
        if before is None or (RANK[verdict], _volume(one)) > (RANK[before.verdict], _volume(before.spelling)):
            best[key] = Choice(one, verdict)
    found = [one for one in best.values() if one.verdict != "absent"]
    refused: dict[str, Choice] = {}
    for choice in best.values():
        form = choice.spelling.probe.format
        if known and form not in possible:
            refused.setdefault(form, choice)
    found.sort(key=lambda one: (-RANK[one.verdict], DOORS.index(one.spelling.probe.door)))
    return (*found, *refused.values())


def workload(spelling: Spelling, needed_bytes: int = 0) -> Workload:
    """What a kernel measures."""
    probe = spelling.probe
    return Workload(
        name=f"micro.{probe.id}",
        kind="micro",
        door=probe.door,
        unit="OP/s" if probe.format in INTEGERS else "FLOP/s",
        format=probe.format,
        accumulate=probe.accumulate,
        scaling=SCALING[spelling.scale[1]],
        needed_bytes=needed_bytes,
    )


def program(choice: Choice, fill: Fill) -> Program:
    """The program for a choice."""
    if choice.spelling.probe.door == "wgmma":
        return wgmma.program(choice.spelling, fill)
    return mma.program(choice.spelling, fill, emulated=choice.verdict != "native")


def kernel(choice: Choice, limits: Limits, fill: Fill, language: Language) -> Kernel:
    """The kernel for a choice: as many blocks as fit at once."""
    made = program(choice, fill)
    grid = limits.multiprocessors * made.blocks_per_sm
    results = (Array(made.proof_bytes, "zeros", written=True), Array(grid * made.threads * 4, "zeros", written=True))
    return Kernel(
        workload=workload(choice.spelling, sum(array.bytes for array in results)),
        language=language,
        source=text(made, limits.isa, language),
        entry=entry_name(choice.spelling),
        target=limits.isa,
        grid=grid,
        block=made.threads,
        arguments=(*results, Scalar(START)),
        work=made.operations * grid,
        iterations=len(results),
    )


def kernels(limits: Limits, fill: Fill = "random", language: Language = "cuda") -> tuple[Kernel, ...]:
    """The kernels for a card, in the order of interest; refusals to be expected come last.

    Args:
        limits: of the card; `isa` with its letter (`sm_120a`).
        fill: factors of the measurement. Those of the check are the same either way.
        language: `cuda` or `ptx`.
    """
    return tuple(kernel(choice, limits, fill, language) for choice in choices(limits.isa))


def _choice(kernel: Kernel) -> Choice:
    return next(one for one in choices(kernel.target) if workload(one.spelling).name == kernel.workload.name)


def expected(choice: Choice) -> tuple[float, ...]:
    """What the first block stores of its accumulators, exactly."""
    if choice.spelling.probe.door == "wgmma":
        return wgmma.results(choice.spelling)
    return mma.results(choice.spelling, emulated=choice.verdict != "native")


def check(kernel: Kernel, written: Sequence[bytes]) -> str | None:
    """Whether known factors gave what they must, exactly, and every warp the same.

    Args:
        kernel: of this module.
        written: the first bytes of the accumulators of the first block, and of the words that lanes fold theirs into.

    Returns:
        None, or in words what is wrong.
    """
    choice = _choice(kernel)
    proof, folded = written
    found = matrices.unpacked(choice.spelling.accumulator, proof)
    right = expected(choice)[: len(found)]
    wrong = [place for place, pair in enumerate(zip(right, found, strict=True)) if pair[0] != pair[1]]
    if wrong:
        first = wrong[0]
        return f"{len(wrong)} of {len(found)} results differ; number {first} is {found[first]}, not {right[first]}"
    size = 4 * PERIODS[choice.spelling.probe.door]
    groups = [folded[at : at + size] for at in range(0, len(folded) - size + 1, size)]
    unlike = sum(one != groups[0] for one in groups)
    return f"{unlike} of {len(groups)} groups of warps differ from the first" if unlike else None
