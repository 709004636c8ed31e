"""The categories of the marketplace: IAB Content 3.1 (what is talked about) and Ad Product 2.0 (what is offered)."""

from functools import cache
from pathlib import Path

from ads.core.category_tree import CategoryTree, parse_taxonomy

VERSION = "content-3.1+ad-product-2.0"
SOURCE = "IAB Tech Lab Content Taxonomy 3.1 and Ad Product Taxonomy 2.0 (CC BY 3.0)"
URL = "https://github.com/InteractiveAdvertisingBureau/Taxonomies"
_DATA = Path(__file__).parent / "data"
_FILES = ("iab_content_3.tsv", "iab_ad_product_2.tsv")


@cache
def tree() -> CategoryTree:
    return CategoryTree(
        category for name in _FILES for category in parse_taxonomy((_DATA / name).read_text(encoding="utf-8"))
    )


def known_ids(names: list[str]) -> frozenset[str]:
    """Ids that the names stand for; a name that nobody knows stands for nothing."""
    return frozenset(identifier for name in names for identifier in tree().find(name))
