"""The files of a dataset at a URL: fetched once, to a folder of their own, with errors that name the dataset."""

import pickle
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from layermix_gen.dataset.dataset_files import LocalFiles, RemoteDatasetFiles, open_files
from layermix_gen.errors import LayerMixError

NAMES = ["dataset.json", "index/000000.parquet"]


@pytest.fixture
def url() -> Iterator[str]:
    """A folder in fsspec's memory with two files."""
    system = fsspec.filesystem("memory")
    for name in NAMES:
        system.pipe_file(f"/dataset/{name}", name.encode())
    yield "memory://dataset"
    system.rm("/dataset", recursive=True)


def test_a_path_and_a_url_have_the_same_files(url: str, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    for found in (open_files(tmp_path), open_files(url)):
        assert [found.text(name) for name in NAMES] == NAMES
        assert [found.part(name, 1, 4) for name in NAMES] == [name.encode()[1:5] for name in NAMES]
        assert [path.read_text() for path in found.fetch(NAMES)] == NAMES
        with found.local(NAMES[1]) as path:
            assert path.read_text() == NAMES[1]
    assert isinstance(open_files(tmp_path), LocalFiles)


def test_a_copy_of_one_file_is_removed_and_a_fetched_one_stays(url: str) -> None:
    found = open_files(url)
    with found.local(NAMES[1]) as path:
        assert path.is_file()
    assert not path.exists()
    found.fetch(NAMES[1:])
    with found.local(NAMES[1]) as path:
        pass
    assert path.is_file()


def test_files_that_are_there_are_not_copied_again(url: str, tmp_path: Path) -> None:
    (tmp_path / NAMES[0]).write_text("ours")
    assert RemoteDatasetFiles(url, None).copy(NAMES, tmp_path) == [tmp_path / name for name in NAMES]
    assert [(tmp_path / name).read_text() for name in NAMES] == ["ours", NAMES[1]]


def test_another_process_has_a_folder_of_its_own_and_it_ends_with_the_object(url: str) -> None:
    found = RemoteDatasetFiles(url, {})
    other = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
    folders = [one.folder for one in (found, other)]
    assert folders[0] != folders[1]
    assert all(folder.is_dir() for folder in folders)
    del found, other
    assert not any(folder.exists() for folder in folders)


def test_what_is_missing_is_named_with_its_dataset(url: str, tmp_path: Path) -> None:
    found = RemoteDatasetFiles(url, None)
    with pytest.raises(
        LayerMixError,
        match=r"^expected a dataset with a plan\.json at memory://dataset, but .*; check the URL, the rights",
    ):
        found.text("plan.json")
    line = r"^the dataset at memory://dataset cannot be read: expected memory://dataset/2\.tar, found nothing there"
    with pytest.raises(LayerMixError, match=line):
        found.copy(["2.tar"], tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LayerMixError, match=r"^storage_options are for URLs, got the folder .*; drop them$"):
        open_files(tmp_path, {"key": "value"})
