"""An object store and a web server on this machine that count what they send, and fail where they are told to."""

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from s3fs import S3FileSystem
from werkzeug.serving import WSGIRequestHandler, make_server

STALL = 3.0  # seconds; `stored_at` has clients wait for one
ANSWERS = {  # an object store's errors: status and code
    "500": ("500 Internal Server Error", "InternalError"),
    "503": ("503 Slow Down", "SlowDown"),
    "429": ("429 Too Many Requests", "TooManyRequests"),
    "403": ("403 Forbidden", "AccessDenied"),
    "400": ("400 Bad Request", "AuthorizationHeaderMalformed"),
}
PATIENCE = {"config_kwargs": {"read_timeout": 2, "connect_timeout": 10}}
DROPS = ("dropped", "dropped after", "stalled")
"""Connections that are closed before, or after, the request is done, or that nothing comes from for a while."""


class Traffic:
    """How often files were sent, and bytes sent of each, by path; `made` are all requests by method.

    `fault`, by the method and the path of a request, is one of `ANSWERS` or of `DROPS`, or None.
    """

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.fault: Callable[[str, str], str | None] = lambda method, path: None

    def tars(self) -> dict[str, int]:
        """Bytes of each tar, by plane and file name; then forget everything."""
        sent = {"/".join(path.split("/")[-2:]): size for path, size in self.bytes.items() if path.endswith(".tar")}
        self.requests.clear()
        self.bytes.clear()
        return sent


class _Quiet(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def object_store() -> Iterator[tuple[str, Traffic]]:
    """moto's S3 over HTTP, empty: its URL, and what it sends in answer to GET."""
    s3_backends.reset()  # the process has one, whatever the server
    S3FileSystem.clear_instance_cache()  # which know the last server
    moto, traffic = DomainDispatcherApplication(create_backend_app), Traffic()

    def counting(environ: dict[str, Any], start_response: Any) -> Any:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        traffic.made["LIST" if "list-type" in environ["QUERY_STRING"] else method] += 1
        fault = traffic.fault(method, path)
        if fault in ANSWERS:
            status, code = ANSWERS[fault]
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(status, [("Content-Type", "application/xml")])
            return [f"<Error><Code>{code}</Code><Message>the region is wrong, says the test</Message></Error>".encode()]
        if fault == "stalled":
            time.sleep(STALL)
        if fault in ("dropped", "stalled"):
            return _dropped(environ)
        body = b"".join(moto(environ, start_response))
        if fault:
            return _dropped(environ)
        if environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"].endswith((".tar", ".parquet", ".json")):
            traffic.requests[environ["PATH_INFO"]] += 1
            traffic.bytes[environ["PATH_INFO"]] += len(body)
        return [body]

    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=_Quiet)
    with _running(server):
        yield f"http://127.0.0.1:{server.server_port}", traffic


def _dropped(environ: dict[str, Any]) -> list[bytes]:
    """Close a connection without an answer."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError


@contextmanager
def stored_at(bucket: str = "bucket") -> Iterator[tuple[str, Traffic]]:
    """moto's S3 with an empty bucket, which the environment leads to: a URL in it, and what is asked of it.

    A client waits for two seconds, and botocore tries once, so that faults reach what is tested soon.
    """
    with object_store() as (endpoint, traffic), pytest.MonkeyPatch.context() as patch:
        surroundings = {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "somebody",
            "AWS_SECRET_ACCESS_KEY": "unsaid",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "FSSPEC_S3": json.dumps(PATIENCE),  # of the processes that are started
        }
        for name, value in surroundings.items():
            patch.setenv(name, value)
        patch.setitem(fsspec.config.conf, "s3", PATIENCE)
        fsspec.filesystem("s3").mkdir(bucket)
        yield f"s3://{bucket}/shards", traffic


def objects(url: str) -> dict[str, bytes]:
    """All objects below a URL, by their names below it."""
    system, path = fsspec.core.url_to_fs(url)
    system.invalidate_cache()
    return {name.strip("/")[len(path.strip("/")) + 1 :]: system.cat_file(name) for name in system.find(path)}


def unfinished_uploads(url: str) -> list[str]:
    """The keys of uploads in parts that have not ended."""
    system, path = fsspec.core.url_to_fs(url)
    found = system.call_s3("list_multipart_uploads", Bucket=path.partition("/")[0])
    return [one["Key"] for one in found.get("Uploads", ())]


@contextmanager
def web_server(root: Path) -> Iterator[tuple[str, Traffic]]:
    """The files below `root`, over HTTP."""
    traffic = Traffic()

    class Handler(SimpleHTTPRequestHandler):
        def send_head(self) -> Any:
            path = Path(self.translate_path(self.path))
            if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would wait for ever
                self.send_error(404)
                return None
            return super().send_head()

        def copyfile(self, source: Any, outputfile: BinaryIO) -> None:  # type: ignore[override]
            data = source.read()
            traffic.requests[self.path] += 1
            traffic.bytes[self.path] += len(data)
            outputfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    with _running(server):
        yield f"http://127.0.0.1:{server.server_port}", traffic


@contextmanager
def _running(server: Any) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
