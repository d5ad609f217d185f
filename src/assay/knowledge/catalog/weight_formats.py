"""How the elements of a weight format and their scales are stored: integers, never rounded bits per weight."""

from functools import cache
from typing import Any, NamedTuple

from assay.knowledge import store

KIND = "weight_format"


class Storage(NamedTuple):
    """How one weight matrix (outputs x inputs) lies in a file.

    Attributes:
        format: weight-format id.
        bits: bits of one element.
        block_outputs, block_inputs: the block that shares one scale; 0: the whole extent; both None: no block scales.
        scale_bits: bits of a block's scale and zero point together.
        input_bytes: bytes for each input column (GPTQ's g_idx).
        tensor_bytes: bytes once per matrix (tensor scales, stored shapes).
        flat: (elements, bits): what each run of elements has beside them, where rows are not told apart.
    """

    format: str
    bits: int
    block_outputs: int | None = None
    block_inputs: int | None = None
    scale_bits: int = 0
    input_bytes: int = 0
    tensor_bytes: int = 0
    flat: tuple[tuple[int, int], ...] = ()

    def size(self, outputs: int, inputs: int) -> int:
        """Bytes of one matrix with its scales."""
        total = (outputs * inputs * self.bits + 7) // 8 + self.tensor_bytes + inputs * self.input_bytes
        if self.block_outputs is not None and self.block_inputs is not None:
            blocks = -(-outputs // (self.block_outputs or outputs)) * -(-inputs // (self.block_inputs or inputs))
            total += (blocks * self.scale_bits + 7) // 8
        for run, bits in self.flat:
            total += (-(-outputs * inputs // run) * bits + 7) // 8
        return total


class GgufType(NamedTuple):
    """A tensor type of GGUF: its number in the file and the integers of its block."""

    number: int
    format: str
    block_elements: int
    block_bytes: int


@cache
def storage(name: str) -> Storage | None:
    """The storage of a weight format as its catalogue entry gives it, or None."""
    body = store.entry(KIND, name)
    if body is None or "bits" not in body:
        return None
    block = body.get("block", (None, None))
    return Storage(
        name,
        body["bits"],
        block[0],
        block[1],
        body.get("scale_bits", 0),
        body.get("input_bytes", 0),
        body.get("tensor_bytes", 0),
        tuple((run, bits) for run, bits in body.get("flat", ())),
    )


def sized() -> list[str]:
    """Formats whose bytes follow from a number of parameters."""
    bodies = store.entries(KIND).items()
    return [name for name, body in bodies if "bits" in body and "type" not in body and "flat" not in body]


def known(name: str) -> bool:
    """Whether the catalogue has this weight format."""
    return store.entry(KIND, name) is not None


def _gguf(name: str, body: dict[str, Any]) -> GgufType:
    return GgufType(body["type"], name, body["block_elements"], body["block_size"])


@cache
def gguf_types() -> dict[int, GgufType]:
    """All tensor types of GGUF by their number."""
    return {body["type"]: _gguf(name, body) for name, body in store.entries(KIND).items() if "type" in body}


@cache
def safetensors_types() -> dict[str, tuple[str, int]]:
    """The dtype names of safetensors -> (weight-format id, bits of an element)."""
    return {
        body["safetensors"]: (name, body["bits"]) for name, body in store.entries(KIND).items() if "safetensors" in body
    }


@cache
def config_types() -> dict[str, str]:
    """The dtype names of torch, as configurations write them -> weight-format ids."""
    return {spelling: name for name, body in store.entries(KIND).items() for spelling in body.get("torch", ())}
