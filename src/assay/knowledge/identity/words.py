"""The words of GPU names, in one place: what is dropped, what means the same, what a name can do without.

Tables only. A word that is in none of them is a word that decides: a model number, `ti`, `super`, `laptop`,
`sff`.
"""


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOISE = _set(
    "gpu gpus graphics graphic card cards video videocard board edition generation gen design "
    "founders fe of a the with corporation corp inc asus msi gigabyte palit inno3d zotac gainward "
    "kfa2 pny evga sapphire xfx powercolor asrock палит асус мси зотак видеокарта видеокарты видеокарт видеокарту "
    "карта карты карт карту гпу видюха видяха ускоритель памяти память с на и"
)
"""Words that say nothing about which card it is; makers of boards sell the same chip and memory."""

VENDORS = frozenset({"nvidia", "amd", "intel", "apple"})

SYNONYMS: dict[str, str] = {
    "ртх": "rtx", "рткс": "rtx", "ртикс": "rtx", "ptx": "rtx", "гтх": "gtx", "рх": "rx",
    "про": "pro", "ада": "ada", "ти": "ti", "супер": "super", "макс": "max", "кью": "q", "ультра": "ultra",
    "хт": "xt", "хтх": "xtx", "д": "d", "джифорс": "geforce", "джефорс": "geforce", "жифорс": "geforce",
    "радеон": "radeon", "квадро": "quadro", "тесла": "tesla", "титан": "titan", "арк": "arc",
    "инстинкт": "instinct",
    "нвидиа": "nvidia", "нвидия": "nvidia", "энвидиа": "nvidia", "энвидия": "nvidia", "амд": "amd",
    "интел": "intel", "эппл": "apple", "эпл": "apple",
    "блэквелл": "blackwell", "блеквелл": "blackwell", "блэквел": "blackwell", "блеквел": "blackwell",
    "хоппер": "hopper", "ампер": "ampere", "тьюринг": "turing",
    "сервер": "server", "серверная": "server", "воркстейшн": "workstation", "лаптоп": "laptop",
    "ноутбук": "laptop", "ноутбука": "laptop", "ноутбучная": "laptop", "мобильная": "laptop",
    "джетсон": "jetson", "орин": "orin", "тор": "thor", "спарк": "spark",
    "серия": "series", "серии": "series", "ядер": "core", "ядра": "core",
    "гб": "gb", "гиб": "gib", "гигабайт": "gb", "гигабайта": "gb", "гигов": "gb", "гиг": "gb", "мб": "mb",
    "миб": "mib",
    "gbyte": "gb", "gigs": "gb", "gig": "gb", "gigabytes": "gb", "gigabyte": "gb",
    "ws": "workstation", "wk": "workstation", "bse": "server", "srv": "server", "maxq": "max-q",
    "mobile": "laptop", "notebook": "laptop", "cores": "core",
    "шт": "pcs", "штука": "pcs", "штуки": "pcs", "штук": "pcs", "pieces": "pcs", "piece": "pcs", "pc": "pcs",
    "units": "pcs", "unit": "pcs",
}  # fmt: skip
"""One spelling for each word, Russian transliterations and abbreviations included."""
RESPELLED = frozenset(word for written, word in SYNONYMS.items() if written.isascii())
"""Words that the catalogue itself may spell otherwise."""

PHRASES: dict[tuple[str, str], str] = {
    ("max", "q"): "max-q",
    ("рабочая", "станция"): "workstation",
    ("dual", "slot"): "dual-slot",
}

COUNT_WORDS: dict[str, int] = {
    "single": 1, "one": 1, "dual": 2, "two": 2, "double": 2, "twin": 2, "pair": 2, "couple": 2, "three": 3,
    "triple": 3, "four": 4, "quad": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "octo": 8, "ten": 10,
    "sixteen": 16,
    "один": 1, "одна": 1, "одну": 1, "два": 2, "две": 2, "двух": 2, "пара": 2, "пару": 2, "пары": 2,
    "двойка": 2,
    "три": 3, "трех": 3, "тройка": 3, "четыре": 4, "четырех": 4, "пять": 5, "шесть": 6, "семь": 7,
    "восемь": 8, "девять": 9, "десять": 10, "двенадцать": 12, "шестнадцать": 16,
}  # fmt: skip

