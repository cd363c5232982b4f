"""Fields as JSON Schema, exactly as the engine takes them (engine/api/command_values.c) and as it writes them."""

AMOUNT_MAX = 2**53 - 1
U32_MAX = 2**32 - 2
SEAT_NO_MAX = 1000000
REFUND_ROWS_MAX = 100

# Pieces that stand under components.schemas.
SHARED = {
    "Id": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$", "description": "1 to 64 of A-Z a-z 0-9 . _ : -"},
    "Time": {
        "type": "string",
        "format": "date-time",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
        "description": "UTC, with milliseconds",
    },
    "GivenTime": {
        "type": "string",
        "format": "date-time",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9](\.[0-9]{1,3})?(Z|[+-][0-9]{2}:[0-9]{2})$",
        "description": "RFC 3339, from 1970 to 9999 in UTC, with an offset or Z, without leap seconds",
    },
    "Day": {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": "from 1970-01-01 on"},
    "Amount": {"type": "integer", "minimum": 0, "maximum": AMOUNT_MAX, "description": "whole won"},
    "SignedAmount": {"type": "integer", "minimum": -AMOUNT_MAX, "maximum": AMOUNT_MAX, "description": "whole won; below zero in debt"},
    "Position": {"type": "string", "pattern": "^(0:(0|[1-9][0-9]{0,18})|start)$", "description": "partition and number of an entry"},
    "Cut": {
        "type": "string",
        "minLength": 1,
        "description": "latest, start, a position like 0:1842, or a time like 2026-03-01T09:00:00Z",
    },
    "Json": {"description": "any JSON value"},
    "Credential": {"type": "string", "pattern": "^tok-[0-9]+[.][0-9a-f]{32}$", "description": "a waiting-room credential"},
    "Text": {"type": "string", "minLength": 1, "maxLength": 128},
}


def ref(name):
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema):
    if isinstance(schema.get("type"), str) and "enum" not in schema and "const" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"oneOf": [schema, {"type": "null"}]}


def bounded(field, low, high):
    low, high = field.options.get("min", low), field.options.get("max", high) or high
    return {"type": "integer", "minimum": low, "maximum": high}


class Schemas:
    """`given`: of what clients send: an optional field may be null or left out. Else it is there, or null."""

    def __init__(self, described, replies, references, given):
        self.described, self.replies, self.references, self.given = described, replies, references, given

    def field(self, f):
        schema = self.value(f)
        if f.optional:
            schema = or_null(schema)
        if f.doc:
            schema = {**schema, "description": f.doc}
        if "default" in f.options:
            schema["default"] = f.options["default"]
        return schema

    def value(self, f):
        if "values" in f.options:
            values = f.options["values"]
            kind = {"type": "string"} if isinstance(values[0], str) else {}
            return {"const": values[0]} if len(values) == 1 else {**kind, "enum": values}
        if f.base == "enum:command":
            return {"type": "string", "enum": [c.title for c in self.described.commands]}
        if f.family == "enum":
            return {"type": "string", "enum": list(self.described.enums[f.argument]["values"])}
        if f.family == "ref":
            if self.given:
                return ref("Id")
            return {"type": "string", "pattern": f"^{self.references[f.argument]}-[0-9]+(-[0-9]+)?$"}
        if f.family == "rec":
            return ref(self.replies[f.argument])
        if f.family == "list":
            return self.items(f)
        return self.scalar(f)

    def scalar(self, f):
        if f.base == "text" and f.options.get("format") == "zone":
            return {"type": "string", "minLength": 1, "maxLength": 128}
        named = {"id": "Id", "text": "Text", "day": "Day", "position": "Position", "token": "Credential", "body": "ReplyBody", "cut": "Cut", "json": "Json"}
        if f.base in named:
            return ref(named[f.base])
        if f.base == "time":
            return ref("GivenTime" if self.given else "Time")
        if f.base == "when":
            return {"anyOf": [ref("GivenTime"), ref("Day")]}
        if f.base == "bool":
            return {"type": "boolean"}
        if f.base == "string":
            return {"type": "string"}
        if f.base == "decimal":
            return {"type": "number", "minimum": 0}
        if f.base == "amount":
            return bounded(f, 0, AMOUNT_MAX) if f.options.get("min") or self.given else ref("Amount")
        if f.options.get("wide"):  # sums, which need not fit into what JavaScript calls an integer
            return {"type": "integer"}
        if f.base == "i64":
            return bounded(f, -AMOUNT_MAX, AMOUNT_MAX) if self.given else ref("SignedAmount")
        return bounded(f, 0, U32_MAX if f.base == "u32" else AMOUNT_MAX)

    def items(self, f):
        record = next((r for r in self.described.records if r.name == f.argument), None)
        limits = {"minItems": f.options["min"], "maxItems": f.options["max"]} if "max" in f.options else {}
        if f.argument == "refund_step":
            pair = [bounded(inner, 0, 0) for inner in record.fields]
            step = {"type": "array", "prefixItems": pair, "items": False, "minItems": len(pair)}
            return {"type": "array", "minItems": 1, "maxItems": REFUND_ROWS_MAX, "items": step}
        if f.argument == "u32":
            unique = {"uniqueItems": True} if self.given else {}
            return {"type": "array", **limits, **unique, "items": {"type": "integer", "minimum": 1, "maximum": SEAT_NO_MAX}}
        if f.argument == "string":
            return {"type": "array", "items": {"type": "string"}}
        if self.given:
            return {"type": "array", **limits, "items": self.object(record.fields)}
        return {"type": "array", "items": ref(self.replies[f.argument])}

    def needed(self, f):
        if self.given:
            return not f.optional and "default" not in f.options
        return not f.options.get("maybe")

    def object(self, fields, without=(), optional=()):
        """Closed: a field that is not described is an error."""
        properties, required = {}, []
        for f in fields:
            if f.options.get("flat"):
                inner = next(r for r in self.described.records if r.name == f.argument)
                properties.update({i.json: self.field(i) for i in inner.fields})
                continue
            if f.json in without:
                continue
            may_lack = f.json in optional or "default" in f.options
            schema = self.field(f)
            if may_lack and self.given and not f.optional:
                schema = {**or_null({k: v for k, v in schema.items() if k not in ("description", "default")}), **{
                    k: v for k, v in schema.items() if k in ("description", "default")}}
            properties[f.json] = schema
            if self.needed(f) and f.json not in optional:
                required.append(f.json)
        closed = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
        if not required:
            del closed["required"]
        return closed
