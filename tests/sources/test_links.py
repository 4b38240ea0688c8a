"""Links in a folder of images: no class may vanish because a link is not followed, and what is followed has bounds."""

import os
from pathlib import Path

import numpy as np
import pytest

from layermix_gen.errors import LayerMixError
from layermix_gen.sources import Item, SourceOptions, folder, open_source, source_files
from tests.sources.test_folder import by_id, reason, save

FOLLOWING = SourceOptions(follow_links=True)


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """Three classes, of which two are links out of the root, as of a subset of ImageNet."""
    for value, name in enumerate(("ant", "bee", "cow")):
        save(tmp_path / "all" / name / "deep" / "x.png", value)
    root = tmp_path / "root"
    save(root / "bee" / "x.png", 9)
    for name in ("ant", "cow"):
        (root / name).symlink_to(tmp_path / "all" / name)
    return root


def refusal(root: Path, options: SourceOptions = SourceOptions()) -> str:  # noqa: B008
    with pytest.raises(LayerMixError) as caught:
        open_source(root, "folder", options=options).items()
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{root}", "ROOT")


def test_classes_that_are_links_end_the_listing(linked: Path) -> None:
    assert refusal(linked) == (
        "expected no links to folders in ROOT, found ant, cow; if this is the source of build or evaluate corrupt, "
        "give --follow-links, else put the folders there"
    )
    for name in ("dog", "eel"):
        (linked / name).symlink_to("bee")
    assert "found ant, cow, dog and 1 more; " in refusal(linked)


