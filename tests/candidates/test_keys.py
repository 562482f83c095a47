"""Texts, addresses and telephone numbers have sound keys, whatever somebody typed."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from candidates.application.addresses import LONGEST, email_key, email_keys, kept_addresses
from candidates.application.compare import search_key, spellings
from candidates.application.letters import folded, folded_address, letters
from candidates.application.phones import asked_keys, asked_tail, kept_numbers, phone_key
from candidates.application.projector import PERSONAL, profile_columns

PIECES = some.sampled_from(["xn--", "@", ".", "ß", "İ", "+", "00", "(0", "ext", "/", ",", "\u200d"])
TEXTS = some.one_of(some.text(), some.lists(some.one_of(PIECES, some.text())).map("".join))
KEYS = some.sampled_from(
    [
        "name",
        "email",
        "emails",
        "phone",
        "phones",
        "mobile",
        "contact",
        "full_name",
        "type",
        "value",
    ]
)
PROFILES: Any = some.dictionaries(
    some.one_of(KEYS, some.text()),
    some.recursive(
        some.one_of(some.none(), some.booleans(), some.integers(), some.floats(), TEXTS),
        lambda inside: some.lists(inside) | some.dictionaries(some.one_of(KEYS, TEXTS), inside),
        max_leaves=10,
    ),
)


@given(TEXTS)
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert folded_address(folded_address(text)) == folded_address(text)


@given(TEXTS)
def test_composed_or_not_and_in_either_case_a_text_folds_alike(text: str) -> None:
    for form in ("NFC", "NFD"):
        assert folded(unicodedata.normalize(form, text)) == folded(text)


def test_every_letter_of_the_latin_alphabets_folds_to_a_to_z() -> None:
    latin = [chr(code) for code in range(0xC0, 0x180) if code not in (0xD7, 0xF7)]
    latin += [chr(code) for code in range(0x1E00, 0x1F00)]
    others = [one for one in latin if not folded(one).isascii() or not folded(one).isalpha()]
    assert others == ["ẟ"]


@given(TEXTS)
def test_an_address_has_keys_whatever_it_is(text: str) -> None:
    words, keys = kept_addresses(text)
    assert len(words) == len(keys)
    assert keys == email_keys(text)
    for key in keys:
        assert len(key) <= LONGEST
        assert email_key(key) == key
        assert not set("\n ") & set(key)


@pytest.mark.parametrize("sign", ["|", "/", "\\", "&", "•", " | ", ",", ";", "\n", "｜", "／"])
def test_addresses_are_told_apart_by_whatever_stands_between_them(sign: str) -> None:
    three = ["a@k.example", "b/c|d&e@k.example", "f@l.example"]
    assert email_keys(sign.join(three)) == three


@given(TEXTS)
def test_a_number_is_found_by_itself(text: str) -> None:
    digits, keys = kept_numbers(text)
    assert all(one.isascii() and one.isdigit() for one in digits)
    assert not any("\n" in key for key in keys)
    if len(digits) == 1 and keys:
        assert set(asked_keys(text)) & set(keys)


DIGITS = some.text("01678935", min_size=1, max_size=12)
WRITTEN = some.builds(
    "".join, some.tuples(some.sampled_from(["", "+", "00", "0", "+39 (0)"]), DIGITS)
)


@given(WRITTEN, WRITTEN)
def test_who_has_an_asked_key_has_its_tail(one: str, other: str) -> None:
    prefixed = (f"+{prefix}{one}" for prefix in ("7", "1", "39", "36", "370", "375", "52"))
    for kept in (one, *prefixed):
        digits, keys = kept_numbers(kept)
        home = kept.lstrip("+0")
        for asked in (one, other, home, f"1{one}", f"8{one}", f"80{one}", f"01{one}", f"06{one}"):
            if set(asked_keys(asked)) & set(keys):
                assert asked_tail(asked) in digits[0], (kept, asked)


@given(PROFILES)
def test_every_profile_has_its_columns(profile: dict[str, Any]) -> None:
    columns = profile_columns(profile)
    assert columns["profile"] == profile or "nan" in repr(profile)
    assert {"search_key", "email_keys", "phone_keys"} <= columns.keys() & PERSONAL


@given(TEXTS)
def test_whatever_is_searched_for_has_parts_that_may_be_looked_for(text: str) -> None:
    for word in text.split():
        for ways in spellings(word):
            assert ways
            assert all(way.strip() for way in ways)


def test_the_keys_of_a_profile_are_columns_of_their_own() -> None:
    columns = profile_columns(
        {
            "email": "Ann@Exämple.example",
            "emails": ["STRAẞE@x.example"],
            "phone": "+44 20 7946 0018",
        }
    )
    assert columns["email_keys"] == "ann@exämple.example\nstraße@x.example"
    assert columns["phone_keys"] == "2079460018\n+442079460018"
    assert columns["search_key"] == (
        " ann@example.example 442079460018 straße@x.example strasse x.example"
    )
    nothing = profile_columns({"email": " ", "phone": "n/a"})
    assert (nothing["email_keys"], nothing["phone_keys"], nothing["search_key"]) == ("", "", "")


def test_email_and_phone_are_compared_in_any_spelling() -> None:
    assert phone_key("+49 30 1234") == phone_key("0049-30/1234") == "49301234"
    assert phone_key("٠٣٠ ١٢") == phone_key("０３０ １２") == "03012"
    assert phone_key("+49 (0) 30 / 12-34") == phone_key("0049(0)30-1234") == "49301234"
    assert phone_key("(030) 1234") == "0301234"
    assert phone_key("none") == ""


@pytest.mark.parametrize(
    ("text", "count"),
    [("ab", 2), ("小明", 4), ("ชา", 4), ("민", 2), ("ア", 2), ("ア-", 3), ("कि", 2)],
)
def test_a_letter_of_a_script_without_spaces_counts_twice(text: str, count: int) -> None:
    assert letters(text) == count


def test_two_letters_inside_a_word_without_spaces_are_words_of_their_own() -> None:
    assert search_key(["王小明"], [], ["日本語"]) == " 王小明 小明 明 本語 語\n 日本語\n"
    assert search_key(["Li-Yu Wu"], [], []) == " liyu wu yu"
