"""Puts into a wheel what it needs and git does not hold: the compiled catalogue and the compiled translations.

Both compilers are run by file path: an isolated build has none of Assay's dependencies, and the package itself must
not be imported. An editable install builds the same files in place.
"""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def module_at(path: Path) -> ModuleType:
    """The module in a file, without importing the package around it.

    Raises:
        ImportError: no Python file lies there.
    """
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(root: Path) -> tuple[Path, ...]:
    """Compile the catalogue and the translations below `root`; returns what was written.

    Raises:
        CatalogueError: the TOML or a .po breaks its grammar: no wheel is made.
        FileNotFoundError: a source distribution without its data.
    """
    package = root / "src" / "assay"
    data = package / "knowledge" / "data"
    if not (data / "gpus").is_dir():
        raise FileNotFoundError(data / "gpus")
    compiled = data / "compiled.sqlite"
    module_at(package / "knowledge" / "compiler.py").compile_catalogue(data, compiled)
    written = [compiled]
    translations = module_at(package / "report" / "catalogue_compiler.py")
    sources = sorted((package / "report" / "locale").glob("*/LC_MESSAGES/assay.po"))
    if not sources:
        raise FileNotFoundError(package / "report" / "locale")
    for source in sources:
        target = source.with_suffix(".mo")
        translations.build(source, target)
        written.append(target)
    return tuple(written)


class BuildHook(BuildHookInterface[Any]):
    """hatchling's hook; a source distribution carries the sources and needs nothing built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- hatchling's signature
        """Build before the files of a wheel (an editable one too) are collected."""
        if self.target_name == "wheel":
            build(Path(self.root))