@pytest.mark.parametrize("name", ["bee/more", "bee/more.png", "ant.png"])
def test_a_link_to_a_folder_does_so_at_any_depth_and_under_any_name(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    save(root / "bee" / "x.png")
    save(tmp_path / "elsewhere" / "y.png")
    (root / name).symlink_to(tmp_path / "elsewhere")
    assert f"found {name}; " in refusal(root)


def test_links_are_followed_if_that_is_wanted(linked: Path, tmp_path: Path) -> None:
    (linked / "bee" / "file.png").symlink_to(tmp_path / "all" / "cow" / "deep" / "x.png")
    (linked / "bee" / "again").symlink_to("../ant")  # reached by two names
    (linked / "bee" / "broken.png").symlink_to("nothing")
    source = open_source(linked, options=FOLLOWING)
    items = by_id(source)
    assert source.classes == ("ant", "bee", "cow")
    assert {name: item.label for name, item in items.items()} == {
        "ant/deep/x.png": 0,
        "bee/again/deep/x.png": 1,
        "bee/broken.png": 1,
        "bee/file.png": 1,
        "bee/x.png": 1,
        "cow/deep/x.png": 2,
    }
    assert reason(source, items.pop("bee/broken.png")) == "broken link"
    again = open_source(source.location, source.kind, options=source.options)
    values = {name: int(np.max(again.read(item))) for name, item in items.items()}
    assert values == {
        "ant/deep/x.png": 0,
        "bee/again/deep/x.png": 0,
        "bee/file.png": 2,
        "bee/x.png": 9,
        "cow/deep/x.png": 2,
    }
    assert [path.name for path in source_files(source)] == ["ant", "bee", "cow"]
    assert items["cow/deep/x.png"].size == (tmp_path / "all" / "cow" / "deep" / "x.png").stat().st_size


def test_labels_are_those_of_folders_that_are_none_of_them_links(linked: Path, tmp_path: Path) -> None:
    for name in ("ant", "cow"):
        (linked / name).unlink()
        save(linked / name / "deep" / "x.png")
    real = {item.id: item.label for item in open_source(linked).items()}
    for name in ("ant", "cow"):
        (linked / name).rename(tmp_path / name)
        (linked / name).symlink_to(tmp_path / name)
    assert {item.id: item.label for item in open_source(linked, options=FOLLOWING).items()} == real


def test_an_id_cannot_lead_out_where_links_are_followed(linked: Path, tmp_path: Path) -> None:
    save(tmp_path / "secret.png")
    source = open_source(linked, options=FOLLOWING)
    for name in ("../secret.png", "ant/../../secret.png", "bee/../../secret.png"):
        assert reason(source, Item(name, -1, 0)) in ("link out of the root", "no such file")
    (linked / "bee" / "pipe.png").unlink(missing_ok=True)
    os.mkfifo(tmp_path / "pipe")
    (linked / "bee" / "pipe.png").symlink_to(tmp_path / "pipe")
    assert reason(source, Item("bee/pipe.png", -1, 0)) == "not a regular file"


@pytest.mark.parametrize("target", [".", "..", "../..", "deep"])
def test_links_in_a_circle_are_refused(target: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    save(root / "bee" / "deep" / "x.png")
    (root / "bee" / "deep" / "up").symlink_to(target if target != "deep" else root / "bee" / "deep")
    assert refusal(root, FOLLOWING) == (
        "expected no links in a circle in ROOT, found bee/deep/up, which leads to a folder that it lies in; remove it"
    )


def test_a_circle_by_way_of_a_folder_elsewhere_is_refused(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    save(root / "bee" / "x.png")
    save(other / "y.png")
    (root / "bee" / "other").symlink_to(other)
    (other / "back").symlink_to(root)
    assert "found bee/other/back, which leads to a folder that it lies in" in refusal(root, FOLLOWING)


def test_each_folder_is_told_from_the_others_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not again for each link below it."""
    root, looked, original = tmp_path / "root", [], folder._identity
    monkeypatch.setattr(folder, "_identity", lambda path: (looked.append(path), original(path))[1])
    for number in range(20):
        save(tmp_path / "other" / f"{number}" / "x.png")
        (root / "bee" / "deep").mkdir(parents=True, exist_ok=True)
        (root / "bee" / "deep" / f"{number}").symlink_to(tmp_path / "other" / f"{number}")
    assert len(open_source(root, options=FOLLOWING).items()) == 20
    assert len(looked) == len(set(looked)) == len(root.parents) + 1 + 2 + 20


def test_links_that_branch_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten folders with two links each to the next are a thousand paths; forty would be 10^12."""
    monkeypatch.setattr(folder, "MAX_LINKS", 100)
    root = tmp_path / "root"
    save(root / "bee" / "x.png")
    for number in range(40):
        (tmp_path / f"f{number}").mkdir()
        for name in ("a", "b"):
            (tmp_path / f"f{number}" / name).symlink_to(tmp_path / f"f{number + 1}")
    (tmp_path / "f40").mkdir()
    (root / "bee" / "more").symlink_to(tmp_path / "f0")
    assert refusal(root, FOLLOWING) == "expected at most 100 links to folders in ROOT, found more; copy them"


@pytest.mark.parametrize("options", [SourceOptions(), FOLLOWING], ids=["as they are", "followed"])
def test_a_broken_link_that_may_be_a_class_is_refused(options: SourceOptions, tmp_path: Path) -> None:
    """A disk that is not there would else move the labels of all classes after it."""
    save(tmp_path / "bee" / "x.png")
    (tmp_path / "ant").symlink_to("/gone/ant")
    (tmp_path / "cow").symlink_to("cow")
    assert refusal(tmp_path, options) == (
        "expected class folders in ROOT, found links to nothing that may stand for some, ant, cow; mend or remove them"
    )
    for name in ("ant", "cow"):
        (tmp_path / name).unlink()
    (tmp_path / "ant.png").symlink_to("/gone/ant.png")  # an image
    (tmp_path / "bee" / "deep").symlink_to("/gone/deep")  # images of a class that is there
    source = open_source(tmp_path, options=options)
    assert {item.id: item.label for item in source.items()} == {"ant.png": -1, "bee/deep": 0, "bee/x.png": 0}


def test_a_closed_target_is_no_traceback(linked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = {str(linked / "cow")}
    real = os.stat

    def refused(path, *arguments, **options):
        if str(path) in closed:
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **options)

    class Entry:
        """`os.DirEntry`, whose `stat` cannot be replaced."""

        def __init__(self, entry: "os.DirEntry[str]") -> None:
            self.name, self.path, self.is_symlink, self.is_dir = entry.name, entry.path, entry.is_symlink, entry.is_dir
            self.is_file = entry.is_file

        def stat(self) -> os.stat_result:
            return refused(self.path)

    scanned = folder._scan
    monkeypatch.setattr(folder, "_scan", lambda path: [Entry(entry) for entry in scanned(path)])
    assert "found links to nothing that may stand for some, cow; " in refusal(linked, FOLLOWING)


def test_packing_still_takes_links_to_folders_for_pictures_that_cannot_be_read(linked: Path) -> None:
    source = folder.FolderSource(str(linked))
    assert [(item.id, item.label) for item in source.pictures()] == [("ant", -1), ("bee/x.png", -1), ("cow", -1)]
