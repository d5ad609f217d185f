"""Compiles a translation catalogue from the text that people edit (.po) into the file gettext reads (.mo).

Standard library only: the build hook runs this file by its path in an isolated build. A wheel carries the .mo alone
and trusts it; a checkout rebuilds a .mo that does not belong to the .po beside it, and where the folder cannot be
written it translates from memory. The grammar is gettext's, without contexts: msgid, msgstr, msgstr[n], and
msgid_plural, which here names the parameter that counts ("{count}").
"""

import os
from contextlib import suppress
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

Entry = tuple[str, str | None, tuple[str, ...]]
"""(msgid, msgid_plural or None, the translations: one, or one for each plural form)."""

MO_MAGIC = 0x950412DE
STAMP = "x-catalogue"
COUNTER = "counter of "
"""Key of the parameter that chooses a plural form: what msgid_plural names."""


class CatalogueError(Exception):
    """A .po file breaks its grammar; the text names file and line."""


def _value(text: str, where: str) -> str:
    import ast  # noqa: PLC0415 -- 5 ms that only a compilation needs

    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError) as error:
        msg = f"{where}: not a quoted string"
        raise CatalogueError(msg) from error
    if not isinstance(value, str):
        msg = f"{where}: not a quoted string"
        raise CatalogueError(msg)
    return value


def _entry(fields: dict[str, str], where: str) -> Entry:
    if "msgid" not in fields:
        msg = f"{where}: an entry without msgid"
        raise CatalogueError(msg)
    if "msgid_plural" in fields:
        forms = sorted((int(key[7:-1]), text) for key, text in fields.items() if key.startswith("msgstr["))
        return fields["msgid"], fields["msgid_plural"], tuple(text for _, text in forms)
    return fields["msgid"], None, (fields.get("msgstr", ""),)


def parse(text: str, name: str) -> list[Entry]:
    """The entries of a .po file, its header (msgid "") included, in their order.

    Raises:
        CatalogueError: a line that is no comment, keyword or quoted string, or an id that stands twice.
    """
    entries: list[Entry] = []
    fields: dict[str, str] = {}
    current = ""
    for number, raw in enumerate([*text.splitlines(), ""], start=1):
        line, where = raw.strip(), f"{name}:{number}"
        if line.startswith("#"):
            continue
        if line.startswith('"') and current:
            fields[current] += _value(line, where)
        elif line:
            current, _, rest = line.partition(" ")
            if not current.startswith(("msgid", "msgstr")):
                msg = f"{where}: unknown keyword '{current}'"
                raise CatalogueError(msg)
            if current == "msgid" and fields:
                entries.append(_entry(fields, where))
                fields = {}
            fields[current] = _value(rest, where)
    if fields:
        entries.append(_entry(fields, name))
    ids = [entry[0] for entry in entries]
    for code in ids:
        if ids.count(code) > 1:
            msg = f"{name}: '{code}' stands twice"
            raise CatalogueError(msg)
    return entries


def compiled(entries: list[Entry], stamp: str) -> bytes:
    """The .mo file of the entries; `stamp` goes into its header and says which .po it was made from."""
    import struct  # noqa: PLC0415 -- only a compilation needs it

    pairs: list[tuple[bytes, bytes]] = []
    for code, plural, forms in entries:
        if plural is not None:
            pairs.append((f"{COUNTER}{code}".encode(), plural.strip("{}").encode()))
        key = code if plural is None else f"{code}\0{plural}"
        text = "\0".join(forms) if code else f"{forms[0].rstrip()}\n{STAMP}: {stamp}\n"
        pairs.append((key.encode(), text.encode()))
    pairs.sort()
    count, header = len(pairs), 28
    tables, blob = [bytearray(), bytearray()], bytearray()
    start = header + 16 * count
    for column in (0, 1):
        for pair in pairs:
            tables[column] += struct.pack("<II", len(pair[column]), start + len(blob))
            blob += pair[column] + b"\0"
    head = struct.pack("<7I", MO_MAGIC, 0, count, header, header + 8 * count, 0, 0)
    return bytes(head + tables[0] + tables[1] + blob)


def stamp_of(source: Path) -> str:
    """What a .mo made from this .po carries: size and modification time in nanoseconds."""
    stat = source.stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def build(source: Path, target: Path) -> bytes:
    """Compile `source` into `target` through a temporary file beside it; returns what was written.

    A folder that cannot be written is no error: the translation is then used from memory.

    Raises:
        CatalogueError: the .po breaks its grammar.
    """
    import tempfile  # noqa: PLC0415 -- 5 ms that only a compilation needs

    content = compiled(parse(source.read_text(encoding="utf-8"), source.name), stamp_of(source))
    with suppress(OSError):
        handle, temporary = tempfile.mkstemp(prefix=target.name, dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, 0o644)  # noqa: PTH101 -- a path as text: pathlib adds nothing here
            os.replace(temporary, target)  # noqa: PTH105 -- same
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108 -- same
            raise
    return content


def load(folder: Path) -> GNUTranslations:
    """The catalogue in `folder` (`assay.mo`, made anew when an `assay.po` beside it is another one's)."""
    source, target = folder / "assay.po", folder / "assay.mo"
    if not source.exists():
        with target.open("rb") as file:
            return GNUTranslations(file)
    with suppress(OSError, UnicodeDecodeError), target.open("rb") as file:
        found = GNUTranslations(file)
        if found.info().get(STAMP) == stamp_of(source):
            return found
    return GNUTranslations(BytesIO(build(source, target)))
