"""Readings -> series, events and steps; the panel against a container that is 30 lines of arithmetic."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sandboxes.errors import BadRequest, SandboxGone, Unavailable
from sandboxes.model import CgroupSample, CpuStat, MemoryStat, PidsStat
from sandboxes.view import assets
from sandboxes.view.history import History, memory_events
from sandboxes.view.panel import LimitsPanel, limits
from sandboxes.view.steps import checked, limits_text
from tests.unit.test_view_tables import ENGINE, HOST

MIB = 1 << 20


def sample(at_s: float, *, usage_s: float = 0.0, periods: int = 0, throttled: int = 0, kills: int = 0) -> CgroupSample:
    cpu = CpuStat(int(usage_s * 1e6), 0.5, periods, throttled, 0)
    memory = MemoryStat(10 * MIB, None, 64 * MIB, 0, kills)
    return CgroupSample(at_s, "v2", cpu, memory, PidsStat(1, 64, 0), {"cpu.usage": "/sys/fs/cgroup/x/cpu.stat"})


def test_usage_is_cpu_time_over_wall_time() -> None:
    history = History(60, 5)
    history.add(sample(10.0, usage_s=1.0))
    history.add(sample(10.5, usage_s=1.2))
    assert history.columns()["cores"] == [None, 0.4]
    assert history.columns()["at_s"] == [0.0, 0.5]


def test_a_rate_is_taken_over_the_last_second_only() -> None:
    history = History(60, 5)
    for tick in range(20):
        history.add(sample(tick / 5, usage_s=0.0 if tick < 10 else (tick - 9) / 5))
    assert history.columns()["cores"][-1] == pytest.approx(1.0)


def test_throttling_is_the_share_of_periods_and_its_begin_and_end_are_told() -> None:
    history = History(60, 5)
    history.add(sample(0.0))
    began = history.add(sample(0.5, periods=4, throttled=3))
    assert history.columns()["throttled"][-1] == 0.75
    assert [text.split()[1].rstrip(":") for text in began] == ["began"]
    told = [history.add(sample(at / 2, periods=4 + at, throttled=3)) for at in range(2, 6)]
    assert [text for texts in told for text in texts] == ["Throttling ended."]


def test_without_any_period_nothing_was_throttled() -> None:
    history = History(60, 5)
    history.add(sample(0.0))
    history.add(sample(0.2))
    assert history.columns()["throttled"] == [None, 0.0]


def test_no_line_is_drawn_across_a_time_in_which_nothing_was_read() -> None:
    history = History(60, 5)
    for at in (0.0, 0.2, 30.0, 30.2):
        history.add(sample(at, usage_s=at))
    assert history.columns()["memory_mib"] == [10, 10, None, 10, 10]
    assert history.columns()["cores"][3] is None


def test_the_history_is_bounded() -> None:
    history = History(2, 5)
    for tick in range(100):
        history.add(sample(tick / 5))
    assert {len(column) for column in history.columns().values()} == {11}


def test_an_oom_kill_is_told_with_the_limit() -> None:
    told = memory_events(sample(0), sample(1, kills=2))
    assert told == ["OOM kill: the kernel ended 2 processes of this cgroup, limit 64 MiB."]
    assert memory_events(sample(0, kills=2), sample(1, kills=2)) == []


def test_steps_are_put_in_order_of_time() -> None:
    assert checked([(2, {"cpus": 0.5}), (0, "load")], 5) == [(0, "load"), (2, {"cpus": 0.5})]


@pytest.mark.parametrize(
    "step",
    [
        (9, "load"),
        (-1, "load"),
        (1, "jump"),
        (1, {"disk": 3}),
        (1, {"cpus": float("nan")}),
        (1, {"memory": "much"}),
        (1, {"memory": 0.5}),
        "load",
    ],
)
def test_a_step_that_can_never_work_is_refused_before_anything_starts(step: object) -> None:
    with pytest.raises(BadRequest, match="steps"):
        checked([step], 5)  # type: ignore[list-item]


def test_new_limits_are_told_in_a_sentence() -> None:
    assert limits_text({"cpus": 0.25, "memory": "64M"}) == "CPU quota set to 0.25 cores, memory limit set to 64 MiB."


class FakeBox:
    """A container that does nothing but remember: the panel's own behaviour is what is tested."""

    name = "box"

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self.jobs: list[SimpleNamespace] = []
        self.gone = False

    def facts(self) -> SimpleNamespace:
        return SimpleNamespace(host=HOST, engine=ENGINE, cgroup=sample(0))

    def sample(self) -> CgroupSample:
        if self.gone:
            raise SandboxGone("Container box was closed.", seen="close()", remedy="start a new one")
        return sample(float(len(self.asked)))

    def limit(self, **asked: object) -> None:
        self.asked.append(asked)

    def start(self, command: list[str]) -> SimpleNamespace:
        job = SimpleNamespace(command=command, stopped=False)
        job.stop = lambda: setattr(job, "stopped", True)
        self.jobs.append(job)
        return job


