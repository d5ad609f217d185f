"""What to do about a file that cannot be used, by why it cannot: no download mends a file that was made to harm."""

AGAIN = frozenset({"truncated", "offset_outside", "size_mismatch", "missing_storage", "json"})
UNTRUSTED = frozenset({
    "runs_code", "pickle_instruction", "pickle", "zip_compressed", "zip_encrypted", "zip_entry", "zip_directory",
    "outside_folder", "json_bomb", "nesting", "count_too_large", "header_too_long", "name_too_long",
    "too_many_dimensions", "long_shape", "not_aligned", "not_whole_blocks", "unknown_value_type", "repeated_key",
    "hole_or_overlap",
})  # fmt: skip
OTHER_KIND = frozenset({"magic", "not_zip", "not_onnx", "protobuf"})
PARTS = frozenset({"missing_shard", "split_name", "split_differs"})


def of_malformed(reason: str) -> str:
    """The code of the hint for a file that breaks its format in this way; the rest are values of a configuration."""
    if reason == "lfs_pointer":
        return "hint.lfs_pointer"
    if reason in AGAIN:
        return "hint.malformed_file"
    if reason in UNTRUSTED:
        return "hint.untrusted_file"
    if reason in OTHER_KIND:
        return "hint.other_kind"
    if reason in PARTS:
        return "hint.parts"
    return "hint.adapter" if reason == "not_adapter" else "hint.malformed_value"


def of_unreadable(reason: str) -> str:
    """The code of the hint for a file that cannot be opened for this reason."""
    return f"hint.unreadable.{reason}"
