"""Turn a CSV of NVIDIA's exact product names into the TOML table of the catalogue.

Run it as ``python tools/import_nvidia_driver_names.py names.csv``; it writes
``src/assay/knowledge/data/pci/nvidia_driver_names.toml``. The CSV has the columns
``device_id,subsystem_id,subsystem_vendor,driver_name``: four hexadecimal digits each, ``0000``
where the subsystem does not matter, and the name the driver prints.
"""

import argparse
import csv
import json
import re
import sys
from pathlib import Path

COLUMNS = ("device_id", "subsystem_id", "subsystem_vendor", "driver_name")
SOURCE = "nv-open-kernel-595-45-04"
TARGET = Path(__file__).resolve().parent.parent / "src/assay/knowledge/data/pci/nvidia_driver_names.toml"
HEADER = f"""\
# The product name NVIDIA's driver prints for each PCI device (and subsystem).
# Origin: the name table of NVIDIA's open GPU kernel modules, version 595.45.04
# (https://github.com/NVIDIA/open-gpu-kernel-modules, MIT licence). Names are facts.
# Key: device:subsystem device:subsystem vendor, hexadecimal; 0000:0000 = any subsystem.
# Written by tools/import_nvidia_driver_names.py: do not edit by hand.
source = "{SOURCE}"

[names]
"""
_HEX4 = re.compile(r"[0-9a-f]{4}")


class NameTableError(ValueError):
    """The CSV is not the table of names that it should be."""


def read_names(csv_path: Path) -> dict[str, str]:
    """Return ``device:subsystem:subsystem_vendor`` to name, in the order of the keys.

    Raises ``NameTableError`` for other columns, a field that is not four hexadecimal digits,
    an empty name, a key that stands there twice, or a table without rows.
    """
    names: dict[str, str] = {}
    with csv_path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            message = f"{csv_path}: columns {reader.fieldnames}, expected {list(COLUMNS)}"
            raise NameTableError(message)
        for row in reader:
            key, name = _entry(row, where=f"{csv_path}:{reader.line_num}")
            if key in names:
                message = f"{csv_path}:{reader.line_num}: {key} stands there twice"
                raise NameTableError(message)
            names[key] = name
    if not names:
        message = f"{csv_path}: no rows"
        raise NameTableError(message)
    return dict(sorted(names.items()))


def _entry(row: dict[str, str], *, where: str) -> tuple[str, str]:
    parts = [(row[column] or "").strip().lower() for column in COLUMNS[:3]]
    if not all(_HEX4.fullmatch(part) for part in parts):
        message = f"{where}: not three times four hexadecimal digits: {parts}"
        raise NameTableError(message)
    name = (row["driver_name"] or "").strip()
    if not name:
        message = f"{where}: the name is empty"
        raise NameTableError(message)
    return ":".join(parts), name


def to_toml(names: dict[str, str]) -> str:
    """Return the TOML text of the table, header included."""
    # A JSON string of printable text is a valid TOML basic string.
    lines = [f"{json.dumps(key)} = {json.dumps(name, ensure_ascii=False)}" for key, name in names.items()]
    return HEADER + "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Convert the CSV named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Write the table of NVIDIA's driver names.")
    parser.add_argument("csv", type=Path, help="CSV with the columns " + ",".join(COLUMNS))
    parser.add_argument("--out", type=Path, default=TARGET, help="TOML file to write")
    options = parser.parse_args(arguments)
    try:
        names = read_names(options.csv)
    except (OSError, NameTableError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(to_toml(names), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
