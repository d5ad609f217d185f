"""What the name of a GGUF file tells: the model, and the recipe that its weights were quantized by."""

import re

PART = re.compile(r"-\d{5}-of-\d{5}$")
RECIPE = re.compile(r"[-._](?P<recipe>(?:UD-)?(?:I?Q\d\w*|TQ\d_\d|MXFP4\w*|NVFP4|BF16|F16|F32))$", re.IGNORECASE)


def stem(path: str) -> str:
    """The last part of a path of any system, without `.gguf` and the number of its part."""
    name = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    return PART.sub("", name.removesuffix(".gguf"))


def weights_in(name: str) -> str | None:
    """The weight format that a stem ends with (`Qwen3-8B-Q4_K_M`: `gguf:Q4_K_M`), None where it names none."""
    found = RECIPE.search(name)
    return None if found is None else f"gguf:{found['recipe'].upper()}"
