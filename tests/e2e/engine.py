"""The program from outside: `ledgerline serve` as a process that a test starts, asks, kills and starts again.

	engine = Engine(binary, data, journal)     data: its --data directory; journal: a URL, or None for what data remembers
	engine.start()
	reply = engine.http("POST", "/api/points/charge", {"userId": "kim", "amount": 1000})
	reply.status, reply.json, reply.headers["Ledger-Position"]
	engine.kill(); engine.start()

Requests may be made from many threads: each keeps a connection of its own. Start engines in the main thread, as they are
killed with the thread that started them.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "kafka"))

import processes  # noqa: E402

START_SECONDS = 120  # to give up, not to measure: a rebuild under a sanitizer on a busy machine takes long
ANSWER_SECONDS = 60
STOP_SECONDS = 60
witness = None  # contract.Contract: sees every answer (conftest.py)
LISTENING = re.compile(r"^listening on (https?://(\S+):(\d+))$")


class DidNotStart(Exception):
    """Has `status` (None when it was killed for being late), `out` and `err`."""

    def __init__(self, status, out, err):
        super().__init__(f"`ledgerline serve` did not come to listen (exit status {status}):\n{out}{err}")
        self.status, self.out, self.err = status, out, err


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self):
        return json.loads(self.body) if self.body else None

    @property
    def code(self):
        """The code of an error's body."""
        return (self.json or {}).get("code")

    @property
    def position(self):
        return self.headers["Ledger-Position"]


def parse_metrics(text):
    """Prometheus text as {'name{label="x"}': number}."""
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, value in lines}


class Engine:
    def __init__(self, binary, data, journal=None, options=()):
        self.binary, self.data, self.journal, self.options = str(binary), Path(data), journal, list(options)
        self.process, self.url, self.host, self.port = None, None, None, None
        self.out, self.log = [], Path(f"{self.data}.stderr")
        self.own = threading.local()
        self.starts, self.listens_at = 0, 0  # 0: a port that is free
        self.tls = None  # an ssl.SSLContext: whom an engine at https:// is asked to be vouched for by

    # ---- its life ----

    def start(self, *options):
        """Starts it and waits until it says that it listens. Raises DidNotStart when it ends instead."""
        return self.launch(*options).await_listening()

    def launch(self, *options):
        """Starts it, and waits for nothing."""
        command = [self.binary, "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.listens_at}"]
        command += ["--journal", self.journal] if self.journal else []
        with open(self.log, "ab") as log:
            self.process = processes.spawn(
                [*command, *self.options, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        self.starts += 1
        self.out, self.url = [], None
        self.listens = threading.Event()
        threading.Thread(target=self.read_out, args=(self.process.stdout, self.listens), daemon=True).start()
        return self

    def await_listening(self):
        self.listens.wait(START_SECONDS)
        if not self.url:
            status = self.process.poll() if not self.listens.is_set() else self.process.wait(STOP_SECONDS)
            self.kill()
            raise DidNotStart(status, "".join(self.out), self.errors())
        return self

    def read_out(self, stream, listens):
        for raw in stream:
            line = raw.decode(errors="replace")
            self.out.append(line)
            found = LISTENING.match(line.rstrip())
            if found:
                self.host, self.port = found[2], int(found[3])
                self.url = found[1]  # last: other threads look at it
                listens.set()
        listens.set()

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        """kill -9, and waits until it is gone."""
        self.url = None
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def pause(self):
        processes.pause(self.process.pid)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def errors(self):
        """What all its starts wrote to standard error."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    # ---- its answers ----

    def connection(self):
        """This thread's connection to this start of the engine. ConnectionRefusedError while it starts."""
        url = self.url
        if not url:
            raise ConnectionRefusedError("the engine does not listen")
        if getattr(self.own, "url", None) != (self.starts, url):
            self.own.url = (self.starts, url)
            self.own.connection = (
                http.client.HTTPSConnection(self.host, self.port, timeout=ANSWER_SECONDS, context=self.tls)
                if url.startswith("https:")
                else http.client.HTTPConnection(self.host, self.port, timeout=ANSWER_SECONDS)
            )
        return self.own.connection

    def http(self, method, path, body=None, headers=None, key=None):
        """One request. `body`: bytes or str go as they are, anything else as JSON. `key`: the Idempotency-Key.

        A request is never sent twice: whoever sees a connection fail decides that for itself. OSError or
        http.client.HTTPException when no answer came; the next request then opens a new connection.
        """
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent.update({"Idempotency-Key": key} if key else {})
        sent.update(headers or {})
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        connection = self.connection()
        try:
            connection.request(method, path, body=data, headers=sent)
            answer = connection.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        if witness:
            witness.check(method, path, sent, data, reply)
        return reply

    def get(self, path, **options):
        return self.http("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.http("POST", path, body, **options)

    def command(self, *commands):
        """POST /api/commands: the receipt of one command, or the list of several."""
        reply = self.post("/api/commands", commands[0] if len(commands) == 1 else list(commands))
        assert reply.status == 200, reply
        return reply.json

    def status(self):
        return self.get("/api/status").json

    def metrics(self):
        return parse_metrics(self.get("/metrics").body.decode())

    def wait_for(self, condition, what, seconds=ANSWER_SECONDS):
        """Waits until condition() is true; the limit is for giving up only."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited in vain for: {what}\n{self.errors()[-4000:]}"
            time.sleep(0.02)
        return value


def run(binary, *arguments, stdin=None, timeout=600, check=None, env=None):
    """Runs `ledgerline ...` to its end: a CompletedProcess with text. `check`: the exit status that must come."""
    done = subprocess.run(
        [str(binary), *map(str, arguments)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **(env or {})},
    )
    if check is not None:
        shown = " ".join(map(str, arguments))
        assert done.returncode == check, f"ledgerline {shown}: status {done.returncode}\n{done.stdout}{done.stderr}"
    return done
