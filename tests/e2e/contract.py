"""docs/openapi.yaml as a witness of every answer that a test gets.

	contract = Contract(DOCUMENT)
	contract.check(method, path, sent, body, reply)     Broken when the answer is not as the document has it
	contract.seen                                       {(request, status, code)}: what was answered so far

The client of engine.py shows every answer to `engine.witness`, which conftest.py sets: so each end-to-end test is a test of the
document, too. Beside the answer this is checked: a body that was accepted is one that the document allows.
"""

import json
import re
import threading
from pathlib import Path
from urllib.parse import unquote

import validators
import yaml

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
OURS = ("Ledger-Position", "Idempotency-Key", "Idempotency-Hit", "Retry-After")
NO_API = ("/console",)  # what the page for people is made of, which is no API
OUTSIDE = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 400: "VALIDATION_ERROR", 414: "URI_TOO_LONG", 431: "HEADERS_TOO_LARGE"}


class Broken(AssertionError):
    """The server and its document say different things."""


class Contract:
    def __init__(self, path=DOCUMENT):
        self.document = yaml.load(Path(path).read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.rs = validators.jsonschema_rs()
        self.made, self.lock = {}, threading.Lock()
        self.seen, self.broken = set(), []
        self.routes = []
        for template in self.document["paths"]:
            pattern = re.sub(r"{\w+}", "([^/]+)", template)
            self.routes.append((template, re.compile(f"^{pattern}$")))
        self.routes.sort(key=lambda route: route[0].count("{"))  # a literal goes before a name

    # ---- the document ----

    def resolve(self, thing):
        while "$ref" in thing:
            found = self.document
            for part in thing["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            thing = found
        return thing

    def operations(self):
        """(request, operation) of all, as "POST /api/points/charge"."""
        for template, item in self.document["paths"].items():
            for method, operation in item.items():
                yield f"{method.upper()} {template}", operation

    def codes(self, response):
        """The codes that the body of an answer can have; [None] where it is no error."""
        content = self.resolve(response).get("content", {}).get("application/json")
        schema = content["schema"] if content else {}
        if "properties" in schema:
            return schema["properties"]["code"]["enum"]
        name = schema.get("$ref", "").rpartition("/")[2]
        return [name.removeprefix("Error.")] if name.startswith("Error.") else [None]

    def promised(self):
        """{(request, status, code)} of the whole document."""
        return {
            (request, int(status), code)
            for request, operation in self.operations()
            for status, response in operation["responses"].items()
            for code in self.codes(response)
        }

    def find(self, method, path):
        """(request, operation), or None when the document has no such path or method."""
        path = path.partition("?")[0].partition("#")[0]
        for template, pattern in self.routes:
            operation = self.document["paths"][template].get(method.lower())
            if operation and pattern.match(path):
                return f"{method} {template}", operation
        return None

    # ---- checking ----

    def validator(self, schema):
        key = json.dumps(schema, sort_keys=True)
        with self.lock:
            if key not in self.made:
                whole = {**schema, "components": {"schemas": self.document["components"]["schemas"]}}
                self.made[key] = self.rs.Draft202012Validator(whole, validate_formats=True)
            return self.made[key]

    def faults(self, schema, value):
        validator = self.validator(schema)
        if validator.is_valid(value):
            return []
        return [f"{'/'.join(map(str, e.instance_path))}: {e.message[:600]}" for e in validator.iter_errors(value)]

    def check(self, method, path, sent, body, reply):
        """Raises Broken, and keeps it in `broken`: a thread's exception is easily lost."""
        try:
            self.look(method, path, sent, body, reply)
        except Broken as why:
            self.broken.append(why)
            raise

    def look(self, method, path, sent, body, reply):
        if method == "HEAD" or unquote(path).startswith(NO_API):
            return
        found = self.find(method, path)
        if not found or (reply.status == 404 and self.code(reply) == "NOT_FOUND"):
            self.check_outside(method, path, reply)
            return
        request, operation = found
        response = operation["responses"].get(str(reply.status))
        if response is None:
            raise Broken(f"{request}: status {reply.status} is not in the document: {reply.body[:300]}")
        response = self.resolve(response)
        self.check_headers(request, response, reply)
        code = self.check_body(request, response, reply)
        if reply.status < 300:
            self.check_sent(request, operation, sent, body)
        self.seen.add((request, reply.status, code))

    @staticmethod
    def code(reply):
        try:
            value = json.loads(reply.body)
        except ValueError:
            return None
        return value.get("code") if isinstance(value, dict) else None

    def check_outside(self, method, path, reply):
        if reply.status == 400 and not reply.body:
            return
        faults = self.faults({"$ref": "#/components/schemas/Error"}, json.loads(reply.body)) if reply.status not in OUTSIDE else []
        if faults or self.code(reply) != OUTSIDE.get(reply.status):
            raise Broken(f"{method} {path} is not in the document, and was answered {reply.status} {reply.body[:300]}")

    def check_headers(self, request, response, reply):
        described = {name: self.resolve(header) for name, header in response.get("headers", {}).items()}
        for name in OURS:
            value, header = reply.headers[name], described.get(name)
            if value is None and header and header.get("required"):
                raise Broken(f"{request} {reply.status}: header {name} is missing: {reply.body[:300]}")
            if value is None:
                continue
            if header is None:
                raise Broken(f"{request} {reply.status}: header {name} is not in the document")
            if faults := self.faults(header["schema"], value):
                raise Broken(f"{request} {reply.status}: header {name}: {faults}")

    def check_body(self, request, response, reply):
        """The code of an error, else None."""
        content = response.get("content")
        if not content:
            if reply.body:
                raise Broken(f"{request} {reply.status}: the document knows no body, but there was one: {reply.body[:300]}")
            return None
        kind = (reply.headers["Content-Type"] or "").partition(";")[0]
        if kind not in content:
            raise Broken(f"{request} {reply.status}: Content-Type {kind!r} is not in the document")
        if kind.startswith("text/"):
            return None
        value = self.decode(kind, reply.body)
        if faults := self.faults(content[kind]["schema"], value):
            raise Broken(f"{request} {reply.status}: {faults[:3]}\n{reply.body[:1000]}")
        return value.get("code") if isinstance(value, dict) and "code" in value else None

    @staticmethod
    def decode(kind, data):
        if kind == "application/msgpack":
            import msgpack

            return msgpack.unpackb(data)
        return json.loads(data)

    def check_sent(self, request, operation, sent, body):
        """What was accepted must be allowed. Bulk is: of each element its receipt tells."""
        described = operation.get("requestBody")
        if not described or "application/msgpack" in described["content"]:
            return
        if body in (None, "", b""):
            if described.get("required"):
                raise Broken(f"{request}: was accepted without a body, which the document asks for")
            return
        schema = described["content"]["application/json"]["schema"]
        if faults := self.faults(schema, json.loads(body)):
            raise Broken(f"{request}: a body was accepted that the document does not allow: {faults[:3]}\n{body[:1000]}")
