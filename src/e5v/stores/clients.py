"""Open the client of a bucket, and say in one line why it failed.

StoreUrl -> scheme, bucket, environment -> obstore's client: retries, timeouts, credentials

Credentials and endpoints are those of the environment, as LanceDB reads them: AWS_*, GOOGLE_* and
AZURE_*. A request that fails is tried again for a minute at most.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from e5v.errors import DataError, UsageError, first_line
from e5v.extras import need
from e5v.places import StoreUrl

if TYPE_CHECKING:
    from obstore.store import ObjectStore

PREFIXES = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}  # of variables, by scheme
RETRIES = 8
LONGEST_PAUSE = timedelta(seconds=5)  # between two tries
RETRY_TIME = timedelta(seconds=60)  # from the first try to the last
TIMEOUTS = {"connect_timeout": "10s", "timeout": "120s"}  # of a request, of at most 8 MiB
CONNECTION = ("allow_http", "allow_invalid_certificates", "proxy_url", "proxy_ca_certificate")
# In what the client says: the code and the status of the store's answer, or why there is none.
CODE = re.compile(r"<Code>(\w+)</Code>")
STATUS = re.compile(r"\b([345]\d\d) ([A-Z][a-z]+(?: [A-Z][a-z]+)*)")
CAUSE = re.compile(
    "connection refused|failed to lookup address|timed out|connection closed|connection reset",
    re.IGNORECASE,
)
SHOWN = 200  # characters of a cause in a message


def open_client(url: StoreUrl) -> "ObjectStore":
    """Return the client of a URL's bucket.

    Raises:
        MissingExtraError: obstore is not installed.
        UsageError: the store is only read, or a variable of the environment is wrong.
    """
    if url.scheme not in PREFIXES:
        raise UsageError(f"{url} can only be read; name a place at {', '.join(PREFIXES)}")
    need(f"{url.scheme}://", "obstore")
    prefix = PREFIXES[url.scheme]
    settings = {key: value for key, value in os.environ.items() if key.startswith(prefix)}
    return _open(url.scheme, url.bucket, tuple(sorted(settings.items())))


@lru_cache(maxsize=64)
def _open(scheme: str, bucket: str, environment: tuple[tuple[str, str], ...]) -> "ObjectStore":
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    kinds: dict[str, Callable[..., ObjectStore]] = {
        "s3": S3Store,
        "gs": GCSStore,
        "az": AzureStore,
    }
    settings = dict(environment)
    given = {name: settings.get(f"{PREFIXES[scheme]}{name.upper()}") for name in CONNECTION}
    options: dict[str, Any] = {
        **TIMEOUTS,
        **{name: value for name, value in given.items() if value is not None},
    }
    backoff = {"init_backoff": timedelta(milliseconds=100), "max_backoff": LONGEST_PAUSE, "base": 2}
    retry = {"max_retries": RETRIES, "retry_timeout": RETRY_TIME, "backoff": backoff}
    try:
        return kinds[scheme](bucket, client_options=options, retry_config=retry)
    except (BaseError, ValueError) as error:
        raise UsageError(f"{scheme}://{bucket} cannot be opened: {first_line(error)}") from None


@contextmanager
def store_errors(url: StoreUrl, doing: str = "read") -> Iterator[None]:
    """Say what was done where, what went wrong and what to do, in one line.

    Raises:
        FileNotFoundError: there is no such object.
        DataError: anything else that a store or the way to it says.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error) or "ContainerNotFound" in str(error):
            raise DataError(_explain_bucket(url)) from None
        raise FileNotFoundError(f"{url} does not exist; check the URL") from None
    except BaseError as error:
        raise DataError(_explain(url, doing, error)) from None
    except OSError as error:  # as obstore gives some errors of a connection
        raise DataError(_explain(url, doing, error)) from None


def _explain_bucket(url: StoreUrl) -> str:
    return f"{url.scheme}://{url.bucket} does not exist; check the name of the bucket"


def _explain(url: StoreUrl, doing: str, error: Exception) -> str:
    from obstore import exceptions

    told, prefix = str(error), PREFIXES[url.scheme]
    if "NoSuchBucket" in told:
        return _explain_bucket(url)
    if isinstance(error, exceptions.PreconditionError | exceptions.NotModifiedError):
        return f"{url} changed while it was read; run this again"
    code, status, cause = CODE.search(told), STATUS.search(told), CAUSE.search(told)
    refused = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
    if isinstance(error, refused) or (status and status[1] in {"401", "403"}):
        told = f"permission denied{f' ({code[1]})' if code else ''}"
        return f"{url} cannot be {doing}: {told}; check {prefix}* in the environment"
    if found := code or status:
        again = "try again later" if status and status[1] >= "500" else f"check {prefix}*"
        return f"{url} cannot be {doing}: the store says {found[found.lastindex or 0]}; {again}"
    reason = cause[0].lower() if cause else first_line(error)[:SHOWN]
    return f"{url} cannot be {doing}: {reason}; check the network, and {prefix}* in the environment"
