"""Proofs: signed checkpoints, and what small files prove of entries and states; checked by the program, and by Go's own library."""

import json
import os
import random
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
NAME = "ledger.example.com"
MUTATIONS = 1000
USERS = 300  # more entries than a run of the tree has leaves
COMMANDS = [
    {"id": "c1", "type": "concert.create", "concertId": "jazz", "title": "Jazz by the River"},
    {"id": "s1", "type": "schedule.create", "scheduleId": "jazz-1", "concertId": "jazz", "concertDate": "2090-05-01T10:00:00Z",
     "seats": [{"seatNo": number, "price": 3000} for number in (1, 2, 10)]},
    *({"id": f"p{n}", "type": "points.charge", "userId": f"user-{n:03}", "amount": 5000 + n} for n in range(USERS)),
    {"id": "r1", "type": "reservation.create", "userId": "user-000", "scheduleId": "jazz-1", "seatNo": 1},
    {"id": "no", "type": "points.use", "userId": "user-001", "amount": 900000},
]  # fmt: skip
RESERVED = f"reservation-{USERS + 2}"
ENTRIES = len(COMMANDS)


def lines_of(commands):
    return "".join(json.dumps(command) + "\n" for command in commands)


class Ledger:
    """A data directory, a key, and files that were proven of it."""

    def __init__(self, ledgerline, place):
        self.run, self.place, self.data = ledgerline, place, place / "data"
        self.url = f"local:{self.data}/journal"
        place.joinpath("commands.jsonl").write_text(lines_of(COMMANDS))
        ledgerline("load", "--data", self.data, place / "commands.jsonl", check=0)
        self.key = place / "key"
        self.public = ledgerline("audit", "new-key", NAME, "--to", self.key, check=0).stdout.strip()

    def prove(self, *what, check=0):
        """Proves from the journal alone; the file, or what was complained of."""
        to = self.place / ("proof-" + "-".join(Path(str(word)).name.replace(":", "_") for word in what).replace("--", ""))
        done = self.run("audit", "prove", *what, "--journal", self.url, "--to", to, check=check)
        return to if check == 0 else done.stderr

    def checkpoint(self, at="latest"):
        return self.prove("checkpoint", "--at", at, "--key", self.key)

    def check(self, file, *subject, check=0, key=None):
        done = self.run("audit", "check-proof", file, *subject, "--public-key", key or self.public, "--json", check=check)
        return json.loads(done.stdout) if check == 0 else done.stderr


@pytest.fixture(scope="module")
def ledger(ledgerline, tmp_path_factory):
    return Ledger(ledgerline, tmp_path_factory.mktemp("proofs"))


@pytest.fixture(scope="module")
def proven(ledger):
    """One file of each kind, and what must be shown of each."""
    earlier, later = ledger.checkpoint("0:250"), ledger.checkpoint()
    on = ("--checkpoint", later)
    return {
        "earlier": earlier,
        "checkpoint": later,
        "consistency": ledger.prove("consistency", "--from", earlier, *on),
        "entry": ledger.prove("entry", "p255", *on),
        "refusal": ledger.prove("entry", "no", *on),
        "last": ledger.prove("entry", f"0:{ENTRIES - 1}", *on),
        "account": ledger.prove("account", "user-299", *on),
        "no account": ledger.prove("account", "user-0990", *on),
        "unsold seat": ledger.prove("seat", "jazz-1", "10", *on),
        "no seat": ledger.prove("seat", "jazz-1", "3", *on),
        "reservation": ledger.prove("reservation", RESERVED, *on),
        "no payment": ledger.prove("payment", "payment-5", *on),
    }


def test_what_is_proven_is_shown(ledger, proven):
    shown = {what: ledger.check(file) for what, file in proven.items()}
    for what, answer in shown.items():
        assert answer["signedBy"] == NAME
        assert answer["checkpoint"]["entries"] == (251 if what == "earlier" else ENTRIES)
    assert shown["consistency"]["earlier"] == shown["earlier"]["checkpoint"]
    charged = shown["entry"]["events"]
    assert [(e["position"], e["type"], e["userId"], e["amount"], e["commandId"], e["offset"]) for e in charged] == [
        ("0:257", "point.charged", "user-255", 5255, "p255", None)
    ]
    assert shown["refusal"]["events"][0]["code"] == "INSUFFICIENT_POINTS"
    assert shown["last"] == shown["refusal"]


