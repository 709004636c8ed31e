"""Fills a database with conversations of one person, made by Postgres itself: 100,000 in seconds.

python -m benchmarks.load_conversations --database postgresql://... --count 100000
"""

import argparse

import psycopg

_CONVERSATIONS = """
INSERT INTO conversation (owner_id, session_id, title, epoch, head_seq, message_count, token_count, cost_micros,
                          archived, queued_runs, open_runs, created_at, last_active)
SELECT %(owner)s, 'loaded_' || n, 'Conversation about subject ' || n, '0a1b2c3d', 2, %(messages)s::int, n, n, false,
       0, 0, now() - n * interval '7 minutes', now() - n * interval '5 minutes'
FROM generate_series(%(first)s::int, %(last)s::int) n
"""
_MESSAGES = """
INSERT INTO message (id, conversation_id, owner_id, turn, step, role, content, created_at)
SELECT gen_random_uuid(), c.id, c.owner_id, 1, m * 30000 / %(messages)s::int,
       CASE m %% 2 WHEN 0 THEN 'user' ELSE 'assistant' END,
       'Text ' || m || ' of ' || c.title || repeat(' and more words about it', 40), c.created_at
FROM conversation c, generate_series(0, %(messages)s::int - 1) m
WHERE c.owner_id = %(owner)s AND c.session_id = ANY(
  SELECT 'loaded_' || n FROM generate_series(%(first)s::int, %(last)s::int) n)
"""


def load(database_url: str, *, owner_id: int, count: int, messages: int = 2) -> None:
    """Brings the person's loaded conversations to `count`; messages of about 1 KB, `messages` in each."""
    with psycopg.connect(database_url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM conversation WHERE owner_id = %s AND session_id LIKE 'loaded\\_%%'",
            [owner_id],
        ).fetchone()
        assert found
        place = {"owner": owner_id, "first": found[0] + 1, "last": count, "messages": messages}
        connection.execute(_CONVERSATIONS, place)
        connection.execute(_MESSAGES, place)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE conversation, message")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", required=True, help="postgresql://... of a migrated database")
    parser.add_argument(
        "--username", default="owner", help="whose conversations they become (default: the local owner's)"
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=2, help="in each conversation")
    given = parser.parse_args()
    with psycopg.connect(given.database) as connection:
        row = connection.execute(
            "SELECT id FROM penguin_site_user WHERE username = %s", [given.username]
        ).fetchone()
    if row is None:
        parser.error(f"There is no user {given.username!r}: sign in once first.")
    load(given.database, owner_id=row[0], count=given.count, messages=given.messages)


if __name__ == "__main__":
    main()
