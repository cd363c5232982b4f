"""What ledgerline is delivered as: Debian packages, installed from the built files; the systemd units; the compose file.

Packages are installed into an overlay of this machine that nobody else sees, and that is gone afterwards. There is no container engine
here: what compose.yaml runs of ledgerline is run as processes, with its own arguments, only names of hosts and directories replaced.
"""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from engine import ANSWER_SECONDS
from processes import spawn

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "packaging/docker/compose.yaml"
UNITS = sorted((ROOT / "packaging/systemd").glob("*.service"))

# In a mount namespace of its own: $1 a directory for the overlay, $2 that of the packages, $3 what to run in it. The overlay's
# layers lie in memory: a layer on the disk may be of a kind that cannot have layers.
IN_OVERLAY = """
set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" overlay "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mkdir "$1/root/packages"
cp "$2"/*.deb "$1/root/packages"
exec chroot "$1/root" /bin/bash -euc "$3"
"""


@pytest.fixture(scope="module")
def packages(binary):
    if binary.parent != ROOT / "build":
        pytest.skip("packages are made of the plain build")
    quick = {**without_make(), "DEB_BUILD_OPTIONS": "noautodbgsym"}
    made = subprocess.run(["make", "-s", "-C", ROOT, "deb"], capture_output=True, text=True, env=quick)
    assert made.returncode == 0, made.stdout + made.stderr
    return ROOT / "build/deb"


def without_make():
    """The environment without the flags of a `make test` that calls this."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "MFLAGS"}


@pytest.fixture
def in_overlay(tmp_path, packages):
    def run(script, **options):
        where = tmp_path / "overlay"
        where.mkdir()
        command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", IN_OVERLAY, "overlay", where, packages, script]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)

    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("installing packages wants root, and a mount namespace")
    return run


# Installed from the files: the program runs, the library is found and compiled against, the unit's command serves as the unit's user and tells its
# supervisor so; removing leaves the ledger, purging the settings do not stay.
def test_install(in_overlay):
    done = in_overlay(
        r"""
        dpkg --install /packages/*.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
        ledgerline --version
        stat -c '%U:%G %a' /etc/ledgerline /etc/ledgerline/ledgerline.ini
        cat >/tmp/x.c <<END
#include <ledgerline.h>
#include <stdio.h>
int main(void) { return puts(ll_version()) < 0; }
END
        gcc /tmp/x.c -o /tmp/x $(pkg-config --cflags --libs ledgerline) && /tmp/x
        man -w ledgerline libledgerline >/dev/null

        install -d -o ledgerline -g ledgerline /var/lib/ledgerline
        sed -i 's/^listen = .*/listen = 127.0.0.1:0/' /etc/ledgerline/ledgerline.ini
        python3 - <<'END'
import grp, os, pwd, socket, subprocess, sys
unit = open("/lib/systemd/system/ledgerline.service").read()
command = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).split("=", 1)[1].split()
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.bind("/tmp/notify")
os.chmod("/tmp/notify", 0o777)
told.settimeout(60)
user = pwd.getpwnam("ledgerline")
with open("/tmp/serve.log", "w") as log:
    served = subprocess.Popen(command, user=user.pw_uid, group=user.pw_gid, extra_groups=[], env={"NOTIFY_SOCKET": "/tmp/notify"},
                              stdout=subprocess.PIPE, stderr=log, text=True)
    said = []
    try:
        while not said or "READY=1" not in said[-1]:
            said.append(told.recv(4096).decode())
    except TimeoutError:
        sys.exit(f"it was never ready: {said}\n{open('/tmp/serve.log').read()}")
    print(said[-1])
    url = served.stdout.readline().split()[-1]
    print(subprocess.run(["ledgerline", "status", "--url", url, "--ready"], capture_output=True, text=True).stdout, end="")
    served.terminate()
    print("exit", served.wait(60))
    while "STOPPING=1" not in said[-1]:
        said.append(told.recv(4096).decode())
    print(said[-1].splitlines()[0])
