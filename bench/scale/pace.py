"""A steady load, and how long each request took: pace.py URL REQUESTS-A-SECOND COMMANDS-A-REQUEST points|queue

Sends arrays of commands to /api/commands until its standard input ends: charges and uses, or new users who enter the waiting
room. Then it prints a JSON array with
[seconds since 1970 at which it was due, milliseconds until it was answered, commands accepted] for each request.

An open loop: a request's time runs from the moment at which it was due, whether or not it could be sent then, so a server that
stalls pays for all that wait meanwhile. A process of its own, so that nobody else's work delays it.
"""

import json
import selectors
import socket
import sys
import time
from collections import deque
from urllib.parse import urlsplit

CONNECTIONS, ACCOUNTS = 64, 1000
OPENING = 100_000  # each account's first charge: no use is refused


def points_of(number, commands):
    """Charges and uses of 1,000, each account's in turn: they stay as they are."""
    rounds = [divmod(index, ACCOUNTS) for index in range(number * commands, (number + 1) * commands)]
    return [
        {"type": ("points.charge", "points.use")[turn % 2], "userId": f"pace-{account}", "amount": 1000}
        for turn, account in rounds
    ]


def visitors_of(number, commands):
    return [{"type": "queue.enter", "userId": f"visitor-{number * commands + index}"} for index in range(commands)]


def request_of(commands):
    body = json.dumps(commands, separators=(",", ":")).encode()
    head = f"POST /api/commands HTTP/1.1\r\nHost: pace\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Connection:
    """One request at a time. `due`: when the one under way should have been sent."""

    def __init__(self, address):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due, self.answer = None, b""

    def send(self, due, request):
        self.due, self.answer = due, b""
        self.socket.sendall(request)

    def receive(self):
        """The body, once it is whole."""
        got = self.socket.recv(1 << 20)
        if not got:
            sys.exit("pace: the server closed a connection")
        self.answer += got
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if not found:
            return None
        size = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return body if len(body) == size else None


def open_accounts(connection):
    for first in range(0, ACCOUNTS, 500):
        commands = [
            {"type": "points.charge", "userId": f"pace-{number}", "amount": OPENING} for number in range(first, first + 500)
        ]
        connection.send(0, request_of(commands))
        while (body := connection.receive()) is None:
            pass
        assert body.count(b'"outcome":"accepted"') == 500, body[:1000]


def main(url, rate, commands, kind):
    place = urlsplit(url)
    free = deque(Connection((place.hostname, place.port)) for _ in range(CONNECTIONS))
    if kind == "points":
        open_accounts(free[0])
        requests = [request_of(points_of(number, commands)) for number in range(4 * ACCOUNTS // commands)]
        request = lambda number: requests[number % len(requests)]  # noqa: E731
    else:
        request = lambda number: request_of(visitors_of(number, commands))  # noqa: E731
    selector = selectors.DefaultSelector()
    for connection in free:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    samples, waiting, number, sent, running = [], deque(), 0, 0, True
    print("ready", flush=True)
    start, offset = time.perf_counter(), time.time() - time.perf_counter()
    while running or len(free) < CONNECTIONS:
        now = time.perf_counter()
        while running and start + number / rate <= now:
            waiting.append(start + number / rate)
            number += 1
        while waiting and free:
            free.popleft().send(waiting.popleft(), request(sent))
            sent += 1
        wait = max(start + number / rate - time.perf_counter(), 0) if running else 1
        for key, _ in selector.select(wait):
            connection = key.data
            if connection is None:
                running = False
                selector.unregister(sys.stdin)
                waiting.clear()
            elif (body := connection.receive()) is not None:
                took = time.perf_counter() - connection.due
                samples.append([round(connection.due + offset, 4), round(took * 1000, 3), body.count(b'"outcome":"accepted"')])
                free.append(connection)
    json.dump(samples, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
