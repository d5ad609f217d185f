"""ggml's graph allocator: how large a compute buffer becomes for a list of tensors and their lifetimes.

Rules, from ggml/src/ggml-alloc.c: inputs are placed first; every other tensor takes the place of a source of its size
that nobody needs any more, if its operation can work in place, else the smallest free gap that holds it, else the end
(the last of equal gaps, as there); what the last reader has read is freed and merges with its neighbours. A source that
is read through a view is never taken over (`ggml_gallocr_is_own` knows no views). The buffer is as large as the end
ever was.
"""

from bisect import bisect_left

HOST, CARD = 0, 1
ALIGNMENT = (32, 128)
"""Of host memory (TENSOR_ALIGNMENT in ggml-impl.h) and of CUDA's buffers."""
ENDLESS = 1 << 62


class Graph:
    """Tensors in the order in which they are computed; a tensor is known by its number.

    The fields are parallel lists: sizes in bytes, sources, where each lies, whether it may work in place; and the
    numbers of the inputs. What nobody reads stays to the end.
    """

    __slots__ = ("inputs", "places", "reusing", "sizes", "sources")

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.sources: list[tuple[int, ...]] = []
        self.places: list[int] = []
        self.inputs: list[int] = []
        self.reusing: list[bool] = []

    def add(self, size: int, *sources: int, place: int = HOST, reuse: bool = False) -> int:
        """A tensor of `size` bytes that reads `sources`; 0 bytes for what writes into memory outside the buffer."""
        self.sizes.append(size)
        self.sources.append(sources)
        self.places.append(place)
        self.reusing.append(reuse)
        return len(self.sizes) - 1

    def input(self, size: int) -> int:
        """An input of `size` bytes, in host memory."""
        number = self.add(size)
        self.inputs.append(number)
        return number


class _Buffer:
    """The free gaps of one buffer, by offset; the last one has no end."""

    __slots__ = ("alignment", "gaps", "size")

    def __init__(self, alignment: int) -> None:
        self.alignment = alignment
        self.gaps = [[0, ENDLESS]]
        self.size = 0

    def _padded(self, size: int) -> int:
        return -(-size // self.alignment) * self.alignment

    def take(self, size: int) -> int:
        size = self._padded(size)
        best, fitting = len(self.gaps) - 1, ENDLESS
        for index, (_, room) in enumerate(self.gaps[:-1]):
            if size <= room <= fitting:
                best, fitting = index, room
        gap = self.gaps[best]
        offset = gap[0]
        gap[0] += size
        gap[1] -= size
        if not gap[1]:
            del self.gaps[best]
        self.size = max(self.size, offset + size)
        return offset

    def free(self, offset: int, size: int) -> None:
        size = self._padded(size)
        gaps = self.gaps
        index = bisect_left(gaps, [offset, 0])
        before = gaps[index - 1] if index and sum(gaps[index - 1]) == offset else None
        after = gaps[index] if offset + size == gaps[index][0] else None
        if before is not None:
            before[1] += size
            if after is not None:
                before[1] += after[1]
                del gaps[index]
        elif after is not None:
            after[0] -= size
            after[1] += size
        else:
            gaps.insert(index, [offset, size])


class _Allocation:
    """One run of the allocator over a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.buffers = [_Buffer(alignment) for alignment in ALIGNMENT]
        self.offsets: list[int | None] = [None] * len(graph.sizes)
        self.readers = [0] * len(graph.sizes)
        for sources in graph.sources:
            for source in sources:
                self.readers[source] += 1

    def _is_taken_over(self, number: int) -> bool:
        """Whether a tensor takes the place of one of its sources, of which it is the last reader."""
        graph = self.graph
        for source in graph.sources[number]:
            if (
                self.readers[source] == 1
                and self.offsets[source] is not None
                and graph.sizes[source] == graph.sizes[number]
                and graph.places[source] == graph.places[number]
            ):
                self.offsets[number], self.offsets[source] = self.offsets[source], None
                return True
        return False

    def place(self, number: int) -> None:
        size = self.graph.sizes[number]
        if size and not (self.graph.reusing[number] and self._is_taken_over(number)):
            self.offsets[number] = self.buffers[self.graph.places[number]].take(size)

    def read(self, number: int) -> None:
        graph = self.graph
        for source in graph.sources[number]:
            self.readers[source] -= 1
            offset = self.offsets[source]
            if not self.readers[source] and offset is not None:
                self.buffers[graph.places[source]].free(offset, graph.sizes[source])
                self.offsets[source] = None


def peaks(graph: Graph) -> tuple[int, int]:
    """Bytes of the compute buffers (in host memory, on the card) that the graph needs."""
    run = _Allocation(graph)
    inputs = frozenset(graph.inputs)
    for number in graph.inputs:
        run.place(number)
    for number in range(len(graph.sizes)):
        if number not in inputs:
            run.place(number)
            run.read(number)
    return run.buffers[HOST].size, run.buffers[CARD].size
