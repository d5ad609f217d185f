"""Builds vector indexes with the libraries themselves and prints their sizes: tests/data/vector_indexes.csv.

    python tools/vector_index_sizes.py > tests/data/vector_indexes.csv

Needs hnswlib, faiss-cpu and numpy, which are no dependencies of Assay's.
"""

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

SETTINGS = ((1000, 64, 16), (20000, 64, 16), (20000, 128, 8), (50000, 32, 32), (5000, 768, 16))
"""Vectors, elements, links."""


def _hnswlib(hnswlib: Any, data: Any, links: int) -> int:
    index = hnswlib.Index("l2", data.shape[1])
    index.init_index(data.shape[0], M=links, ef_construction=40, random_seed=100)
    index.add_items(data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        index.save_index(str(path))
        return path.stat().st_size


def _faiss(faiss: Any, data: Any, links: int) -> tuple[int, int]:
    graph, plain = faiss.IndexHNSWFlat(data.shape[1], links), faiss.IndexFlatL2(data.shape[1])
    for index in (graph, plain):
        index.add(data)
    return faiss.serialize_index(graph).nbytes, faiss.serialize_index(plain).nbytes


def main() -> int:
    """Print the table."""
    hnswlib, faiss, numpy = (import_module(name) for name in ("hnswlib", "faiss", "numpy"))
    random = numpy.random.default_rng(1)
    print("library,version,vectors,dimension,links,bytes")
    for vectors, dimension, links in SETTINGS:
        data = random.random((vectors, dimension), dtype=numpy.float32)
        setting = f"{vectors},{dimension}"
        graph, plain = _faiss(faiss, data, links)
        print(f"hnswlib,0.8.0,{setting},{links},{_hnswlib(hnswlib, data, links)}")
        print(f"faiss,{faiss.__version__},{setting},{links},{graph}")
        print(f"faiss-flat,{faiss.__version__},{setting},0,{plain}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
