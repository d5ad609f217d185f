"""What a person and a program are told of a hostile file: exit 2, one line with file, field and offset, a hint."""

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch_files
from gguf_files import ARRAY, STRING, U32, document, pair, tensor, text
from harness import Watch, imported

from assay.cli.main import main
from assay.observe.checkpoint import files, hints
from assay.observe.checkpoint.read import read
from assay.report import words
from assay.types.message import message

CONFIG = {"model_type": "qwen3", "hidden_size": 64, "num_hidden_layers": 1}
LONG = "n" * 60_000
ESCAPE = "\x1b]0;owned\x07\x1b[31m\u202e\u2028x\n\r"


class Runs:
    """A value whose pickle would write a file."""

    def __reduce__(self) -> Any:
        return os.system, ("touch owned",)


def gguf(content: bytes) -> Callable[[Path], Path]:
    def place(folder: Path) -> Path:
        (folder / "x.gguf").write_bytes(content)
        return folder / "x.gguf"

    return place


def tensors(*found: bytes, data: int = 256) -> Callable[[Path], Path]:
    return gguf(document(b"".join(found), len(found), data=data))


def header(content: Any, data: int = 8, length: int | None = None) -> Callable[[Path], Path]:
    encoded = content if isinstance(content, bytes) else json.dumps(content).encode()
    size = len(encoded) if length is None else length
    return config(size.to_bytes(8, "little") + encoded + bytes(data), "x.safetensors")


def config(content: Any, name: str = "config.json") -> Callable[[Path], Path]:
    def place(folder: Path) -> Path:
        (folder / name).write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return folder / name

    return place


def torch(content: bytes) -> Callable[[Path], Path]:
    return lambda folder: torch_files.write(folder / "x.bin", content, {"0": bytes(24)})


def bomb(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "x.bin", "w", zipfile.ZIP_DEFLATED) as found:
        found.writestr("archive/data.pkl", bytes(50_000_000))
    return folder / "x.bin"


def split(folder: Path, number: int = 1, architecture: str = "llama", parts: int = 2) -> Path:
    """Two parts of a model, the second of this number and architecture, or left out."""
    for index in range(parts):
        keys = pair("general.architecture", STRING, text(architecture if index else "llama"))
        keys += pair("split.count", U32, struct.pack("<I", 2))
        keys += pair("split.no", U32, struct.pack("<I", number if index else 0))
        part = document(keys + tensor(f"t{index}"), 1, 3, data=256)
        (folder / f"m-{index + 1:05d}-of-00002.gguf").write_bytes(part)
    return folder / "m-00001-of-00002.gguf"


def entry(shape: tuple[int, ...] = (2,), offsets: tuple[int, int] = (0, 8)) -> dict[str, Any]:
    return {"dtype": "F32", "shape": list(shape), "data_offsets": list(offsets)}


def shards(name: str) -> Callable[[Path], Path]:
    def place(folder: Path) -> Path:
        config(CONFIG)(folder)
        config({"weight_map": {"t": "a.safetensors", "u": name}}, "model.safetensors.index.json")(folder)
        return folder

    return place


def torch_shards(folder: Path, name: str = "b.bin") -> Path:
    """Two torch files of one index, each with the tensor w; the second may be missing."""
    described = torch_files.pickled(torch_files.table({"w": torch_files.tensor("FloatStorage", "0", (2, 3))}))
    for own in ("a.bin", "b.bin"):
        torch_files.write(folder / own, described, {"0": bytes(24)})
    config({"weight_map": {"w": "a.bin", "u": name}}, "pytorch_model.bin.index.json")(folder)
    return config(CONFIG)(folder).parent


def adapter(folder: Path) -> Path:
    """An adapter with one half of a pair."""
    header({"m.lora_A.weight": entry()})(folder).rename(folder / "adapter_model.safetensors")
    config({"peft_type": "LORA", "r": 2}, "adapter_config.json")(folder)
    return folder


def onnx(content: bytes) -> Callable[[Path], Path]:
    def place(folder: Path) -> Path:
        (folder / "x.onnx").write_bytes(content)
        return folder / "x.onnx"

    return place


class Attack(NamedTuple):
    """How to lay the file out, and what the line must name: the field, and whether there is an offset."""

    place: Callable[[Path], Path]
    field: str
    offset: int | None = None


