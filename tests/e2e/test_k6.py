"""The k6 scripts of bench/k6 against real engines, by node: nothing fails, and what their users were told is what the ledger has. How fast
it goes is measured by `make bench` and judged by no test: limits are wide open here.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNNER, SCRIPTS = ROOT / "bench" / "k6" / "run_with_node.mjs", ROOT / "bench" / "k6"
OPEN = {"P95": 600000, "P99": 600000, "DROPPED": 1000000}

sys.path.insert(0, str(ROOT / "bench" / "scale"))

import onsale  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def node():
    if not shutil.which("node"):
        assert os.environ.get("CI") != "true", "no node, and CI=true, where that is a failure"
        pytest.skip("no node (Debian: nodejs)")


def play(script, environment=None, **settings):
    given = [argument for name, value in settings.items() for argument in ("-e", f"{name}={value}")]
    environment = {**os.environ, **(environment or {})}
    return subprocess.run(["node", RUNNER, script, *given], capture_output=True, text=True, timeout=300, env=environment)


@pytest.fixture
def figures(tmp_path):
    def of(script, engine, **settings):
        done = play(SCRIPTS / f"{script}.js", URL=engine.url, SUMMARY=tmp_path / "summary", **{**OPEN, **settings})
        assert done.returncode == 0, done.stdout + done.stderr
        assert "http_req_duration" in done.stdout and "MISSED" not in done.stdout
        found = {name: one["values"] for name, one in json.loads((tmp_path / "summary").read_text())["metrics"].items()}
        assert found["http_req_failed"]["passes"] == 0 and found["checks"]["rate"] == 1
        assert found["http_reqs"]["count"] == found["http_req_failed"]["fails"] > 0
        return found

    return of


# On Kafka, as make bench plays it, but small: more buyers than seats. Its own assertions hold the ledger against what was told.
def test_onsale(binary, tmp_path, kafka_url):
    found = onsale.onsale(binary, tmp_path, kafka_url, 100, vus=40, active=5)
    assert 0 < found["bought"] <= found["seats"] < 100 and found["requests"] > 500


# A guarded engine is asked with keys: the waiting room's policy with an administrator's.
def test_with_keys(binary, engines, tmp_path, figures):
    from holders import Keys

    keys = Keys(binary, tmp_path / "keys").all_roles()
    engine = engines(tmp_path / "data", options=("--keys", keys.path)).start()
    found = figures("onsale", engine, KEY=keys.of["the-client"], ADMIN_KEY=keys.of["the-admin"], USERS=10, VUS=5, HALLS=30, RUN="r")
    assert found["seats_bought"]["count"] == 10


def test_steady(engine, figures):
    found = figures("steady", engine, RATE=100, DURATION="2s", USERS=20, RUN="r")
    assert 0 < found["iterations"]["count"] <= 200 == found["iterations"]["count"] + found["dropped_iterations"]["count"]
    seats = [seat["status"] for n in range(10) for seat in engine.get(f"/api/concerts/seats?scheduleId=k6-r-{n}").json["seats"]]
    assert len(seats) == 500 and set(seats) == {"AVAILABLE"}


def test_polls(engine, figures):
    found = figures("polls", engine, USERS=1500, VUS=10, DURATION="2s")
    assert found["iterations"]["count"] > 10 and engine.get("/api/concerts").status == 200


# ---- the runner itself ----


@pytest.fixture
def script(tmp_path):
    def write(text):
        (tmp_path / "script.js").write_text(text)
        return tmp_path / "script.js"

    return write


# Percentiles and rates as k6 counts them; tags make parts; what a threshold wants decides how it ends.
def test_thresholds(script):
    text = """
import {Counter, Rate, Trend} from 'k6/metrics';
import {check, group} from 'k6';
import exec from 'k6/execution';
const took = new Trend('took', true), good = new Rate('good'), many = new Counter('many');
export const options = {vus: 1, iterations: 101, summaryTrendStats: ['avg', 'med', 'p(99)'],
	thresholds: {took: ['p(95)<=95', 'p(95)>=95', 'max==100', 'avg==50'], 'took{part:odd}': ['min==1', 'count==50'], good: ['rate>0.5'], many: [`count==${__ENV.MANY}`]}};
export default async function () {
	const at = exec.scenario.iterationInTest;
	took.add(at, {part: at % 2 ? 'odd' : 'even'});
	good.add(at % 10 !== 0);
	group('all', () => check(at, {'is a number': (n) => n === __ITER}) && many.add(2));
}
"""
    assert play(script(text), MANY=202).returncode == 0
    done = play(script(text), MANY=203)
    assert done.returncode == 99 and "thresholds that were missed: many: count==203\n" == done.stderr


# A server that answers with what is not expected, or not at all, is a failure of the request and not of the script.
def test_failures(script, engine):
    text = """
