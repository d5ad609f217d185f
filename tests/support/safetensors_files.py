"""safetensors files of zeros, written by hand: numpy knows neither BF16 nor FP8."""

import json
from math import prod
from pathlib import Path
from typing import Any

BYTES = {
    "F32": 4, "F16": 2, "BF16": 2, "U8": 1, "I8": 1, "I32": 4, "I64": 8, "F8_E4M3": 1, "F8_E8M0": 1, "U32": 4, "F64": 8,
    "I16": 2, "F8_E5M2": 1, "F4": 0.5,
}  # fmt: skip
Shapes = dict[str, tuple[str, tuple[int, ...]]]


def write(path: Path, shapes: Shapes) -> Path:
    """A file with these dtypes and shapes."""
    document: dict[str, Any] = {}
    position = 0
    for name, (dtype, shape) in shapes.items():
        size = int(BYTES[dtype] * prod(shape))
        document[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, position + size]}
        position += size
    content = json.dumps(document).encode()
    path.write_bytes(len(content).to_bytes(8, "little") + content + bytes(position))
    return path
