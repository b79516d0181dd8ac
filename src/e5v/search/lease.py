"""The lease of the one writer of an index on an object store, where no file can be locked.

writer.lease: free, or its time is over -> held, renewed while the block runs -> given back

A lease only keeps writers from working in vain. That nothing is lost if two believe that they hold
it (one was suspended, or a clock is wrong) is seen to by commit.json, which a new holder marks as
its own before it reads it (`store_folder.py`): what the former one tries to commit is refused.
"""

import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from secrets import token_hex
from threading import Event, Lock, Thread

from e5v.errors import DataError
from e5v.places import ObjectState, StoreUrl
from e5v.stores.objects import read_current, swap_object

FILE = "writer.lease"
SECONDS = 60.0  # from a renewal to the end of a lease
RENEWALS = 3  # in that time
TRIES = 5


@dataclass(frozen=True)
class Holder:
    """Who holds a lease; `expires` is when it ends unless it is renewed, None if it was given back.

    Times are in ISO 8601 with a zone, by the clock of the holder.
    """

    token: str
    host: str
    pid: int
    user: str
    since: str
    expires: str | None

    @classmethod
    def this(cls, seconds: float) -> "Holder":
        """Return this process as a new holder."""
        since = _at(0.0)
        return cls(token_hex(8), socket.gethostname(), os.getpid(), _user(), since, _at(seconds))

    def is_over(self) -> bool:
        """Return whether the lease was given back, or its time has come."""
        return self.expires is None or datetime.now().astimezone() >= _read(self.expires)

    def __str__(self) -> str:
        """Return who it is, since when, and until when."""
        until = self.expires if self.expires is None else _show(self.expires)
        since = f"process {self.pid} of {self.user} on {self.host} since {_show(self.since)}"
        return f"{since} (its lease ends at {until} unless renewed)" if until else since


def _at(seconds: float) -> str:
    return (datetime.now().astimezone() + timedelta(seconds=seconds)).isoformat()


def _read(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone()


def _show(moment: str) -> str:
    return _read(moment).isoformat(" ", timespec="seconds")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user that has no name
        return str(os.getuid()) if hasattr(os, "getuid") else "?"


@dataclass
class Lease:
    """A lease that is held: `check` before something is committed."""

    place: StoreUrl
    holder: Holder
    state: ObjectState
    seconds: float
    _until: float = 0.0  # by this process's clock
    _taken: bool = False
    _changing: Lock = field(default_factory=Lock)

    @property
    def token(self) -> str:
        """What identifies it."""
        return self.holder.token

    def check(self) -> None:
        """Check that nobody else can have it.

        Raises:
            DataError: another process has taken it over, or its time is over.
        """
        if self._taken or time.monotonic() >= self._until:
            raise self.lost()

    def lost(self) -> DataError:
        """Return the error of a writer that has lost its lease."""
        there = None
        with suppress(DataError):
            there = _read_holder(self.place)
        other = there is not None and there[0].token != self.token
        who = f": it was taken over by {there[0]}" if there and other else ", which was not renewed"
        return DataError(
            f"the lease on {self.place.parent} is lost{who}; what was committed is kept, run this "
            "again"
        )

    def renew(self, *, given_back: bool = False) -> None:
        """Write that it goes on from now, or that it is given back.

        Raises:
            DataError: the store cannot be written.
        """
        with self._changing:
            if self._taken:
                return
            begun = time.monotonic()
            holder = replace(self.holder, expires=None if given_back else _at(self.seconds))
            state = swap_object(self.place, _content(holder), self.state)
            if state is None:
                self._taken = True
                return
            self.holder, self.state, self._until = holder, state, begun + self.seconds


@contextmanager
def leased(url: StoreUrl) -> Iterator[Lease]:
    """Hold the lease on a place while the block runs; never waits.

    Raises:
        DataError: another process holds it (the message names it), or the store cannot be used.
    """
    lease = _acquire(url / FILE, SECONDS)
    ended = Event()
    thread = Thread(target=_keep, args=(lease, ended), name="e5v-lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        ended.set()
        thread.join()
        with suppress(DataError):  # it ends by itself
            lease.renew(given_back=True)


def _keep(lease: Lease, ended: Event) -> None:
    """Renew a lease until the end; one that cannot be renewed in time is found by `check`."""
    while not ended.wait(lease.seconds / RENEWALS):
        with suppress(DataError):
            lease.renew()


def _acquire(place: StoreUrl, seconds: float) -> Lease:
    for _ in range(TRIES):
        there, begun = _read_holder(place), time.monotonic()
        if there is not None and not there[0].is_over():
            raise DataError(
                f"{place.parent} is being written by {there[0]}; wait for it, stop it, or choose "
                "another place",
                argument="index",
            )
        holder = Holder.this(seconds)
        state = swap_object(place, _content(holder), None if there is None else there[1])
        if state is not None:
            return Lease(place, holder, state, seconds, begun + seconds)
    raise DataError(f"{place.parent} is being written by others; try again later")


def _content(holder: Holder) -> bytes:
    return json.dumps(asdict(holder)).encode()


def _read_holder(place: StoreUrl) -> tuple[Holder, ObjectState] | None:
    """Return who holds a lease, or held it, and the state of its object; None if nobody ever did.

    Raises:
        DataError: it cannot be read.
    """
    found = read_current(place)
    if found is None:
        return None
    try:
        return Holder(**json.loads(found[0])), found[1]
    except (ValueError, TypeError) as error:
        raise DataError(f"{place} cannot be read as a lease: {error!r}; delete it") from None
