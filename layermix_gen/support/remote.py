"""Files at a URL: read whole or in part, or copied to a folder. Any protocol of fsspec works: s3, gs, http.

What is transient is tried again, on top of what fsspec's file systems try by themselves. What a store refuses is a
`StoreError` of one line.
"""

import errno
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from layermix_gen.errors import BadImage, LayerMixError, OutOfResources, StoreError
from layermix_gen.support.files import FULL, temporary
from layermix_gen.support.text import first_line

TRIES, PAUSE = 6, 0.5  # tries of a request, and seconds before the second one; twice as long before each later one
PATIENCE = 300.0  # seconds after which no further try begins
EXTRAS = {"s3": "s3", "s3a": "s3", "http": "http", "https": "http"}  # by protocol, what installs what fsspec needs

LARGEST = 1 << 30  # bytes of a file whose size is not known: an index of this size has about ten million rows
LARGEST_TEXT = 1 << 28  # bytes of a text, which is held in memory: a manifest of this size names a million tars

REFUSALS = {
    "no credentials": "{url} cannot be reached without credentials ({why}); give them as fsspec reads them, in the "
    "environment (for s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE) or in config files",
    "denied": "access to {url} is denied ({why}); use credentials with the rights to list, read, write and delete "
    "there, or ask for these rights",
    "no bucket": "{url} is in no bucket ({why}); make the bucket, or mend the URL",
    "region": "{url} is in another region ({why}); set AWS_DEFAULT_REGION to that of the bucket",
    "read-only": "{url} cannot be written to: such URLs are only read ({why}); give another one",
    "refused": "{url} is refused ({why}); mend the URL, or the settings of the store",
}
"""What a store refuses, whenever it is asked, and what to say of it."""
NO_CREDENTIALS = re.compile("(No|Partial|Default)Credentials|ProfileNotFound|ClientAuthentication|SSO")  # in types
NO_BUCKET = re.compile("(?i)(bucket|container) does not exist|NoSuchBucket|ContainerNotFound")
WEB = re.compile("^(Client|Server)[A-Z]")  # types of aiohttp
UNREACHABLE = re.compile("EndpointConnection|ConnectTimeout|ClientConnector|ConnectionRefused")  # in types
SECRET = re.compile("(?i)(sig|signature|token|secret|password|credential|key|keyid)$")  # at the end of a query's name
DAMAGED = re.compile("(?i)digest|checksum|sha256|did not provide the number of bytes")  # on the way: sent again

STAYING = (400, 405, 410, 411, 413, 414, 416, 501)  # answers in HTTP that the same request gets again

T = TypeVar("T")


def refuse_secrets(url: str) -> None:
    """Raise `LayerMixError` for a URL with a password or a signature, which would be stored and printed."""
    try:
        parts = urlsplit(url)
    except ValueError as error:  # of brackets around what is no address
        raise LayerMixError(f"expected a URL, got one that cannot be parsed ({first_line(error)}); mend it") from error
    if "@" in parts.netloc or any(SECRET.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True)):
        raise LayerMixError(
            f"expected a URL without credentials, got one of {parts.scheme}://{parts.netloc.rpartition('@')[2]} with "
            "some; leave them to the environment or to config files, where fsspec reads them"
        )


def patiently(call: Callable[[], T], tries: int | None = None) -> T:
    """The result of `call()`, called again after what is transient, with growing pauses. Raises what it raised last."""
    end, attempt = time.monotonic() + PATIENCE, 1
    while True:
        try:
            return call()
        except Exception as error:  # each of fsspec's file systems raises what its libraries do
            if attempt == (tries or TRIES) or _kind(error) or time.monotonic() > end:
                raise
        time.sleep(PAUSE * 2 ** (attempt - 1) * (0.5 + secrets.randbelow(1000) / 1000))  # not all at one moment
        attempt += 1


def refusal(url: str, error: Exception) -> LayerMixError | None:
    """The error to raise where a store refuses a request whenever it is made, or is not there; None for other errors.

    Of a full disk of this machine it says that. A missing file is another error.
    """
    kind, why = _kind(error), _why(error)
    if kind == "full":
        return OutOfResources(f"a file of {url} cannot be kept here: {why}; make room, or set TMPDIR to a larger disk")
    if kind in REFUSALS:
        return StoreError(REFUSALS[kind].format(url=url, why=why))
    return unreached(url, error) if UNREACHABLE.search(type(_behind(error)).__name__) else None


def unreached(url: str, error: Exception) -> StoreError:
    """The error for a store that has failed as often as it was tried."""
    remedy = "check network and endpoint, then run the same command again"
    return StoreError(f"{url} cannot be reached, although tried again ({_why(error)}); {remedy}")


def is_missing(error: Exception) -> bool:
    """Whether an error says that there is no such file, in a bucket that is there."""
    return _kind(error) == "missing"


def _why(error: Exception) -> str:
    """The first line of an error, without the query of a URL in it."""
    return re.sub(r"\?[^\s\"']*", "", first_line(_behind(error)))


def _behind(error: Exception) -> Exception:
    """What has happened where fsspec says of a web server only that there is no such file, as it does of all errors."""
    cause = error.__cause__
    if not isinstance(error, FileNotFoundError) or not isinstance(cause, Exception):
        return error
    is_of_web = hasattr(cause, "status") or isinstance(cause, TimeoutError) or WEB.search(type(cause).__name__)
    return cause if is_of_web else error


