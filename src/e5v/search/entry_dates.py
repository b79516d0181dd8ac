"""The date of an entry, in one place: for now, when its file was changed.

Entry -> nanoseconds since 1970 -> "2024-05-31T18:20:07Z"
"""

from datetime import UTC, datetime

from e5v.search.entries import Entry

NANOSECONDS = 10**9


def date_of(entry: Entry) -> str:
    """Return the date of an entry in ISO 8601, in UTC; empty if no calendar has it."""
    try:
        date = datetime.fromtimestamp(entry.mtime // NANOSECONDS, UTC)
    except (OverflowError, ValueError, OSError):
        return ""
    return date.strftime("%Y-%m-%dT%H:%M:%SZ")
