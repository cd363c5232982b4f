"""The few requests of Kafka's protocol that tests need beside what the program under test speaks.

All in their oldest form that brokers 3.x and 4.x take, where numbers have fixed sizes. Each call connects, asks one broker,
and closes. Errors of the broker come as wire.Refused.
"""

import socket
import struct

LIST_OFFSETS, METADATA, CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS, ALTER_CONFIGS = 2, 3, 19, 20, 21, 44
LATEST, EARLIEST = -1, -2
TOPIC = 2  # a kind of resource that has settings
SECONDS = 15


class Refused(Exception):
    """A broker's error code, as a number of Kafka's protocol."""

    def __init__(self, code, message):
        super().__init__(f"Kafka error {code}: {message or 'no message'}")
        self.code = code


def int8(n):
    return struct.pack(">b", n)


def int16(n):
    return struct.pack(">h", n)


def int32(n):
    return struct.pack(">i", n)


def int64(n):
    return struct.pack(">q", n)


def text(s):
    if s is None:
        return int16(-1)
    raw = s.encode()
    return int16(len(raw)) + raw


def array(items):
    return int32(len(items)) + b"".join(items)


class Reply:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        (n,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return n

    def int8(self):
        return self.number(">b")

    def int16(self):
        return self.number(">h")

    def int32(self):
        return self.number(">i")

    def int64(self):
        return self.number(">q")

    def text(self):
        size = self.int16()
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def array(self, read):
        return [read() for _ in range(self.int32())]


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionError("the broker closed the connection")
        data += more
    return data


def ask(broker, key, version, body):
    """Asks `broker` ("host:port"). OSError when it does not answer."""
    host, port = broker.rsplit(":", 1)
    request = int16(key) + int16(version) + int32(1) + text("ledgerline-tests") + body
    with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
        connection.sendall(int32(len(request)) + request)
        size = struct.unpack(">i", read_exactly(connection, 4))[0]
        reply = Reply(read_exactly(connection, size))
    reply.int32()  # the correlation id
    return reply


def metadata(broker):
    """{"brokers": {id: "host:port"}, "topics": {name: {partition: {"leader", "replicas", "isr"}}}}"""
    reply = ask(broker, METADATA, 1, int32(-1))

    def one_broker():
        node, host, port, _rack = reply.int32(), reply.text(), reply.int32(), reply.text()
        return node, f"{host}:{port}"

    def one_partition():
        reply.int16()
        number, leader = reply.int32(), reply.int32()
        replicas, isr = reply.array(reply.int32), reply.array(reply.int32)
        return number, {"leader": leader, "replicas": replicas, "isr": isr}

    def one_topic():
        reply.int16()
        name, _internal = reply.text(), reply.int8()
        return name, dict(reply.array(one_partition))

    brokers = dict(reply.array(one_broker))
    reply.int32()  # the controller
    return {"brokers": brokers, "topics": dict(reply.array(one_topic))}


def create_topic(broker, name, partitions=1, replication=1, settings=None):
    configs = array([text(k) + text(str(v)) for k, v in (settings or {}).items()])
    one = text(name) + int32(partitions) + int16(replication) + array([]) + configs
    reply = ask(broker, CREATE_TOPICS, 2, array([one]) + int32(SECONDS * 1000) + int8(0))
    reply.int32()
    for _, code, message in reply.array(lambda: (reply.text(), reply.int16(), reply.text())):
        if code:
            raise Refused(code, message)


def delete_topic(broker, name):
    reply = ask(broker, DELETE_TOPICS, 1, array([text(name)]) + int32(SECONDS * 1000))
    reply.int32()
    for _, code in reply.array(lambda: (reply.text(), reply.int16())):
        if code:
            raise Refused(code, f"topic {name} was not deleted")


def alter_topic(broker, name, settings):
    """Sets settings of a topic; a value of None takes the setting away."""
    configs = array(
        [text(k) + int8(1 if v is None else 0) + text(None if v is None else str(v)) for k, v in settings.items()]
    )
    reply = ask(broker, ALTER_CONFIGS, 0, array([int8(TOPIC) + text(name) + configs]) + int8(0))
    reply.int32()
    for code, message, _, _ in reply.array(lambda: (reply.int16(), reply.text(), reply.int8(), reply.text())):
        if code:
            raise Refused(code, message)


def delete_records(leader, name, before, partition=0):
    """Deletes the records below offset `before`. `leader`: the partition's."""
    body = array([text(name) + array([int32(partition) + int64(before)])]) + int32(SECONDS * 1000)
    reply = ask(leader, DELETE_RECORDS, 1, body)
    reply.int32()
    one = lambda: (reply.int32(), reply.int64(), reply.int16())  # noqa: E731
    for _, partitions in reply.array(lambda: (reply.text(), reply.array(one))):
        for _, _, code in partitions:
            if code:
                raise Refused(code, f"records of {name} were not deleted")


def offset(leader, name, which=LATEST, partition=0):
    """The partition's high (LATEST) or low (EARLIEST) watermark."""
    reply = ask(leader, LIST_OFFSETS, 1, int32(-1) + array([text(name) + array([int32(partition) + int64(which)])]))
    one = lambda: (reply.int32(), reply.int16(), reply.int64(), reply.int64())  # noqa: E731
    for _, partitions in reply.array(lambda: (reply.text(), reply.array(one))):
        for _, code, _, found in partitions:
            if code:
                raise Refused(code, f"no offset of {name}")
            return found
