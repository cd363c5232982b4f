#!/usr/bin/python3
"""Reads a ledger with libledgerline, through the binding in ledgerline.py.

	read_with_ctypes.py DIR            prints what stands in it, at one position
	read_with_ctypes.py DIR --watch    checks every new position until its input ends
"""

import select
import sys

import ledgerline


def show(reader):
    print("position", reader.position().entry_count)
    users = reader.accounts()
    for user in users:
        balance = user.balance
        print("account", user.user_id.decode(), "balance", balance.balance, "held", balance.held, "debt", balance.debt)
    for user in users:
        for lot in reader.lots(user.user_id.decode()):
            print("lot", user.user_id.decode(), lot.lot_id.decode(), lot.source.decode(), lot.remaining)
    totals = reader.totals()
    print("totals accounts", totals.account_count, "balances", totals.balances)
    schedules = reader.schedules()
    for one in schedules:
        print("schedule", one.schedule_id.decode(), "of", one.concert_id.decode(), one.status.decode(), end=" ")
        print("seats", one.seat_count, "held", one.held_count, "reserved", one.reserved_count)
    for one in schedules:
        for seat in reader.seats(one.schedule_id.decode()):
            print("seat", one.schedule_id.decode(), seat.seat_no, seat.status.decode(), seat.price)
    for ranked in reader.popular():
        print("popular", ranked.rank, ranked.schedule_id.decode(), ranked.reservation_count)


def check(reader):
    balances = [account.balance.balance for account in reader.accounts()]
    totals, seats = reader.totals(), reader.seat_totals()
    schedules = [one for one in reader.schedules() if one.status == b"OPEN"]
    added = [sum(getattr(one, count) for one in schedules) for count in ("seat_count", "held_count", "reserved_count")]
    if [len(balances), sum(balances)] != [totals.account_count, totals.balances]:
        sys.exit("the accounts do not add up to the totals")
    if added != [seats.seats, seats.held, seats.reserved]:
        sys.exit("the seats do not add up to the totals")


def watch(reader):
    snapshots, last = 0, None
    while not (select.select([sys.stdin], [], [], 0)[0] and not sys.stdin.read(1)):
        try:
            with reader.pinned():
                entry_count = reader.position().entry_count
                check(reader)
        except ledgerline.Error as error:
            if error.result == ledgerline.TRY_AGAIN:
                continue
            raise
        snapshots += 1
        if entry_count != last:
            print("right at", entry_count, flush=True)
            last = entry_count
    print("snapshots", snapshots)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ["--watch"]):
        sys.exit("usage: read_with_ctypes.py DIR [--watch]")
    with ledgerline.Reader(sys.argv[1]) as reader:
        if sys.argv[2:]:
            watch(reader)
        else:
            with reader.pinned():
                show(reader)
