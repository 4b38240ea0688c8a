"""Builds of folders with links: the same dataset as of the files themselves, or one line that says what to do."""

import os
from pathlib import Path

from layermix_gen import BuildSettings, build
from layermix_gen.sources import SourceOptions
from tests.helpers import digest, invoke

QUICK = ("--size", 8, "--method", "none", "--variants", 0, "--workers", 1)


def as_links(photographs: Path, root: Path) -> Path:
    """A folder whose class folders are links to others."""
    root.mkdir()
    for folder in photographs.iterdir():
        (root / folder.name).symlink_to(folder)
    return root


def test_classes_that_are_links_make_the_same_dataset(photographs: Path, tmp_path: Path) -> None:
    source = as_links(photographs, tmp_path / "source")
    refused = invoke("build", source, tmp_path / "out", *QUICK)
    assert refused.exit_code == 1
    assert "found astronaut, chelsea, coffee and 1 more; if this is the source of build" in refused.output
    assert "give --follow-links" in refused.output
    assert not (tmp_path / "out").exists()
    followed = invoke("build", source, tmp_path / "out", *QUICK, "--follow-links")
    assert followed.exit_code == 0, followed.output
    build(photographs, tmp_path / "same", BuildSettings(size=8, method="none", variants=0), workers=1, progress=False)
    assert digest(tmp_path / "out") == digest(tmp_path / "same")
    assert invoke("verify", tmp_path / "out", "--replay", "all").exit_code == 0


def test_links_to_files_out_of_the_root_are_no_mystery(photographs: Path, tmp_path: Path) -> None:
    """As in the caches of Hugging Face and DVC: where too many cannot be read, the option is named, and it resumes."""
    source, out = tmp_path / "source", tmp_path / "out"
    for path in photographs.rglob("*.*"):
        link = source / path.relative_to(photographs)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(path, link.parent))
    refused = invoke("build", source, out, *QUICK)
    assert "11 of 24 inputs cannot be read (11 link out of the root), 10 are allowed; see " in refused.output
    assert ", then give --follow-links to read what links lead to, or mend them" in refused.output
    settings = BuildSettings(size=8, method="none", variants=0)
    made = build(source, out, settings, source_options=SourceOptions(follow_links=True), workers=1, progress=False)
    assert (made.written, made.skipped) == (24, 0)
