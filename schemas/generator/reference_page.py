"""docs/api-reference.md, drawn from the OpenAPI document: a section for each request."""

TOP = """# All requests

Drawn from [openapi.yaml](openapi.yaml), which is generated from `schemas/*.toml`; change those, then run
`python3 schemas/generate.py --docs`. A test holds every answer that any test gets against it, and leads to each status and code below.
The same by example: [api.md](api.md).

{about}

## What holds for all

| where | name | what it is |
|---|---|---|
{headers}

Errors are `{{"code","message","details"}}`. In the tables of answers, `details` stand behind their code, with "?" when they do not
always. A text has 1 to 128 characters, an id 1 to 64 of `A-Z a-z 0-9 . _ : -`, an amount is an integer of at most 9007199254740991, a time is RFC 3339 (answers: UTC with
milliseconds). Every field that is not said to be there may be left out or null; in answers fields are always there, and null
where there is nothing to say.

These codes many requests have; the tables below show the others.

| status | code | it says | to whom |
|---|---|---|---|
{common}
"""
MANY = 10  # requests that have a code: then it stands at the top


def cell(text):
    return " ".join(str(text).split()).replace("|", "\\|")


class Page:
    def __init__(self, document):
        self.document = document

        self.common = self.common_codes()

    def common_codes(self):
        """code -> (status, to whom)"""
        having, operations = {}, []
        for item in self.document["paths"].values():
            for operation in item.values():
                operations.append(operation)
                for status, response in operation["responses"].items():
                    for code in self.error_codes(self.resolve(response)):
                        having.setdefault(code, (status, []))[1].append(operation["operationId"])
        kinds = {
            "every request": lambda o: True,
            "every request with a body": lambda o: "requestBody" in o,
            "every command with a path of its own": lambda o: "x-command" in o,
            "every command": lambda o: "x-command" in o or "application/msgpack" in o.get("requestBody", {}).get("content", {}),
            "every read that can wait": lambda o: any(p.get("$ref", "").endswith("Min-Position") for p in o.get("parameters", [])),
        }
        common = {}
        for code, (status, names) in having.items():
            sizes = {}
            for kind, is_one in kinds.items():
                ids = {o["operationId"] for o in operations if is_one(o)}
                if ids <= set(names):
                    sizes[kind] = len(ids)
            if len(names) >= MANY and sizes:
                common[code] = (status, max(sizes, key=sizes.get))
        return common

    def error_codes(self, response):
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        names = [one.get("$ref", "").rpartition("/")[2] for one in schema.get("oneOf", [schema])]
        return [name.removeprefix("Error.") for name in names if name.startswith("Error.")]

    def resolve(self, thing):
        while isinstance(thing, dict) and set(thing) & {"$ref"}:
            found = self.document
            for name in thing["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            thing = {**found, **{k: v for k, v in thing.items() if k != "$ref"}}
        return thing

    # ---- what a value can be ----

    def kind(self, schema):
        name = schema.get("$ref", "").rpartition("/")[2]
        plain = {
            "Id": "id", "Time": "time", "GivenTime": "time", "Day": "day `YYYY-MM-DD`", "Amount": "amount", "SignedAmount": "amount, signed",
            "Position": "position", "Credential": "token", "Text": "text", "ReplyBody": "body", "Cut": "cut",
            "Json": "any JSON value",
        }
        if name in plain:
            return plain[name]
        if name:
            return f"[{name}](#{name.lower()})"
        for several in ("oneOf", "anyOf"):
            if several in schema:
                return " or ".join(self.kind(one) for one in schema[several])
        if "const" in schema:
            return f"`{str(schema['const']).lower() if isinstance(schema['const'], bool) else schema['const']}`"
        if "enum" in schema:
            return ", ".join(f"`{value}`" for value in schema["enum"])
        kinds = schema.get("type", "any")
        if isinstance(kinds, list):
            return f"{self.kind({**schema, 'type': kinds[0]})} or null"
        return {"integer": self.integer, "array": self.array, "string": self.string, "null": lambda _: "null", "object": lambda _: "object"}.get(
            kinds, lambda _: kinds
        )(schema)

    @staticmethod
    def integer(schema):
        if "maximum" not in schema:
            return "integer"
        return f"integer, {schema['minimum']} to {schema['maximum']}"

    @staticmethod
    def string(schema):
        return f"text of {schema['minLength']} to {schema['maxLength']} characters" if "maxLength" in schema else "string"

    def array(self, schema):
        if "prefixItems" in schema:
            return "[" + ", ".join(self.kind(one) for one in schema["prefixItems"]) + "]"
        most = f"{schema.get('minItems', 0)} to {schema['maxItems']} " if "maxItems" in schema else ""
        return f"array of {most}{self.kind(schema['items'])}"

    def rows(self, schema, prefix=""):
        """name, kind, whether it must be there, what it is; of objects in arrays as `name[].inner`."""
        schema = self.resolve(schema)
        for name, inner in schema.get("properties", {}).items():
            items = inner.get("items", {}) if isinstance(inner, dict) else {}
            usual = f" Default: `{inner['default']}`." if "default" in inner else ""
            kind = self.kind({k: v for k, v in inner.items() if k != "description"})
            if isinstance(items, dict) and items.get("type") == "object":
                low, high = inner.get("minItems", 0), inner.get("maxItems", "any")
                kind = f"array of {low} to {high} objects"
            if inner.get("oneOf", [])[1:] == [{"type": "null"}]:
                kind = self.kind(inner["oneOf"][0])
            yield f"{prefix}{name}", kind.removesuffix(" or null"), name in schema.get("required", []), inner.get("description", "") + usual
            if isinstance(items, dict) and items.get("type") == "object":
                yield from self.rows(items, f"{prefix}{name}[].")

    # ---- a request ----

    def request(self, method, path, operation):
        yield f"### {method} {path}"
        yield ""
        more = operation.get("description", "")
        yield (operation["summary"][:1].upper() + operation["summary"][1:] + ". " + more).strip()
        yield ""
        yield from self.parameters(operation)
        yield from self.body(operation)
        yield from self.answers(operation)

    def parameters(self, operation):
        own = [p for p in operation.get("parameters", []) if "$ref" not in p]
        shared = [p["$ref"].rpartition("/")[2] for p in operation.get("parameters", []) if "$ref" in p]
        security = operation.get("security")
        if security:
            yield f"Token: `Authorization: Bearer`{' when the policy `queueRequired` asks for one' if {} in security else ''}."
            yield ""
        if shared:
            yield f"Headers: {', '.join(f'`{name}`' for name in shared)}."
            yield ""
        if not own:
            return
        yield "| parameter | in | is | |"
        yield "|---|---|---|---|"
        for p in own:
            usual = f"default `{p['schema']['default']}`" if "default" in p["schema"] else ""
            must = "must be there" if p.get("required") else usual
            yield f"| `{p['name']}` | {p['in']} | {cell(self.kind(p['schema']))} | {cell('; '.join(t for t in (p['description'], must) if t))} |"
        yield ""

    def body(self, operation):
        if "requestBody" not in operation:
            return
        content = operation["requestBody"]["content"]
        schema = content["application/json"]["schema"]
        if "application/msgpack" in content:
            yield "Body: one command, or an array of commands: `{\"id\",\"type\",\"actor\":{\"type\",\"id\"}, ...}` with the fields of these requests:"
            yield ""
            yield "| type | as |"
            yield "|---|---|"
            for title, (method, path) in self.commands().items():
                yield f"| `{title}` | [{method} {path}](#{anchor(f'{method} {path}')}) |"
            yield ""
            return
        rows = list(self.rows(schema))
        if not rows:
            yield "Body: none, or `{}`."
            yield ""
            return
        yield "| field | is | must | what it is |"
        yield "|---|---|---|---|"
        for name, kind, must, doc in rows:
            yield f"| `{name}` | {cell(kind)} | {'yes' if must else ''} | {cell(doc)} |"
        yield ""

    def answers(self, operation):
        yield "| status | body |"
        yield "|---|---|"
        for status, response in operation["responses"].items():
            shown = self.answer(self.resolve(response))
            if shown:
                yield f"| {status} | {cell(shown)} |"
        yield ""

    def answer(self, response):
        content = response.get("content")
        if not content:
            return "none"
        if "application/json" not in content:
            return f"`{next(iter(content))}`"
        schema = content["application/json"]["schema"]
        errors = schema["oneOf"] if "properties" in schema and "oneOf" in schema else [schema]
        names = [one.get("$ref", "").rpartition("/")[2] for one in errors]
        if not all(name.startswith("Error.") for name in names):
            if "oneOf" in schema:
                return "a [Receipt](#receipt) or [NoReceipt](#noreceipt), or an array of them"
            return self.kind(schema)
        return ", ".join(self.code(one) for one, name in zip(errors, names) if name.removeprefix("Error.") not in self.common)

    def code(self, ref):
        schema = self.resolve(ref)
        details = schema["properties"]["details"]
        must = details.get("required", [])
        facts = [name if name in must else f"{name}?" for name in details.get("properties", {})]
        shown = f"`{schema['properties']['code']['const']}`"
        common = ("field", "reason", "field?", "reason?")
        return shown + (f" ({', '.join(facts)})" if facts and not all(f in common for f in facts) else "")

    def commands(self):
        """type -> (method, path) of the request that is the same command."""
        found = {}
        for title, schema in self.document["components"]["schemas"].items():
            if title.startswith("Command."):
                found[schema["properties"]["type"]["const"]] = None
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                if "x-command" in operation:
                    found[operation["x-command"]] = (method.upper(), path)
        return found

    # ---- what is answered ----

    def replies(self):
        for name, schema in self.document["components"]["schemas"].items():
            if schema.get("type") != "object" or name.startswith(("Error.", "Command.")):
                continue
            yield f"### {name}"
            yield ""
            if "description" in schema:
                yield schema["description"][:1].upper() + schema["description"][1:] + "."
                yield ""
            yield "| field | is | what it is |"
            yield "|---|---|---|"
            for field, inner in schema["properties"].items():
                kind = self.kind({k: v for k, v in inner.items() if k != "description"})
                if inner.get("oneOf", [])[1:] == [{"type": "null"}]:
                    kind = self.kind(inner["oneOf"][0]) + " or null"
                left = "" if field in schema.get("required", []) else "; may be left out"
                yield f"| `{field}` | {cell(kind)}{left} | {cell(inner.get('description', ''))} |"
            yield ""

    def lines(self):
        headers = [f"| request header | `{p['name']}` | {cell(p['description'])} |" for p in self.document["components"]["parameters"].values()]
        headers += [
            f"| answer's header | `{name}` | {cell(h['description'])} |"
            for name, h in self.document["components"]["headers"].items() if not name.endswith(".maybe")
        ]
        errors = self.document["components"]["schemas"]
        common = [
            f"| {status} | `{code}` | {cell(errors[f'Error.{code}']['description'])} | {who} |"
            for code, (status, who) in sorted(self.common.items(), key=lambda one: one[1])
        ]
        yield TOP.format(about=self.document["info"]["description"], headers="\n".join(headers), common="\n".join(common))
        for tag in self.document["tags"]:
            yield f"## {tag['description']}"
            yield ""
            for path, item in self.document["paths"].items():
                for method, operation in item.items():
                    if operation["tags"] == [tag["name"]]:
                        yield from self.request(method.upper(), path, operation)
        yield "## Bodies of answers"
        yield ""
        yield from self.replies()


def anchor(title):
    """As pages of Markdown make them."""
    kept = "".join(c for c in title.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def text(document):
    return "\n".join(Page(document).lines()).rstrip() + "\n"
