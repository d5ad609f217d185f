"""Real model files out of published Python packages, fetched by tools/fetch_test_models.py.

They lie in `.cache/models` of the checkout, or where ASSAY_TEST_MODELS says. Without them the tests that need them are
skipped; with ASSAY_TEST_MODELS_REQUIRED=1 they fail.
"""

import os
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("ASSAY_TEST_MODELS") or Path(__file__).parents[2] / ".cache" / "models")
SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = "all-MiniLM-L6-v2.safetensors"
COMPOSE_SCHEMA = "compose-spec.json"
GEMMA = "gemma-3-270m-q4_k_m.gguf"


def real_file(name: str) -> Path:
    """The path of a real model file; skips or fails the test when it is not there."""
    path = CACHE / name
    if not path.exists():
        line = f"{name} is missing: run tools/fetch_test_models.py"
        if os.environ.get("ASSAY_TEST_MODELS_REQUIRED") == "1":
            pytest.fail(line)
        pytest.skip(line)
    return path
