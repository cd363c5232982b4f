"""An HTTP endpoint that a sink posts to, and that behaves as badly as a test wants.

	endpoint = Endpoint(); endpoint.url; endpoint.behave = function(event) -> status, (status, headers), or one of the ways below
	endpoint.taken         every event that was answered 2xx, in order; endpoint.keys their Idempotency-Key
	endpoint.down(), .up() nobody listens; the same port again
	HANG, CLOSE, GARBAGE   the connection hangs, is closed, answers what is no HTTP
"""

import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HANG, CLOSE, GARBAGE = "hang", "close", "garbage"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


class Endpoint:
    def __init__(self, pair=None):
        self.pair = pair  # certificates.Pair: it is at https://
        self.lock, self.taken, self.keys, self.asked, self.types = threading.Lock(), [], [], 0, set()
        self.behave = lambda event: 200
        self.released = threading.Event()
        self.port, self.server = 0, None
        self.up()

    @property
    def url(self):
        return f"http{'s' if self.pair else ''}://127.0.0.1:{self.port}/events"

    def up(self):
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                endpoint.handle(self)

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        if self.pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.pair.certificate, self.pair.key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        return self

    def down(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def close(self):
        self.released.set()
        self.down()

    def handle(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        event = json.loads(body)
        with self.lock:
            self.asked += 1
            self.types.add(request.headers["Content-Type"])
            how = self.behave(event)
        if how == HANG:
            self.released.wait(30)
        if how in (HANG, CLOSE, GARBAGE):
            if how == GARBAGE:
                request.wfile.write(b"\x00\x01 what? \r\n\r\n")
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        status, headers = how if isinstance(how, tuple) else (how, {})
        if 200 <= status < 300:
            with self.lock:
                self.taken.append(event)
                self.keys.append(request.headers["Idempotency-Key"])
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "5")
        request.end_headers()
        request.wfile.write(b"said\n")
