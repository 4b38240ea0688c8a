"""Readers inside worker processes, torch.distributed and torchdata."""

import json
import subprocess
import sys
import warnings
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from layermix_gen.errors import LayerMixError
from tests.reading.truth import Truth, flat, keys

FOLDER = Path(__file__).parent


def test_in_a_loader_without_workers(tiny: Truth) -> None:
    ds = tiny.reader()
    loader = DataLoader(ds, batch_size=None)
    assert len(loader) == len(ds) == 12
    assert [keys(loader), keys(loader)] == [keys(other := tiny.reader()), keys(other)]


@pytest.mark.parametrize("options", [{"remainder": "exact"}, {"order": "shards", "rank": 0, "world_size": 2}])
def test_worker_processes_share_an_epoch(tiny: Truth, options: dict) -> None:
    ds, expected = tiny.reader(**options), tiny.reader(**options)
    loader = DataLoader(ds, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert len(loader) == len(expected)
    for epoch in (0, 1):
        ds.set_epoch(epoch)
        assert keys(loader) == keys(expected)


def test_spawned_workers_that_persist_learn_of_the_epoch(tiny: Truth) -> None:
    ds, expected = tiny.reader(), tiny.reader()
    loader = DataLoader(ds, batch_size=None, num_workers=2, persistent_workers=True, multiprocessing_context="spawn")
    for epoch in range(3):
        ds.set_epoch(epoch)
        assert keys(loader) == keys(expected)


def test_workers_that_read_an_epoch_again_warn_once(tiny: Truth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "layermix_gen.reading.reader_state.get_worker_info", lambda: SimpleNamespace(id=0, num_workers=1)
    )
    ds = tiny.reader()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for epoch in (0, 1):
            ds.set_epoch(epoch)
            keys(ds)
        next(iter(tiny.reader()))  # an epoch that is left early may begin again
        test = tiny.reader(views="clean", order="sequential")
        assert keys(test) == keys(test)
    with pytest.warns(UserWarning, match=r"^epoch 1 is read a second time, in the .* call set_epoch") as told:
        keys(chain(ds, ds, ds))
    assert len(told) == 1


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_tell_each_other_what_they_have_read(tiny: Truth, persistent: bool) -> None:
    ds = tiny.reader()
    options: dict[str, Any] = {"num_workers": 2, "multiprocessing_context": "fork", "persistent_workers": persistent}
    loader = DataLoader(ds, batch_size=None, **options)
    found = []
    for _ in range(2):
        keys(loader)
        found.append(ds._shared[1:3].tolist())
    assert found == [[0, 0], [0, 1]]  # the epoch that they read, and whether they warned


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_loader_resumes(tiny: Truth, workers: int) -> None:
    def load() -> StatefulDataLoader:
        context = {"multiprocessing_context": "fork"} if workers else {}
        return StatefulDataLoader(tiny.reader(), batch_size=None, num_workers=workers, **context)

    expected = keys(tiny.reader())
    for stop in (1, 5, 12):
        loader, seen = load(), []
        for batch in loader:
            seen.append(batch[2]["key"])
            if len(seen) == stop:
                state = loader.state_dict()
                break
        resumed = load()
        resumed.load_state_dict(state)
        if stop == 12:
            assert seen == expected
            (after := tiny.reader()).set_epoch(1)
            assert keys(resumed) == keys(after)
        else:
            assert seen + keys(resumed) == expected


def test_the_state_of_a_worker_belongs_to_it(tiny: Truth) -> None:
    state = tiny.reader().state_dict() | {"worker": [1, 2, 3, 8]}
    line = "this is the state of worker 1 of 2 of a DataLoader; load it by a StatefulDataLoader with num_workers=2"
    with pytest.raises(LayerMixError, match=f"^{line}$"):
        tiny.reader().load_state_dict(state)


def test_two_ranks_of_torch_distributed(tiny: Truth, tmp_path: Path) -> None:
    """Real processes, gloo between them; each tells what it has read, directly and by a spawned worker."""
    command = [sys.executable, str(FOLDER / "rank.py"), str(tiny.root), str(tmp_path)]
    ranks = [subprocess.Popen([*command, str(rank), "2"]) for rank in range(2)]
    assert [rank.wait(timeout=60) for rank in ranks] == [0, 0]
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    for rank in range(2):
        assert told[rank]["direct"] == flat(tiny.reader(remainder="exact", rank=rank, world_size=2))
        assert told[rank]["by worker"] == told[rank]["direct"]
    assert sorted(told[0]["direct"] + told[1]["direct"]) == sorted(flat(tiny.reader(remainder="exact")))
