"""Whether the marketplace is empty: then `serve` has the demo ads loaded, beside everything else."""

import logging

import psycopg

logger = logging.getLogger(__name__)

COMMAND = "load_demo_ads --gently"


def are_missing(database_url: str) -> bool:
    """Asked before the apps are loaded anywhere, so that a later start costs one statement."""
    try:
        with psycopg.connect(database_url, connect_timeout=2, autocommit=True) as connection:
            row = connection.execute("SELECT NOT EXISTS (SELECT FROM ad_advertiser)").fetchone()
    except psycopg.Error as error:
        logger.warning("Whether there are ads could not be seen: %s", str(error).strip())
        return False
    return bool(row and row[0])