NEST = b'{"a":' * 10_000
GGUF_COUNTS = struct.pack("<IQ", 4, 2**63)
DEEP = struct.pack("<IQ", ARRAY, 1) * 100
MALFORMED = {
    "gguf empty": Attack(gguf(b""), "magic", 0),
    "gguf magic": Attack(gguf(document(magic=b"GGML")), "magic", 0),
    "gguf tensors 2^63": Attack(gguf(document(tensors=2**63)), "tensor_count", 8),
    "gguf pairs 2^63": Attack(gguf(document(pairs=2**63)), "metadata_kv_count", 16),
    "gguf array 2^63": Attack(gguf(document(pair("k", ARRAY, GGUF_COUNTS), pairs=1)), "k", 37),
    "gguf key of 4 GiB": Attack(gguf(document(struct.pack("<Q", 2**32), pairs=1, data=64)), "metadata key", 24),
    "gguf string of 4 GiB": Attack(gguf(document(pair("k", STRING, struct.pack("<Q", 2**32)), pairs=1)), "k", 37),
    "gguf word of 4 GiB": Attack(
        gguf(document(pair("k", ARRAY, struct.pack("<IQ", STRING, 2) + text("a") + struct.pack("<Q", 2**32)), pairs=1)),
        "k",
        58,
    ),
    "gguf arrays in arrays": Attack(gguf(document(pair("k", ARRAY, DEEP), pairs=1)), "k", 85),
    "gguf key twice": Attack(gguf(document(pair("k", 4, bytes(4)) * 2, pairs=2)), "k", 41),
    "gguf tensor twice": Attack(tensors(tensor("t"), tensor("t", offset=128)), "t", 65),
    "gguf overlap": Attack(tensors(tensor("t"), tensor("u")), "u", 128),
    "gguf unaligned": Attack(tensors(tensor("t", offset=7)), "t", 103),
    "gguf outside": Attack(tensors(tensor("t", offset=2**40)), "t", 2**40 + 96),
    "gguf blocks": Attack(tensors(tensor("t", (33,), kind=8)), "t", 24),
    "gguf alignment": Attack(gguf(document(pair("general.alignment", 4, struct.pack("<I", 3)), pairs=1)),
                             "general.alignment", 24),
    "gguf value": Attack(gguf(document(pair("general.architecture", STRING, text("llama"))
                                       + pair("llama.block_count", U32, bytes(4)) + tensor("t"), 1, 2, data=256)),
                         "llama.block_count", 69),
    "gguf long name": Attack(tensors(tensor(LONG), tensor(LONG, offset=128)), LONG, 24 + 60_040),
    "gguf escapes": Attack(tensors(tensor(ESCAPE, offset=7)), ESCAPE, 7 + 96),
    "gguf part missing": Attack(lambda folder: split(folder, parts=1), "m-00002-of-00002.gguf", 69),
    "gguf parts mixed": Attack(lambda folder: split(folder, architecture="qwen3"), "general.architecture", 24),
    "gguf part's number": Attack(lambda folder: split(folder, number=0), "split.no", 96),
    "safetensors empty": Attack(header(b"", 0, 0), "header", 8),
    "safetensors of no bytes": Attack(config(b"", "x.safetensors"), "header_size", 0),
    "safetensors header of 101 MB": Attack(header(b"{}", length=101_000_000), "header_size", 0),
    "safetensors header cut": Attack(header(b"{}", length=1000), "header", 8),
    "safetensors nesting": Attack(header(NEST), "header", 508),
    "safetensors past the end": Attack(header({"t": entry(offsets=(0, 2**63))}), "t.data_offsets", 45),
    "safetensors no name": Attack(header({"": entry(shape=(3,))}), "", 9),
    "safetensors overlap": Attack(header({"a": entry(), "b": entry()}), "b", 130),
    "safetensors metadata": Attack(header({"__metadata__": {"a": 1}}), "__metadata__.a", 26),
    "safetensors metadata list": Attack(header({"__metadata__": []}), "__metadata__", 9),
    "safetensors metadata twice": Attack(header(b'{"__metadata__":{},"__metadata__":{}}'), "__metadata__", 27),
    "safetensors hole": Attack(header({"t": entry()}, data=16), "data", 77),
    "safetensors walked": Attack(header(b"{" + b" " * 2**20 + b'"t":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}'),
                                 "t.data_offsets", 2**20 + 9),
    "safetensors long name": Attack(header({LONG: entry(shape=(3,))}), LONG, 9),
    "json empty": Attack(config(b""), "document", 0),
    "json cut": Attack(config(b'{"a": {"b": '), "a.b", 12),
    "json nesting": Attack(config(NEST), "document", 500),
    "json bomb": Attack(config(b'{"a":[' + b"[]," * 10_000_000 + b"1]}"), "document", 0),
    "json long bomb": Attack(config(b'{"a":[' + b"[]," * 12_000_000 + b"1]}"), "document", 0),
    "json key twice": Attack(config(b'{"a": [{"b": 1}], "c": {"b": 1, "b": 2}}'), "b", 32),
    "json digits": Attack(config(b'{"hidden_size": ' + b"9" * 100_000 + b"}"), "hidden_size", 16),
    "json value": Attack(config({**CONFIG, "hidden_size": "many"}), "hidden_size", 24),
    "index outside": Attack(shards("../x"), "../x", 43),
    "zip bomb": Attack(bomb, "archive/data.pkl", 0),
    "pickle runs code": Attack(torch(pickle.dumps({"w": Runs()}, 2)), "posix.system", None),
    "torch shard missing": Attack(lambda folder: torch_shards(folder, "c.bin"), "c.bin", 35),
    "torch tensor in two": Attack(torch_shards, "w", None),
    "adapter's half": Attack(adapter, "m", 8),
    "no zip": Attack(config(b"<html>", "x.bin"), "magic", 0),
    "onnx empty": Attack(onnx(b""), "model", 0),
    "onnx cut": Attack(onnx(b"\x3a\xff\xff\xff\x7f"), "tag 7", 5),
}  # fmt: skip


