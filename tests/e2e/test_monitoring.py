"""The alert rules and the dashboard of docs/monitoring: each metric that they name is one that an engine has, with those labels."""

import json
import re
import urllib.request
from pathlib import Path

import pytest
import yaml
from certificates import Authority
from engine import parse_metrics
from holders import Holder, Keys, as_role
from public import Relay
from test_relay import watched_at

PLACE = Path(__file__).resolve().parents[2] / "docs" / "monitoring"
NAME = re.compile(r"\bledgerline_\w+")
SELECTOR = re.compile(r"(ledgerline_\w+)\{([^}]*)\}")


def rules():
    return [rule for group in yaml.safe_load((PLACE / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


def dashboard():
    return json.loads((PLACE / "dashboard.json").read_text())


def expressions():
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in dashboard()["panels"] for target in panel["targets"])
    yield from (one["query"]["query"] for one in dashboard()["templating"]["list"] if isinstance(one["query"], dict))


@pytest.fixture
def members(binary, tmp_path):
    """What a sink and an intake show, whose brokers are away."""
    return "".join(member(binary, tmp_path, kind) for kind in ("sink", "intake"))


def member(binary, tmp_path, kind):
    made = Relay(binary, "", "", tmp_path)
    made.command = [str(binary), kind, "--from", "kafka://127.0.0.1:1/x", "--to", "http://127.0.0.1:1", "--group", "g", "--metrics", "127.0.0.1:0"]
    made.start()
    try:
        with urllib.request.urlopen(f"{watched_at(made)}/metrics", timeout=30) as answer:
            return answer.read().decode()
    finally:
        made.kill()


@pytest.fixture
def text(binary, engines, tmp_path):
    """What an engine with keys, TLS and a relay shows once it has accepted, refused and denied."""
    keys = Keys(binary, tmp_path / "keys").all_roles()
    ca = Authority(tmp_path / "ca")
    options = ("--keys", keys.path, "--relay", "kafka://127.0.0.1:1", *ca.sign("engine", "IP:127.0.0.1").options)
    engine = engines(tmp_path / "data", options=options)
    engine.tls = ca.context()
    engine.start()
    client = as_role(engine, keys, "client")
    assert client.post("/api/points/charge", {"userId": "kim", "amount": 5000}).status == 200
    assert client.post("/api/points/use", {"userId": "kim", "amount": 9000}).status == 402
    Holder(engine, "x").get("/api/concerts")
    return as_role(engine, keys, "operator").get("/metrics").body.decode()


def test_names(text, members):
    text += members
    there = {re.split(r"[{ ]", line)[0] for line in text.splitlines() if line and not line.startswith("#")}
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    assert len(named) > 25 and not named - there, named - there
    for expression in expressions():
        for name, labels in SELECTOR.findall(expression):
            for label in re.findall(r"(\w+)=~?\"", labels):
                assert label == "instance" or re.search(rf"^{name}{{[^}}]*\b{label}=", text, re.M), (name, label)


# Buckets rise, and end at the count.
def test_histograms(text):
    metrics = parse_metrics(text)
    for name in ("ledgerline_append_duration_seconds", "ledgerline_block_entries", "ledgerline_http_request_duration_seconds"):
        counts = [value for key, value in metrics.items() if key.startswith(f"{name}_bucket")]
        assert counts == sorted(counts) and counts[-1] == metrics[f"{name}_count"] > 0 and metrics[f"{name}_sum"] > 0
    assert metrics["ledgerline_append_duration_seconds_count"] == metrics["ledgerline_own_blocks_total"]
    assert metrics["ledgerline_block_entries_sum"] == 2


# Each alert has its line in the page, and each line its alert.
def test_page():
    page = (PLACE.parent / "monitoring.md").read_text()
    assert set(re.findall(r"`(Ledgerline\w+)`", page)) == {rule["alert"] for rule in rules()}
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] in ("page", "warn", "info") for rule in rules())

