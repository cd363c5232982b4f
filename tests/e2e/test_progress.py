"""How far an engine is with what takes long: flushes, a rebuild beside it, and its own start."""

import re

from engine import parse_metrics
from samples import flushed, must, sell
from test_rebuild_beside import Rebuild

CHARGE = {"userId": "kim", "amount": 1000}


# Each flush is counted by how long it took; rows and bytes grow with them.
def test_flushes(engine, ledgerline):
    sell(engine)
    flushed(engine, ledgerline)
    metrics = engine.metrics()
    for projection in ("balances", "seats", "queue", "receipts", "rankings", "history"):
        of = lambda name, p=projection: metrics[f'ledgerline_projection_{name}{{projection="{p}"}}']  # noqa: E731
        counts = [value for key, value in metrics.items() if key.startswith(f'ledgerline_projection_flush_duration_seconds_bucket{{projection="{projection}"')]
        assert counts == sorted(counts) and counts[-1] == of("flush_duration_seconds_count") == of("flushes_total") > 0
        assert of("flush_duration_seconds_sum") >= of("flush_max_seconds") >= of("flush_last_seconds") > 0
        assert 0 < of("map_used_bytes") < of("map_bytes")
    assert metrics['ledgerline_projection_flushed_bytes_total{projection="seats"}'] > metrics['ledgerline_projection_flushed_rows_total{projection="seats"}'] > 0


def rebuilding(engine, projection):
    found = engine.metrics()
    return {name: found[f'ledgerline_projection_rebuild_{name}{{projection="{projection}"}}'] for name in ("info", "entries", "offset", "end_offset", "entries_per_second")}


# The engine tells how far the rebuild beside it is; one that was killed is told no more, nor one that has ended.
def test_rebuild_beside(engine, binary, ledgerline):
    for _ in range(200):
        must(engine.post("/api/points/charge", CHARGE), 200)
    assert not any(rebuilding(engine, "seats").values())
    rebuild = Rebuild(binary, engine.data, "--rate", 25, "seats")
    engine.wait_for(lambda: rebuilding(engine, "seats")["entries"], "the rebuild to be seen")
    told = rebuilding(engine, "seats")
    assert told["info"] == 1 and 0 < told["entries"] < engine.metrics()["ledgerline_ledger_entries"]
    assert 0 < told["offset"] < told["end_offset"] and told["entries_per_second"] > 0
    assert not any(rebuilding(engine, "balances").values())
    rebuild.kill()
    engine.wait_for(lambda: not any(rebuilding(engine, "seats").values()), "the rebuild to be missed")
    ledgerline("rebuild", "--data", engine.data, "seats", check=0)
    assert not any(rebuilding(engine, "seats").values())
    assert not list((engine.data / "projections" / "seats").glob("*/progress*"))


# A start that has much to fold says so in its log, where there is no terminal to show it.
def test_start(engine):
    for _ in range(80):
        must(engine.post("/api/points/charge", CHARGE), 200)
    assert engine.stop() == 0 and "serve.folding" not in engine.errors()
    for file in (engine.data / "projections" / "balances").glob("gen-*/*"):
        file.unlink()
    engine.start()
    said = re.findall(r"serve\.folding offset=(\d+) end=(\d+) perSecond=(\d+)", engine.errors())
    assert len(said) == 1 and int(said[0][0]) < 10 and int(said[0][1]) >= 80


def test_text_is_prometheus(engine):
    text = engine.get("/metrics").body.decode()
    helped = re.findall(r"^# HELP (\S+) .*\n# TYPE (\S+) (counter|gauge|histogram)$", text, re.M)
    assert len(helped) == text.count("# HELP") and len({name for name, *_ in helped}) == len(helped)
    assert parse_metrics(text)
