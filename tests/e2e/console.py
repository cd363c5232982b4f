#!/usr/bin/python3
"""Runs the `console` blocks of a Markdown page, and holds what comes out against what the page shows.

	console.py PAGE...            says where they differ, and ends with 1 then
	console.py --write PAGE...    puts what really came out into the page

In such a block a line `$ COMMAND` is a command, with lines `> ...` behind it; what follows is its output. All
blocks of a page are one session of bash, in an empty directory that the page knows as /tmp/tour. A command that ends
with `&` is waited for until it says that it listens. Port 8080 stands for a free one, localhost:9092 for the broker of
LEDGERLINE_TEST_KAFKA (a block that names it is passed over where there is none). Times, ids of chance, rates and sizes
that differ from run to run are not compared, nor is what stands in a page as a line `...`.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "kafka"))

import processes  # noqa: E402

BLOCK = re.compile(r"(?<=^```console\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
PLACE = "/tmp/tour"
BROKER, LEDGER, PORT = "localhost:9092", "shop", "8080"
VARIES = [
    (r'"day":"\d{4}-\d\d-\d\d"', '"day":DAY'),  # on which a seat was sold
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME"),
    (r"(?m)^Date: .*$", "Date: TIME"),
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "UUID"),
    (r"\b[0-9a-f]{32,64}\b", "HASH"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
    (r"queue-\d+\.[\w-]+", "TOKEN"),
    (r"\b\d+\.\d+ s\b.*", "RATE"),
    (r"(?m)^(\s*pid\s+|process )\d+", r"\1PID"),
    (r"(?m)^(\S+ )\d+(\.\d+)?(e[+-]\d+)?$", r"\1NUMBER"),  # a metric
    (r"-{3,}", "---"),
    (r"[ \t]+", " "),
]


class Session:
    """One bash that is given a command at a time."""

    def __init__(self, binary):
        self.place = processes.directory("console")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = str(probe.getsockname()[1])
        self.kafka = os.environ.get("LEDGERLINE_TEST_KAFKA")
        self.ledger = f"console-{uuid.uuid4().hex[:8]}"
        environment = {**os.environ, "PATH": f"{Path(binary).resolve().parent}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
        self.bash = processes.spawn(
            ["bash", "--norc"],
            cwd=self.place,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def inward(self, command):
        if self.kafka:
            command = command.replace(f"{BROKER}/{LEDGER}", f"{self.kafka}/{self.ledger}").replace(BROKER, self.kafka)
            command = command.replace(f"{LEDGER}.journal", f"{self.ledger}.journal")
        command = re.sub(rf"(?<=:){PORT}\b", self.port, command).replace(PLACE, str(self.place))
        if re.match(r"ledgerline serve\b", command) and "--listen" not in command:
            command = command.replace("ledgerline serve", f"ledgerline serve --listen 127.0.0.1:{self.port}", 1)
        return command

    def outward(self, text):
        text = text.replace(str(self.place), PLACE).replace(f":{self.port}", f":{PORT}").replace(f"port={self.port}", f"port={PORT}")
        text = text.replace(f'"port":{self.port}', f'"port":{PORT}')
        if self.kafka:
            text = text.replace(self.kafka, BROKER).replace(self.ledger, LEDGER)
        return text.replace("\r", "")

    def run(self, command):
        marker = f"::{uuid.uuid4().hex}::"
        background = command.rstrip().endswith("&")
        self.bash.stdin.write(f"{self.inward(command)}\necho {marker}\n")
        self.bash.stdin.flush()
        lines, seen = [], False
        for line in self.bash.stdout:
            before, found, _ = line.rpartition(marker)
            if found and before:  # output without an end of line
                lines.append(before + "\n")
            elif not found:
                lines.append(line)
            seen |= bool(found)
            if seen and (not background or any("listening on" in one for one in lines)):
                return self.outward("".join(lines))
        raise RuntimeError(f"the session ended at: {command}\n{''.join(lines)}")

    def close(self):
        try:
            os.killpg(self.bash.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.bash.wait()
        shutil.rmtree(self.place, ignore_errors=True)


def steps(block):
    """[(command's lines, output)]"""
    found = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append([line, ""])
        elif line.startswith("> ") and not found[-1][1]:
            found[-1][0] += line
        elif found:
            found[-1][1] += line
    return found


def plain(text):
    for pattern, instead in VARIES:
        text = re.sub(pattern, instead, text)
    return [line.rstrip() for line in text.splitlines()]


def agree(shown, real):
    """`...` alone on a line stands for any lines."""
    pattern = "".join(r"(.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in plain(shown))
    return re.fullmatch(pattern, "".join(line + "\n" for line in plain(real))) is not None


def play(page, binary, write=False):
    """The differences, as texts. With `write` the page is made true where it is not."""
    text, session, wrong = page.read_text(), Session(binary), []
    signal.signal(signal.SIGALRM, lambda *_: session.close())
    signal.alarm(300)  # for giving up only

    def one(block):
        if BROKER in block[0] and not session.kafka:
            return block[0]
        made = ""
        for command, shown in steps(block[0]):
            real = session.run("\n".join(line[2:] for line in command.splitlines()))
            if agree(shown, real):
                real = shown
            else:
                wrong.append(f"{page.name}: {command}shows:\n{shown}but it is:\n{real}")
            made += command + real
        return made

    try:
        made = BLOCK.sub(one, text)
    finally:
        signal.alarm(0)
        session.close()
    if write and wrong:
        page.write_text(made)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--binary", default="build/ledgerline")
    parser.add_argument("pages", nargs="+", type=Path)
    options = parser.parse_args()
    wrong = [one for page in options.pages for one in play(page, options.binary, options.write)]
    print("\n".join(wrong))
    return bool(wrong) and not options.write


if __name__ == "__main__":
    sys.exit(main())