class Told(NamedTuple):
    """What came of a command."""

    code: int
    lines: list[str]
    document: dict[str, Any]


def told(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> Told:
    code = main(["model", str(path), *options])
    out, err = capsys.readouterr()
    return Told(code, err.splitlines(), json.loads(out)["error"] if "--json" in options else {})


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("kind", MALFORMED)
def test_one_line_names_file_field_and_offset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, language: str
) -> None:
    attack = MALFORMED[kind]
    path = attack.place(tmp_path)
    said = told(capsys, path, "--json", "--lang", language)
    found = said.document
    assert (said.code, found["exit"], found["kind"]) == (2, 2, "malformed-file")
    assert found["field"] == attack.field
    assert found["offset"] == (attack.offset if attack.offset is not None else found["offset"])
    assert told(capsys, path, "--lang", language).lines == said.lines
    line, hint = said.lines
    assert line.startswith("error: ")
    assert hint.startswith("hint: ")
    assert Path(found["file"]).name in line
    assert (words_of_field(attack.field)) in line
    assert f"{'byte' if language == 'en' else 'байт'} {found['offset']}" in line
    assert len(line) < 400
    assert "\x1b" not in line
    assert found["hint"] == hint.removeprefix("hint: ")


def words_of_field(field: str) -> str:
    """A field as a terminal is shown it."""
    if field == ESCAPE:
        return "?]0;owned??[31m??x ?"
    return f"{field[: files.MAX_SHOWN]}…" if len(field) > files.MAX_SHOWN else field or '""'


WATCH = Watch()


@pytest.mark.parametrize("kind", MALFORMED)
def test_what_an_attack_costs_and_touches(tmp_path: Path, kind: str) -> None:
    path = MALFORMED[kind].place(tmp_path)
    imported()  # another test may have closed what was open
    assert WATCH.read(tmp_path, lambda: read(path)).broken is None


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "x.gguf")
    return folder / "x.gguf"


def link(target: str) -> Callable[[Path], Path]:
    def place(folder: Path) -> Path:
        (folder / "x.gguf").symlink_to(target)
        return folder / "x.gguf"

    return place


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (fifo, "not_regular"),
        (lambda _: Path("/dev/zero"), "not_regular"),
        (link("x.gguf"), "loop"),
        (link("nowhere"), "dangling"),
    ],
    ids=["fifo", "device", "loop", "dangling"],
)
def test_what_is_no_file_says_what_to_give(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: Callable[[Path], Path], reason: str
) -> None:
    path = place(tmp_path)
    said = told(capsys, path, "--json")
    assert (said.code, said.document["kind"], said.document["file"]) == (2, "unreadable-file", str(path))
    line, hint = said.lines
    assert path.name in line
    assert hint == f"hint: {words.say(message(f'hint.unreadable.{reason}'), 'en')}"


def test_a_path_with_spaces_and_cyrillic_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "моя модель"
    folder.mkdir()
    path = gguf(b"")(folder).rename(folder / "новая модель.gguf")
    said = told(capsys, path, "--json")
    assert said.document["file"] == str(path)
    assert "новая модель.gguf" in said.lines[0]


def many_tensors(number: int) -> bytes:
    return b"{" + b",".join(b'"%x":{"dtype":"F4","shape":[0],"data_offsets":[0,0]}' % n for n in range(number)) + b"}"


