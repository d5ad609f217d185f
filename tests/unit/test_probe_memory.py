"""The kernels that move memory, run statement by statement on small buffers."""

import random
from functools import cache

import pytest
from ptx_machine import Machine

from assay.observe.device.probe.kernels import memory
from assay.types.probe import Array, Kernel, Limits, Scalar

SMALL = Limits("sm_89", 1, 8 << 10, 512 << 10)
H200 = Limits("sm_90a", 132, 50 << 20, 140 << 30)


@cache
def kernels(limits: Limits, fill: str = "random") -> dict[str, Kernel]:
    made = memory.kernels(limits, fill, "ptx")  # type: ignore[arg-type]
    return {one.workload.name.removeprefix("memory."): one for one in made}


def ran(made: Kernel, content: bytes) -> tuple[list[bytes], Machine]:
    """What all arrays hold after a launch, the first of them filled with `content`, repeated."""
    places, position = [], 0
    for one in made.arguments:
        places.append(position if isinstance(one, Array) else one.value)
        position += one.bytes if isinstance(one, Array) else 0
    held = bytearray(position)
    for place, one in zip(places, made.arguments, strict=True):
        if isinstance(one, Array) and one.fill == "random":
            shifted = content[place % 7 :] + content[: place % 7]
            held[place : place + one.bytes] = (shifted * (one.bytes // len(content) + 1))[: one.bytes]
    machine = Machine(held)
    machine.run(made.source, made.grid, made.block, places)
    arrays = [(place, one) for place, one in zip(places, made.arguments, strict=True) if isinstance(one, Array)]
    return [bytes(held[place : place + one.bytes]) for place, one in arrays], machine


def words(content: bytes) -> list[int]:
    return [int.from_bytes(content[at : at + 4], "little") for at in range(0, len(content), 4)]


def shown(made: Kernel, arrays: list[bytes]) -> list[bytes]:
    sizes = [one for one in made.arguments if isinstance(one, Array)]
    return [held[: 1 << 16] for held, one in zip(arrays, sizes, strict=True) if one.written]


CONTENT = random.Random(1).randbytes(4099)  # noqa: S311 - a buffer, no secret


@pytest.mark.parametrize("name", ["read", "copy", "triad"])
def test_every_word_is_moved_once(name: str) -> None:
    made = kernels(SMALL)[name]
    arrays, machine = ran(made, CONTENT)
    sources = [one for one in arrays if len(one) > 1 << 16][: 2 if name == "triad" else 1]
    size = len(sources[0])
    assert len(machine.reads) == len(set(machine.reads)) == len(sources) * size // 4
    if name == "read":
        assert made.work == size
        assert sum(words(arrays[-1])) % 2**32 == sum(words(arrays[0])) % 2**32
    else:
        assert len(machine.writes) == len(set(machine.writes)) == size // 4
        assert made.work == (len(sources) + 1) * size
    assert memory.check(made, shown(made, arrays)) is None


def test_a_copy_is_its_source() -> None:
    arrays, _ = ran(kernels(SMALL)["copy"], CONTENT)
    assert arrays[0] == arrays[1]
    assert any(arrays[0])


def test_reading_within_l2_stays_within_its_buffer() -> None:
    whole = kernels(SMALL._replace(l2_bytes=100 << 10))["l2.read"]
    made = whole._replace(arguments=(*whole.arguments[:2], Scalar(3)))
    arrays, machine = ran(made, CONTENT)
    assert len(arrays[0]) == 32 << 10
    assert set(machine.reads) == set(range(0, 32 << 10, 4))
    assert sum(words(arrays[1])) % 2**32 == 12 * sum(words(arrays[0])) % 2**32  # 3 turns x 8 pieces of half a buffer
    assert 4 * len(machine.reads) == 3 * made.work
    assert memory.check(made, shown(made, arrays)) is None


@pytest.mark.parametrize("name", ["copy", "triad"])
def test_a_wrong_word_is_named(name: str) -> None:
    made = kernels(SMALL)[name]
    arrays, _ = ran(made, CONTENT)
    spoiled = bytearray(arrays[-1])
    spoiled[40] ^= 4
    said = memory.check(made, shown(made, [*arrays[:-1], bytes(spoiled)]))
    assert said is not None
    assert said.startswith("1 of 16384 words ")
    assert said.endswith("the first is number 10")


def test_a_kernel_that_did_not_run_is_seen() -> None:
    for name in ("read", "l2.read"):
        made = kernels(SMALL)[name]
        assert memory.check(made, [bytes(1024)]) == "256 of 256 folded words cannot be right"
    zeros = memory.kernels(SMALL, "zeros", "ptx")[0]
    assert memory.check(zeros, [bytes(1024)]) is None
    assert memory.check(zeros, [b"\1" * 1024]) == "256 of 256 folded words cannot be right"


def test_buffers_are_far_above_l2_and_leave_room() -> None:
    for limits in (H200, Limits("sm_86", 28, 3 << 20, 11 << 30), Limits("sm_120a", 170, 96 << 20, 1 << 30)):
        for name in ("read", "copy", "triad"):
            made = kernels(limits)[name]
            size = max(one.bytes for one in made.arguments if isinstance(one, Array))
            assert 4 * limits.l2_bytes <= size <= 2**32
            turn = next(one.value for one in made.arguments if isinstance(one, Scalar))
            pieces = 4 if name == "triad" else 8
            assert size == turn * pieces * 16 * made.grid * made.block
            assert made.workload.needed_bytes <= limits.free_bytes or limits.free_bytes == 1 << 30


def test_what_a_card_cannot_hold_is_asked_for_all_the_same() -> None:
    """The runner compares it with what is free, and says so."""
    made = kernels(Limits("sm_120a", 170, 96 << 20, 1 << 30))["triad"]
    assert made.workload.needed_bytes > 1 << 30


def test_l2_is_read_where_its_length_is_known() -> None:
    made = kernels(H200)["l2.read"]
    assert made.arguments[0] == Array(16 << 20, "random")
    assert made.iterations == 2
    assert "l2.read" not in kernels(H200._replace(l2_bytes=0))
    assert memory.kernels(H200._replace(isa="sm_999")) == ()


def test_both_languages_hold_the_same_statements() -> None:
    for plain, cuda in zip(memory.kernels(H200, "random", "ptx"), memory.kernels(H200), strict=True):
        for line in plain.source.splitlines():
            if line.startswith(("ld.global", "st.global", "add", "mad", "and")):
                assert f'"{line}\\n"' in cuda.source
        assert f"{cuda.entry}(" in cuda.source
