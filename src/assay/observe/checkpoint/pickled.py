"""What torch.save pickles, read without unpickling: an interpreter that knows a few instructions and a few names.

Nothing is imported and nothing is called: the tensors of a state dict are noted as they are described. Any other name
is refused at the place where it stands, and any other instruction too. Tables are lists and never hashed, text stays
bytes, the memo is a list, and nothing here calls itself: neither keys, nor indices, nor nesting of a hostile file cost
more than their bytes. Source: CPython's pickletools, torch/serialization.py.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from assay.errors import UnsupportedFile
from assay.observe.checkpoint import files
from assay.types.message import message

MAX_PICKLE_BYTES = 16 * 2**20
MAX_STEPS = 1_500_000
"""A tensor takes about 30 instructions; a shard of the largest published models holds under 10,000 tensors."""
MAX_OBJECTS = 400_000
"""Values that take memory of their own; a tensor takes about 10."""
MAX_NAME_BYTES = 512
MAX_DIMENSIONS = 64

STORAGES = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8",
    "BoolStorage": "BOOL", "ComplexFloatStorage": "C64",
}  # fmt: skip
DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "uint16": "U16", "uint32": "U32", "uint64": "U64", "bool": "BOOL",
    "complex64": "C64", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0",
}  # fmt: skip
UNTYPED = "torch.storage.UntypedStorage"
NAMES: Final = frozenset(
    {f"torch.{name}" for name in (*STORAGES, *DTYPES)}
    | {UNTYPED, "torch.Size", "collections.OrderedDict"}
    | {f"torch._utils._rebuild_{name}" for name in ("tensor_v2", "tensor_v3", "parameter", "parameter_with_state")}
)


class Name(NamedTuple):
    """A global that torch.save writes, by its full name; it stands for itself and is never looked up."""

    name: str


class Storage(NamedTuple):
    """A storage: dtype as safetensors spells it (None: bytes), entry of the archive, elements."""

    dtype: str | None
    key: bytes
    elements: int


class Described(NamedTuple):
    """A tensor as it is rebuilt from a storage: shape and strides in elements."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class Table:
    """A dictionary as keys and values in turn, in the order of the file; keys are not hashed."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        self.items: list[Any] = []


def _counts(value: Any) -> bool:
    """Whether a value is a tuple of non-negative integers, as a shape is."""
    return (
        type(value) is tuple
        and len(value) <= MAX_DIMENSIONS
        and all(type(item) is int and 0 <= item < 2**62 for item in value)
    )


class Reader:
    """Runs one pickle over a stack of descriptions.

    Attributes:
        file: what errors name.
        base: where in the file the pickle begins.
        at: offset of the instruction under way, in bytes of the pickle.
    """

    def __init__(self, content: bytes, file: str, base: int = 0) -> None:
        self.file = file
        self.base = base
        self.at = 0
        self._content = content
        self._position = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: list[Any] = []
        self._objects = 0
        self._steps = self._instructions()

    def _instructions(self) -> dict[int, Callable[[], None]]:
        """The instructions that torch.save writes with protocols 2 to 5, by their code."""
        return {
            0x80: self._proto, 0x95: self._frame, ord("c"): self._global, 0x93: self._stack_global,
            ord("("): self._mark, ord("q"): self._binput, ord("r"): self._long_binput, 0x94: self._memoize,
            ord("h"): self._binget, ord("j"): self._long_binget, ord("N"): self._none, 0x88: self._newtrue,
            0x89: self._newfalse, ord("J"): self._binint, ord("K"): self._binint1, ord("M"): self._binint2,
            ord("G"): self._binfloat, 0x8A: self._long1, ord("X"): self._binunicode, 0x8C: self._short_binunicode,
            ord(")"): self._empty_tuple, ord("]"): self._empty_list, ord("}"): self._empty_dict,
            ord("t"): self._tuple, 0x85: self._tuple1, 0x86: self._tuple2, 0x87: self._tuple3,
            ord("a"): self._append, ord("e"): self._appends, ord("s"): self._setitem, ord("u"): self._setitems,
            ord("b"): self._build, ord("Q"): self._binpersid, ord("R"): self._reduce,
        }  # fmt: skip

    def broken(self, field: str, reason: str) -> NoReturn:
        """Raise the error for the instruction under way.

        Raises:
            MalformedFile: always.
        """
        raise files.malformed(self.file, reason, field, self.base + self.at)

    def value(self) -> Any:
        """What the pickle describes.

        Raises:
            MalformedFile: it would run code, has an instruction torch.save does not write, or contradicts itself.
            UnsupportedFile: it rebuilds a kind of tensor that is not understood, or has more instructions than are
                followed.
        """
        content, steps = self._content, self._steps
        for _ in range(MAX_STEPS):
            self.at = self._position
            if self.at >= len(content):
                self.broken("data.pkl", "truncated")
            code = content[self.at]
            self._position += 1
            if code == 0x2E:  # STOP
                return self._stopped()
            step = steps.get(code)
            if step is None:
                self._unknown(code)
            step()
        raise files.beyond(self.file, "instructions", MAX_STEPS, "data.pkl", self.base + self.at)

    def _stopped(self) -> Any:
        if len(self._stack) != 1 or self._marks:
            self.broken("STOP", "pickle")
        return self._stack[0]

    def _unknown(self, code: int) -> NoReturn:
        if code == 0x69:  # INST: names a class and calls it
            self._allowed(f"{self._line()}.{self._line()}")
        from pickletools import opcodes  # noqa: PLC0415 - a long table, wanted only for this error

        name = next((known.name for known in opcodes if ord(known.code) == code), f"0x{code:02x}")
        self.broken(name, "pickle_instruction")

    def _take(self, number: int) -> bytes:
        end = self._position + number
        if end > len(self._content):
            self.broken("data.pkl", "truncated")
        found = self._content[self._position : end]
        self._position = end
        return found

    def _number(self, layout: str) -> Any:
        return struct.unpack(layout, self._take(struct.calcsize(layout)))[0]

    def _line(self) -> str:
        end = self._content.find(b"\n", self._position, self._position + MAX_NAME_BYTES)
        if end < 0:
            self.broken("GLOBAL", "pickle")
        found = self._content[self._position : end]
        self._position = end + 1
        return found.decode("utf-8", "replace")

    def _put(self, value: Any) -> None:
        """Push a value that takes memory of its own."""
        self._objects += 1
        if self._objects > MAX_OBJECTS:
            raise files.beyond(self.file, "objects", MAX_OBJECTS, "data.pkl", self.base + self.at)
        self._stack.append(value)

    def _pop(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            self.broken("stack", "pickle")
        return self._stack.pop()

    def _popped_mark(self) -> list[Any]:
        if not self._marks:
            self.broken("MARK", "pickle")
        start = self._marks.pop()
        found = self._stack[start:]
        del self._stack[start:]
        return found

    def _top(self, kind: type) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0) or type(self._stack[-1]) is not kind:
            self.broken("stack", "pickle")
        return self._stack[-1]

    def _allowed(self, name: str) -> Name:
        if name in NAMES:
            return Name(name)
        if name.startswith("torch._utils._rebuild_"):
            raise UnsupportedFile(
                message("error.torch_rebuild", file=Path(self.file).name, name=files.short(name)),
                message("hint.torch_convert"),
                file=self.file,
                field=name,
                offset=self.base + self.at,
            )
        return self.broken(name, "runs_code")

    def _proto(self) -> None:
        if self._number("<B") > 5:
            self.broken("PROTO", "pickle_instruction")

    def _frame(self) -> None:
        self._number("<Q")

    def _global(self) -> None:
        module = self._line()
        self._put(self._allowed(f"{module}.{self._line()}"))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not bytes or type(module) is not bytes or len(name) + len(module) > MAX_NAME_BYTES:
            self.broken("STACK_GLOBAL", "pickle")
        self._put(self._allowed(f"{module.decode('utf-8', 'replace')}.{name.decode('utf-8', 'replace')}"))

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _bininput(self, index: int) -> None:
        if not self._stack or index > len(self._memo):
            self.broken(f"memo {index}", "pickle")
        if index == len(self._memo):
            self._memo.append(self._stack[-1])
        else:
            self._memo[index] = self._stack[-1]

    def _binput(self) -> None:
        self._bininput(self._number("<B"))

    def _long_binput(self) -> None:
        self._bininput(self._number("<I"))

    def _memoize(self) -> None:
        self._bininput(len(self._memo))

    def _get(self, index: int) -> None:
        if index >= len(self._memo):
            self.broken(f"memo {index}", "pickle")
        self._stack.append(self._memo[index])

    def _binget(self) -> None:
        self._get(self._number("<B"))

    def _long_binget(self) -> None:
        self._get(self._number("<I"))

    def _none(self) -> None:
        self._stack.append(None)

    def _newtrue(self) -> None:
        self._stack.append(True)

    def _newfalse(self) -> None:
        self._stack.append(False)

    def _binint(self) -> None:
        self._put(self._number("<i"))

    def _binint1(self) -> None:
        self._put(self._number("<B"))

    def _binint2(self) -> None:
        self._put(self._number("<H"))

    def _binfloat(self) -> None:
        self._put(self._number(">d"))

    def _long1(self) -> None:
        length = self._number("<B")
        if length > 9:  # no count has more than 64 bits
            self.broken("LONG1", "out_of_range")
        self._put(int.from_bytes(self._take(length), "little", signed=True))

    def _binunicode(self) -> None:
        self._put(self._take(self._number("<I")))

    def _short_binunicode(self) -> None:
        self._put(self._take(self._number("<B")))

    def _empty_tuple(self) -> None:
        self._stack.append(())

    def _empty_list(self) -> None:
        self._put([])

    def _empty_dict(self) -> None:
        self._put(Table())

    def _tuple(self) -> None:
        self._put(tuple(self._popped_mark()))

    def _tuple1(self) -> None:
        self._put((self._pop(),))

    def _tuple2(self) -> None:
        second, first = self._pop(), self._pop()
        self._put((first, second))

    def _tuple3(self) -> None:
        third, second, first = self._pop(), self._pop(), self._pop()
        self._put((first, second, third))

    def _append(self) -> None:
        item = self._pop()
        self._top(list).append(item)

    def _appends(self) -> None:
        items = self._popped_mark()
        self._top(list).extend(items)

    def _setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._top(Table).items.extend((key, value))

    def _setitems(self) -> None:
        items = self._popped_mark()
        if len(items) % 2:
            self.broken("SETITEMS", "pickle")
        self._top(Table).items.extend(items)

    def _build(self) -> None:
        self._pop()  # attributes: a state dict's `_metadata`, of no use here
        if type(self._stack[-1] if self._stack else None) not in (Table, Described):
            self.broken("BUILD", "pickle")

    def _binpersid(self) -> None:
        found = self._pop()
        if type(found) is not tuple or len(found) != 5 or found[0] != b"storage":
            self.broken("BINPERSID", "pickle")
        _, kind, key, _, elements = found
        if type(kind) is not Name or type(key) is not bytes or not _counts((elements,)):
            self.broken("BINPERSID", "pickle")
        dtype = STORAGES.get(kind.name.removeprefix("torch."))
        if dtype is None and kind.name != UNTYPED:
            self.broken("BINPERSID", "pickle")
        self._put(Storage(dtype, key, elements))

    def _reduce(self) -> None:
        arguments, called = self._pop(), self._pop()
        if type(called) is not Name or type(arguments) is not tuple:
            self.broken("REDUCE", "pickle")
        if called.name == "collections.OrderedDict" and not arguments:
            self._put(Table())
        elif called.name == "torch.Size" and len(arguments) == 1 and _counts(arguments[0]):
            self._put(arguments[0])
        elif called.name.startswith("torch._utils._rebuild_parameter"):
            if len(arguments) < 3 or type(arguments[0]) is not Described:
                self.broken(called.name, "pickle")
            self._put(arguments[0])
        elif called.name.startswith("torch._utils._rebuild_tensor"):
            self._put(self._tensor(called.name, arguments))
        else:
            self.broken(called.name, "pickle")

    def _tensor(self, name: str, arguments: tuple[Any, ...]) -> Described:
        """The tensor that `_rebuild_tensor_v2` or, with a dtype of its own, `_v3` would build."""
        if len(arguments) < 6 + (name.endswith("3")) or type(arguments[0]) is not Storage:
            self.broken(name, "pickle")
        storage, offset, shape, stride = arguments[:4]
        if not _counts((offset,)) or not _counts(shape) or not _counts(stride) or len(shape) != len(stride):
            self.broken(name, "pickle")
        dtype = storage.dtype
        if name.endswith("3"):
            given = arguments[6]
            dtype = DTYPES.get(given.name.removeprefix("torch.")) if type(given) is Name else None
        if dtype is None:
            self.broken(name, "pickle")
        return Described(storage, dtype, offset, shape, stride)
