"""A small binding of libledgerline for Python, with ctypes alone. <ledgerline.h> is its manual.

	with Reader("/var/lib/ledger") as reader:
		with reader.pinned():
			print(reader.balance("ann").available)
			for account in reader.accounts():
				print(account.user_id.decode(), account.balance.balance)

A thread has a Reader of its own. Do not open the same files with py-lmdb in the same process. Walks give lists: the library's
visitors must not use the reader, and a generator would run on after an unpin. LEDGERLINE_LIBRARY names another library file.
"""

import ctypes
import os
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char, c_char_p, c_int, c_int64, c_uint, c_uint32, c_uint64, c_void_p

DONE, ABSENT, MISUSED, NO_LEDGER, REBUILD, NO_RIGHTS, TRY_AGAIN, DAMAGED = range(8)
BALANCES, SEATS, QUEUE, RECEIPTS, RANKINGS, HISTORY, ALL = 1, 2, 4, 8, 16, 32, 63
WINDOW_ALL, WINDOW_DAY, WINDOW_WEEK, WINDOW_MONTH = 1, 2, 3, 4
MESSAGE_SIZE, ID = 768, c_char * 65


class Error(Exception):
    """`result` is one of the numbers above."""

    def __init__(self, result, message):
        super().__init__(message)
        self.result = result


class Position(Structure):
    _fields_ = [
        ("ledger", ctypes.c_uint8 * 16),
        ("entry_count", c_uint64),
        ("next_offset", c_uint64),
        ("epoch", c_uint64),
        ("time_ms", c_int64),
    ]


class Balance(Structure):
    _fields_ = [(name, c_int64) for name in ("balance", "held", "debt", "available", "updated_at_ms")]


class Lot(Structure):
    _fields_ = [
        ("lot_id", ID),
        ("source", c_char_p),
        ("amount", c_int64),
        ("remaining", c_int64),
        ("expires_at_ms", c_int64),
    ]


class Account(Structure):
    _fields_ = [("user_id", ID), ("registered_at_ms", c_int64), ("balance", Balance)]


class Totals(Structure):
    _fields_ = (
        [("account_count", c_uint64), ("user_count", c_uint64)]
        + [(name, c_int64) for name in ("charged", "used", "refunded", "expired", "adjusted", "held", "debt", "balances")]
        + [(name, c_uint64) for name in ("accepted", "refused", "system")]
    )


class Schedule(Structure):
    _fields_ = (
        [("schedule_id", ID), ("concert_id", ID), ("queue_id", ID)]
        + [(name, c_int64) for name in ("concert_date_ms", "booking_opens_at_ms", "booking_closes_at_ms", "created_at_ms")]
        + [("status", c_char_p), ("seat_count", c_uint32), ("held_count", c_uint32), ("reserved_count", c_uint32)]
    )


class Seat(Structure):
    _fields_ = [
        ("seat_no", c_uint32),
        ("section", c_char_p),
        ("grade", c_char_p),
        ("price", c_int64),
        ("status", c_char_p),
        ("reservation_id", ID),
    ]


class SeatTotals(Structure):
    _fields_ = [
        (name, c_uint64)
        for name in (
            "seats",
            "held",
            "reserved",
            "reservations_held",
            "reservations_confirmed",
            "reservations_expired",
            "reservations_cancelled",
        )
    ]


class Ranked(Structure):
    _fields_ = [
        ("rank", c_uint),
        ("schedule_id", ID),
        ("concert_title", c_char_p),
        ("concert_date_ms", c_int64),
        ("reservation_count", c_uint32),
        ("sold_out_duration_ms", c_int64),
    ]


library = ctypes.CDLL(os.environ.get("LEDGERLINE_LIBRARY", "libledgerline.so.0"))
library.ll_message.restype = c_char_p
library.ll_close.restype = library.ll_unpin.restype = None


def declare(name, *arguments):
    function = getattr(library, name)
    function.argtypes, function.restype = arguments, c_int
    return function


def visitor(struct):
    return CFUNCTYPE(c_int, c_void_p, POINTER(struct))


READER, TEXT = c_void_p, c_char_p
declare("ll_open_parts", TEXT, c_uint, POINTER(READER), TEXT)
declare("ll_pin", READER)
declare("ll_wait", READER, c_uint64, c_uint)
declare("ll_read_position", READER, POINTER(Position))
declare("ll_read_balance", READER, TEXT, POINTER(Balance))
declare("ll_read_lots", READER, TEXT, visitor(Lot), c_void_p)
declare("ll_walk_accounts", READER, TEXT, c_uint64, visitor(Account), c_void_p)
declare("ll_read_totals", READER, POINTER(Totals))
declare("ll_walk_schedules", READER, TEXT, TEXT, c_uint64, visitor(Schedule), c_void_p)
declare("ll_read_seats", READER, TEXT, visitor(Seat), c_void_p)
declare("ll_read_seat_totals", READER, POINTER(SeatTotals))
declare("ll_read_popular", READER, c_int, c_uint, visitor(Ranked), c_void_p)
library.ll_close.argtypes = library.ll_unpin.argtypes = library.ll_message.argtypes = [READER]


def utf8(text):
    return None if text is None else text.encode()


class Reader:
    def __init__(self, directory, parts=ALL):
        self.reader, message = READER(), ctypes.create_string_buffer(MESSAGE_SIZE)
        result = library.ll_open_parts(utf8(directory), parts, byref(self.reader), message)
        if result != DONE:
            self.reader = None
            raise Error(result, message.value.decode())

    def close(self):
        library.ll_close(self.reader)
        self.reader = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def must(self, result):
        if result != DONE:
            raise Error(result, library.ll_message(self.reader).decode())

    @contextmanager
    def pinned(self):
        self.must(library.ll_pin(self.reader))
        try:
            yield self
        finally:
            library.ll_unpin(self.reader)

    @contextmanager
    def pinned_at(self, entry_count, timeout_ms):
        self.must(library.ll_wait(self.reader, entry_count, timeout_ms))
        try:
            yield self
        finally:
            library.ll_unpin(self.reader)

    def one(self, function, struct, *arguments):
        found = struct()
        self.must(function(self.reader, *arguments, byref(found)))
        return found

    def many(self, function, struct, *arguments):
        found = []

        def visit(_, row):
            copy = struct.from_buffer_copy(row[0])
            # Texts are good during the visit only: reading one gives Python's own copy, which is put in its place.
            for name, kind in struct._fields_:
                if kind is c_char_p:
                    setattr(copy, name, getattr(row[0], name))
            found.append(copy)
            return 0

        self.must(function(self.reader, *arguments, visitor(struct)(visit), None))
        return found

    def position(self):
        return self.one(library.ll_read_position, Position)

    def balance(self, user_id):
        return self.one(library.ll_read_balance, Balance, utf8(user_id))

    def lots(self, user_id):
        return self.many(library.ll_read_lots, Lot, utf8(user_id))

    def accounts(self, after=None, limit=0):
        return self.many(library.ll_walk_accounts, Account, utf8(after), limit)

    def totals(self):
        return self.one(library.ll_read_totals, Totals)

    def schedules(self, concert_id=None, after=None, limit=0):
        return self.many(library.ll_walk_schedules, Schedule, utf8(concert_id), utf8(after), limit)

    def seats(self, schedule_id):
        return self.many(library.ll_read_seats, Seat, utf8(schedule_id))

    def seat_totals(self):
        return self.one(library.ll_read_seat_totals, SeatTotals)

    def popular(self, window=WINDOW_ALL, limit=10):
        return self.many(library.ll_read_popular, Ranked, window, limit)