LARGE = {
    "gguf tensors": (lambda: gguf(document(tensors=131_073, data=5_000_000)), "131,072", "tensor_count", 8),
    "gguf keys": (lambda: gguf(document(pairs=65_537, data=2_000_000)), "65,536", "metadata_kv_count", 16),
    "tensors": (lambda: header(many_tensors(100_002), 0), "100,000", None, None),
    "configuration": (lambda: config(b'{"a": "' + b"a" * 2**25 + b'"}'), "32 MiB", "document", 2**25),
    "pickle": (lambda: torch(b"\x80\x02" + b"}" * 500_000 + b"."), "400,000", "data.pkl", None),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_bound_of_our_own_is_said_to_be_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    place, limit, field, offset = LARGE[kind]
    path = place()(tmp_path)
    said = told(capsys, path, "--json")
    found = said.document
    assert (said.code, found["kind"]) == (3, "unsupported-file")
    assert field in (None, found["field"])
    assert offset in (None, found["offset"])
    line, hint = said.lines
    assert "Assay" in line
    assert f"limit: {limit})" in line
    assert path.name in line
    assert hint == f"hint: {words.say(message('hint.limit'), 'en')}"


@pytest.mark.parametrize("title", [LONG, ESCAPE])
def test_a_name_that_steers_no_terminal_and_floods_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], title: str
) -> None:
    keys = {"block_count": 1, "embedding_length": 32, "attention.head_count": 1, "vocab_size": 8}
    body = pair("general.architecture", STRING, text("llama")) + pair("general.name", STRING, text(title))
    body += b"".join(pair(f"llama.{key}", U32, struct.pack("<I", value)) for key, value in keys.items())
    path = gguf(document(body + tensor(title), 1, 2 + len(keys), data=256))(tmp_path)
    assert main(["model", str(path), "--lang", "en"]) == 0
    out = capsys.readouterr().out
    assert not set(out) & set("\x1b\x07\u202e\u2028\r")
    assert f"{title[: files.MAX_SHOWN]}…" in " ".join(out.split()) or title == ESCAPE
    assert len(out) < 4000


def test_every_hint_is_of_a_reason_that_there_is() -> None:
    known = words.translations("en")
    reasons = hints.AGAIN | hints.UNTRUSTED | hints.OTHER_KIND | hints.PARTS
    codes = [f"error.malformed.{reason}" for reason in reasons]
    assert [code for code in codes if known.gettext(code) == code] == []


def test_words_in_an_encoding_without_cyrillic(tmp_path: Path) -> None:
    path = gguf(b"")(tmp_path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-m", "assay", "model", str(path), "--lang", "ru"],
        env=environment, capture_output=True, check=False,
    )  # fmt: skip
    assert done.stderr.startswith(b"error: x.gguf ends too early (field magic, byte 0)\n")


FITTING = {
    "pickle runs code": "untrusted_file",
    "zip bomb": "untrusted_file",
    "gguf overlap": "untrusted_file",
    "index outside": "untrusted_file",
    "gguf part missing": "parts",
    "gguf parts mixed": "parts",
    "gguf magic": "other_kind",
    "json value": "malformed_value",
    "safetensors header cut": "malformed_file",
    "adapter's half": "adapter",
}


@pytest.mark.parametrize("kind", FITTING)
def test_the_hint_fits_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    said = told(capsys, MALFORMED[kind].place(tmp_path), "--lang", "en")
    assert said.lines[1] == f"hint: {words.say(message(f'hint.{FITTING[kind]}'), 'en')}"


SIZES = {
    "intermediate_size": 64, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": 64, "vocab_size": 64,
    "max_position_embeddings": 64, "torch_dtype": "bfloat16", "tie_word_embeddings": True,
}  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_folder_whose_name_is_no_text(tmp_path: Path, encoding: str) -> None:
    """Half a character is no JSON: another program could not read it."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + "/плохо".encode() + b"\xff"))
    path.mkdir()
    (path / "config.json").write_text(json.dumps(CONFIG | SIZES), "utf-8")
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path(files.__file__).parents[3])}
    command = [sys.executable, "-m", "assay", "model", os.fsencode(path), "--json"]
    said = subprocess.run(command, capture_output=True, env=environment, timeout=60, check=False)
    assert said.returncode == 0, said.stderr
    document = json.loads(said.stdout.decode(encoding))
    assert document["name"] == "плохо\N{REPLACEMENT CHARACTER}"
    assert "\\ud" not in json.dumps(document)
