"""Folders of corruptions in which a link stands in the place of a draft: what it leads to stays as it is."""

from pathlib import Path

import pytest

from layermix_gen.evaluate.corruptions.layouts import ArrayLayout, FolderLayout, Layout


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_draft_that_is_a_link_is_removed_and_not_written_through(kind: str, tmp_path: Path) -> None:
    root, mine = tmp_path / "c", tmp_path / "mine"
    root.mkdir()
    mine.mkdir()
    (mine / "thesis.tex").write_text("written by a person")
    layout: Layout
    if kind == "file":
        layout, draft, target = ArrayLayout(root, 2, (1,), (4, 4, 3)), root / ".fog.npy.part", mine / "thesis.tex"
    else:
        layout, draft, target = FolderLayout(root, (1,), ("cat",), ("cat/0.JPEG",)), root / ".fog.part", mine
    draft.symlink_to(target)
    layout.begin("fog")
    assert draft.exists()
    assert not draft.is_symlink()
    assert [(path.name, path.read_text()) for path in mine.iterdir()] == [("thesis.tex", "written by a person")]
