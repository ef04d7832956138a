"""The harness that cuts the power, where it can be tried without root: on logs of a few writes."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Iterator
from itertools import combinations, count
from pathlib import Path

import pytest
from support import ROOT

import atomic_store
from attacks.power_cuts.campaign import CONTROLS
from attacks.power_cuts.file_systems import FILE_SYSTEMS, FileSystem
from attacks.power_cuts.history import Expectation, History
from attacks.power_cuts.recording import HEAD, Failure, Flush, LogError, Mark, Record, Write, parse, until
from attacks.power_cuts.report import power_cuts, tables
from attacks.power_cuts.requirements import missing
from attacks.power_cuts.results import Results
from attacks.power_cuts.states import KINDS, SHORT, CrashStates, Plan, State
from attacks.power_cuts.stores import PERSISTENT, Store, fresh, number_in, value_of
from attacks.power_cuts.tally import EXAMPLES, Tally
from attacks.power_cuts.verdict import left_over, store_named
from attacks.power_cuts.workload import Marks
from attacks.power_cuts.writers import WRITERS, Library, NoDirectoryFsync, Writer

SECTOR = 512


NUMBERS = count(1 << 32)
"""Of writes: larger than those of sectors, so that no part of one write is in another one."""


def write(offset: int, sectors: int = 1) -> Write:
    """A write whose every sector tells which one it is, and of which write."""
    number = next(NUMBERS)
    return Write(offset, b"".join(struct.pack("<QQ", number, sector) * (SECTOR // 16) for sector in range(sectors)))


@pytest.fixture
def log() -> list[Record]:
    """Five epochs: of two writes, of none, of one, of seven, and one of three that no flush has ended."""
    return [
        Mark("B small 2 2"),
        write(0),
        write(512),
        Flush(),
        Flush(),
        write(1024, 8),
        Mark("E small 2"),
        Flush(),
        *(write(8192 * number, 16) for number in range(7)),
        Mark("B small 3 3"),
        Flush(),
        write(0),
        Mark("E small 3"),
        write(512),
        write(1024),
    ]


def all_states(log: list[Record], share: float = 1.0, drawn: int = 200) -> Iterator[State]:
    yield from CrashStates(log).make(Plan(share, drawn, drawn), random.Random(1))


def content(log: list[Record], state: State) -> dict[int, bytes]:
    """What the disk holds in that state, sector by sector."""
    sectors: dict[int, bytes] = {}
    for offset, data in (*CrashStates(log).writes[: state.base], *state.pieces):
        for start in range(0, len(data), SECTOR):
            sectors[offset + start] = data[start : start + SECTOR]
    return sectors


def sectors_of(record: Write) -> dict[int, bytes]:
    return {record.offset + start: record.data[start : start + SECTOR] for start in range(0, len(record.data), SECTOR)}


def packed(kind: bytes, data: bytes = b"", offset: int = 0) -> bytes:
    return HEAD.pack(kind, len(data), offset) + data


def test_log_is_read_as_it_was_written() -> None:
    """Each kind of record comes back, with its place and its bytes."""
    text = (
        packed(b"M", b"B small 2 2") + packed(b"W", b"abc", 4096) + packed(b"F") + packed(b"w", b"abc", 512) + packed(b"f")
    )
    expected = [Mark("B small 2 2"), Write(4096, b"abc"), Flush(), Failure(True, 512), Failure(False, 0)]
    assert list(parse(text)) == expected


@pytest.mark.parametrize("cut", [1, HEAD.size - 1, HEAD.size + 2])
def test_log_that_was_cut_off_is_refused(cut: int) -> None:
    """A log whose last record is not whole proves nothing, so it is an error."""
    with pytest.raises(LogError, match="whole record"):
        list(parse(packed(b"F") + packed(b"W", b"abc")[:cut]))


def test_log_of_something_else_is_refused() -> None:
    """An unknown kind of record is an error."""
    with pytest.raises(LogError, match="b'X'"):
        list(parse(packed(b"X")))


def test_recording_that_did_not_end_is_refused() -> None:
    """Without the last mark, the program under attack has not done all that it should."""
    assert until(iter([Flush(), Mark("stop"), Flush()]), "stop") == [Flush()]
    with pytest.raises(LogError, match="stop"):
        until(iter([Flush()]), "stop")


def test_no_state_lacks_what_was_flushed(log: list[Record]) -> None:
    """Whatever a crash leaves: each sector is there of each write that was flushed at the moment for which it is judged."""
    for state in all_states(log):
        flushes = [position for position, record in enumerate(log[: state.ended_by + 1]) if record == Flush()]
        if state.kind == "prefix":
            flushes = [position for position in flushes if position <= state.begun_by]  # later ones flush what is there
        sure: dict[int, bytes] = {}
        for record in log[: max(flushes, default=0)]:
            if isinstance(record, Write):
                sure |= sectors_of(record)
        found = content(log, state)
        later = [sectors_of(record) for record in log[max(flushes, default=0) :] if isinstance(record, Write)]
        for offset, data in sure.items():
            assert found[offset] == data or any(found[offset] == each.get(offset) for each in later)


def test_no_state_has_what_was_not_written_yet(log: list[Record]) -> None:
    """Whatever a crash leaves: nothing of it was written after the moment for which it is judged."""
    for state in all_states(log):
        written = {
            data for record in log[: state.begun_by + 1] if isinstance(record, Write) for data in sectors_of(record).values()
        }
        assert set(content(log, state).values()) <= written


def test_no_state_is_judged_for_a_time_in_which_the_disk_changed(log: list[Record]) -> None:
    """From the first to the last moment for which a state is judged nothing is written, nor flushed while some is lost."""
    for state in all_states(log):
        meanwhile = log[state.begun_by + 1 : state.ended_by + 1]
        assert -1 <= state.begun_by <= state.ended_by < len(log)
        assert not any(isinstance(record, Write) for record in meanwhile)
        assert state.kind == "prefix" or Flush() not in meanwhile


def test_every_prefix_is_made_once(log: list[Record]) -> None:
    """After each write there is one state that holds all writes so far, and one holds none."""
    writes = CrashStates(log).writes
    prefixes = [state for state in all_states(log) if state.kind == "prefix"]
    assert [state.base + len(state.pieces) for state in prefixes] == list(range(len(writes) + 1))
    for made, state in enumerate(prefixes):
        assert [*writes[: state.base], *state.pieces] == writes[:made]


def test_prefix_is_judged_for_all_the_time_it_was_true(log: list[Record]) -> None:
    """A prefix is judged as late as the next write, so an operation that has returned by then must have its effect."""
    history = History(log, {"small": 1})
    found = [
        history.expect("small", state.begun_by, state.ended_by).allowed
        for state in all_states(log)
        if state.kind == "prefix"
    ]
    # The third operation begins after the last write of its epoch, and has returned before the next but one.
    assert found == [{1}, *[{1, 2}] * 2, *[{2}] * 8, *[{3}] * 3]


def test_every_subset_of_a_short_epoch_is_made(log: list[Record]) -> None:
    """Of an epoch of two or three writes, there is a state for each of their subsets."""
    for first, last in ((0, 2), (10, 13)):
        assert last - first <= SHORT
        pending = CrashStates(log).writes[first:last]
        made = {state.pieces for state in all_states(log, drawn=0) if state.base == first}
        wanted = {each for size in range(1, len(pending) + 1) for each in combinations(pending, size)}
        assert wanted <= made


def test_long_epochs_lose_writes_in_any_way(log: list[Record]) -> None:
    """Of an epoch of seven writes, single ones are lost, single ones are kept, and others in between."""
    sizes = {len(state.pieces) for state in all_states(log) if state.kind == "subset" and state.base == 3}
    assert {1, 3, 6} <= sizes


@pytest.mark.parametrize("unit", [512, 4096])
def test_torn_writes_keep_whole_units_and_never_all_of_them(log: list[Record], unit: int) -> None:
    """Of a torn write some units of 512 or 4096 bytes are there, at least one, and at least one is not."""
    writes = CrashStates(log).writes
    torn = 0
    for state in all_states(log):
        if state.kind != f"torn {unit}":
            continue
        for offset, data in state.pieces:
            origin = next(each for each in writes if data in each.data)
            if len(data) < len(origin.data):
                assert len(data) == unit
                assert (offset - origin.offset) % unit == 0
                torn += 1
                kept = sum(piece.data in origin.data for piece in state.pieces)
                assert 0 < kept < len(origin.data) // unit
    assert torn > 0


def test_no_state_is_made_twice(log: list[Record]) -> None:
    """A state that was looked at is not looked at again."""
    states = [(state.base, state.pieces) for state in all_states(log)]
    assert len(states) == len(set(states))
    assert {state.kind for state in all_states(log)} == set(KINDS)


def test_lying_disk_loses_what_it_said_was_safe(log: list[Record]) -> None:
    """After the second operation had returned, a disk that lied about the last flush may hold none of its writes."""
    crash = CrashStates(log)
    for end, lies, sure in (
        (Mark("E small 3"), False, 10),
        (Mark("E small 3"), True, 3),
        (Mark("E small 2"), False, 2),  # the next flush comes after it
        (Mark("E small 2"), True, 0),
    ):
        states = list(crash.at(log.index(end), random.Random(1), lies))
        assert min(len(state.pieces) for state in states) == sure
        assert {(state.begun_by, state.ended_by) for state in states} == {(log.index(end), log.index(end))}


def expect(*marks: str) -> Expectation:
    log = [Mark(text) for text in marks]
    return History(log, {"small": 1}).expect("small", len(log), len(log))


@pytest.mark.parametrize(
    ("marks", "allowed"),
    [
        ((), {1}),
        (("B small 2 2",), {1, 2}),
        (("B small 2 2", "E small 2"), {2}),
        (("B small 2 2", "F small 2"), {1}),
        (("B small 2 2", "U small 2"), {1, 2}),
        (("B small 2 2", "U small 2", "B small 3 3"), {1, 2, 3}),
        (("B small 2 2", "U small 2", "B small 3 3", "F small 3"), {1, 2}),
        (("B small 2 2", "U small 2", "B small 3 3", "E small 3"), {3}),
        (("B small 2 -",), {1, None}),
        (("B small 2 -", "E small 2"), {None}),
        (("B small 2 -", "E small 2", "B small 3 3"), {None, 3}),
        (("B large 2 2", "E large 2"), {1}),
    ],
)
def test_what_may_be_found_follows_from_how_operations_ended(marks: tuple[str, ...], allowed: set[int | None]) -> None:
    """At work: old or new. Returned: new. Uncertain: either. Raised: old."""
    assert expect(*marks).allowed == allowed


def test_value_that_was_replaced_is_told_from_one_that_never_was() -> None:
    """An older value is a lost commit, and is known as such."""
    assert expect("B small 2 2", "E small 2").past == {1}


def test_marks_out_of_order_are_refused() -> None:
    """A mark that ends what did not begin is an error of the harness."""
    with pytest.raises(ValueError, match="began last"):
        expect("B small 2 2", "E small 3")
    with pytest.raises(ValueError, match="of the workload"):
        expect("stop")


def test_marks_tell_how_an_operation_ended(tmp_path: Path) -> None:
    """What the writer raises is marked: an error, or an uncertain end."""

    class Failing(Library):
        def write(self, store: Store, number: int) -> None:
            if number == 3:
                raise OSError("the disk says no")
            if number == 4:
                raise atomic_store.UncertainCommitError("perhaps")
            super().write(store, number)

    texts: list[str] = []
    marks, writer, store = Marks(texts.append), Failing(tmp_path), PERSISTENT[0]
    for number in (2, 3, 4):
        marks.around(writer, store, number)
    marks.around(writer, store, 5, deletes=True)
    assert texts == [
        *("B small 2 2", "E small 2", "B small 3 3", "F small 3"),
        *("B small 4 4", "U small 4", "B small 5 -", "E small 5"),
    ]


@pytest.mark.parametrize("kind", WRITERS.values(), ids=WRITERS)
def test_every_writer_reads_back_what_it_wrote(kind: type[Writer], tmp_path: Path) -> None:
    """Without a crash, library, controls and databases agree: each value comes back, and nothing is stored before."""
    writer = kind(tmp_path)
    for store in (*writer.stores, fresh(0)):
        (tmp_path / store.path).parent.mkdir(exist_ok=True)
        if store.link:
            (tmp_path / store.link).symlink_to(store.path)
        assert writer.read(store) is None
        for number in range(1, 7):
            writer.write(store, number)
            assert kind(tmp_path).read(store) == number
        if store.deletes:
            writer.delete(store)
            assert writer.read(store) is None


def test_damaged_value_is_never_taken_for_whole(tmp_path: Path) -> None:
    """A value with a changed, missing or foreign byte is refused, be it JSON or not."""
    store = PERSISTENT[0]
    value = value_of(store, 3)
    assert number_in(store, value) == 3
    changed: list[object] = [{**value, "number": 4}, {**value, "body": value["body"][:-1] + "z"}]
    for wrong in (*changed, value_of(PERSISTENT[1], 3), None, [], {}):
        with pytest.raises(ValueError, match="should be a value of"):
            number_in(store, wrong)
    (tmp_path / store.path).write_bytes(json.dumps(value).encode()[:-5])
    for kind in (Library, NoDirectoryFsync):
        with pytest.raises(ValueError, match="JSONDecodeError"):
            kind(tmp_path).read(store)


def test_what_no_crash_may_leave_is_noticed(tmp_path: Path) -> None:
    """One temporary file a store is what a kill may leave; a second one, or a stranger's, is reported."""
    stores = [store_named(name) for name in ("small", "linked")]
    (tmp_path / "elsewhere").mkdir()
    for name in ("small.json", ".small.json.lock", "link.json", "elsewhere/linked.json", ".small.json.0123456789abcdef.tmp"):
        (tmp_path / name).touch()
    (tmp_path / "elsewhere" / ".linked.json.0123456789abcdef.tmp").touch()
    assert left_over(tmp_path, stores) == []
    for name in ("small.json.bak", ".small.json.1123456789abcdef.tmp", ".linked.json.0123456789abcdef.tmp"):
        (tmp_path / name).touch()
        assert [found.text for found in left_over(tmp_path, stores)] == [name]
        (tmp_path / name).unlink()


