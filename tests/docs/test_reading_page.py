"""The pages on reading: every snippet runs, on a small dataset that lies here and in a bucket."""

import re
import shutil
from pathlib import Path

import fsspec
import pytest
import torch

import layermix_gen
from layermix_gen.reading.device import normalize
from layermix_gen.reading.options import ORDERS
from layermix_gen.reading.order import REMAINDERS
from layermix_gen.reading.reader import LayerMixDataset
from layermix_gen.reading.selection import DRAWN
from tests.reading.truth import Truth
from tests.servers import object_store
from tests.torchvision_on_cpu import allow_timm

DOCS = Path(__file__).parents[2] / "docs"
PAGE, FRESH = ((DOCS / name).read_text(encoding="utf-8") for name in ("reading.md", "fresh.md"))


@pytest.mark.filterwarnings("ignore")  # those of a library's own classes cannot be handed on
def test_snippets_run(tiny: Truth, whole: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    shutil.copytree(tiny.root, "shards")
    shutil.copytree(whole.root, "whole")
    allow_timm()
    monkeypatch.setattr(layermix_gen, "LayerMixDataset", LayerMixDataset, raising=False)
    monkeypatch.setattr(layermix_gen, "normalize", normalize, raising=False)
    with object_store() as (endpoint, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        s3 = fsspec.filesystem("s3")
        s3.mkdir("bucket")
        s3.put("shards", "bucket/", recursive=True)
        names: dict = {}
        for snippet in re.findall(r"```python\n(.*?)```", PAGE + FRESH, re.DOTALL):
            exec(snippet, names)  # noqa: S102
    assert names["x"].shape == (32, 3, 12, 12)
    assert names["triples"].shape == (8, 3, 3, 224, 224)


@pytest.mark.parametrize(
    ("label", "label2", "weight", "expected"),
    [
        (2, -1, 1.0, [0, 0, 1, 0, 0]),
        (0, 4, 0.25, [0.25, 0, 0, 0, 0.75]),
        (3, 3, 0.25, [0, 0, 0, 1, 0]),
        (1, 4, 1.0, [0, 1, 0, 0, 0]),
        (1, 4, 0.0, [0, 0, 0, 0, 1]),
        (-1, -1, 1.0, None),  # no label
        (0, -1, 0.25, None),  # no label of the second image
        (-1, 2, 0.25, None),
    ],
)
def test_targets_without_this_reader_sum_to_one(
    label: int, label2: int, weight: float, expected: list[float] | None
) -> None:
    names: dict = {"torch": torch}
    exec("def target" + PAGE.split("\ndef target")[1].split("\n\n\n")[0], names)  # noqa: S102
    facts = {"source": "a/b.png", "label": label, "label2": label2, "label_weight": weight}
    if expected is None:
        with pytest.raises(ValueError, match=r"^a/b\.png has an image without a label"):
            names["target"](facts)
    else:
        assert names["target"](facts).tolist() == expected


def test_every_choice_is_documented() -> None:
    for name in (*ORDERS, *REMAINDERS, *DRAWN):
        assert f'`"{name}"`' in PAGE, name


def test_every_option_is_told() -> None:
    code = LayerMixDataset.__init__.__code__
    options = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    text = PAGE + FRESH + (LayerMixDataset.__doc__ or "")
    assert [name for name in options if not re.search(rf"\b{name}\b", text)] == []
