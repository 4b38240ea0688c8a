"""Inside other people's loops: worker processes, torch.distributed, torchdata."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader
from truth import Truth, flat, keys

from layermix_gen.errors import LayerMixError

FOLDER = Path(__file__).parent


def test_in_a_loader_without_workers(tiny: Truth) -> None:
    ds = tiny.open()
    loader = DataLoader(ds, batch_size=None)
    assert len(loader) == len(ds) == 12
    assert [keys(loader), keys(loader)] == [keys(other := tiny.open()), keys(other)]


@pytest.mark.parametrize("options", [{"remainder": "exact"}, {"order": "shards", "rank": 0, "world_size": 2}])
def test_worker_processes_share_an_epoch(tiny: Truth, options: dict) -> None:
    ds, expected = tiny.open(**options), tiny.open(**options)
    loader = DataLoader(ds, batch_size=None, num_workers=2, multiprocessing_context="fork")
    assert len(loader) == len(expected)
    for epoch in (0, 1):
        ds.set_epoch(epoch)
        assert keys(loader) == keys(expected)


def test_spawned_workers_that_persist_learn_of_the_epoch(tiny: Truth) -> None:
    ds, expected = tiny.open(), tiny.open()
    loader = DataLoader(ds, batch_size=None, num_workers=2, persistent_workers=True, multiprocessing_context="spawn")
    for epoch in range(3):
        ds.set_epoch(epoch)
        assert keys(loader) == keys(expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_loader_resumes(tiny: Truth, workers: int) -> None:
    def load() -> StatefulDataLoader:
        context = {"multiprocessing_context": "fork"} if workers else {}
        return StatefulDataLoader(tiny.open(), batch_size=None, num_workers=workers, **context)

    expected = keys(tiny.open())
    for stop in (1, 5, 12):
        loader, seen = load(), []
        for batch in loader:
            seen.append(batch[2]["key"])
            if len(seen) == stop:
                state = loader.state_dict()
                break
        resumed = load()
        resumed.load_state_dict(state)
        assert seen + keys(resumed) == expected


def test_the_state_of_a_worker_belongs_to_it(tiny: Truth) -> None:
    state = tiny.open().state_dict() | {"worker": [1, 2, 3]}
    with pytest.raises(
        LayerMixError, match=r"^this is the state of worker 1 of 2 of a DataLoader; load it by a Stateful"
    ):
        tiny.open().load_state_dict(state)


def test_two_ranks_of_torch_distributed(tiny: Truth, tmp_path: Path) -> None:
    """Real processes, gloo between them; each tells what it has read, directly and by a spawned worker."""
    command = [sys.executable, str(FOLDER / "rank.py"), str(tiny.root), str(tmp_path)]
    ranks = [subprocess.Popen([*command, str(rank), "2"]) for rank in range(2)]
    assert [rank.wait(timeout=60) for rank in ranks] == [0, 0]
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    for rank in range(2):
        assert told[rank]["direct"] == flat(tiny.open(remainder="exact", rank=rank, world_size=2))
        assert told[rank]["by worker"] == told[rank]["direct"]
    assert sorted(told[0]["direct"] + told[1]["direct"]) == sorted(flat(tiny.open(remainder="exact")))
