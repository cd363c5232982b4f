"""Engines of one journal with access keys: they ask one another with a key of their own, and send on the client's."""

import signal

import pytest
from engine import DidNotStart, run
from holders import Holder, Keys, as_role


@pytest.fixture
def keys(binary, tmp_path):
    return Keys(binary, tmp_path / "keys").all_roles()


def guarded(engines, keys, url, data, peer="the-operator"):
    return engines(data, url, ("--keys", keys.path, "--peer-key", keys.file_of(peer)))


# A command is sent on with its client's key, and the leader judges it; the lead goes to and fro, by request and by SIGTERM.
def test_two_engines(engines, keys, kafka_url, tmp_path):
    one = guarded(engines, keys, kafka_url, tmp_path / "one").start()
    two = guarded(engines, keys, kafka_url, tmp_path / "two").start()
    client, operator = as_role(two, keys, "client"), as_role(one, keys, "operator")
    charge = {"userId": "kim", "amount": 5000}
    assert client.post("/api/points/charge", charge).status == 200
    reply = as_role(two, keys, "admin").command({"type": "points.adjust", "reason": "r", "approver": "lee", **charge})
    assert reply["outcome"] == "accepted"
    entries = as_role(one, keys, "auditor").get("/api/points/history?userId=kim").json["entries"]
    assert [entry["actor"] for entry in entries] == [{"type": "admin", "id": "the-admin"}, {"type": "user", "id": "the-client"}]
    assert as_role(two, keys, "operator").post("/api/points/charge", charge).code == "FORBIDDEN"
    assert two.post("/api/points/charge", charge).code == "KEY_REQUIRED"
    one.wait_for(lambda: operator.get("/api/status").json["leader"]["standbys"], "the other to stand by")
    handed = one.wait_for(lambda: (reply := operator.post("/api/admin/handover")).status == 200 and reply, "the hand-over")
    assert handed.json["leader"]["address"] == two.url
    for key in ("client", "auditor"):
        assert as_role(two, keys, key).post("/api/admin/lead").code == "FORBIDDEN"
    assert as_role(one, keys, "client").post("/api/points/charge", charge).status == 200
    assert two.stop() == 0
    one.wait_for(lambda: operator.get("/api/status").json["leader"]["self"], "the first to lead again")
    assert as_role(one, keys, "client").get("/api/points/balance?userId=kim").json["balance"] == 15000
    for engine in (one, two):
        assert not any(key[-43:] in engine.errors() for key in keys.of.values())


# A limit holds for the whole ledger, whichever engine is asked: the one that leads counts.
def test_limit_of_all(engines, keys, kafka_url, tmp_path):
    keys.add("slow", "client", "--limit", "1")
    one = guarded(engines, keys, kafka_url, tmp_path / "one").start()
    two = guarded(engines, keys, kafka_url, tmp_path / "two").start()
    many = [{"type": "points.charge", "userId": "kim", "amount": 5000}] * 1000
    assert Holder(one, keys.of["slow"]).post("/api/commands", many).status == 200
    assert Holder(two, keys.of["slow"]).post("/api/commands", many).code == "OVERLOADED"


# One whose key the leader does not take says so, and does not take that for the leader's death; with a key that is known it is well.
def test_wrong_peer_key(engines, keys, kafka_url, tmp_path, binary):
    keys.add("gone", "operator")
    run(binary, "keys", "revoke", "gone", "--keys", keys.path, check=0)
    one = guarded(engines, keys, kafka_url, tmp_path / "one").start()
    two = guarded(engines, keys, kafka_url, tmp_path / "two", "gone").launch("--patience", "60000")
    two.wait_for(lambda: "peer.denied" in two.errors(), "what is wrong to be told")
    assert "--peer-key" in two.errors() and as_role(one, keys, "operator").get("/api/status").json["leader"]["self"]
    keys.path.with_name("gone.key").write_text(keys.of["the-operator"])
    two.process.send_signal(signal.SIGHUP)
    two.await_listening()
    assert as_role(two, keys, "client").post("/api/points/charge", {"userId": "kim", "amount": 5000}).status == 200


def test_peer_key_needed(engines, keys, kafka_url, tmp_path):
    with pytest.raises(DidNotStart) as caught:
        engines(tmp_path / "one", kafka_url, ("--keys", keys.path)).start()
    assert caught.value.status == 2 and "--peer-key" in caught.value.err
    bad = tmp_path / "bad"
    bad.write_text("x")
    with pytest.raises(DidNotStart) as caught:
        engines(tmp_path / "two", kafka_url, ("--keys", keys.path, "--peer-key", bad)).start()
    assert caught.value.status == 3 and "is not one key" in caught.value.err


# What others reach it by stands in its claim.
def test_advertise(engines, keys, kafka_url, tmp_path):
    one = guarded(engines, keys, kafka_url, tmp_path / "one").start("--advertise", "http://ledger.example:8080")
    assert as_role(one, keys, "operator").get("/api/leader").json["leader"]["address"] == "http://ledger.example:8080"
    with pytest.raises(DidNotStart) as caught:
        engines(tmp_path / "two", kafka_url).start("--advertise", "ledger.example")
    assert caught.value.status == 2 and "--advertise takes a URL" in caught.value.err
