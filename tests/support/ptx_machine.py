"""Runs the few statements of PTX that kernels move memory with, lane by lane, and keeps what they read and write."""

import re

STATEMENT = re.compile(r"(?:@(\w+) )?([a-z][\w.]*)\s*(.*);\Z")
WIDTHS = {"b32": 32, "u32": 32, "b64": 64, "u64": 64}
SPECIAL = {"%tid.x": "tid", "%ctaid.x": "ctaid"}


class Machine:
    """Memory as one array of bytes, and the addresses that were touched."""

    def __init__(self, memory: bytearray) -> None:
        self.memory = memory
        self.reads: list[int] = []
        self.writes: list[int] = []

    def run(self, source: str, grid: int, block: int, arguments: list[int]) -> None:
        """Run all lanes of an entry, one after another; arguments as its parameters want them."""
        names = re.findall(r"\.param \.b\d+ (\w+)", source)
        lines = [line.strip() for line in source[source.index("{") + 1 : source.rindex("}")].splitlines()]
        labels = {line[:-1]: place for place, line in enumerate(lines) if line.endswith(":")}
        given = dict(zip(names, arguments, strict=True))
        for lane in range(grid * block):
            self._lane(lines, labels, {**given, "tid": lane % block, "ctaid": lane // block})

    def _lane(self, lines: list[str], labels: dict[str, int], held: dict[str, int]) -> None:
        place = 0
        while place < len(lines):
            match = STATEMENT.fullmatch(lines[place])
            place += 1
            if match is None or match[2] in ("reg", "pragma"):
                continue
            if match[2] == "ret":
                return
            if match[2].startswith("bra"):
                if match[1] is None or held[match[1]]:
                    place = labels[match[3]]
                continue
            self._step(match[2], match[3], held)

    def _vector(self, text: str) -> list[str]:
        return [word.strip() for word in text.strip(" {}").split(",")]

    def _step(self, name: str, text: str, held: dict[str, int]) -> None:
        if name.startswith(("ld.global", "st.global")):
            self._move(name, text, held)
            return
        target, *rest = [word.strip() for word in text.split(",")]

        def value(word: str) -> int:
            word = SPECIAL.get(word.strip("[]"), word.strip("[]"))
            return held[word] if word in held else int(word)

        values = [value(word) for word in rest]
        kind, width = name.partition(".")[0], WIDTHS[name.rpartition(".")[2]]
        if ".wide" in name:
            width = 64
        made = {
            "mov": lambda: values[0],
            "ld": lambda: values[0],
            "cvta": lambda: values[0],
            "add": lambda: values[0] + values[1],
            "sub": lambda: values[0] - values[1],
            "mul": lambda: values[0] * values[1],
            "mad": lambda: values[0] * values[1] + values[2],
            "and": lambda: values[0] & values[1],
            "setp": lambda: int(values[0] != values[1]),
        }[kind]()
        held[target] = made % (1 << width)

    def _move(self, name: str, text: str, held: dict[str, int]) -> None:
        place = re.search(r"\[(\w+)\]", text)
        assert place is not None
        address = held[place[1]]
        registers = self._vector(text.replace(place[0], "").strip(" ,"))
        for index, register in enumerate(registers):
            at = address + 4 * index
            if name.startswith("ld"):
                self.reads.append(at)
                held[register] = int.from_bytes(self.memory[at : at + 4], "little")
            else:
                self.writes.append(at)
                self.memory[at : at + 4] = held[register].to_bytes(4, "little")
