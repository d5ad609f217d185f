"""The measured kernel tables of package aiconfigurator-core 0.12 as plain columns, and what is known of how they came.

The package (NVIDIA, Apache-2.0) carries one Parquet file for each system, runtime, version and operation. Its
collectors (https://github.com/ai-dynamo/aiconfigurator, folder `collector`, read at 095f58a) time an operation in a
loop inside a CUDA graph, over few copies of its weights: what fits into the L2 cache is read from there, which no
serving step does. `resident` tells those rows.
"""

import importlib
import importlib.util
import zlib
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Array = Any
PACKAGE = "aiconfigurator_core"
VERSION = "0.12.0"
MB = 1e6

RUNTIMES = {"vllm": "vllm", "sglang": "sglang", "trtllm": "tensorrt-llm"}
"""Folders of the tables, and the catalogue's runtimes."""


class System(NamedTuple):
    """A system of the tables: the catalogue's card, and its L2 cache in bytes, which only sorts rows."""

    card: str
    cache: float


# L2 caches as the devices report them (the catalogue knows some of them from third parties only).
SYSTEMS = {
    "a100_sxm": System("a100-sxm4-80gb", 40 * MB),
    "b200_sxm": System("b200-sxm", 126 * MB),
    "b300_sxm": System("b300-sxm", 126 * MB),
    "b60": System("arc-pro-b60", 18 * MB),
    "gb200": System("gb200", 126 * MB),
    "gb300": System("gb300", 126 * MB),
    "h100_sxm": System("h100-sxm5-80gb", 50 * MB),
    "h200_sxm": System("h200-sxm-141gb", 50 * MB),
    "l40s": System("l40s", 96 * MB),
    "rtx_pro_6000_server": System("rtx-pro-6000-blackwell-server-edition", 128 * MB),
}


class Format(NamedTuple):
    """A `gemm_dtype` or `moe_dtype` of the tables.

    Attributes:
        id: the catalogue's weight format.
        bytes: of one weight, scales included.
        peak: number format in which the kernels multiply.
    """

    id: str
    bytes: float
    peak: str


# 16-bit weights; a scale for 128 x 128 weights (4 bytes), for 16 (1 byte), for 32 (1 byte), for 128 (2 bytes).
FORMATS = {
    "bfloat16": Format("bf16", 2.0, "bf16"),
    "fp8": Format("fp8", 1.0, "fp8_e4m3"),
    "fp8_block": Format("fp8_block128", 1.0 + 4 / 16384, "fp8_e4m3"),
    "nvfp4": Format("nvfp4", 0.5 + 1 / 16, "nvfp4"),
    "int8_wo": Format("int8_w8a16", 1.0, "bf16"),
    "int4_wo": Format("int4_w4a16", 0.5 + 2 / 128, "bf16"),
    "sq": Format("int8_w8a8", 1.0, "int8"),
    "w4a16_mxfp4": Format("mxfp4_w4a16", 0.5 + 1 / 32, "bf16"),
    "w4a8_mxfp4_mxfp8": Format("mxfp4", 0.5 + 1 / 32, "fp8_e4m3"),
}
KV_FORMATS = {"bfloat16": ("bf16", 2.0), "fp8": ("fp8", 1.0)}
"""`kv_cache_dtype` of the tables: the catalogue's format and bytes of an element."""
INTEL_PEAK = "bf16"
"""Battlemage has no FP8 products: its FP8 weights are widened (the package's own description of the system)."""


def folder_of(installed: str | None) -> Path:
    """The folder of the tables: the given one, or that of the installed package.

    Raises:
        SystemExit: the package is not installed, or is of another version.
    """
    if installed:
        return Path(installed)
    try:
        found = metadata.version("aiconfigurator-core")
        spec = importlib.util.find_spec(PACKAGE)
    except metadata.PackageNotFoundError as absent:
        raise SystemExit(
            f"aiconfigurator-core is not installed: pip install aiconfigurator-core=={VERSION}"
        ) from absent
    if found != VERSION:
        raise SystemExit(f"aiconfigurator-core {found} is installed, the tables are those of {VERSION}")
    folders = spec.submodule_search_locations if spec else None
    return Path((folders or [PACKAGE])[0]) / "systems" / "data"