def test_results_add_up_over_runs(tmp_path: Path) -> None:
    """A run that goes on with a file adds to it, keeps its seed, and draws other states than the one before."""
    path = tmp_path / "results.json"
    seeds: list[str] = []
    for _ in range(2):
        results = Results(path, "first" if not seeds else "second")
        results.begin(10)
        seeds.append(results.next_seed("xfs", Results.POWER_CUTS))
        tally = Tally(rounds=1, commits=2)
        tally.states["prefix"] += 10
        tally.unmountable["prefix"] += 1
        tally.violate(["lost", "lost"])
        for number in range(10):
            tally.tell(f"lost: example {number}")
        results.add("xfs", Results.POWER_CUTS, tally)
    total = Results(path, "third").get("xfs", Results.POWER_CUTS)
    assert (total.looked_at, total.mounted, total.violated, total.commits, total.rounds) == (20, 18, 2, 4, 2)
    assert len(total.examples) == EXAMPLES
    assert [seed.split("/")[0] for seed in seeds] == ["first", "first"]
    assert len(set(seeds)) == 2
    assert any("20" in line.split() for line in results.table())


def test_what_may_be_undone_is_told_from_what_must_not_happen() -> None:
    """An older value, and the temporary file of a rename that was undone, are no more than a lost commit; damage is."""
    tally = Tally()
    tally.violate(["creation, lost", "replacement, left over"])
    assert (tally.violated, tally.worse_than_undone) == (1, 0)
    tally.violate(["replacement, damaged"])
    assert (tally.violated, tally.worse_than_undone) == (2, 1)