END
        dpkg --purge libledgerline-dev libledgerline0 ledgerline >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
        ls -d /var/lib/ledgerline/journal /var/lib/ledgerline/projections
        ! test -e /etc/ledgerline -o -e /usr/bin/ledgerline
        """
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    version = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    assert lines[0] == f"ledgerline {version}"
    assert lines[1:3] == ["root:ledgerline 750", "root:ledgerline 640"]
    assert lines[3] == version
    assert lines[4] == "READY=1" and lines[5].startswith("STATUS=serving at http://127.0.0.1:")
    assert lines[6:] == ['{"status":"ok"}', "exit 0", "STOPPING=1", "/var/lib/ledgerline/journal", "/var/lib/ledgerline/projections"], done.stdout


def test_packages_are_clean(packages):
    if not shutil.which("lintian"):
        pytest.skip("lintian is not installed: `bash .ci/setup deb` does it")
    looked = subprocess.run(
        ["lintian", "--allow-root", "--fail-on", "error,warning", *packages.glob("*.deb")], capture_output=True, text=True
    )
    assert looked.returncode == 0, looked.stdout + looked.stderr


# The units say nothing that systemd does not know; what their programs may do to the machine is little.
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units(unit, tmp_path, binary):
    there = tmp_path / unit.name.replace("@", "@name")
    text = unit.read_text().replace("/usr/bin/ledgerline", str(binary))
    there.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE))
    looked = subprocess.run(["systemd-analyze", "verify", there], capture_output=True, text=True)
    assert looked.returncode == 0 and unit.stem not in looked.stderr, looked.stderr
    asked = ["systemd-analyze", "security", "--offline=true", "--threshold=20", there]
    assert subprocess.run(asked, capture_output=True).returncode == 0


def test_ready(ledgerline, engine, tmp_path):
    assert ledgerline("status", "--url", engine.url, "--ready", check=0).stdout == '{"status":"ok"}\n'
    ledgerline("status", "--data", engine.data, "--ready", check=2)
    ledgerline("status", "--url", f"http://127.0.0.1:{free_port()}", "--ready", check=3)


# ---- compose ----


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(COMPOSE.read_text())


def test_compose_file(compose):
    if not shutil.which("docker-compose"):
        pytest.skip("docker-compose is not installed")
    looked = subprocess.run(["docker-compose", "-f", COMPOSE, "config", "-q"], capture_output=True, text=True)
    assert looked.returncode == 0, looked.stderr
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            known = (COMPOSE.parent / source).is_file() if source.startswith(".") else source in compose["volumes"]
            assert known, f"{name}: {volume}"


def test_dockerfile():
    text = (COMPOSE.parent / "Dockerfile").read_text()
    last = text[text.rindex("FROM") :]
    assert "USER ledgerline" in last and "HEALTHCHECK" in last
    for copied in re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE):
        assert (ROOT / copied).exists()


class Composed:
    """The services of compose.yaml that are ours, as processes."""

    def __init__(self, compose, binary, kafka, directory):
        self.services, self.binary, self.kafka, self.directory = compose["services"], str(binary), kafka, directory
        self.ports = {f"{name}:8080": free_port() for name in self.services if name.startswith("engine-")}
        self.ports |= {name: free_port() for name in ("data-platform:8000", "relay:9464", "sink:9464")}
        self.processes = {}

    def place(self, text, name):
        """A text of the file as it is here."""
        text = text.replace("kafka-1:9092,kafka-2:9092,kafka-3:9092", self.kafka).replace("/shop", "/" + self.directory.name)
        for host, port in self.ports.items():
            text = text.replace(host, f"127.0.0.1:{port}")
        text = re.sub(r"^(http://127\.0\.0\.1|0\.0\.0\.0):(8080|9464)$", lambda at: f"{at[1]}:{self.ports[f'{name}:{at[2]}']}", text)
        text = text.replace("0.0.0.0", "127.0.0.1")
        text = text.replace("/run/ledgerline", str(self.directory / "keys"))
        return text.replace("/var/lib/ledgerline", str(self.directory / name))

    def environment(self, name):
        given = {key: self.place(value, name) for key, value in self.services[name].get("environment", {}).items()}
        return {**os.environ, "PATH": f"{Path(self.binary).parent}:{os.environ['PATH']}", **given}

    def command(self, name):
        return [self.binary, *(self.place(argument, name) for argument in self.services[name]["command"])]

    def is_healthy(self, name):
        """By the health check that compose.yaml gives it, else the image."""
        image = re.search(r"^HEALTHCHECK .*?CMD (\[.*?\])$", (COMPOSE.parent / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL)[1]
        asked = self.services[name].get("healthcheck", {}).get("test", ["CMD", *json.loads(image)])
        assert asked[:2] == ["CMD", "ledgerline"]
        return subprocess.run([self.binary, *(self.place(word, name) for word in asked[2:])], capture_output=True).returncode == 0

    def start(self, name, command=None, **environment):
        log = open(self.directory / f"{name}.log", "wb")
        self.processes[name] = spawn(
            command or self.command(name), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**self.environment(name), **environment}
        )
        log.close()

    def until(self, condition, what):
        deadline = time.monotonic() + ANSWER_SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, f"waited in vain for: {what}\n{self.logs()}"
            for name, process in list(self.processes.items()):
                if process.poll() is not None:
                    assert self.services[name]["restart"] == "unless-stopped"
                    self.start(name)
            time.sleep(0.05)
        return found

    def logs(self):
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in self.directory.glob("*.log"))

    def ask(self, host, method, path, body=None, key=None):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.ports[host], timeout=ANSWER_SECONDS)
            connection.request(method, path, body and json.dumps(body), {"X-Api-Key": key} if key else {})
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read() or b"null")
        except OSError:
            return None, None
        finally:
            connection.close()


@pytest.fixture
def composed(compose, binary, kafka, tmp_path):
    (tmp_path / "keys").mkdir()
    made = Composed(compose, binary, kafka, tmp_path)
    yield made
    for process in made.processes.values():
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in made.processes.values():
        process.wait(60)


# What compose.yaml starts works together: keys and journal are prepared (twice: it is started again), engines know one another, and a payment
# arrives at the data platform.
def test_composed(composed):
    script = (COMPOSE.parent / "prepare").read_text().replace("/run/ledgerline", str(composed.directory / "keys"))
    for _ in range(2):
        done = subprocess.run(["/bin/sh", "-c", script], env=composed.environment("prepare"), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    key = (composed.directory / "keys/admin.key").read_text().strip()
    engines = [name for name in composed.services if name.startswith("engine-")]
    for name in engines:
        composed.start(name)
    for name in engines:
        composed.until(lambda name=name: composed.ask(f"{name}:8080", "GET", "/readyz")[0] == 200, f"{name} to be ready")
        assert composed.is_healthy(name)
    platform = f"127.0.0.1:{composed.ports['data-platform:8000']}"
    composed.start("data-platform", [sys.executable, "-B", COMPOSE.parent / "data_platform.py"], LISTEN=platform)
    commands = [
        {"id": "1", "type": "concert.create", "concertId": "jazz", "title": "Jazz"},
        {"id": "2", "type": "schedule.create", "scheduleId": "jazz-1", "concertId": "jazz", "concertDate": "2090-05-01",
         "seats": [{"seatNo": 1, "price": 1000}]},
        {"id": "3", "type": "points.charge", "userId": "kim", "amount": 1000},
        {"id": "4", "type": "reservation.create", "userId": "kim", "scheduleId": "jazz-1", "seatNos": [1]},
    ]
    status, receipts = composed.ask(f"{engines[-1]}:8080", "POST", "/api/commands", commands, key)
    assert status == 200 and {one["outcome"] for one in receipts} == {"accepted"}, receipts
    paid = {"id": "5", "type": "payment.create", "userId": "kim", "reservationId": receipts[3]["body"]["reservationId"], "amount": 1000}
    status, receipt = composed.ask(f"{engines[0]}:8080", "POST", "/api/commands", paid, key)
    assert status == 200 and receipt["outcome"] == "accepted", receipt
    composed.start("relay")
    composed.start("sink")
    composed.until(lambda: composed.ask("data-platform:8000", "GET", "/")[1] == {"payment.completed": 1}, "the payment to arrive")
    for name in ("relay", "sink"):
        composed.until(lambda name=name: composed.is_healthy(name), f"{name} to be healthy")
    assert composed.ask(f"{engines[0]}:8080", "GET", "/metrics")[0] == 401
    assert scraped(composed) == {*(f"{name}:8080" for name in engines), "relay:9464", "sink:9464"}


def scraped(composed):
    """Asks for /metrics all that prometheus.yaml has, as it does, with the key it has; returns whom."""
    asked = set()
    for job in yaml.safe_load((COMPOSE.parent / "prometheus.yaml").read_text())["scrape_configs"]:
        file = job.get("authorization", {}).get("credentials_file")
        headers = {"Authorization": f"Bearer {Path(composed.place(file, '')).read_text().strip()}"} if file else {}
        for target in (target for static in job["static_configs"] for target in static["targets"]):
            connection = http.client.HTTPConnection("127.0.0.1", composed.ports[target], timeout=ANSWER_SECONDS)
            connection.request("GET", "/metrics", headers=headers)
            assert connection.getresponse().status == 200, target
            connection.close()
            asked.add(target)
    return asked
