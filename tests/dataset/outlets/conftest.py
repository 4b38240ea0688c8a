"""Fixtures of object stores, and of the datasets in folders that those in stores are compared with."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tests.dataset.outlets.stored import MEMORY, MORE, SETTINGS, built
from tests.servers import Traffic, stored_at


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[str, Traffic]]:
    with stored_at() as found:
        yield found


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for the temporary ones of this test alone."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))


@pytest.fixture
def at(store: tuple[str, Traffic], request: pytest.FixtureRequest) -> Iterator[str]:
    """A URL for this test alone, in S3, where afterwards all requests are answered again."""
    url, traffic = store
    yield f"{url}-{request.node.name.partition('[')[0]}"
    traffic.fault = lambda method, path: None


@pytest.fixture
def memory() -> Iterator[str]:
    """An empty place in this process's memory."""
    yield MEMORY
    fsspec.filesystem("memory").store.clear()


@pytest.fixture(scope="module")
def local(photographs: Path, pool: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The datasets in folders, by their numbers of variants."""
    root = tmp_path_factory.mktemp("local")
    for settings in (SETTINGS, MORE):
        built(photographs, pool)(root / str(settings.variants), settings)
    return {variants: root / str(variants) for variants in (1, 2)}
