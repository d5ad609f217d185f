"""Which files of a folder hold a model's weights, by their names alone: what no reader opens must not be ignored."""

import re

_KINDS = (
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".npz", ".gguf", ".ggml", ".engine", ".plan",
    ".distcp", ".tflite", ".onnx.data", ".onnx_data", ".nemo", ".mar", ".keras", ".orbax", ".ot", ".exl2",
)  # fmt: skip
_UNDONE = (
    ".incomplete", ".part", ".partial", ".crdownload", ".download", ".aria2", ".tmp", ".temp", ".gz", ".zst", ".xz",
    ".bz2", ".zip", ".tar", ".tgz", ".7z", ".lz4",
)  # fmt: skip
"""Ends of downloads that were not finished, and of archives."""
_HASH = re.compile(r"\.[0-9a-zA-Z_-]{6,64}\Z")
_OTHERS = (
    "adapter", "adapters.", "training_args", "training_state", "trainer_state", "optimizer", "scheduler", "scaler",
    "rng_state", "random_states", "tokenizer", "vocab", "spiece", "sentencepiece", "imatrix", "calibration",
)  # fmt: skip
"""How files begin that hold something else: an adapter, a training's state, a tokenizer."""


def holds_weights(name: str) -> bool:
    """Whether a file holds weights by its name, be it in capitals, not loaded to its end, or packed."""
    plain = name.lower()
    if plain.startswith(_OTHERS):
        return False
    undone = plain.endswith(_UNDONE)
    while plain.endswith(_UNDONE):
        plain = plain.rpartition(".")[0]
    # Downloads write `model.safetensors.<hash>.incomplete`.
    return plain.endswith(_KINDS) or (undone and _HASH.sub("", plain).endswith(_KINDS))
