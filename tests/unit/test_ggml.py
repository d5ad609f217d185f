"""ggml's allocator, rule by rule; tests/oracle/test_llama_memory.py compares whole graphs with the real one."""

from assay.reason.memory.ggml import CARD, HOST, Graph, peaks


def test_what_is_read_no_more_makes_room() -> None:
    graph = Graph()
    first = graph.input(64)
    second = graph.add(64, first)
    third = graph.add(64, second)
    graph.add(64, third)
    assert peaks(graph) == (128, 0)


def test_what_has_other_readers_stays() -> None:
    graph = Graph()
    first = graph.input(64)
    second = graph.add(64, first)
    graph.add(64, graph.add(64, second), first)
    assert peaks(graph)[HOST] == 3 * 64


def test_an_operation_in_place_takes_nothing() -> None:
    graph = Graph()
    first = graph.input(64)
    second = graph.add(64, first, reuse=True)
    graph.add(64, second, reuse=True)
    assert peaks(graph)[HOST] == 64


def test_only_the_last_reader_works_in_place() -> None:
    graph = Graph()
    first = graph.input(64)
    second = graph.add(64, first, reuse=True)
    graph.add(0, first, second)
    assert peaks(graph)[HOST] == 128


def test_the_smallest_gap_that_holds_it_is_filled_the_last_of_equal_ones() -> None:
    graph = Graph()
    large, wall, small, end = (graph.input(size) for size in (256, 32, 64, 32))
    graph.add(0, large)
    graph.add(0, small)  # two gaps: 256 and 64
    fitted = graph.add(64)
    graph.add(256)
    graph.add(0, wall, end, fitted)
    assert peaks(graph)[HOST] == 256 + 32 + 64 + 32


def test_gaps_side_by_side_become_one() -> None:
    graph = Graph()
    one, two, end = graph.input(64), graph.input(64), graph.input(32)
    graph.add(0, one)
    graph.add(0, two)
    graph.add(128)
    graph.add(0, end)
    assert peaks(graph)[HOST] == 160


def test_what_nobody_reads_stays() -> None:
    graph = Graph()
    graph.add(64, graph.input(64))
    graph.add(64)
    assert peaks(graph)[HOST] == 128  # the input makes room for the second


def test_sizes_are_aligned_by_place_and_buffers_are_apart() -> None:
    graph = Graph()
    graph.input(1)
    graph.add(1, place=CARD)
    assert peaks(graph) == (32, 128)
