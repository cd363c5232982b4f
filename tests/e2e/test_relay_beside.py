"""`serve --relay`: the relay beside the engine that leads, through a change of leaders and without brokers."""

import threading
import time
import uuid

import pytest
import wire
from engine import parse_metrics
from public import check_topics, expected
from test_relay import payments
from world import rich


@pytest.fixture
def prefix():
    return f"b{uuid.uuid4().hex[:8]}."



def relay_of(engine):
    return engine.get("/api/status").json["relay"]


# The engine that leads relays, the one that stands by does not; killed and paused leaders are followed by the next, and each event is there
# once. Status and metrics tell.
def test_leaders_change(engines, kafka, kafka_url, ledgerline, tmp_path, prefix):
    options = ("--relay", f"kafka://{kafka}", "--relay-prefix", prefix, "--relay-map", f"user.registered={prefix}people")
    secret = tmp_path / "secret"
    secret.write_text("5" * 64 + "\n")
    both = [engines(tmp_path / f"data{n}", kafka_url, options=(*options, "--secret", secret)) for n in range(2)]
    both[0].start()
    both[1].start()
    assert relay_of(both[1])["state"] == "off"
    stop = threading.Event()
    buying = threading.Thread(target=payments, args=(both[1], stop), kwargs={"buyers": 10})
    buying.start()
    both[0].wait_for(lambda: relay_of(both[0])["published"] > 100, "events by the leader")
    stop.set()
    buying.join()
    both[0].kill()
    both[1].wait_for(lambda: relay_of(both[1])["state"] == "publishing", "the other one to relay")
    for _ in range(50):
        rich(both[1], 1000)
    wanted, ledger = expected(ledgerline, kafka_url)
    where = lambda kind: prefix + ("people" if kind == "user.registered" else kind)  # noqa: E731
    both[1].wait_for(lambda: relay_of(both[1])["pending"] == 0, "nothing pending")
    told = relay_of(both[1])
    assert told["lagMs"] == 0 and told["fenced"] == 0 and told["lastError"] is None
    assert told["position"] == f"0:{wanted[-1]['sequence']}" or int(told["position"][2:]) > wanted[-1]["sequence"]
    metrics = parse_metrics(both[1].get("/metrics").body.decode())
    assert metrics["ledgerline_relay_pending_entries"] == 0 and metrics["ledgerline_relay_working_info"] == 1
    assert sum(value for name, value in metrics.items() if name.startswith("ledgerline_relay_events_total{")) == told["published"] >= 50
    assert metrics["ledgerline_relay_delay_seconds_count"] == told["published"]
    assert both[1].stop() == 0
    assert check_topics(kafka, wanted, ledger, where) == 0
    assert f"{prefix}people" in wire.metadata(kafka)["topics"]


# Without its brokers the engine does its work; the relay says what is wrong, and goes on trying; the engine stops when told.
def test_without_brokers(engines, tmp_path):
    engine = engines(tmp_path / "data", options=("--relay", "kafka://127.0.0.1:1")).start()
    user = rich(engine, 1000)
    engine.wait_for(lambda: relay_of(engine)["retries"] >= 1, "a first failure")
    told = relay_of(engine)
    assert "127.0.0.1:1" in told["lastError"] and told["lastErrorAt"] and told["published"] == 0 and told["pending"] > 0
    engine.wait_for(lambda: parse_metrics(engine.get("/metrics").body.decode())["ledgerline_relay_failing_info"] == 1, "the metric")
    assert engine.get(f"/api/points/balance?userId={user}").json["balance"] == 1000
    begun = time.monotonic()
    assert engine.stop() == 0 and time.monotonic() - begun < 60


@pytest.mark.parametrize("options, said", [
    (["--relay", "localhost:9092"], "--relay takes kafka://HOST:PORT"),
    (["--relay", "kafka://localhost:9092", "--relay-prefix", "a b"], "--relay-prefix: a buser.registered is no name of a topic"),
    (["--relay", "kafka://localhost:9092", "--relay-map", "x=y"], "--relay-map: x is no type of a public event"),
    (["--relay-prefix", "shop."], "go with --relay URL"),
    (["--relay-replication", "3"], "go with --relay URL"),
])
def test_bad_command_line(ledgerline, tmp_path, options, said):
    done = ledgerline("serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0", *options, check=2)
    assert said in done.stderr
