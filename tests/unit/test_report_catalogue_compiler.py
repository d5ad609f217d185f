"""The translation compiler: gettext's grammar, its file format, and a checkout that rebuilds by itself."""

import importlib.util
import os
import subprocess
import sys
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

import pytest
from scripts import script

from assay.report import catalogue_compiler as compiler

ROOT = Path(__file__).parents[2]
HEADER = r"""
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"
"""
PLURAL = 'msgid "cards"\nmsgid_plural "{number}"\nmsgstr[0] "{number} card"\nmsgstr[1] "{number} cards"\n'


def _translations(text: str) -> GNUTranslations:
    return GNUTranslations(BytesIO(compiler.compiled(compiler.parse(text, "t.po"), "stamp")))


def test_gettext_reads_what_is_written() -> None:
    found = _translations(
        HEADER + '\n# a comment\n#: a reference\nmsgid "a"\nmsgstr "x"\n\nmsgid "b"\nmsgstr ""\n"y \\"z\\"\\n"\n"ё"\n'
    )
    assert found.gettext("a") == "x"
    assert found.gettext("b") == 'y "z"\nё'
    assert found.gettext("no such") == "no such"
    assert found.info()[compiler.STAMP] == "stamp"


def test_plural_forms_and_the_parameter_that_counts() -> None:
    found = _translations(HEADER + PLURAL)
    assert [found.ngettext("cards", "cards", number) for number in (1, 2)] == ["{number} card", "{number} cards"]
    assert found.gettext(compiler.COUNTER + "cards") == "number"


@pytest.mark.parametrize(
    "text",
    [
        'msgid "a"\nmsgstr "x"\nmsgid "a"\nmsgstr "y"\n',
        'msgid "a"\nmsgstr x\n',
        'msgid "a"\nmsgstr "x\n',
        "msgid 5\n",
        'nonsense "a"\n',
        'msgstr "x"\n',
        '"stray"\n',
    ],
)
def test_broken_text_is_refused(text: str) -> None:
    with pytest.raises(compiler.CatalogueError, match=r"t\.po"):
        compiler.parse(text, "t.po")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "assay.po").write_text(HEADER + 'msgid "a"\nmsgstr "first"\n', encoding="utf-8")
    return tmp_path


def test_a_checkout_compiles_once_and_again_when_the_text_changes(folder: Path) -> None:
    assert compiler.load(folder).gettext("a") == "first"
    written = (folder / "assay.mo").stat().st_mtime_ns
    assert compiler.load(folder).gettext("a") == "first"
    assert (folder / "assay.mo").stat().st_mtime_ns == written
    source = folder / "assay.po"
    source.write_text(source.read_text(encoding="utf-8").replace("first", "other"), encoding="utf-8")
    os.utime(source, ns=(0, 0))  # an older file than the compiled one, as `cp -p` or a branch switch makes it
    assert compiler.load(folder).gettext("a") == "other"
    assert {path.name for path in folder.iterdir()} == {"assay.po", "assay.mo"}


def test_a_damaged_file_is_made_anew(folder: Path) -> None:
    (folder / "assay.mo").write_bytes(b"\xde\x12\x04\x95" + b"\xff" * 40)
    assert compiler.load(folder).gettext("a") == "first"


def test_a_folder_that_cannot_be_written_translates_from_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    def refuse(**_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert compiler.load(folder).gettext("a") == "first"
    assert not (folder / "assay.mo").exists()


def test_an_installed_package_trusts_the_compiled_file(folder: Path) -> None:
    compiler.load(folder)
    (folder / "assay.po").unlink()
    assert compiler.load(folder).gettext("a") == "first"


def test_the_build_hook_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    """Both compilers run in an interpreter without site-packages, from a copy without anything compiled."""
    import shutil

    ignored = shutil.ignore_patterns("*.mo", "compiled.sqlite*", "__pycache__")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignored)
    code = f"""
import sys, types
interface = types.ModuleType("hatchling.builders.hooks.plugin.interface")
interface.BuildHookInterface = type("BuildHookInterface", (), {{"__class_getitem__": classmethod(lambda cls, _: cls)}})
sys.modules["hatchling.builders.hooks.plugin.interface"] = interface
sys.path.insert(0, {str(ROOT / "tools")!r})
import build_hook
from pathlib import Path
for path in build_hook.build(Path({str(tmp_path)!r})):
    print(path.name, path.stat().st_size > 1000)
assert not [name for name in sys.modules if name == "assay" or name.startswith("assay.")]
"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, encoding="utf-8", check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["compiled.sqlite", "True", "assay.mo", "True", "assay.mo", "True"]


def test_the_build_hook_refuses_a_tree_without_data(tmp_path: Path) -> None:
    spec = importlib.util.find_spec("hatchling")
    if spec is None:
        pytest.skip("hatchling is not installed")
    with pytest.raises(FileNotFoundError):
        script("build_hook").build(tmp_path)