def test_machine_that_lacks_something_is_told_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without root, a kernel's file system or a program there is no run, and each missing thing is named with its remedy."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", "")
    unheard_of = FileSystem("unheard-of", "unheardofs", 1, ("mkfs.xfs",))
    lacking = list(missing([unheard_of]))
    for word in ("root", "unheardofs", "gcc", "mkfs.xfs: apt-get install xfsprogs"):
        assert any(word in line for line in lacking)


def test_pages_show_the_figures_of_the_last_long_run() -> None:
    """The tables of both pages are those of the results that are kept, in which the library lost nothing."""
    results = Results.of(ROOT / "attacks" / "results" / "power_cuts.json")
    page = (ROOT / "docs" / "how-it-is-tested.md").read_text(encoding="utf-8")
    raw = (ROOT / "attacks" / "results" / "README.md").read_text(encoding="utf-8")
    assert "\n\n" + "\n".join(power_cuts(results)) + "\n\n" in page
    failures = [results.get(name, Results.BLOCK_ERRORS) for name in results.file_systems]
    total = sum(tally.outcomes.total() for tally in failures)
    assert f"{total:,} failures and {sum(tally.looked_at for tally in failures):,} states" in page
    for text in tables(results):
        assert f"\n\n{text}\n" in raw
    assert set(results.file_systems) == set(FILE_SYSTEMS)
    for name in FILE_SYSTEMS:
        assert results.get(name, Results.POWER_CUTS).violated == 0
        assert results.get(name, Results.BLOCK_ERRORS).violated == 0
        assert all(results.get(name, title).violated for title in CONTROLS)