def _kind(error: Exception) -> str:
    """The reason why an error stays if the same is tried again: a key of `REFUSALS`, "missing", "full" or "too large".

    An empty text is for all others.
    """
    error = _behind(error)
    name, why = type(error).__name__, str(error).lower()
    number = error.errno if isinstance(error, OSError) else None
    status = next((getattr(error, one) for one in ("status", "status_code", "code") if hasattr(error, one)), 0)
    if NO_CREDENTIALS.search(name):
        return "no credentials"
    if isinstance(error, PermissionError) or status in (401, 403):
        return "denied"
    if "upload does not exist" in why:  # it was completed, or abandoned, and the answer was lost: sent as a whole again
        return ""
    if isinstance(error, FileNotFoundError) or status == 404:
        return "no bucket" if NO_BUCKET.search(why) else "missing"
    if number in FULL:
        return "full"
    if isinstance(error, OverflowError):
        return "too large"
    if "NoRegion" in name or number == getattr(errno, "EREMCHG", -1) or (number == errno.EINVAL and "region" in why):
        return "region"
    if isinstance(error, NotImplementedError):
        return "read-only"
    if number in (errno.EINVAL, errno.EPERM, errno.ENOSYS) and not DAMAGED.search(why):
        return "refused"
    if "ParamValidation" in name or status in STAYING:
        return "refused"
    return ""


class RemoteFiles:
    """The files below `url`, read by fsspec with `options`. Raises `LayerMixError` if fsspec cannot open such a URL.

    Do not use it in a forked process: neither our threads nor fsspec's exist there.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None) -> None:
        refuse_secrets(url)
        self.location = url.rstrip("/")
        if "://" not in self.location:  # which fsspec would take for a folder of this machine
            raise LayerMixError(f"expected a URL with a bucket or a host, such as s3://bucket/name, got {url}; mend it")
        self._system, self._path = _file_system(self.location, options or {})

    def text(self, name: str) -> str:
        """The text of a whole file. Raises `LayerMixError` with a short reason if it cannot be read or is too large."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                draft = Path(folder) / "text"
                patiently(lambda: self._download(name, draft, LARGEST_TEXT))
                return draft.read_bytes().decode("utf-8")
        except Exception as error:
            raise refusal(self.location, error) or LayerMixError(_why(error)) from error

    def version(self, name: str) -> str:
        """A text that is another one when the file has changed. Raises `LayerMixError` if there is no such file."""
        try:
            facts = patiently(lambda: self._system.info(f"{self._path}/{name}"))
        except Exception as error:
            if is_missing(error):
                raise LayerMixError(f"expected {self.location}/{name}, found nothing there; check the URL") from error
            raise refusal(self.location, error) or unreached(self.location, error) from error
        return str(sorted((key, str(value)) for key, value in facts.items()))

    def part(self, name: str, start: int, size: int) -> bytes:
        """Read `size` bytes of a file from `start` on, fewer at its end. Raises `BadImage` if it cannot be read."""
        try:
            data = patiently(lambda: self._system.cat_file(f"{self._path}/{name}", start=start, end=start + size))
        except Exception as error:
            why = f"{self.location}/{name} cannot be fetched: {_why(error)}"
            raise refusal(self.location, error) or BadImage(why) from error
        return data if len(data) <= size else data[start : start + size]  # some servers only send whole files

    def copy_file(self, name: str, path: Path, most: int = LARGEST, least: int = 0) -> None:
        """Copy a whole file, of `least` to `most` bytes, to `path`.

        Raises `BadImage` if it is missing, or if all `TRIES` fail: what was copied until then is removed.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = temporary(path)

        def copy() -> None:
            self._download(name, draft, most)
            if (size := draft.stat().st_size) < least:
                raise ValueError(f"expected {least} bytes, got {size}")
            draft.replace(path)

        try:
            patiently(copy)
        except Exception as error:
            if refused := refusal(self.location, error):
                raise refused from error
            if isinstance(error, FileNotFoundError):
                raise BadImage(f"expected {self.location}/{name}, found nothing there") from error
            raise BadImage(f"{self.location}/{name} cannot be fetched: {_why(error)}") from error
        finally:
            draft.unlink(missing_ok=True)

    def _download(self, name: str, draft: Path, most: int) -> None:
        """Write a file to `draft`. Raises OverflowError as soon as more than `most` bytes and a piece have come."""
        from fsspec.callbacks import Callback

        def check(_: int | None, size: int) -> None:
            if size > most:
                raise OverflowError(f"expected at most {most} bytes, got more")

        self._system.get_file(f"{self._path}/{name}", str(draft), callback=Callback(hooks={"size": check}))
        check(None, draft.stat().st_size)  # a few file systems call back never


def _file_system(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it."""
    import fsspec  # imported here, as it takes 50 ms, and most processes open no URL

    try:
        return fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        extra = EXTRAS.get(url.partition("://")[0])
        remedy = f"pip install 'layermix-gen[{extra}]'" if extra else "install what it names"
        raise LayerMixError(f"{url} cannot be opened: {first_line(error)}; {remedy}") from error
    except (ValueError, TypeError) as error:
        raise LayerMixError(f"{url} cannot be opened: {first_line(error)}; mend the URL or storage_options=") from error