import http from 'k6/http';
export const options = {vus: 1, iterations: 2, thresholds: {http_req_failed: [`rate==${__ENV.SHARE}`]}};
export default async function () {
	await http.get(__ENV.URL + '/api/concerts');
	await http.get(__ENV.URL + '/nowhere');
	await http.get(__ENV.URL + '/nowhere', {responseCallback: http.expectedStatuses(404)});
	await http.get('http://127.0.0.1:1/');
}
"""
    assert play(script(text), URL=engine.url, SHARE=0.5).returncode == 0


@pytest.mark.parametrize(
    "text, says",
    [
        ("import ws from 'k6/ws'; export default () => {};", "k6/ws is not among"),
        ("export const options = {thresholds: {nothing: ['p(95)<1']}}; export default () => {};", "nothing, which there is not"),
        ("export const options = {thresholds: {http_reqs: ['much']}}; export default () => {};", '"much" of http_reqs is not understood'),
        ("export const options = {scenarios: {one: {executor: 'externally-controlled'}}}; export default () => {};", "externally-controlled is not there"),
        ("export const options = {scenarios: {one: {executor: 'constant-vus', duration: 'long', exec: 'a'}}}; export const a = () => {};", "no duration"),
        ("export const options = {scenarios: {one: {executor: 'constant-vus', duration: '1s', exec: 'b'}}};", "exports no b"),
        ("export function setup() { throw new Error('no way'); } export default () => {};", "no way"),
        ("export const options = {vus: 1, iterations: 1}; export default () => { throw new Error('broke'); };", "broke"),
        ("export default () => {", "SyntaxError: "),
        ("export const options = {vus: 1, iterations: 1};\nexport default () => { null.x };", "(script.js:2)"),
        ("import http from 'k6/http'; export const options = {vus: 1, iterations: 1}; export default () => http.get('localhost:1');", "is no URL with http://"),
    ],
)
def test_bad_script(script, text, says):
    done = play(script(text))
    assert done.returncode == 107 and says in done.stderr and done.stderr.count("\n") == 1


# What a user of the scripts gets wrong is one line on standard error that says what to do, and no stack.
@pytest.mark.parametrize(
    "name, settings, status, says",
    [
        ("nowhere.js", {}, 2, "there is no script"),
        (".", {}, 2, "there is no script"),
        ("steady.js", {"URL": "http://127.0.0.1:1"}, 107, "POST http://127.0.0.1:1/api/admin/concerts: no answer: connect ECONNREFUSED 127.0.0.1:1; is an engine there? -e URL="),
        ("polls.js", {"URL": "http://nowhere.invalid"}, 107, "no answer: getaddrinfo"),
        ("polls.js", {"URL": "localhost:8080"}, 107, 'URL is http://HOST:PORT or https://HOST:PORT, not "localhost:8080"'),
        ("onsale.js", {"HALLS": "50,x"}, 107, 'HALLS: "x" is no number'),
        ("steady.js", {"RATE": "1e3"}, 107, 'RATE: "1e3" is no number'),
    ],
)
def test_wrong_use(name, settings, status, says):
    done = play(SCRIPTS / name, **settings)
    assert (done.returncode, done.stdout) == (status, "") and says in done.stderr and done.stderr.count("\n") == 1


def test_no_summary(engine, tmp_path):
    done = play(SCRIPTS / "polls.js", URL=engine.url, USERS=1, VUS=1, DURATION="1s", SUMMARY=tmp_path / "nowhere" / "x")
    assert done.returncode == 107 and "cannot write the summary" in done.stderr and done.stderr.count("\n") == 1


# Who asks a guarded engine without keys, with the wrong one, or by TLS that node does not trust, is told which setting is for that. With all
# of them right nothing fails, though all buyers come at once with a key that the engine has not seen before.
def test_told_which_setting(binary, engines, tmp_path):
    from certificates import Authority
    from holders import Keys

    keys, ca = Keys(binary, tmp_path / "keys").all_roles(), Authority(tmp_path / "ca")
    engine = engines(tmp_path / "data", options=["--keys", keys.path, *ca.sign("engine", "IP:127.0.0.1").options])
    engine.tls = ca.context()
    engine.start()
    trust = {"NODE_EXTRA_CA_CERTS": str(ca.file)}
    known = {"KEY": keys.of["the-client"], "ADMIN_KEY": keys.of["the-admin"]}
    few = {"URL": engine.url, "USERS": 60, "VUS": 60, "HALLS": 100, **OPEN}
    for settings, environment, says in (
        ({**few, **known}, {}, "NODE_EXTRA_CA_CERTS=FILE names whom node trusts"),
        (few, trust, "the engine asks for keys: -e ADMIN_KEY="),
        ({**few, "KEY": keys.of["the-client"]}, trust, "wants a key of role admin: -e ADMIN_KEY="),
        ({**few, **known, "KEY": "wrong"}, trust, "-e KEY=... is no key of role client or admin"),
    ):
        done = play(SCRIPTS / "onsale.js", environment, **settings)
        assert done.returncode == 107 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr
    done = play(SCRIPTS / "onsale.js", trust, **few, **known)
    assert done.returncode == 0, done.stdout + done.stderr


def test_bad_arguments(script):
    for arguments in ([], ["a.js", "b.js"], ["a.js", "-e", "no pair"], ["a.js", "--vus"]):
        done = subprocess.run(["node", RUNNER, *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.startswith("usage: ")
