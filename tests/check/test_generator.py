"""The generator refuses versions in schemas/*.toml that contradict themselves, with the place and the reason."""

import shutil
import sys
from pathlib import Path

import pytest

SCHEMAS = Path(__file__).resolve().parent.parent.parent / "schemas"
sys.path.insert(0, str(SCHEMAS))

from generator import model  # noqa: E402

CLOSED = '["version", "u32", "of the policy from now on"]'
LIVE = '["live_reservations", "u32", "held or confirmed ones"]'

# file, what is replaced in it, by what, what is said
WRONG = [
    ("events", CLOSED, CLOSED[:-1] + ", { since = 2 }]", "policy.changed.version: since is 2, not 2 to 1"),
    ("events", '"concert.schedule.updated"]\nnumber = 13\nversion = 2', '"concert.schedule.updated"]\nnumber = 13\nversion = 3', "version 3 has no field that is new in it"),
    ("events", '"all its seats", { since = 2 }', '"all its seats", { changed = 2 }', "an event keeps its fields as they are"),
    ("events", '["total_seats", "u32?", "all its seats"', '["total_seats", "u32", "all its seats"', "an older version does not say it"),
    ("blocks", '"concert.schedule.updated" = 2, ', "", "concert.schedule.updated: version 2 is of no format, or of two"),
    ("blocks", '"concert.schedule.updated" = 2', '"concert.schedule.updated" = 3', "concert.schedule.updated: version 2 is of no format"),
    ("blocks", '"concert.schedule.updated" = 2', '"concert.schedule.updated" = 2, "tick" = 2', "tick has no version 2"),
    ("blocks", "number = 2", "number = 3", "they are numbered 1, 2, 3"),
    ("tables", LIVE, LIVE[:-1] + ", { since = 9 }]", "schedules.live_reservations: since is 9, not 2 to 2"),
    ("tables", LIVE, LIVE[:-1] + ", { changed = 1 }]", "schedules.live_reservations: changed is 1, not 2 to 2"),
    ("tables", LIVE, LIVE[:-1] + ", { until = 2 }]", "schedules.live_reservations: until is 2, not 1 to 1"),
    ("tables", LIVE, f"{LIVE}, {LIVE}", "schedules: two fields have one name"),
    ("tables", "tables.queue_open]\nsince = 2", "tables.queue_open]\nsince = 3", "queue_open: since is 3, not 1 to 2"),
]  # fmt: skip


@pytest.mark.parametrize("name, old, new, said", WRONG)
def test_refused(tmp_path, name, old, new, said):
    for file in SCHEMAS.glob("*.toml"):
        shutil.copy(file, tmp_path)
    file = tmp_path / f"{name}.toml"
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    with pytest.raises(SystemExit) as refused:
        model.read(tmp_path)
    assert said in str(refused.value)


# What is gone stands in the layout of its table, and in no row.
def test_gone(tmp_path):
    for file in SCHEMAS.glob("*.toml"):
        shutil.copy(file, tmp_path)
    file = tmp_path / "tables.toml"
    file.write_text(file.read_text().replace(LIVE, LIVE[:-1] + ", { until = 1 }]"))
    tables = {table.title: table for projection in model.read(tmp_path).projections for table in projection.tables}
    assert "live_reservations" in [f.name for f in tables["schedules"].layout]
    assert "live_reservations" not in [f.name for f in tables["schedules"].fields]
