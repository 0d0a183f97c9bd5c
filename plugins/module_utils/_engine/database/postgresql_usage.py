# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How much of a PostgreSQL database is in use, by statements that cost the same however big it is."""

from __future__ import annotations

from .base import Ask, Usage

# Of a role without pg_read_all_stats: it sees of others which database they use, and not what they are.
_CLIENTS = "datname IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'"


def limit(ask: Ask, seconds: float) -> None:
    """Let the session read only, and wait for nobody and nothing longer than this."""
    for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        ask(f"SELECT set_config('{setting}', '{round(seconds * 1000)}', false)")
    ask("SELECT set_config('transaction_read_only', 'on', true)")


def estimates(ask: Ask) -> dict[str, int]:
    found = ask(
        "SELECT relname, reltuples::bigint FROM pg_class "
        "WHERE relkind = 'r' AND reltuples > 0 AND pg_table_is_visible(oid)"
    )
    return {str(name): int(rows) for name, rows in found}


def usage(ask: Ask) -> Usage:
    """Of connections those of the server, or of the role where it has a limit of its own that is closer."""
    [(live, dead)] = ask("SELECT coalesce(sum(n_live_tup), 0), coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables")
    [(all_used, all_offered, own_used, own_offered)] = ask(
        f"SELECT (SELECT count(*) FROM pg_stat_activity WHERE {_CLIENTS}), "  # noqa: S608
        "current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int, "
        f"(SELECT count(*) FROM pg_stat_activity WHERE {_CLIENTS} AND usename = current_user), "
        "(SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)"
    )
    used, offered = int(all_used), int(all_offered)
    if own_offered > 0 and own_used / own_offered > used / offered:
        used, offered = int(own_used), int(own_offered)
    return Usage(float(dead / (live + dead)) if live + dead else 0.0, used, offered)
