"""An object store and a web server on this machine that count what they send."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from s3fs import S3FileSystem
from werkzeug.serving import WSGIRequestHandler, make_server


class Traffic:
    """How often files were sent, and bytes sent of each, by path."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

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
        body = b"".join(moto(environ, start_response))
        if environ["REQUEST_METHOD"] == "GET" and environ["PATH_INFO"].endswith((".tar", ".parquet", ".json")):
            traffic.requests[environ["PATH_INFO"]] += 1
            traffic.bytes[environ["PATH_INFO"]] += len(body)
        return [body]

    server = make_server("127.0.0.1", 0, counting, threaded=True, request_handler=_Quiet)
    with _running(server):
        yield f"http://127.0.0.1:{server.server_port}", traffic


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
