#!/usr/bin/python3
"""Reads a ledger's files themselves, with py-lmdb and msgpack (Debian: python3-lmdb, python3-msgpack); docs/formats.md has the
layouts.

	read_with_lmdb.py DIR            prints what stands in it, at one position
	read_with_lmdb.py DIR --watch    checks every new position until its input ends

The reading is these five lines, for one projection:

	env = lmdb.open(os.path.realpath(f"{DIR}/projections/balances/current"), readonly=True, max_dbs=32, max_readers=510, map_size=0)
	accounts = env.open_db(b"accounts")
	with env.begin() as txn:
		for key, value in txn.cursor(accounts):
			print(key.decode(), msgpack.unpackb(value))

The rest of this file is what a program that goes on reading needs besides: the guard, layouts, swaps, several projections at
one position. libledgerline does all that: see read_with_ctypes.py.
"""

import os
import select
import struct
import sys
import time

import lmdb
import msgpack

TABLES = {
    "balances": ["accounts", "lots", "totals"],
    "seats": ["schedules", "seats", "seat_totals"],
    "rankings": ["popular"],
}
VERSIONS = {"balances": 1, "seats": 2, "rankings": 1}  # of docs/formats.md, as this program knows them
SOURCES = {1: "paid", 2: "bonus"}
SCHEDULES = {1: "OPEN", 2: "CANCELLING", 3: "CANCELLED"}
SEATS = {1: "AVAILABLE", 2: "HELD", 3: "RESERVED"}


class Swapped(Exception):
    """Another generation is current, or about to be."""


class Projection:
    """One environment, opened as long as `current` names it."""

    def __init__(self, root, name):
        self.link, self.name = f"{root}/projections/{name}/current", name
        self.env, self.txn = None, None
        self.open()

    def open(self):
        # Resolved once, then opened: through the link data.mdb and lock.mdb could be of two generations.
        self.path = os.path.realpath(self.link)
        try:
            self.check_guard()
            self.file = os.stat(f"{self.path}/data.mdb")
            if os.path.exists(f"{self.path}/lock.mdb") and not os.access(f"{self.path}/lock.mdb", os.W_OK):
                sys.exit(f"{self.path}: lock.mdb cannot be written, and without a slot there a reader gets garbage")
            # map_size 0: as large as the writer has it. The first who opens lock.mdb decides how many may read: 510, as the engine.
            self.env = lmdb.open(self.path, readonly=True, create=False, max_dbs=32, max_readers=510, map_size=0)
        except (FileNotFoundError, lmdb.Error) as why:
            if os.path.realpath(self.link) != self.path:
                raise Swapped from why
            raise
        self.meta = self.env.open_db(b"meta", create=False)
        self.tables = {table: self.env.open_db(table.encode(), create=False) for table in TABLES[self.name]}
        with self.env.begin(self.meta) as txn:
            if txn.get(b"layout") != b"1" or txn.get(b"schema_version") != b"%d" % VERSIONS[self.name]:
                sys.exit(f"{self.path}: is of another version than this program")
            if txn.get(b"building") is not None:
                sys.exit(f"{self.path}: is half built")

    def check_guard(self):
        """Committed but not synced pages are trusted as long as the machine runs on which they were written."""
        state, boot = [line.split(" ", 1)[1] for line in open(f"{self.path}/guard").read().splitlines()[1:3]]
        if state != "clean" and boot != open("/proc/sys/kernel/random/boot_id").read().strip():
            sys.exit(f"{self.path}: the machine stopped before this was synced; rebuild it")

    def is_current(self):
        try:
            return os.path.samestat(os.stat(f"{self.link}/data.mdb"), self.file)
        except FileNotFoundError:
            return False

    def pin(self):
        self.unpin()
        if not self.is_current():
            self.env.close()
            self.open()
        try:
            self.txn = self.env.begin()
        except lmdb.MapResizedError:  # the file outgrew the map that was given to lmdb.open
            self.env.set_mapsize(0)
            self.txn = self.env.begin()
        position = self.txn.get(b"position", db=self.meta)
        self.position = msgpack.unpackb(position) if position else None

    def unpin(self):
        if self.txn:
            self.txn.abort()
        self.txn = None

    def rows(self, table, prefix=b""):
        cursor = self.txn.cursor(self.tables[table])
        if cursor.set_range(prefix):
            for key, value in cursor:
                if not key.startswith(prefix):
                    return
                yield key, msgpack.unpackb(value)


