"""docs/openapi.yaml: the HTTP API as a document for tools. Requests are those of commands.toml, answers of replies.toml."""

import json
import re

from . import yaml_text
from .c_code import REFERENCES
from .json_schema import SHARED, Schemas, ref
from .model import Field

ABOUT = """
An event-sourced ledger of points and seats. Ids of users, concerts, schedules and commands are the client's; ids that the
ledger makes are opaque. Amounts are whole won. Unknown fields are refused by name, null is absent.
Whatever is not a path of this document is answered 404 NOT_FOUND; another method of a path of it 405 METHOD_NOT_ALLOWED,
with Allow. An engine with access keys says neither to who has none: it is 401 first. What is not HTTP gets a bare 400 and a closed connection. HEAD is answered as GET is.
"""
STATUSES = {
    200: "Done",
    201: "Made",
    202: "Begun",
    204: "Done; no body",
    400: "What cannot be taken",
    401: "An access key or a token is wanted",
    402: "Not enough points",
    403: "Not yours to do",
    404: "Not there: nothing was written, the key stays free",
    408: "Not sent to its end in time",
    409: "Not in this state",
    410: "Over",
    413: "Too large",
    414: "Too long a URL",
    415: "Not a type that is taken",
    417: "Not an expectation that is met",
    422: "Past a limit, or a key with another body",
    429: "Not taken: too much is waiting, or more than the key's limit",
    431: "Too large headers",
    500: "The engine failed",
    503: "Not taken, or nobody knows",
    504: "Not there in time",
}
UNAVAILABLE = {"OVERLOADED", "NOT_LEADER", "JOURNAL_UNAVAILABLE", "OUTCOME_UNKNOWN"}
FACT_EXAMPLES = {
    "field": "amount",
    "reason": "is missing",
    "leader": "http://10.0.0.2:8080",
    "status": "CANCELLED",
    "userId": "kim",
    "concertId": "jazz",
    "scheduleId": "jazz-1",
    "queueId": "default",
    "seatNos": [1],
    "reservationId": "reservation-11",
    "paymentId": "payment-16",
    "useId": "use-5",
    "holdId": "hold-8",
}
HEADERS = {
    "Ledger-Position": (ref("Position"), "the entry that the answer is of, or the last one that it shows"),
    "Idempotency-Key": (ref("Id"), "the key of the command: as it was sent, or made for it"),
    "Idempotency-Hit": ({"const": "true"}, "the command was decided before: this is the same answer again"),
    "Retry-After": ({"type": "string", "pattern": "^[0-9]+$"}, "seconds to wait"),
}
PARAMETERS = {
    "Idempotency-Key": (ref("Id"), "names the command: the same key and body get the same answer for ever"),
    "Ledger-Min-Position": (ref("Position"), "wait until this entry is shown"),
    "Ledger-Wait-Seconds": ({"type": "integer", "minimum": 0, "maximum": 60, "default": 5}, "for so long; then 504"),
}


def path_names(path):
    return re.findall(r"{(\w+)}", path)


