"""Addresses, keys, organisations and category trees: what is told from texts alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.core.category_tree import CategoryTree, parse_taxonomy
from ads.core.key_texts import KeyHolder, KeyKind, key_hash, kind_of, new_key
from ads.core.landing_urls import problem_with
from ads.core.organisations import organisation_of
from ads.core.tokens import Environment


@pytest.mark.parametrize(
    "url",
    [
        "https://cloudtax.ca",
        "https://www.example.com/path?q=1&r=%20#part",
        "https://example.com:443/",
        "https://xn--bcher-kva.example/",
        "https://1.example.com/",
    ],
)
def test_addresses_that_ads_may_lead_to(url):
    assert problem_with(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "", "http://example.com/", "javascript:alert(1)", "//example.com", "https://", "https:///path", "ftp://a.example",
        "https://user@example.com/", "https://user:pw@example.com/", "https://example.com:8443/", "https://example.com:99999/",
        "https://localhost/", "https://printer.local/", "https://db.internal/", "https://intranet/", "https://a.localhost",
        "https://127.0.0.1/", "https://10.0.0.1/", "https://8.8.8.8/", "https://[::1]/", "https://[fe80::1%25eth0]/",
        "https://2130706433/", "https://0x7f000001/", "https://127.1/", "https://0177.0.0.1/", "https://example.0x7f/",
        "https://localhost./", "https://exa mple.com/", "https://example.com/\n", "https://example.com\\@evil.example/",
        "https://b\u00fccher.example/", "https://-a.example/", "https://a..example/",
        "https://example.com/" + "a" * 2_048,
        "https://example.com/\u202e", "https://[oops/",
    ],
)  # fmt: skip
def test_addresses_that_ads_may_not_lead_to(url):
    assert re.match("must ", problem_with(url))


@given(st.text(max_size=100))
def test_any_text_gets_an_answer(text):
    for url in (text, "https://" + text):
        problem = problem_with(url)
        assert problem is None or problem.startswith("must ")


@pytest.mark.parametrize(
    "email, organisation",
    [
        ("dev@Example.COM", "example.com"),
        ("dev@gmail.com", ""),
        ("a@b@corp.example", "corp.example"),
        ("nobody", "nobody"),
    ],
)
def test_organisations(email, organisation):
    assert organisation_of(email) == organisation


@pytest.mark.parametrize("holder", KeyHolder)
@pytest.mark.parametrize("environment", Environment)
def test_keys(holder, environment):
    key, prefix = new_key(holder, environment)
    assert key.startswith(f"{holder}_{environment}_")
    assert key.startswith(prefix + "_")
    assert re.fullmatch("[A-Za-z0-9_]+", key)
    assert kind_of(key) == KeyKind(holder, environment)
    assert len(key_hash(key)) == 32
    assert new_key(holder, environment)[0] != key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "am_live_",
        "am_live_short",
        "xx_live_" + "a" * 40,
        "am_prod_" + "a" * 40,
        "am_live_" + "a" * 30 + "-",
    ],
)
def test_what_is_no_key(text):
    assert kind_of(text) is None


TREE = CategoryTree(
    parse_taxonomy("# comment\n1\t\tFood\n2\t1\tDrinks\n3\t2\tCoffee\n4\t\tCulture\n5\t4\tDrinks\n")
)


@pytest.mark.parametrize(
    "text, ids",
    [
        ("1", ["1"]),
        ("food", ["1"]),
        (" Coffee ", ["3"]),
        ("drinks", ["2", "5"]),
        ("Food > Drinks", ["2"]),
        ("tea", []),
        ("", []),
    ],
)
def test_categories_are_found_by_id_and_name(text, ids):
    assert TREE.find(text) == ids


def test_a_parent_covers_its_children():
    assert TREE.closure(["3"]) == {"1", "2", "3"}
    assert TREE.closure(["5", "gone"]) == {"4", "5"}
    assert TREE.by_id["3"].full_path == "Food > Drinks > Coffee"
    assert (TREE.by_id["3"].tier, TREE.by_id["3"].parent_id) == (3, "2")