class Ledger:
    def __init__(self, root):
        self.projections = {}
        for name in TABLES:
            self.projections[name] = Projection(root, name)

    def pin(self):
        """All projections at one position, which is a matter of milliseconds: all are flushed at the same entries."""
        for projection in self.projections.values():
            projection.pin()
        while len({projection.position[5] for projection in self.projections.values()}) > 1:
            time.sleep(0.0005)
            last = max(projection.position[5] for projection in self.projections.values())
            for projection in self.projections.values():
                if projection.position[5] < last:
                    projection.pin()
        self.entry_count = self.projections["balances"].position[6]

    def unpin(self):
        for projection in self.projections.values():
            projection.unpin()

    def rows(self, projection, table, prefix=b""):
        return self.projections[projection].rows(table, prefix)


def balance(account):
    registered_at, updated_at, changed_by, lots_total, held, debt, *_ = account
    return lots_total + held - debt


def lot_name(number):
    entry, index = number >> 16, number & 0xFFFF
    return f"lot-{entry}-{index}" if index else f"lot-{entry}"


def show(ledger):
    print("position", ledger.entry_count)
    accounts = list(ledger.rows("balances", "accounts"))
    for key, row in accounts:
        print("account", key.decode(), "balance", balance(row), "held", row[4], "debt", row[5])
    for key, row in accounts:
        for lot_id, source, amount, remaining, *_ in row[9]:
            print("lot", key.decode(), lot_name(lot_id), SOURCES[source], remaining)
        for further, (source, amount, remaining, *_) in ledger.rows("balances", "lots", key + b"\0"):
            print("lot", key.decode(), lot_name(struct.unpack(">Q", further[-8:])[0]), SOURCES[source], remaining)
    for _, row in ledger.rows("balances", "totals"):
        print("totals accounts", row[8], "balances", row[7])
    schedules = list(ledger.rows("seats", "schedules"))
    for key, row in schedules:
        print("schedule", key.decode(), "of", row[0], SCHEDULES[row[6]], "seats", row[7], "held", row[8], "reserved", row[9])
    for key, _ in schedules:
        for seat, (section, grade, price, status, *_) in ledger.rows("seats", "seats", key + b"\0"):
            print("seat", key.decode(), struct.unpack(">I", seat[-4:])[0], SEATS[status], price)
    window_all = bytes([1]) + struct.pack(">I", 0)
    for rank, (key, _) in enumerate(ledger.rows("rankings", "popular", window_all), 1):
        inverted, _ = struct.unpack(">IQ", key[5:17])
        print("popular", rank, key[17:].decode(), inverted ^ 0xFFFFFFFF)
        if rank == 10:
            break


def check(ledger):
    accounts = [balance(row) for _, row in ledger.rows("balances", "accounts")]
    totals = next((row for _, row in ledger.rows("balances", "totals")), [0] * 13)
    schedules = [row[7:10] for _, row in ledger.rows("seats", "schedules") if SCHEDULES[row[6]] == "OPEN"]
    seats = next((row[:3] for _, row in ledger.rows("seats", "seat_totals")), [0, 0, 0])
    sums = [sum(column) for column in zip(*schedules)] or [0, 0, 0]
    if [len(accounts), sum(accounts)] != [totals[8], totals[7]] or sums != seats:
        sys.exit(f"at {ledger.entry_count} the rows do not add up to the totals")


def watch(ledger):
    snapshots, last = 0, None
    while not (select.select([sys.stdin], [], [], 0)[0] and not sys.stdin.read(1)):
        try:
            ledger.pin()
        except Swapped:
            continue
        check(ledger)
        ledger.unpin()
        snapshots += 1
        if ledger.entry_count != last:
            last = ledger.entry_count
            print("right at", last, flush=True)
    print("snapshots", snapshots)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--watch"]):
        sys.exit("usage: read_with_lmdb.py DIR [--watch]")
    ledger = Ledger(sys.argv[1])
    if sys.argv[2:]:
        watch(ledger)
    else:
        ledger.pin()
        show(ledger)
