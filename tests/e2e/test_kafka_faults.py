"""Brokers that die, stand still, change leaders or lose the topic under load: what was acknowledged stays, once, and the engine
recovers by itself, or stops with a sentence when the log is another one."""

import json
import subprocess
import time
import uuid

import pytest
import wire
from crashing import Load
from engine import DidNotStart
from world import balance, check, rich


@pytest.fixture
def on_cluster(kafka_cluster, engines, ledgerline, tmp_path):
    """An engine on brokers of its own; returns (cluster, engine, topic)."""

    def start(nodes=1):
        cluster, name = kafka_cluster(nodes=nodes), f"fault-{uuid.uuid4().hex[:8]}"
        url = f"kafka://{cluster.bootstrap}/{name}"
        ledgerline("journal", "create", url, check=0)
        return cluster, engines(tmp_path / "data", url).start(), f"{name}.journal"

    return start


def goes_on(engine, load, count=30):
    """Answers come again, by themselves."""
    before = load.answered
    engine.wait_for(lambda: load.alive() or load.answered >= before + count, "answers")


# A broker that is killed and started again, twice: the engine waits for it, and nothing acknowledged is lost or doubled.
def test_broker_killed(on_cluster, ledgerline):
    cluster, engine, _ = on_cluster()
    load = Load(engine)
    for _ in range(2):
        goes_on(engine, load)
        cluster.node(1).kill()
        time.sleep(0.3)
        assert engine.get("/healthz").status == 200 and engine.get("/api/status").status == 200
        cluster.node(1).start()
        goes_on(engine, load)
    load.finish()
    assert engine.starts == 1 and engine.running
    load.check(ledgerline)


# A broker that stands still for three seconds is waited for.
def test_broker_paused(on_cluster, ledgerline):
    cluster, engine, _ = on_cluster()
    load = Load(engine)
    goes_on(engine, load)
    cluster.node(1).pause()
    time.sleep(3)
    cluster.node(1).resume()
    goes_on(engine, load)
    load.finish()
    assert engine.starts == 1
    load.check(ledgerline)


# The engine is killed while the broker stands still with its block: whether the block landed or not, the next engine knows.
def test_engine_killed_while_the_broker_is_paused(on_cluster, ledgerline):
    cluster, engine, _ = on_cluster()
    load = Load(engine)
    for _ in range(3):
        goes_on(engine, load)
        cluster.node(1).pause()
        time.sleep(0.05)
        engine.kill()
        cluster.node(1).resume()
        engine.start()
    goes_on(engine, load)
    load.finish()
    load.check(ledgerline)


# Three brokers, and the one that leads the journal is killed: the next one takes over, and the engine with it.
def test_leader_of_three_killed(on_cluster, ledgerline):
    cluster, engine, topic = on_cluster(nodes=3)
    load = Load(engine)
    goes_on(engine, load)
    leader = cluster.leader(topic)
    leader.kill()
    goes_on(engine, load)
    leader.start()
    goes_on(engine, load)
    load.finish()
    assert engine.starts == 1
    load.check(ledgerline)


# A topic that was replaced by another ledger's, longer one, while nobody looked: the engine stops and says so, and
# acknowledges nothing that it wrote there.
def test_topic_replaced(on_cluster, engines, ledgerline, tmp_path):
    cluster, engine, topic = on_cluster()
    user = rich(engine, 1000)
    other = tmp_path / "other"
    stranger = engines(other).start()
    for _ in range(20):
        rich(stranger, 1000)
    assert stranger.stop() == 0
    engine.pause()
    cluster.delete_topic(topic)
    ledgerline("journal", "copy", f"local:{other}/journal", engine.journal, check=0)
    length = cluster.end_offset(topic)
    engine.resume()
    seen = None
    for number in range(200):
        try:
            seen = engine.post("/api/points/charge", {"userId": user, "amount": 1000}, key=f"lost-{number}")
        except OSError:
            break
        assert seen.status == 503, seen
        time.sleep(0.05)
    assert engine.process.wait(60) == 3
    last = [line for line in engine.errors().splitlines() if line.startswith("ledgerline serve: ")]
    assert len(last) == 1 and engine.journal in last[0] and "delete the projections" in last[0]
    copied = ledgerline("journal", "cat", engine.journal, check=0).stdout
    assert not any((json.loads(line)["commandId"] or "").startswith("lost-") for line in copied.splitlines())
    assert cluster.end_offset(topic) >= length


# A record that somebody writes into the topic by hand is skipped, told, and changes nothing.
def test_foreign_records(on_cluster, ledgerline):
    cluster, engine, topic = on_cluster()
    user = rich(engine, 1000)
    for words in ("hello", "x" * 5000):
        feed = ["kcat", "-P", "-b", cluster.bootstrap, "-t", topic, "-p", "0"]
        subprocess.run(feed, input=words + "\n", text=True, check=True)
        assert engine.post("/api/points/charge", {"userId": user, "amount": 1000}).status == 200
    assert balance(engine, user)["balance"] == 3000
    assert engine.status()["journal"]["void"]["foreign"] == 2 and "by hand" in engine.errors()
    check(engine, ledgerline, [user], charged=3000)
    assert engine.stop() == 0
    assert balance(engine.start(), user)["balance"] == 3000


# The beginning of the topic is deleted under the engine: it says so, and a start is refused.
def test_beginning_deleted(on_cluster, engines, tmp_path):
    cluster, engine, topic = on_cluster()
    rich(engine, 1000)
    assert engine.stop() == 0
    cluster.delete_records(topic, 2)
    assert wire.offset(cluster.any(), topic, wire.EARLIEST) == 2
    with pytest.raises(DidNotStart) as refused:
        engine.start()
    assert refused.value.status == 3 and "beginning" in refused.value.err
