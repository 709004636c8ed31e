"""Books: ledgers that never touch each other. All live money is in one; each agent has a test book of its own.

What an agent tries out with its test key moves budgets, balances and clocks of its own book, and nobody else's.
"""

from uuid import UUID, uuid5

from ads.core.tokens import Environment

LIVE = "live"
_TEST_MARK = "test:"
_ACCOUNTS = UUID("5b5f1f6e-7d1c-4c0e-9d5e-3f0a2f6d1c77")


def book_of(environment: Environment, agent_id: UUID) -> str:
    return LIVE if environment is Environment.LIVE else _TEST_MARK + agent_id.hex


def environment_of(book: str) -> Environment:
    return Environment.LIVE if book == LIVE else Environment.TEST


def account_id(book: str, kind: str, owner_id: UUID | None) -> UUID:
    """The id of an account: the same on every machine, so that posting to it needs no look-up."""
    return uuid5(_ACCOUNTS, f"{book}/{kind}/{owner_id.hex if owner_id else ''}")