def test_states_by_their_subject(ledger, proven):
    def about(what, *subject):
        answer = ledger.check(proven[what], *subject)
        return answer["present"], answer["lines"]

    present, [line] = about("account", "account", "user-299")
    assert present and line["userId"] == "user-299" and line["balance"] == 5299
    present, [line] = about("unsold seat", "seat", "jazz-1", "10")
    assert present and line["status"] == "AVAILABLE"
    present, [line] = about("reservation", "reservation", RESERVED)
    assert present and line["status"] == "HELD" and line["userId"] == "user-000"
    assert about("no account", "account", "user-0990")[0] is False
    assert [line["userId"] for line in about("no account", "account", "user-0990")[1]] == ["user-099", "user-100"]
    assert about("no seat", "seat", "jazz-1", "3")[0] is False
    assert about("no payment", "payment", "payment-5")[0] is False
    # A true proof of something else proves nothing about what was asked.
    assert "say nothing about" in ledger.check(proven["account"], "account", "user-298", check=1)
    assert "say nothing about" in ledger.check(proven["no account"], "account", "user-099", check=1)
    assert "say nothing about" in ledger.check(proven["unsold seat"], "account", "user-298", check=1)


# Go's library of notes and logs finds all of it true, and none of it under another key.
def test_an_independent_verifier(ledger, proven, tmp_path):
    if not shutil.which("go") or not Path("/usr/share/gocode/src/golang.org/x/mod/sumdb").is_dir():
        pytest.skip("needs Debian's golang-go and golang-golang-x-mod-dev")
    env = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(tmp_path / "cache"),
           "GOTOOLCHAIN": "local", "GOFLAGS": ""}  # fmt: skip
    program = tmp_path / "check"
    subprocess.run(["go", "build", "-o", program, HERE / "proofs" / "check.go"], env=env, check=True, timeout=300)
    done = subprocess.run([program, ledger.public, *proven.values()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kinds = [line.split()[0] for line in done.stdout.splitlines()]
    assert kinds == ["checkpoint", "checkpoint", "consistency", *["entry"] * 3, *["state"] * 6]
    other = ledger.run("audit", "new-key", NAME, "--to", tmp_path / "other", check=0).stdout.strip()
    for file in proven.values():
        assert subprocess.run([program, other, file], capture_output=True, check=False).returncode == 1


# Any byte of any proof changed: it is a proof no more, and says so in a sentence.
def test_changed_proofs(ledger, proven, tmp_path):
    seed = int(os.environ.get("LEDGERLINE_SEED", "7"))
    dice = random.Random(seed)
    texts = [file.read_bytes() for file in proven.values()]
    changed = tmp_path / "changed"
    for number in range(MUTATIONS):
        text = bytearray(dice.choice(texts))
        at = dice.randrange(len(text))
        text[at] ^= dice.randrange(1, 256)
        changed.write_bytes(text)
        done = ledger.run("audit", "check-proof", changed, "--public-key", ledger.public)
        assert done.returncode == 1, (seed, number, at, done.stdout, done.stderr)
        assert "is not proven: " in done.stderr
    for text in texts:
        for cut in (0, 1, len(text) // 2, len(text) - 1):
            changed.write_bytes(text[:cut])
            assert ledger.run("audit", "check-proof", changed, "--public-key", ledger.public).returncode == 1
        changed.write_bytes(text + b"\n")
        assert ledger.run("audit", "check-proof", changed, "--public-key", ledger.public).returncode == 1


def test_foreign_and_unsigned(ledger, proven, tmp_path):
    same_name = ledger.run("audit", "new-key", NAME, "--to", tmp_path / "same", check=0).stdout.strip()
    other = ledger.run("audit", "new-key", "other.example.com", "--to", tmp_path / "other", check=0).stdout.strip()
    assert f"it is not signed by {NAME}" in ledger.check(proven["entry"], key=same_name, check=1)
    assert "it is not signed by other.example.com" in ledger.check(proven["entry"], key=other, check=1)
    unsigned = tmp_path / "unsigned"
    unsigned.write_text(proven["checkpoint"].read_text().split("\n\n")[0] + "\n")
    assert "no signed note" in ledger.check(unsigned, check=1)
    assert "it is no checkpoint" not in ledger.check(proven["checkpoint"])["proof"]


# The same bytes from a copy of the journal, and of a checkpoint that is signed again.
def test_the_same_from_an_archive(ledger, proven, tmp_path):
    ledger.run("journal", "copy", ledger.url, f"local:{tmp_path}/archive", check=0)
    again = ledger.run("audit", "prove", "checkpoint", "--journal", f"local:{tmp_path}/archive", "--key", ledger.key, check=0)
    assert again.stdout == proven["checkpoint"].read_text()
    entry = ledger.run("audit", "prove", "entry", "p255", "--journal", f"local:{tmp_path}/archive",
                       "--checkpoint", proven["checkpoint"], check=0)  # fmt: skip
    assert entry.stdout == proven["entry"].read_text()


# Who changes history, and makes a whole new journal of it, cannot prove by the checkpoint that was given out.
def test_another_history(ledger, proven, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text(lines_of(COMMANDS))
    ledger.run("load", "--data", tmp_path / "data", other, check=0)
    for what in (("entry", "p0"), ("account", "user-000")):
        done = ledger.run("audit", "prove", *what, "--data", tmp_path / "data", "--checkpoint", proven["checkpoint"], check=1)
        assert "the checkpoint is of ledger" in done.stderr
    short = tmp_path / "short"
    ledger.run("journal", "copy", ledger.url, f"local:{short}", check=0)
    text = proven["checkpoint"].read_text().replace(f"\n{ENTRIES}\n", f"\n{ENTRIES + 7}\n")
    beyond = tmp_path / "beyond"
    beyond.write_text(text)
    done = ledger.run("audit", "prove", "entry", "p0", "--journal", f"local:{short}", "--checkpoint", beyond, check=3)
    assert "it was cut short" in done.stderr
    lies = tmp_path / "lies"
    root = text.splitlines()[2]
    lies.write_text(proven["checkpoint"].read_text().replace(root, root[:3] + ("A" if root[3] != "A" else "B") + root[4:]))
    done = ledger.run("audit", "prove", "entry", "p0", "--journal", f"local:{short}", "--checkpoint", lies, check=1)
    assert "history was changed" in done.stderr


def test_the_private_key_is_private(ledger, tmp_path):
    assert stat.S_IMODE(ledger.key.stat().st_mode) == 0o600
    before = ledger.key.read_text()
    done = ledger.run("audit", "new-key", NAME, "--to", ledger.key, check=2)
    assert "is there already" in done.stderr and ledger.key.read_text() == before
    assert "the public one is wanted" in ledger.check(tmp_path, key=before.strip(), check=2)


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("checkpoint",), 2, "--key FILE"),
        (("entry",), 2, "of which entry?"),
        (("seat", "jazz-1"), 2, "a seat number is wanted"),
        (("seat", "jazz-1", "one"), 2, "is not the id of one"),
        (("reservation", "7"), 2, "is not the id of one"),
        (("payment", "payment-x"), 2, "is not the id of one"),
        (("galaxy", "m31"), 2, "there is no proof of galaxy"),
        (("account", "kim", "lee"), 2, "one word too many"),
        (("consistency", "KEY"), 2, "--from FILE"),
        (("entry", "p1", "--at", "yesterday", "KEY"), 2, "--at takes"),
        (("entry", "p1", "--at", "0:99999", "KEY"), 1, "CUT_NOT_FOUND"),
        (("entry", "nobody", "KEY"), 1, "RECEIPT_NOT_FOUND"),
        (("entry", "0:5", "--at", "0:4", "KEY"), 1, "RECEIPT_NOT_FOUND"),
        (("entry", "p1", "KEY", "CHECKPOINT"), 2, "either --checkpoint FILE"),
        (("entry", "p1", "--key", "nowhere"), 2, "cannot read nowhere"),
        (("entry", "p1", "--checkpoint", "/dev/null"), 2, "is no checkpoint"),
        (("entry", "p1", "--key", "/dev/null"), 2, "is no private key"),
    ],
)
def test_bad_input(ledger, proven, words, status, says):
    given = []
    for word in words:
        given += {"KEY": ["--key", ledger.key], "CHECKPOINT": ["--checkpoint", proven["checkpoint"]]}.get(word, [word])
    assert says in ledger.run("audit", "prove", *given, "--journal", ledger.url, check=status).stderr