COUNTABLE = _set("gpus cards видеокарты видеокарт карты карт")
"""After a number these make it a count, where a model number stands elsewhere: `3090, 2 карты`. In the singular they
may end a name: `4060 ti 16 gpu`."""

MEMORY_UNITS: dict[str, float] = {"gb": 1.0, "gib": 1.0, "g": 1.0, "mib": 1 / 1024, "mb": 1 / 1024}
"""Unit of a memory size -> GiB; `GB` on a box is GiB, and `nvidia-smi` prints MiB."""

MEMORY_KINDS = ("hbm", "gddr", "lpddr")
"""How the names of memory chips begin; a product whose own kind nobody recorded is not ruled out by one."""

CORE = "core"
"""After a number: how many GPU cores, `m4 max 40 core`."""

GLUED_PREFIXES = ("geforce", "quadro", "radeon", "instinct", "nvidia", "tesla", "jetson", "rtx", "gtx", "arc",
                  "pro", "max", "amd", "rx", "ртх", "рткс", "про")  # fmt: skip
"""Words that people write without a space before a number: `rtx5090`, `pro6000`."""

GLUED_SUFFIXES = (
    "workstation", "laptop", "server", "mobile", "super", "ultra", "maxq", "pcie", "sxm2", "sxm3", "sxm4", "sxm5",
    "sxm6", "ada", "bse", "gre", "xtx", "max", "nvl", "pro", "sff", "sxm", "xt", "ti", "v2", "wk", "ws", "d",
    "ти", "супер", "про", "ада", "д",
)  # fmt: skip
"""Words that people write without a space after a number: `3090ti`, `5090dv2`, `m4max`."""

SPLIT_LETTERS = frozenset({"a", "h", "l", "b", "t", "v", "m", "r", "gb", "gh", "mi"})
"""Letters of a model number that people set apart from its figures: `a 100`, `h-100`, `mi 300x`."""

LOOK_ALIKES = str.maketrans("авекмнорстухіѕ", "abekmhopctyxis")
"""Cyrillic letters that look like Latin ones, inside a model number: `А100`, `Н100`."""
SPOKEN_LETTERS = str.maketrans("лб", "lb")
"""Cyrillic letters that sound like the Latin ones of a model number: `Л40`, `Б200`."""
LATIN_TO_CYRILLIC = str.maketrans("abekmhopctyx", "авекмнорстух")
"""And back, so that `РТX` with one Latin letter is found among the Russian words."""

ARCHITECTURES = _set("blackwell ada lovelace ampere turing hopper volta rdna cdna battlemage")
BRANDS = _set("geforce rtx gtx quadro tesla radeon rx instinct arc jetson agx pro ai nvidia amd intel apple nvl")
FORM_FACTORS = _set("sxm sxm2 sxm3 sxm4 sxm5 sxm6 pcie oam ac 3e module hgx nx nano")
EDITIONS = _set("workstation server max-q")
"""Editions of one product; naming some of them chooses the product that has just these."""
OPTIONAL = ARCHITECTURES | BRANDS | FORM_FACTORS | EDITIONS
"""Words of a product's name that a query may leave out."""
FAMILIES = frozenset({"titan"})
"""Words of several products that hold no model number: the brand beside them decides (`TITAN RTX`, `TITAN V`)."""
REQUIRED_BY_VENDOR: dict[str, frozenset[str]] = {"Apple": frozenset({"pro", "max", "ultra"})}
"""Words that decide for one vendor although they are decoration for others: M4 Pro is not M4."""

MODULE_CODES = frozenset({"t4000", "t5000"})
"""Part numbers that stand for the rest of a name, and the rest for them: `thor`, `t5000`."""
STATED_IN_FULL: tuple[frozenset[str], ...] = (
    frozenset({"h100", "sxm5", "64gb"}),
    frozenset({"h100", "sxm5", "94gb"}),
    frozenset({"h100", "sxm5", "96gb"}),
    frozenset({"b200", "168gb"}),
)
"""Parts made for single customers: meant only where their memory size is said. An answer that leaves one out
says so."""

