"""The index beside a checkpoint in several files: which file holds which tensor, read as far as the files' names."""

from pathlib import Path

from assay.observe.checkpoint import files

MAX_FILES = 4096


def listed(index: Path) -> list[str]:
    """The files that an index names, each once, sorted; every one a plain name of the index's own folder.

    Raises:
        UnreadableFile: it cannot be read.
        MalformedFile: it has no map of names, names too many files, or one outside the folder.
    """
    mapping = files.read_object(index).get("weight_map")
    if not isinstance(mapping, dict) or not all(isinstance(name, str) for name in mapping.values()):
        raise files.malformed(str(index), "not_object", field="weight_map")
    names = sorted(set(mapping.values()))
    if len(names) > MAX_FILES:
        raise files.malformed(str(index), "out_of_range", field="weight_map")
    strange = next((name for name in names if Path(name).name != name or name in ("", ".", "..")), None)
    if strange is not None:
        raise files.malformed(str(index), "outside_folder", field=strange)
    return names