class Place(NamedTuple):
    """Whose table: system, folder of the runtime, its version."""

    system: str
    runtime: str
    version: str


def order(version: str) -> tuple[tuple[int, ...], str]:
    """What versions are compared by: their numbers, then their text."""
    release = version.partition("rc")[0].partition("post")[0]
    return tuple(int(part) for part in release.split(".") if part.isdigit()), version


class Tables:
    """The tables below a folder; columns are read when asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parquet = importlib.import_module("pyarrow.parquet")

    def places(self, family: str, table: str) -> list[Place]:
        """Of each (system, runtime) the newest version whose table has a tenth of the rows of its largest.

        Newer folders with fewer rows hold what was added for one model.
        """
        found: dict[tuple[str, str], list[tuple[int, Place]]] = {}
        for path in sorted(self._folder.glob(f"*/{family}/*/*/{table}.parquet")):
            system, _, runtime, version, _ = path.relative_to(self._folder).parts
            if system in SYSTEMS:
                rows = self._parquet.read_metadata(path).num_rows
                found.setdefault((system, runtime), []).append((rows, Place(system, runtime, version)))
        return [
            max((place for rows, place in own if 10 * rows >= max(own)[0]), key=lambda place: order(place.version))
            for own in found.values()
        ]

    def columns(self, place: Place, family: str, table: str) -> dict[str, Array]:
        """All columns of a table, numbers as floats, latency as seconds."""
        path = self._folder / place.system / family / place.runtime / place.version / f"{table}.parquet"
        read = self._parquet.read_table(path)
        columns: dict[str, Array] = {}
        for name in read.column_names:
            values = read.column(name).to_numpy(zero_copy_only=False)
            columns[name] = values.astype(str if values.dtype == object else float)
        columns["seconds"] = columns.pop("latency") * 1e-3
        return columns


def chosen(columns: dict[str, Array], keep: Array) -> dict[str, Array]:
    """The rows that `keep` marks."""
    return {name: values[keep] for name, values in columns.items()}


def main_kernel(columns: dict[str, Array]) -> dict[str, Array]:
    """The rows of the kernel that most rows were measured with: two kernels are not one curve."""
    names, counts = np.unique(columns["kernel_source"], return_counts=True)
    return chosen(columns, columns["kernel_source"] == names[np.argmax(counts)]) if len(names) else columns


def held_out(*columns: Array) -> Array:
    """Half of the shapes, by a hash of what makes the shape: rows of one shape stay together."""
    shapes = np.stack([column.astype(int) for column in columns], axis=1)
    unique, inverse = np.unique(shapes, axis=0, return_inverse=True)
    side = np.array([zlib.crc32("x".join(map(str, shape)).encode()) % 2 == 1 for shape in unique], bool)
    return side[inverse.reshape(-1)]


RESIDENT, SPILT = 0.8, 1.6
"""Up to this share of the L2 cache what a loop touches stays there; above the second share it does not."""


def resident(touched: Array, cache: float) -> tuple[Array, Array]:
    """(stays in the L2 cache, may in part) of the bytes that the loop touches between two uses of one of them."""
    inside = touched < RESIDENT * cache
    return inside, (~inside) & (touched < SPILT * cache)


def copies(runtime: str, kind: str, size: Array, cache: float) -> Array:
    """Copies of a weight of `size` bytes that the collector's loop walks through, by its source.

    vLLM: 6, of block-scaled FP8 and NVFP4 one. SGLang: 6. TensorRT-LLM: as many as fill the cache, at most 5; its
    count takes NVFP4 for 4 bits.
    """
    if runtime == "vllm":
        return np.full(size.shape, 1.0 if kind in {"fp8_block", "nvfp4"} else 6.0)
    if runtime == "sglang":
        return np.full(size.shape, 6.0)
    counted = size * (0.5 / FORMATS["nvfp4"].bytes) if kind == "nvfp4" else size
    return np.clip(np.ceil(cache / counted), 1.0, 5.0)
