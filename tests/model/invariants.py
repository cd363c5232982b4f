"""What must hold of every ledger whatever happened to it (DOMAIN.md section 4), checked from what the engine itself says.

	broken(engine, binary)   the first law that does not hold, as a sentence; None: all do. Stops the engine.

The model is not asked: sums come from the journal's events, states from the reads, and the projections are thrown away and built
anew at the end.
"""

import json
import shutil
from collections import Counter, defaultdict

from engine import run


class Broken(Exception):
    pass


def must(holds, law, *about):
    if not holds:
        raise Broken(f"{law}: {', '.join(map(str, about))}")


def broken(engine, binary):
    try:
        done = run(binary, "journal", "cat", "--data", engine.data, check=0)
        events = defaultdict(list)
        for line in done.stdout.splitlines():
            event = json.loads(line)
            events[event["type"]].append(event)
        points(engine, events)
        reservations = {e["reservationId"]: read(engine, f"/api/reservations/{e['reservationId']}") for e in events["reservation.created"]}
        seats(engine, events, reservations.values())
        payments(engine, events, reservations)
        rebuilt(engine, binary)
    except Broken as why:
        return str(why)
    return None


def read(engine, path):
    reply = engine.get(path)
    must(reply.status == 200, "what was made can be read", path, reply)
    return reply.json


def points(engine, events):
    """Sum of lots + held - debt = balance; charged - used + refunded - expired +- adjusted = balances, of each account and of all."""
    signs = {"charged": 1, "used": -1, "refunded": 1, "expired": -1, "adjusted": 1}
    balances, held = Counter(), Counter()
    for name, sign in signs.items():
        for event in events[f"point.{name}"]:
            balances[event["userId"]] += sign * event["amount"]
    for event in events["point.held"]:
        held[event["userId"]] += event["amount"]
    for event in events["point.hold.captured"]:
        held[event["userId"]] -= event["captured"] + event["released"]
    for event in events["point.hold.released"]:
        held[event["userId"]] -= event["amount"]
    for user in {*balances, *held}:
        shown = read(engine, f"/api/points/balance?userId={user}")
        rest = sum(lot["remaining"] for lot in shown["lots"])
        must(rest + shown["held"] - shown["debt"] == shown["balance"], "lots + held - debt = balance", shown)
        must(rest - shown["debt"] == shown["available"], "lots - debt = available", shown)
        must(all(lot["remaining"] > 0 for lot in shown["lots"]) and shown["held"] >= 0 and shown["debt"] >= 0, "nothing below 0", shown)
        must(not (shown["debt"] and rest), "debt only when no lot has anything left", shown)
        must(shown["balance"] == balances[user], "the journal's postings are the balance", balances[user], shown)
        must(shown["held"] == held[user], "the journal's holds are what is held", held[user], shown)


def seats(engine, events, reservations):
    """Held + sold + free = seats, and each that is not free is so for one living reservation."""
    living = Counter()
    for one in reservations:
        if one["status"] in ("HELD", "CONFIRMED"):
            living.update((one["scheduleId"], number, one["status"]) for number in one["seatNos"])
    must(not living or max(living.values()) == 1, "one living reservation a seat", [at for at, count in living.items() if count > 1])
    states = {"HELD": "HELD", "RESERVED": "CONFIRMED"}
    for event in events["concert.schedule.created"]:
        name = event["scheduleId"]
        schedule = read(engine, f"/api/schedules/{name}")
        shown = read(engine, f"/api/concerts/seats?scheduleId={name}")["seats"]
        counts = Counter(seat["status"] for seat in shown)
        must(sum(counts.values()) == schedule["totalSeats"], "seats = total", name, counts, schedule)
        must(counts["AVAILABLE"] == schedule["availableSeats"], "free seats = available", name, counts, schedule)
        for sums, kind, amount in (("paidAmount", "completed", "amount"), ("refundedAmount", "cancelled", "refundAmount")):
            moved = [one[amount] for one in events[f"payment.{kind}"] if one["scheduleId"] == name]
            must(schedule[sums] == sum(moved), "a schedule's sums are those of its payments", name, sums, moved, schedule)
        must(set(counts) <= {"AVAILABLE", *states}, "held + sold + free = seats", name, counts)
        for seat in shown:
            wanted = states.get(seat["status"])
            found = {status: living.pop((name, seat["seatNo"], status), 0) for status in states.values()}
            must({s for s, n in found.items() if n} == ({wanted} if wanted else set()), "a seat is as its reservation", name, seat, found)
    must(not living, "living reservations are of seats that are there", dict(living))


def payments(engine, events, reservations):
    """CONFIRMED <=> one SUCCESS payment <=> a point.used of that amount."""
    uses = {event["paymentId"]: event for event in events["point.used"] if event["paymentId"]}
    succeeded = Counter()
    for event in events["payment.completed"]:
        payment = read(engine, f"/api/payments/{event['paymentId']}")
        reservation, use = reservations[payment["reservationId"]], uses.pop(payment["paymentId"], None)
        succeeded[payment["reservationId"]] += payment["status"] == "SUCCESS"
        must(payment["amount"] == reservation["price"] == event["amount"], "a payment is of the price", payment, reservation)
        must((use["amount"] if use else 0) == payment["amount"], "a payment is a use of its amount", payment, use)
        must((use["useId"] if use else None) == payment["useId"], "a payment names its use", payment, use)
        if payment["status"] == "CANCELLED":
            back = sum(e["amount"] for e in events["point.refunded"] if e["paymentId"] == payment["paymentId"])
            must(back == payment["refundAmount"] == payment["amount"] - payment["fee"], "refund + fee = amount", payment, back)
    must(not uses, "each use of a payment has its payment", uses)
    for name, one in reservations.items():
        must(succeeded[name] == (one["status"] == "CONFIRMED"), "CONFIRMED = one SUCCESS payment", one, succeeded[name])


def rebuilt(engine, binary):
    """The projections are what the journal says, and so are those that are built from it anew."""
    engine.stop()
    live = verified(engine, binary)
    shutil.rmtree(engine.data / "projections")
    done = run(binary, "rebuild", "--data", engine.data)
    must(done.returncode == 0, "the projections can be built anew", done.stdout + done.stderr)
    again = verified(engine, binary)
    must(live == again, "rebuilt equals live", live, again)


def verified(engine, binary):
    done = run(binary, "verify", "--data", engine.data, "--decide", "--invariants", "--json")
    must(done.returncode == 0, "the journal and the projections are what the rules say", done.stdout + done.stderr)
    return json.loads(done.stdout)["digest"]
