"""A broker that asks who one is (SASL with SCRAM-SHA-512) and has ACLs: engines alone may write the journal; others are told, and claim nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine import DidNotStart, Engine, run

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "kafka"))

from kafka import free_ports  # noqa: E402

TOPIC = "guarded.journal"
PASSWORDS = {"engine": "engine-Secret1", "reader": "reader-Secret2", "stranger": "stranger-Secret3"}


class Guarded:
    """One broker: a listener for its administrator, where ANONYMOUS may do everything, and one with SASL for all others."""

    def __init__(self, start):
        self.port = free_ports(1)[0]
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        self.cluster = start(
            1,
            {
                "listeners": f"PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},GUARDED://127.0.0.1:{self.port}",
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{{port}},GUARDED://127.0.0.1:{self.port}",
                "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,GUARDED:SASL_PLAINTEXT",
                "sasl.enabled.mechanisms": "SCRAM-SHA-512",
                "listener.name.guarded.scram-sha-512.sasl.jaas.config": scram,
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": "User:ANONYMOUS",
            },
        )
        self.url = f"kafka://127.0.0.1:{self.port}/{TOPIC.removesuffix('.journal')}"
        for name, password in PASSWORDS.items():
            self.tool("kafka.admin.ConfigCommand", "--alter", "--add-config", f"SCRAM-SHA-512=[password={password}]", "--entity-type", "users", "--entity-name", name)
        self.allow("engine", "All")
        for operation in ("Read", "Describe", "DescribeConfigs"):
            self.allow("reader", operation)

    def tool(self, main, *arguments):
        command = self.cluster.java(main, "--bootstrap-server", self.cluster.any(), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr

    def allow(self, user, operation):
        self.tool("kafka.admin.AclCommand", "--add", "--allow-principal", f"User:{user}", "--operation", operation, "--topic", TOPIC)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    from conftest import no_kafka
    from jars import Unavailable
    from kafka import Cluster

    started = []
    try:
        yield Guarded(lambda nodes, settings: started.append(Cluster(nodes, settings).start()) or started[0])
    except Unavailable as why:
        no_kafka(why)
    finally:
        for cluster in started:
            cluster.stop()


def login(user, password=None):
    """--kafka settings."""
    settings = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": user,
        "sasl.password": password or PASSWORDS[user],
    }
    return [word for name, value in settings.items() for word in ("--kafka", f"{name}={value}")]


def offsets(guarded):
    return guarded.cluster.end_offset(TOPIC)


def test_scram_and_acls(guarded, binary, tmp_path):
    run(binary, "journal", "create", guarded.url, *login("engine"), check=0)
    engine = Engine(binary, tmp_path / "data", guarded.url, login("engine")).start()
    try:
        assert engine.post("/api/points/charge", {"userId": "kim", "amount": 5000}).status == 200
        end = offsets(guarded)
        said = []
        def denied(user, says, password=None):
            place = tmp_path / f"{user}-{len(said)}"
            with pytest.raises(DidNotStart) as caught:
                Engine(binary, place, guarded.url, [*login(user, password), "--patience", "100"]).start()
            assert caught.value.status == 3 and says in caught.value.err, (user, caught.value.err)
            assert offsets(guarded) == end, user
            said.append(caught.value.err)

        # Who may not is told so in one sentence, and the engine that leads goes on to.
        denied("engine", "uthenticat", "wrong-Secret4")
        denied("nobody", "uthenticat", "wrong-Secret5")
        denied("stranger", "uthoriz")
        assert engine.status()["leader"]["self"]
        # A reader may read, and not write.
        assert "entries" in run(binary, "journal", "info", guarded.url, *login("reader"), check=0).stdout
        assert offsets(guarded) == end
        assert engine.post("/api/points/charge", {"userId": "kim", "amount": 5000}).status == 200
        said += [engine.errors(), "".join(engine.out), engine.get("/api/status").body.decode(), engine.get("/metrics").body.decode()]
        assert engine.stop() == 0
        # With nobody to follow, one who may read alone would have to claim.
        end = offsets(guarded)
        denied("reader", "uthoriz")
        files = [p for p in tmp_path.rglob("*") if p.is_file() and not p.is_symlink()]
        for password in (*PASSWORDS.values(), "wrong-Secret4", "wrong-Secret5"):
            assert not any(password in text for text in said)
            assert not any(password.encode() in p.read_bytes() for p in files)
    finally:
        engine.kill()
    assert os.path.isdir(tmp_path / "data")
