"""What end-to-end tests are given.

	binary, ledgerline  the program's path; `ledgerline("query", ..., check=0)` runs it to its end
	kafka               host:port of a broker, one for the whole run
	kafka_cluster       kafka_cluster(nodes=3): brokers of the test's own, to kill and pause
	journal_url         the URL of a fresh journal; a test that takes it runs on `local` and on `kafka`
	kafka_url           the URL of a fresh journal on Kafka only
	engine              an engine that serves a fresh journal_url from tmp_path/data
	engines             engines(data, url, options): further ones; all are killed at the test's end
	keys, guarded       access keys, one of each role; an engine that asks for them
	contract            docs/openapi.yaml, which sees every answer that any test gets (contract.py)

Without Kafka, or without the validators of the document, their tests are skipped, loudly; with CI=true they fail.
"""

import os
import shutil
import sys
import uuid
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "kafka"))

import engine as client  # noqa: E402
import validators  # noqa: E402
from contract import Contract  # noqa: E402
from engine import Engine, run  # noqa: E402
from holders import Keys  # noqa: E402
from jars import Unavailable  # noqa: E402
from kafka import Cluster  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
missing = []  # why Kafka is not there, for the summary
unwitnessed = []  # why the validators are not


def no_kafka(reason):
    if str(reason) not in missing:
        missing.append(str(reason))
    if os.environ.get("CI") == "true":
        pytest.fail(f"no Kafka ({reason}), and CI=true, where a skipped Kafka test is a failure", pytrace=False)
    pytest.skip(f"no Kafka: {reason}")


@pytest.fixture(scope="session", autouse=True)
def witness():
    try:
        client.witness = Contract()
    except validators.Unavailable as why:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no validators ({why}), and CI=true, where that is a failure", pytrace=False)
        unwitnessed.append(str(why))
    yield
    client.witness = None


@pytest.fixture(autouse=True)
def witnessed(witness):
    yield
    broken = client.witness.broken[:] if client.witness else []
    if broken:
        client.witness.broken.clear()
        pytest.fail(f"{len(broken)} answers were not as docs/openapi.yaml has them; the first: {broken[0]}", pytrace=False)


@pytest.fixture
def contract():
    if not client.witness:
        pytest.skip(f"no validators: {unwitnessed[0]}")
    return client.witness


# With several workers (tests/run) each tells what it missed, and the summary is of all.
def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput.update(missing=missing, unwitnessed=unwitnessed)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    for ours, name in ((missing, "missing"), (unwitnessed, "unwitnessed")):
        ours += [reason for reason in getattr(node, "workeroutput", {}).get(name, []) if reason not in ours]


def pytest_terminal_summary(terminalreporter):
    for reason in unwitnessed:
        terminalreporter.write_sep("!", "ANSWERS WERE NOT HELD AGAINST docs/openapi.yaml", red=True)
        terminalreporter.write_line(f"No validators: {reason}")
    for reason in missing:
        terminalreporter.write_sep("!", "THE TESTS ON KAFKA WERE NOT RUN", red=True)
        terminalreporter.write_line(f"No Kafka: {reason}")


@pytest.fixture(scope="session")
def binary():
    build = Path(os.environ.get("LEDGERLINE_TEST_BUILD") or ROOT / "build")
    path = build / "ledgerline"
    if not path.exists():
        pytest.fail(f"{path} is not there: run make first", pytrace=False)
    return path


@pytest.fixture(scope="session")
def ledgerline(binary):
    return partial(run, binary)


@pytest.fixture(scope="session")
def kafka():
    given = os.environ.get("LEDGERLINE_TEST_KAFKA")
    if given:
        yield given
        return
    reason = os.environ.get("LEDGERLINE_TEST_KAFKA_MISSING")
    if reason:
        no_kafka(reason)
    try:
        cluster = Cluster().start()
    except Unavailable as why:
        no_kafka(why)
    yield cluster.bootstrap
    cluster.stop()


@pytest.fixture(scope="module")
def cluster():
    """A broker of the module's own, to kill and pause."""
    try:
        with Cluster() as cluster:
            yield cluster
    except Unavailable as why:
        no_kafka(why)


@pytest.fixture
def kafka_cluster():
    started = []

    def start(nodes=1, settings=None):
        try:
            started.append(Cluster(nodes, settings).start())
        except Unavailable as why:
            no_kafka(why)
        return started[-1]

    yield start
    for cluster in started:
        cluster.stop()


@pytest.fixture
def kafka_url(kafka, ledgerline):
    url = f"kafka://{kafka}/test-{uuid.uuid4().hex[:12]}"
    ledgerline("journal", "create", url, check=0)
    return url


@pytest.fixture(params=["local", "kafka"])
def journal_url(request, tmp_path):
    if request.param == "kafka":
        return request.getfixturevalue("kafka_url")
    return f"local:{tmp_path / 'data' / 'journal'}"


@pytest.fixture
def engines(binary):
    made = []

    def make(data, url=None, options=()):
        made.append(Engine(binary, data, url, options))
        return made[-1]

    yield make
    for one in made:
        one.kill()


@pytest.fixture
def engine(engines, journal_url, tmp_path):
    return engines(tmp_path / "data", journal_url).start()


# An engine with access keys, one of each role.
@pytest.fixture
def keys(binary, tmp_path):
    return Keys(binary, tmp_path / "keys").all_roles()


@pytest.fixture
def guarded(engines, keys, tmp_path):
    return engines(tmp_path / "data", options=("--keys", keys.path)).start()


@pytest.fixture
def tmp_path(tmp_path):
    """pytest's, but removed after the test whatever its outcome: journals are large."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)