@pytest.fixture
def panel(monkeypatch: pytest.MonkeyPatch) -> LimitsPanel:
    monkeypatch.setattr("sandboxes.view.panel.uplot", lambda name: f"/* {name} */")
    return limits(FakeBox())  # type: ignore[arg-type]


def send(panel: LimitsPanel, **message: object) -> None:
    panel._handle_custom_msg(message, [])


def test_a_played_script_leaves_a_record_and_nothing_running(panel: LimitsPanel) -> None:
    box = panel._box
    assert panel.play([(0, "load"), (0.2, {"cpus": 0.25}), (0.4, "allocate")], seconds=0.6) is panel
    assert box.asked == [{"cpus": 0.25}]
    assert [job.stopped for job in box.jobs] == [True, True]
    assert len(panel.series["at_s"]) >= 4
    assert "CPU quota set to 0.25 cores." in [event["text"] for event in panel.events]
    assert not panel.working


def test_what_a_script_started_is_ended_when_the_container_fails(panel: LimitsPanel) -> None:
    panel._box.limit = lambda **_: (_ for _ in ()).throw(SandboxGone("gone", seen="", remedy=""))
    with pytest.raises(SandboxGone):
        panel.play([(0, "load"), (0.2, {"cpus": 0.25})], seconds=0.6)
    assert [job.stopped for job in panel._box.jobs] == [True]


def test_a_slider_sets_the_limit_of_the_container(panel: LimitsPanel) -> None:
    send(panel, do="cpus", value=0.25)
    send(panel, do="memory", value=64)
    assert panel._box.asked == [{"cpus": 0.25}, {"memory": 64 * MIB}]


@pytest.mark.parametrize("message", [{"do": "cpus", "value": 99}, {"do": "cpus", "value": "x"}, {"do": "rm"}, {}])
def test_a_message_that_can_never_work_is_shown_as_a_problem(panel: LimitsPanel, message: dict[str, object]) -> None:
    send(panel, **message)
    assert "try:" in panel.problem
    assert panel._box.asked == []


def test_a_closed_container_ends_the_panel_with_a_reason(panel: LimitsPanel) -> None:
    panel._box.gone = True
    send(panel, do="here")
    panel._reader.join(5)
    assert panel.ended == "Container box was closed."
    assert not panel._reader.is_alive()


def test_reading_starts_with_the_first_browser_and_ends_with_the_panel(panel: LimitsPanel) -> None:
    assert panel._reader is None
    send(panel, do="here")
    reader = panel._reader
    send(panel, do="here")
    assert panel._reader is reader
    send(panel, do="load")
    panel.close()
    reader.join(5)
    assert not reader.is_alive()
    assert panel._box.jobs[0].stopped


def test_reading_ends_when_no_browser_has_shown_the_panel_for_long(
    panel: LimitsPanel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandboxes.view.panel.UNSEEN_S", 0.0)
    send(panel, do="here")
    panel._reader.join(5)
    assert not panel._reader.is_alive() and not panel.ended


def test_a_missing_drawing_library_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "UPLOT_FOLDER", assets.HERE / "nowhere")
    with pytest.raises(Unavailable, match="textbook build"):
        assets.uplot("uPlot.iife.min.js")
