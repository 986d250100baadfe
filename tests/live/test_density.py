"""What sandboxes cost side by side, by the pages that they share."""

from __future__ import annotations

import pytest

from sandboxes import density
from sandboxes.errors import BadRequest, Unavailable
from sandboxes.guests import guest
from sandboxes.lifecycle import guard, owner

MIB = 1 << 20


@pytest.mark.usefixtures("guest_ready")
def test_guests_of_a_template_share_it() -> None:
    told: list[str] = []
    seen = density.guests((1, 4), memory="96M", tell=told.append)
    one, four = seen.points
    assert (one.count, four.count, len(told)) == (1, 4, 2)
    assert four.pss_each_bytes < 0.9 * one.pss_each_bytes
    assert four.memory.shared_bytes > 4 * 10 * MIB
    assert all(point.start_ms > 0 for point in seen.points)


@pytest.mark.usefixtures("guest_ready")
def test_what_a_guest_writes_becomes_its_own() -> None:
    with guest(memory="128M") as first, guest(memory="128M"):
        before = first.hypervisor().process.memory
        first.run("head -c 20m /dev/urandom >/tmp/mine", timeout_s=60)
        after = first.hypervisor().process.memory
    assert after.private_bytes - before.private_bytes > 19 * MIB
    assert after.shared_bytes < before.shared_bytes + 4 * MIB


@pytest.mark.usefixtures("engine_ready")
def test_containers_cost_less_than_guests() -> None:
    seen = density.containers((1, 2))
    assert 0 < seen.points[1].pss_each_bytes < 20 * MIB


@pytest.mark.parametrize("counts", [(), (3, 2), (1, 1), (0,), (1, 201), (1.5,)])
def test_counts_that_do_not_grow_are_refused(counts: tuple[int, ...]) -> None:
    with pytest.raises(BadRequest):
        density.guests(counts)


@pytest.mark.usefixtures("guest_ready")
def test_a_series_ends_before_the_machine_is_full_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    left = iter((1 << 40, 0))
    monkeypatch.setattr("sandboxes.kernel.free_bytes", lambda: next(left))
    before = set(guard.marked_processes(owner().id))
    with pytest.raises(Unavailable, match="1 run, 0 MiB are free"):
        density.guests((1, 2), memory="96M")
    assert set(guard.marked_processes(owner().id)) == before