class Document:
    def __init__(self, model):
        self.model = model
        self.described = model.requests
        self.codes = {n: (c[1], c[2]) for n, c in {**model.refusals, **model.rejections}.items()}
        self.codes.update({n: tuple(c) for n, c in self.described["server"].items()})
        names = {name: self.schema_name(name) for name in model.replies}
        self.given = Schemas(model, names, REFERENCES, True)
        self.answered = Schemas(model, names, REFERENCES, False)
        self.components = {"schemas": dict(SHARED), "parameters": {}, "headers": {}, "responses": {}, "securitySchemes": {}}
        self.commands = {c.title: c for c in model.commands}

    @staticmethod
    def schema_name(name):
        return "".join(word.capitalize() for word in name.split("_"))

    # ---- the pieces ----

    def build(self):
        self.components["securitySchemes"]["accessKey"] = {
            "type": "apiKey", "in": "header", "name": "X-Api-Key",
            "description": "an access key, when the engine serves with --keys; its role must be one of the request's x-roles",
        }
        self.components["securitySchemes"]["queueToken"] = {
            "type": "http", "scheme": "bearer", "description": "a waiting-room token",
        }
        for name, (schema, doc) in HEADERS.items():
            self.components["headers"][name] = {"description": doc, "required": True, "schema": schema}
            self.components["headers"][f"{name}.maybe"] = {"description": doc, "schema": schema}
        for name, (schema, doc) in PARAMETERS.items():
            self.components["parameters"][name] = {"name": name, "in": "header", "description": doc, "schema": schema}
        self.add_errors()
        self.add_replies()
        self.add_commands()
        paths = {}
        for name, request in self.described["requests"].items():
            method, path = name.split(" ")
            paths.setdefault(path, {})[method.lower()] = self.operation(method, path, request)
        return {
            "openapi": "3.1.0",
            "info": {"title": "ledgerline", "version": "1", "description": " ".join(ABOUT.split())},
            "servers": [{"url": "http://127.0.0.1:8080"}],
            "tags": [{"name": n, "description": d} for n, d in self.described["groups"].items()],
            "paths": paths,
            "components": {k: v for k, v in self.components.items() if v},
        }

    def fact_schema(self, name):
        kind = self.model.facts.get(name)
        return self.answered.value(Field(name, kind, "")) if kind else {"type": "integer"}

    def add_errors(self):
        for code in self.codes:
            facts = self.model.details.get(code, [])
            details = {
                "type": "object",
                "properties": {f.rstrip("?"): self.fact_schema(f.rstrip("?")) for f in facts},
                "required": [f for f in facts if not f.endswith("?")],
                "additionalProperties": False,
            }
            self.components["schemas"][f"Error.{code}"] = {
                "type": "object",
                "description": self.codes[code][1],
                "properties": {
                    "code": {"const": code},
                    "message": {"type": "string", "minLength": 1},
                    "details": {k: v for k, v in details.items() if v != [] and v != {}},
                },
                "required": ["code", "message", "details"],
                "additionalProperties": False,
            }

    def add_replies(self):
        schemas = self.components["schemas"]
        for name, reply in self.model.replies.items():
            fields = list(reply.fields)
            if self.schema_name(name) in schemas:
                raise SystemExit(f"schemas: reply {name}: the document has a schema {self.schema_name(name)} already")
            schemas[self.schema_name(name)] = self.answered.object(fields)
            if reply.extra.get("with"):
                policies = next(r for r in self.model.records if r.name == reply.extra["with"])
                made = self.answered.object(policies.fields)
                schemas[self.schema_name(name)]["properties"].update(made["properties"])
                schemas[self.schema_name(name)]["required"] += made["required"]
            if reply.doc:
                schemas[self.schema_name(name)]["description"] = reply.doc
        used = {r.get(k) for r in self.described["requests"].values() if "command" in r for k in ("reply", "reads")}
        schemas["ReplyBody"] = {
            "description": "what the command would have been answered with alone",
            "oneOf": [ref(self.schema_name(n)) for n in self.model.replies if n in used]
            + [ref("Error")] + [{"type": "null"}],
        }
        schemas["Error"] = {"oneOf": [ref(f"Error.{code}") for code in self.codes]}
        schemas["Element"] = {"oneOf": [ref("Receipt"), ref("NoReceipt")]}

    def add_commands(self):
        schemas = self.components["schemas"]
        for title, command in self.commands.items():
            body = self.body_of(title, ())
            body["properties"] = {
                "id": {"oneOf": [ref("Id"), {"type": "null"}], "description": "its key"},
                "type": {"const": title},
                "actor": {"oneOf": [ref("GivenActor"), {"type": "null"}], "description": "who asks"},
                **body["properties"],
            }
            body["required"] = ["type", *body.get("required", [])]
            schemas[f"Command.{title}"] = body
        actor = [Field("type", "enum:actor_type", "what kind"), Field("id", "id?", "which")]
        schemas["GivenActor"] = self.given.object(actor)
        one_of = [ref(f"Command.{title}") for title in self.commands]
        mapping = {title: f"#/components/schemas/Command.{title}" for title in self.commands}
        schemas["Command"] = {"oneOf": one_of, "discriminator": {"propertyName": "type", "mapping": mapping}}

    def body_of(self, title, without):
        also = self.described["also"].get(title)
        fields = list(self.commands[title].fields)
        if not also:
            return self.given.object(fields, without)
        optional = {name for group in also["any"] for names in group for name in names}
        body = self.given.object(fields + [Field(*row) for row in also["fields"]], without, optional)
        body["allOf"] = [{"anyOf": [{"required": names} for names in group]} for group in also["any"]]
        return body

    # ---- a request ----

    def kinds(self, method, path, request):
        kinds = ["all"]
        if method in ("POST", "PUT", "PATCH"):
            kinds.append("body")
        if "command" in request:
            kinds.append("command")
        elif not request.get("plain") and not request.get("bulk"):
            kinds.append("read")
        if self.roles(path, request, kinds):
            kinds.append("access")
        return kinds

    @staticmethod
    def roles(path, request, kinds):
        """The roles whose keys may ask it; none: it is for everybody."""
        usual = "client auditor admin" if "read" in kinds else "client admin"
        usual = {"admin": "admin", "audit": "auditor admin"}.get(path.split("/")[2] if path.count("/") > 1 else "", usual)
        return request.get("roles", usual).split()

    def security(self, request, kinds):
        key = {"accessKey": []} if "access" in kinds else {}
        alone, both = key, {**key, "queueToken": []}
        return {"allowed": [alone, both], None: [alone] if key else None}.get(request.get("bearer"), [both])

    def operation(self, method, path, request):
        kinds = self.kinds(method, path, request)
        shared = [code for kind in kinds for code in self.described["kinds"][kind]]
        codes = list(dict.fromkeys(shared + request.get("codes", [])))
        made = {
            "tags": [request["group"]],
            "operationId": self.operation_id(method, path),
            "summary": request["does"],
            "description": request.get("more"),
            "x-command": request.get("command"),
            "parameters": self.parameters(path, request, kinds),
            "security": self.security(request, kinds),
            "x-roles": self.roles(path, request, kinds),
            "requestBody": self.request_body(path, request) if "body" in kinds and not request.get("bare") else None,
            "responses": self.responses(request, codes, "command" in kinds),
        }
        return {k: v for k, v in made.items() if v}

    @staticmethod
    def operation_id(method, path):
        words = re.findall(r"\w+", path.replace("/api/", "/"))
        return method.lower() + "".join(w[:1].upper() + w[1:] for w in words)

    def parameters(self, path, request, kinds):
        found = []
        for name in path_names(path):
            found.append({"name": name, "in": "path", "required": True, **self.parameter(name, request)})
        for name in request.get("query", []):
            needed = {"required": True} if name.endswith("!") else {}
            found.append({"name": name.rstrip("!"), "in": "query", **needed, **self.parameter(name.rstrip("!"), request)})
        headers = ["Idempotency-Key"] if "command" in kinds or request.get("bulk") else []
        headers += ["Ledger-Min-Position", "Ledger-Wait-Seconds"] if "read" in kinds else []
        return found + [{"$ref": f"#/components/parameters/{name}"} for name in headers]

    def parameter(self, name, request):
        if name == "limit":
            usual, most = request["limit"]
            return {"description": "how many at most", "schema": {"type": "integer", "minimum": 1, "maximum": most, "default": usual}}
        known = request.get("means", {}).get(name) or self.described["parameters"].get(name)
        if known:
            field = Field(name, known[0], "", known[2] if len(known) > 2 else {})
            doc = known[1]
        else:
            field = next(f for f in self.commands[request["command"]].fields if f.json == name)
            doc = field.doc
        schema = self.given.value(field)
        if "default" in field.options:
            schema["default"] = field.options["default"]
        return {"description": doc, "schema": schema}

    def request_body(self, path, request):
        example = json.loads(request["example"]) if "example" in request else None
        if request.get("bulk"):
            def many(most):
                return {"oneOf": [ref("Command"), {"type": "array", "maxItems": most, "items": ref("Command")}]}

            return {
                "required": True,
                "content": {
                    "application/json": {"schema": many(1000), "example": example},
                    "application/msgpack": {"schema": many(10000)},
                },
            }
        schema = self.body_of(request["command"], path_names(path))
        content = {"schema": schema}
        if example is not None:
            content["example"] = example
        return {"required": bool(schema.get("required") or request["command"].endswith((".update", ".set"))), "content": {"application/json": content}}

    # ---- its answers ----

    def responses(self, request, codes, is_command):
        answers = {}
        for status, schema, example in self.successes(request):
            answers[str(status)] = self.success(request, status, schema, example, is_command)
        by_status = {}
        for code in codes:
            by_status.setdefault(self.codes[code][0], []).append(code)
        for status in sorted(by_status):
            answers[str(status)] = self.error(status, by_status[status], is_command, not request.get("plain"))
        return dict(sorted(answers.items()))

    def successes(self, request):
        example = json.loads(request["answer"]) if "answer" in request else None
        if request.get("bulk"):
            yield 200, {"oneOf": [ref("Element"), {"type": "array", "items": ref("Element")}]}, example
            return
        schema = ref(self.schema_name(request["reply"])) if "reply" in request else None
        status = self.commands[request["command"]].extra["status"] if "command" in request else 200
        yield status, schema, example
        if "reads" in request:
            yield 200, ref(self.schema_name(request["reads"])), None
        if request.get("unwell"):
            yield 503, schema, {"status": "unavailable", "reason": "the engine is starting"}

    def header(self, name, always):
        return {"$ref": f"#/components/headers/{name}{'' if always else '.maybe'}"}

    def success(self, request, status, schema, example, is_command):
        headers = {}
        if is_command or not request.get("plain") or request.get("positioned"):
            headers["Ledger-Position"] = self.header("Ledger-Position", not request.get("bulk"))
        if is_command:
            headers["Idempotency-Key"] = self.header("Idempotency-Key", True)
            headers["Idempotency-Hit"] = self.header("Idempotency-Hit", False)
        made = {"description": STATUSES[status] if status != 503 else "Not of use now, and why", "headers": headers}
        if request.get("text"):
            made["content"] = {request["text"]: {"schema": {"type": "string"}}}
        elif schema:
            made["content"] = {"application/json": {"schema": schema}}
            if example is not None:
                made["content"]["application/json"]["example"] = example
            if request.get("bulk"):
                made["content"]["application/msgpack"] = {"schema": schema}
        return {k: v for k, v in made.items() if v}

    def is_positioned(self, code):
        """Whether an answer with this code has read the state by then, however it came to it."""
        status = self.codes[code][0]
        return code in self.model.refusals or status in (404, 409, 500, 504) or code == "IDEMPOTENCY_KEY_REUSED"

    def error(self, status, codes, is_command, touches):
        """Equal ones are written once, under a name of their codes."""
        refs = [ref(f"Error.{code}") for code in codes]
        schema = refs[0]
        if len(codes) > 1:
            mapping = {code: f"#/components/schemas/Error.{code}" for code in codes}
            schema = {
                "type": "object",
                "properties": {"code": {"type": "string", "enum": codes}},
                "oneOf": refs,
                "discriminator": {"propertyName": "code", "mapping": mapping},
            }
        headers = {}
        of_server = all(code in self.described["server"] for code in codes)
        if touches and not of_server:
            always = all(self.is_positioned(code) for code in codes)
            headers["Ledger-Position"] = self.header("Ledger-Position", always)
        if is_command and not of_server:
            headers["Idempotency-Key"] = self.header("Idempotency-Key", all(code in self.model.refusals for code in codes))
            if any(code in self.model.refusals for code in codes):
                headers["Idempotency-Hit"] = self.header("Idempotency-Hit", False)
        if UNAVAILABLE & set(codes):
            headers["Retry-After"] = self.header("Retry-After", UNAVAILABLE >= set(codes))
        examples = {code: {"value": self.example(code)} for code in codes}
        made = {"description": STATUSES[status], "headers": headers, "content": {"application/json": {"schema": schema, "examples": examples}}}
        made = {k: v for k, v in made.items() if v}
        name = ("command." if is_command else "" if touches else "plain.") + "-".join(codes)
        self.components["responses"][name] = made
        return {"$ref": f"#/components/responses/{name}"}

    def example(self, code):
        details = {}
        for name in self.model.details.get(code, []):
            if name.endswith("?"):
                continue
            kind = self.model.facts.get(name)
            details[name] = FACT_EXAMPLES.get(name, "2026-03-01T09:00:00.123Z" if kind == "time" else 1000)
        return {"code": code, "message": self.codes[code][1], "details": details}


def document(model):
    return Document(model).build()


def text(built):
    head = "# Generated from schemas/*.toml by schemas/generate.py; change those, then run: python3 schemas/generate.py --docs\n"
    return head + yaml_text.dump(built)