SXM_OF_ARCHITECTURE: dict[str, tuple[str, ...]] = {
    "volta": ("sxm2", "sxm3"), "ampere": ("sxm4",), "hopper": ("sxm5",), "blackwell": ("sxm6",),
}  # fmt: skip
"""A module's generation, for products whose name only says SXM."""
SXM_SYSTEMS = ("hgx", "dgx")
"""Systems that hold only SXM modules."""

BARE_NUMBER_LETTERS: dict[str, str] = {"rtx": "a", "radeon": "r"}
"""Brand -> the letter before its model number that people leave out: `rtx 6000` may be an RTX A6000,
`9700 pro` an R9700."""
OLD_BRANDS: dict[str, str] = {"a": "quadro"}
"""Letter of an RTX card's number -> the brand that shops still put before it: `Quadro RTX A6000`."""
OLDER_NAMES = (
    "quadro 4000", "quadro 5000", "quadro 6000", "quadro k4000", "quadro k5000", "quadro k6000", "quadro m4000",
    "quadro m5000", "quadro m6000", "quadro p4000", "quadro p5000", "quadro p6000", "titan", "geforce gtx titan",
    "gtx titan", "geforce titan", "titan x", "gtx titan x", "geforce gtx titan x", "titan x pascal", "titan xp",
    "titan v", "titan z", "gtx titan z", "geforce gtx titan z", "titan black", "gtx titan black",
    "geforce gtx titan black",
)  # fmt: skip
"""NVIDIA's names, from before its driver table, that hold a brand and a number of a later product (pci.ids 2026.08.22):
a Quadro 6000 is of 2010, a Quadro RTX 6000 of 2018."""
DATACENTER_OLD_BRAND = "tesla"
PCIE_FAMILIES = _set("geforce rtx quadro titan rx radeon arc")
PCIE_CARDS = _set("a2 a10 a10g a16 a30 a40 l2 l4 l20 l40 l40s t4 mi210 v100s")
"""Brands and data-centre cards that exist as PCIe cards alone, so that their names need not say it."""
NOT_PCIE = _set("laptop sxm sxm2 sxm3 sxm4 sxm5 sxm6 nvl 8040s 8050s 8060s")
NOT_DATACENTER = _set("geforce rtx gtx quadro titan jetson")

SERIES: tuple[tuple[str, int], ...] = (("geforce", 2), ("rx", 1))
"""(brand word, figures of a model number that name its series): GeForce 50 = 5000 = 50xx, RX 9000."""
SERIES_BRANDS = frozenset({"rtx", "gtx", "geforce", "rx"})
SERIES_WORDS = SERIES_BRANDS | VENDORS | {"radeon", "series", "laptop"}
"""What may stand beside the name of a series; any other word asks for one card."""

FEWER_CORES: dict[str, str] = {
    "apple-m1-max-24-core": "apple-m1-max", "apple-m1-ultra-48-core": "apple-m1-ultra",
    "apple-m2-max-30-core": "apple-m2-max", "apple-m2-ultra-60-core": "apple-m2-ultra",
    "apple-m3-ultra-60-core": "apple-m3-ultra", "apple-m5-ultra-64-core": "apple-m5-ultra",
}  # fmt: skip
"""Machine -> the one that differs from it by more GPU cores alone and is meant where no count is said; an answer that
leaves one out says so."""

MACHINE_MEMORY: dict[str, str] = {"Apple": "m", "AMD": "radeon"}
"""Vendor -> how the names of its chips begin that share their machine's memory, sold in many sizes; a Jetson's or an
MI300A's is fixed."""

MACHINE_SIZES_GIB = frozenset({8, 16, 18, 24, 32, 36, 48, 64, 96, 128, 192, 256, 384, 512})
"""The sizes that such machines are sold with at all; any other number is no size of one."""

MAXIMUM_COUNT = 1024
PLANNED_TOGETHER = 16
"""So many cards an answer plans at most; more are understood all the same, to say that."""
MAXIMUM_QUERY_CHARACTERS = 400
