"""The element size of a recurrent state, from the key that names its type."""

from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.layouts.blocks import not_understood

SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}


def element_bytes(fields: Fields, key: str) -> int:
    """Bytes of one element of a recurrent state; a configuration that is silent gets the larger, FP32.

    Raises:
        UnsupportedArchitecture: a type that is not known.
    """
    name = fields.word(key, "float32") or "float32"
    if name not in SIZES:
        raise not_understood(fields, f"{key}: {name}")
    return SIZES[name]
