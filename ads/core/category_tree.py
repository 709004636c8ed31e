"""Trees of categories: a parent covers its children, and a category is named by its id or its name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Category:
    """`full_path` joins the names from the root; `tier` is 1 at the root."""

    id: str
    name: str
    parent_id: str | None
    full_path: str
    tier: int


class CategoryTree:
    """Categories of one or several taxonomies whose ids do not meet."""

    def __init__(self, categories: Iterable[Category]) -> None:
        self.by_id = {category.id: category for category in categories}
        self._by_name: dict[str, list[str]] = {}
        for category in self.by_id.values():
            self._by_name.setdefault(category.name.casefold(), []).append(category.id)
            if category.tier > 1:
                self._by_name.setdefault(category.full_path.casefold(), []).append(category.id)

    def find(self, text: str) -> list[str]:
        """Ids of what is meant: an id, a name in any case (a name may stand in several places), or a full path."""
        text = text.strip()
        return [text] if text in self.by_id else self._by_name.get(text.casefold(), [])

    def ancestors(self, category_id: str) -> Iterator[str]:
        """The category itself and everything above it."""
        current: str | None = category_id
        while current in self.by_id:
            yield current
            current = self.by_id[current].parent_id

    def closure(self, category_ids: Iterable[str]) -> frozenset[str]:
        """The categories and all above them: a unit that carries these is covered by each of them."""
        return frozenset(above for category_id in category_ids for above in self.ancestors(category_id))


def parse_taxonomy(text: str) -> list[Category]:
    """Lines of id, parent's id (empty at the root) and name, divided by tabs, parents first; `#` starts a comment."""
    categories: dict[str, Category] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        identifier, parent_id, name = line.split("\t")
        parent = categories[parent_id] if parent_id else None
        categories[identifier] = Category(
            identifier,
            name,
            parent_id or None,
            f"{parent.full_path} > {name}" if parent else name,
            parent.tier + 1 if parent else 1,
        )
    return list(categories.values())
