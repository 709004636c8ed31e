"""Who did what: the chain of entries (`chain.py`), and admin pages whose readers stand in it (`staff_pages.py`)."""

from penguin_site.audit.chain import entries_by, first_broken_entry, record

__all__ = ["entries_by", "first_broken_entry", "record"]
