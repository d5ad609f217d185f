"""Properties of identity: noise changes nothing, names answer to themselves, and nothing is guessed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.answers.asked import MAX_CARDS
from assay.knowledge.identity import words
from assay.knowledge.identity.identify import identify
from assay.knowledge.identity.normalise import tokens, unglue
from assay.knowledge.identity.products import Product, products, vocabulary
from assay.knowledge.identity.query import memory_gib, parse
from assay.types.gpu import Identification

PRODUCTS = [product for product in products().values() if product.status != "rumoured"]
QUERIES = st.one_of(
    st.sampled_from([product.name for product in PRODUCTS]),
    st.sampled_from(
        ["rtx 6000", "4090 48gb", "8xH100", "pro 6000 max-q", "РТХ 4090", "а100 80 гб", "2x 3090 ti", "9700 pro"]
    ),
)
SEPARATORS = st.sampled_from([" ", "  ", "\t", "\u00a0", " - ", "_"])


def verdict(answer: Identification) -> tuple[str, int, frozenset[str]]:
    return answer.match, answer.count, frozenset(answer.candidates)


def codes(answer: Identification) -> set[str]:
    return {note.code for note in answer.notes}


def parameters(answer: Identification, code: str) -> dict[str, object]:
    return next(dict(item.parameters) for item in (*answer.notes, *answer.distinguish) if item.code == code)


@given(QUERIES, st.data())
@settings(max_examples=150, deadline=None)
def test_case_spacing_and_trademark_signs_change_nothing(query: str, data: st.DataObject) -> None:
    pieces = [
        data.draw(st.sampled_from([piece, piece.upper(), piece.lower(), piece + "®", piece + "(TM)", piece + "™"]))
        for piece in query.split(" ")
    ]
    noisy = pieces[0] + "".join(data.draw(SEPARATORS) + piece for piece in pieces[1:])
    assert verdict(identify(f"  {noisy} ")) == verdict(identify(query))


@given(st.sampled_from(PRODUCTS), st.sampled_from(["video card", "видеокарта", "GPU", "graphics card", "MSI"]))
@settings(max_examples=100, deadline=None)
def test_words_that_say_nothing_change_nothing(product: Product, noise: str) -> None:
    assert verdict(identify(f"{noise} {product.name}")) == verdict(identify(product.name))


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.id)
def test_the_vendor_before_a_name_never_leads_elsewhere(product: Product) -> None:
    """It can decide (a driver prints it) or widen to a family (`NVIDIA H100`), and the product stays in."""
    assert product.id in identify(f"{product.vendor} {product.name}").candidates


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.id)
def test_every_name_id_and_driver_name_answers_to_itself(product: Product) -> None:
    assert identify(product.id).candidates == (product.id,)
    for text in (product.name, *product.driver_names, *product.aliases):
        assert product.id in identify(text).candidates, text


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.id)
def test_another_vendors_name_before_a_product_is_not_that_product(product: Product) -> None:
    other = next(vendor for vendor in sorted(words.VENDORS) if vendor != product.vendor.lower())
    assert product.id not in identify(f"{other} {product.name}").candidates


def model_numbers(product: Product) -> set[str]:
    """A word with figures of a name or alias, in the forms that people write."""
    texts = (product.name, *product.aliases, *product.driver_names)
    found = {
        word for text in texts for word in tokens(text) if any(map(str.isdigit, word)) and memory_gib(word) is None
    }
    return found | {word[1:] for word in found if not word[0].isdigit()}


WORDS = st.sampled_from(
    sorted({word for product in PRODUCTS for word in vocabulary(product).known if word not in words.NOISE})
)


@given(st.lists(WORDS, min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_nothing_is_exact_without_its_model_number_or_a_nickname(found: list[str]) -> None:
    query = " ".join(found)
    answer = identify(query)
    if answer.match != "exact":
        return
    product = products()[answer.candidates[0]]
    nickname = any(set(tokens(alias)) <= set(tokens(query)) for alias in product.aliases)
    nameless = not any(memory_gib(word) is None and any(map(str.isdigit, word)) for word in tokens(product.name))
    nameless = nameless or bool(words.MODULE_CODES & set(tokens(product.name)))
    assert nickname or nameless or model_numbers(product) & {*tokens(query), *(word[:-1] for word in tokens(query))}


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_answered(text: str) -> None:
    answer = identify(text)
    assert answer.query == text
    assert 1 <= answer.count <= words.MAXIMUM_COUNT
    assert (answer.match == "unknown") == (not answer.candidates)
    assert len(answer.candidates) == 1 or answer.match != "exact"


@given(
    st.integers(1, words.MAXIMUM_COUNT), st.sampled_from(["{0}x{1}", "{0}x {1}", "{0} × {1}", "{1} x{0}", "{0} шт {1}"])
)
@settings(deadline=None)
def test_counts(count: int, form: str) -> None:
    answer = identify(form.format(count, "RTX 5090"))
    assert verdict(answer) == ("exact", count, frozenset({"geforce-rtx-5090"}))


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("900-21010-0000-000", 1),
        ("699-2G133-0200-300", 1),
        ("8.9", 1),
        ("RTX 4090 8.9", 1),
        ("4090 8 gpus", 8),
        ("3090, 2 карты", 2),
        ("h100 pcie x8", 8),
        ("4060 ti 16gb pcie 4.0 x8", 1),
        ("L4 24GB PCIe x8", 1),
        ("2x 4060 ti 16gb PCI Express Gen4 x8", 2),
        ("4060 ti 16 gpu", 1),
    ],
)
def test_only_a_count_of_cards_is_a_count(query: str, count: int) -> None:
    assert identify(query).count == count


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("RTX 4060 Ti 16GB PCIe 4.0 x8", "geforce-rtx-4060-ti-16gb"),
        ("L40S 48GB PCIe", "l40s"),
        ("4090 8 gpus", "geforce-rtx-4090"),
        ("3090, 2 карты", "geforce-rtx-3090"),
        ("GH200 480GB", "gh200-96gb"),
        ("Л40", "l40"),
        ("Л40С", "l40s"),
        ("L40С", "l40s"),
        ("Б200", "b200-sxm"),
        ("h100 pcie gen5", "h100-pcie-80gb"),
        ("a100 pcie 40gb", "a100-pcie-40gb"),
        ("rtx 4090 23.99 GB", "geforce-rtx-4090"),
        ("3090 23,7 гб", "geforce-rtx-3090"),
        ("GB100 [B200]", "b200-sxm"),
    ],
)
def test_what_people_write_around_a_name(query: str, expected: str) -> None:
    answer = identify(query)
    assert (answer.match, answer.candidates) == ("exact", (expected,))


@pytest.mark.parametrize(
    "query",
    ["900-21010-0000-000", "8.9", "mi300x pcie", "40.90", "4090 pcie 9.9", "5500", "050 3070", "m1 00", "m2 pro 31"],
)
def test_numbers_that_name_no_card(query: str) -> None:
    assert identify(query).match == "unknown"


def test_an_id_of_the_catalogue_is_one_point_query(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_products() -> None:
        raise AssertionError

    monkeypatch.setattr("assay.knowledge.identity.identify.products", all_products)
    assert identify(" GeForce-RTX-5090 ").candidates == ("geforce-rtx-5090",)


@pytest.mark.parametrize("query", ["0x5090", "1025x5090", "0 шт 5090", "-1x5090", "2x 5090 x3"])
def test_a_count_that_is_none_is_not_understood(query: str) -> None:
    answer = identify(query)
    assert (answer.match, answer.candidates) == ("unknown", ())
    assert parameters(answer, "gpu.count.invalid") == {"planned": MAX_CARDS}
    assert "b100" not in answer.suggestions


def test_a_size_that_no_variant_has_is_named_with_the_sizes_that_exist() -> None:
    answer = identify("4090 48gb")
    assert answer.suggestions[0] == "geforce-rtx-4090"
    assert parameters(answer, "gpu.memory.no_such_variant") == {
        "asked": "48", "sizes": "24", "name": "GeForce RTX 4090",
    }  # fmt: skip


def test_98_gb_is_answered_with_what_the_card_is_sold_as_and_what_its_driver_shows() -> None:
    answer = identify("RTX PRO 6000 98 GB")
    assert set(answer.candidates) == set(identify("RTX PRO 6000 96 GB").candidates)
    assert parameters(answer, "gpu.memory.driver_figure") == {
        "asked": "98", "sold": "96", "bytes": 103_079_215_104, "driver_mib": 97_887,
    }  # fmt: skip


@pytest.mark.parametrize("query", ["98 GB", "98GB", "98 гб", "nvidia 98 gb"])
def test_98_gb_alone_is_answered_with_the_cards_that_show_it(query: str) -> None:
    answer = identify(query)
    assert answer.match == "ambiguous"
    assert set(identify("RTX PRO 6000 Blackwell").candidates) < set(answer.candidates)
    assert all(products()[name].memory_sold_gib == 96 for name in answer.candidates)
    assert answer.notes[0].code == "gpu.memory.driver_figure"
    assert dict(answer.notes[0].parameters) == {
        "asked": "98", "sold": "96", "bytes": 103_079_215_104, "driver_mib": 97_887,
    }  # fmt: skip
    assert "gpu.memory.bare_size" in codes(answer)


def test_a_size_alone_names_every_card_sold_with_it_and_no_single_one() -> None:
    answer = identify("96 GB")
    editions = set(identify("RTX PRO 6000 Blackwell").candidates)
    assert editions | {"h20-96gb", "gh200-96gb", "h100-sxm5-96gb"} <= set(answer.candidates)
    assert all(96 in vocabulary(products()[name]).sizes_gib for name in answer.candidates)
    assert all(identify(f"{size:g} GB").match != "exact" for size in range(1, 600))


def test_a_size_alone_that_nobody_has_is_unknown_with_the_sizes_that_exist() -> None:
    answer = identify("14 GB")
    assert (answer.match, answer.suggestions) == ("unknown", ())
    assert "96" in str(parameters(answer, "gpu.memory.nobody")["sizes"]).split(" / ")
    assert "gpu.memory.contradiction" in codes(identify("96gb 48gb"))


@pytest.mark.parametrize(
    ("query", "names", "near"),
    [
        ("5090 5080", "5090 | 5080", ("geforce-rtx-5090", "geforce-rtx-5080")),
        ("2x RTX 4090 + 5090", "2x RTX 4090 | 5090", ("geforce-rtx-4090", "geforce-rtx-5090")),
        ("3090 и 4090", "3090 | 4090", ("geforce-rtx-3090", "geforce-rtx-4090")),
    ],
)
def test_two_cards_in_one_question_are_said_to_be_two(query: str, names: str, near: tuple[str, ...]) -> None:
    answer = identify(query)
    assert (answer.match, answer.query, answer.suggestions) == ("unknown", query, near)
    assert parameters(answer, "gpu.several_cards") == {"names": names}


@pytest.mark.parametrize("query", ["foo", "rtx foo", "nvidia gpu of my neighbour"])
def test_nothing_far_fetched_is_suggested(query: str) -> None:
    assert identify(query).suggestions == ()


def test_a_model_number_that_goes_on_is_suggested() -> None:
    assert "instinct-mi300x" in identify("mi 300").suggestions


def test_the_three_editions_are_told_apart_by_power_cooling_and_bandwidth() -> None:
    answer = identify("RTX PRO 6000 Blackwell")
    assert parameters(answer, "gpu.distinguish.power") == {"values": "300 / 600"}
    assert parameters(answer, "gpu.distinguish.bandwidth") == {"values": "1597 / 1792"}
    features = [dict(item.parameters)["text"] for item in answer.distinguish if item.code == "gpu.distinguish.card"]
    assert len(features) == 3
    assert any("passive" in str(text) for text in features)


@pytest.mark.parametrize("query", ["rtx 5000 12gb", "2000 series 11gb"])
def test_a_series_is_never_one_card(query: str) -> None:
    answer = identify(query)
    assert (answer.match, len(answer.candidates)) == ("ambiguous", 1)
    assert "gpu.series" in codes(answer)


def test_a_kind_of_memory_does_not_choose_the_only_sibling_whose_kind_is_recorded() -> None:
    assert len(identify("thor lpddr5x").candidates) == 2
    assert len(identify("4060 ti gddr6").candidates) == 2
    assert len(identify("a100 40gb hbm2").candidates) == 2


def test_a_soldered_memory_is_not_any_size() -> None:
    assert identify("thor 4gb").match == "unknown"
    assert identify("m3 ultra 256gb").candidates == ("apple-m3-ultra",)


def test_a_rumoured_card_is_unknown_and_said_to_be_unreleased() -> None:
    answer = identify("5080 super")
    assert "gpu.unreleased" in codes(answer)
    assert "geforce-rtx-5080-super" not in (*answer.candidates, *answer.suggestions)


def test_a_family_left_out_is_named() -> None:
    assert "H100 SXM5 96GB" in str(parameters(identify("h100 sxm"), "gpu.uncommon_left_out")["names"])


def test_a_pci_id_that_only_the_driver_table_knows_is_named() -> None:
    answer = identify("10de:1e09")
    assert answer.match == "unknown"
    assert parameters(answer, "gpu.pci.driver_name")["name"] == "NVIDIA CMP 50HX"


def test_suggestions_are_few_and_never_for_an_answer() -> None:
    assert 0 < len(identify("gefroce rtx 5900").suggestions) <= 5
    assert identify("5090").suggestions == ()


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("rtx5090", ["rtx", "5090"]),
        ("4070tisuper", ["4070", "ti", "super"]),
        ("5090dv2", ["5090", "d", "v2"]),
        ("4060ti16gb", ["4060", "ti", "16gb"]),
        ("l40s", ["l40s"]),
        ("8060s", ["8060s"]),
        ("16gb", ["16gb"]),
    ],
)
def test_glued_words(word: str, parts: list[str]) -> None:
    assert unglue(word) == parts


@pytest.mark.parametrize(
    ("text", "cards", "sizes"),
    [("2x3090 24gb", 2, (24,)), ("а100 80 гиб", 1, (80,)), ("97887 MiB", 1, (97887 / 1024,)), ("x2 4060 ti 16", 2, ())],
)
def test_a_query_in_its_parts(text: str, cards: int, sizes: tuple[float, ...]) -> None:
    query = parse(text)
    assert (query.cards, query.memory_gib) == (cards, sizes)
