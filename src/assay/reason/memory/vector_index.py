"""Memory of a vector index: every vector as it is (flat), or a graph of neighbours above them (HNSW).

HNSW gives each vector 2 x `links` neighbours on the lowest level and `links` on each level above. How many levels a
vector has is drawn at random, one more with probability 1 / links, so that the bytes have a mean and a spread; bounds
here are six standard deviations wide. Layouts from the libraries' sources: hnswlib/hnswalg.h (size_data_per_element_,
size_links_per_element_, indexFileSize), faiss/impl/HNSW.h (neighbors, offsets, levels) over IndexFlat.
"""

from math import sqrt
from typing import Literal, NamedTuple

from assay.types.quantity import ASKED, Quantity, derive, exact

IndexKind = Literal["flat", "hnsw"]
KINDS: tuple[IndexKind, ...] = ("flat", "hnsw")
LINKS = 16
"""Neighbours of a vector on the upper levels: the M that hnswlib and pgvector have unless told otherwise."""
FLOAT = 4
SPREAD = 6
HNSWLIB_HEADER, FAISS_HEADER = 96, 512
HNSWLIB_BOOKKEEPING = 120
"""Bytes of a vector that hnswlib keeps beside the index: a lock (40), a pointer, its level, its label in a hash."""
HNSWLIB_LOCKS = 65536 * 40
FAISS_VISITED = 1
"""Bytes of a vector that a search in FAISS marks, for each thread."""
THREADS = 64
SOURCES = ("hnswlib-source", "faiss-hnsw-source")


class Sizes(NamedTuple):
    """Bytes: the least, the mean, the most."""

    low: float
    mean: float
    high: float


def flat_bytes(vectors: int, dimension: int, element_bytes: int = FLOAT) -> int:
    """Bytes of the vectors themselves."""
    return vectors * dimension * element_bytes


def _with_upper_levels(vectors: int, links: int, each: float, one_level: int) -> Sizes:
    """Bytes of a vector and its lowest level, times vectors, and what the upper levels add."""
    chance = 1 / links
    mean = vectors * chance / (1 - chance)
    spread = SPREAD * sqrt(vectors * chance) / (1 - chance)
    return Sizes(*(vectors * each + one_level * max(0.0, level) for level in (mean - spread, mean, mean + spread)))


def hnswlib_bytes(vectors: int, dimension: int, links: int = LINKS) -> Sizes:
    """Bytes of an index of hnswlib as it is saved; `links` is its M, at least 2."""
    lowest = 2 * links * 4 + 4
    found = _with_upper_levels(vectors, links, lowest + dimension * FLOAT + 8 + 4, links * 4 + 4)
    return Sizes(*(HNSWLIB_HEADER + end for end in found))


def faiss_bytes(vectors: int, dimension: int, links: int = LINKS) -> Sizes:
    """Bytes of an IndexHNSWFlat of FAISS; `links` is its M, at least 2."""
    each = dimension * FLOAT + 2 * links * 4 + 4 + 8
    found = _with_upper_levels(vectors, links, each, links * 4)
    return Sizes(*(FAISS_HEADER + end for end in found))


def hnsw_memory(vectors: int, dimension: int, links: int = LINKS) -> Sizes:
    """Bytes in host memory of either library, loaded whole, with what a search takes; copies while it grows are not."""
    one, other = hnswlib_bytes(vectors, dimension, links), faiss_bytes(vectors, dimension, links)
    beside = max(vectors * HNSWLIB_BOOKKEEPING + HNSWLIB_LOCKS, vectors * FAISS_VISITED * THREADS)
    return Sizes(min(one.low, other.low), max(one.mean, other.mean), max(one.high, other.high) + beside)


def flat(vectors: int, dimension: Quantity) -> Quantity:
    """The vectors as FP32."""
    return derive(
        "B",
        "vectors x elements of a vector x 4 B",
        [("vectors", exact(vectors, "", "documented", ASKED)), ("elements", dimension)],
        lambda count, elements: float(flat_bytes(int(count), int(elements))),
    )


def hnsw(vectors: int, dimension: Quantity, links: int = LINKS) -> Quantity:
    """An HNSW index in host memory, whichever of the two libraries holds it."""
    inputs = [("vectors", exact(vectors, "", "documented", ASKED)), ("elements", dimension)]
    if dimension.value is None:
        return derive("B", "", inputs, lambda count, _elements: count)
    found = hnsw_memory(vectors, int(dimension.value), links)
    return Quantity(
        round(found.mean),
        "B",
        "derived",
        tuple(dict.fromkeys((*dimension.sources, ASKED, *SOURCES))),
        low=int(found.low),
        high=round(found.high),
        weakest=dimension.root,
        weakest_share=1.0,
        formula="vectors x (elements x 4 B + 2 x links x 4 B + levels above + bookkeeping)",
        inputs=(*inputs, ("links", exact(links, "", "documented", *SOURCES))),
    )
