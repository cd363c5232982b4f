"""docs/formats.md, docs/openapi.yaml and its page, and JSON Schemas of the public events."""

import json

from . import openapi, public, reference_page
from .c_code import REFERENCES

TYPES = """| type | on the wire | in JSON |
|---|---|---|
| u8 u16 u32 u64 | unsigned integer | integer |
| i64 | integer | integer |
| amount | unsigned integer, whole won | integer |
| time | milliseconds since 1970, UTC | `2026-03-01T09:00:00.123Z` |
| when | a time, or a calendar day as -(days since 1970) - 1 | time, or `2026-03-01` |
| day | days since 1970 | `2026-03-01` |
| bool | true or false | true or false |
| id | string of 1 to 64 characters of `A-Z a-z 0-9 . _ : -` | string |
| text | string of at most 128 characters, UTF-8 | string |
| bytes16, bytes32 | bytes | hexadecimal string |
| enum:X | the number of a value of the enumeration X | the value's name |
| ref:X | number of the entry that made it; a lot's is shifted left by 16 and has its index within the entry below | `use-1842`, `lot-1842`, `lot-1842-1` |
| self:X | not written: the number of the entry itself | as ref |
| rec:X | the record X, an array | object |
| list:X | array of them | array |
| X? | nil when absent | null, or left out |
"""


def versions_of(f):
    """What its versions add to a field's text."""
    said = [f"{word} version {f.options[option]}" for option, word in VERSION_WORDS.items() if option in f.options]
    return f" ({', '.join(said)})" if said else ""


VERSION_WORDS = {"since": "from", "changed": "another value than before from", "until": "until"}


def rows(fields):
    lines = ["| field | type | what it is |", "|---|---|---|"]
    return lines + [f"| {f.name} | {f.type} | {f.doc}{versions_of(f)} |" for f in fields] + [""]


def formats(model):
    lines = [
        "# Formats",
        "",
        "Generated from `schemas/*.toml` by `schemas/generate.py`; change those, then run `python3 schemas/generate.py --docs`.",
        "",
        "Everything is positional msgpack: an array with exactly these fields in this order. One field too many means a newer",
        "version and is an error, never skipped.",
        "",
        "## Types",
        "",
        TYPES,
        "## The block's envelope",
        "",
        f"A record of the journal begins with this; it never changes. Big-endian. {model.envelope['doc']}.",
        "",
        "| at | bytes | field | what it is |",
        "|---|---|---|---|",
    ]
    at = 0
    for name, size, _, doc in model.envelope["fields"]:
        lines.append(f"| {at} | {size} | {name} | {doc} |")
        at += size
    lines += ["", "Chain hash: h(genesis) = SHA-256(its value); h(n) = SHA-256(h(n-1) followed by the value of valid block n).", ""]
    lines += ["The format's number tells a reader whether it knows all that the body may hold. A claim raises it.", ""]
    lines += ["| format | what came with it |", "|---|---|"]
    for one in model.formats:
        newer = ", ".join(f"{name} version {version}" for name, version in one.get("events", {}).items())
        lines.append(f"| {one['number']} | {one['doc']}{': ' + newer if newer else ''} |")
    lines += ["", "## Bodies", ""]
    for b in model.bodies:
        lines += [f"### {b.title} (kind {b.number})", "", f"{b.doc}.", ""] + rows(b.fields)
    lines += ["### entries (kind 3)", "", f"{model.entry.doc}. An entry is an array that begins with:", ""] + rows(model.entry.fields)
    lines += [
        "Then, of an accepted and of a system entry: an array of events. Of a refused one: the code's number, the array of",
        "facts, and the command's fields (an array).",
        "",
        "## Events",
        "",
        "An event is an array `[number, version, fields ...]`. The newest version is written; an older one lacks the fields",
        "that came after it, and is read for ever as the newest with those absent.",
        "",
    ]
    for e in model.events:
        lines += [f"### {e.title}", "", f"Number {e.number}, version {e.version}: {e.doc}.", ""] + (rows(e.fields) if e.fields else [])
    lines += ["## Commands", "", "The canonical fields, whose BLAKE2b-128 is the body of an idempotency key.", ""]
    for c in model.commands:
        lines += [f"### {c.title}", "", f"Number {c.number}; {c.extra['status']} when accepted.", ""] + rows(c.fields)
    lines += ["## Records", ""]
    for r in model.records:
        lines += [f"### {r.name}", "", f"{r.doc}.", ""] + rows(r.fields)
    lines += ["## Enumerations", ""]
    for name, e in model.enums.items():
        values = ", ".join(f"{number} {value}" for value, number in e["values"].items())
        lines += [f"- **{name}** ({e['doc']}): {values}"]
    lines += ["", "## Codes", "", "| number | code | HTTP | message |", "|---|---|---|---|"]
    for name, (number, status, message) in {**model.refusals, **model.rejections}.items():
        lines.append(f"| {number} | {name} | {status} | {message} |")
    lines += [
        "",
        "## Tables",
        "",
        "One LMDB environment a projection: `DIR/projections/NAME/current/`. Each table is a named database; its key is the parts",
        "below joined: ids end with a zero byte unless they are last, numbers are big-endian, times are big-endian milliseconds",
        "with all ones for never. The value is the row as a msgpack array. The database `meta` holds under `position` the record",
        "`position`.",
        "",
    ]
    for p in model.projections:
        lines += [f"### {p.name} (version {p.version})", "", f"{p.doc}.", ""]
        for t in p.tables:
            key = ", ".join(f"{k.name} ({k.type})" for k in t.keys)
            since = f" From version {t.extra['since']}." if "since" in t.extra else ""
            lines += [f"#### {t.title}", "", f"{t.doc}. Key: {key}.{since}", ""]
            lines += rows(t.layout) if t.layout else ["No fields: the key says all.", ""]
    return "\n".join(lines) + "\n"


def json_type(f, model):
    if f.family == "enum":
        schema = {"type": "string", "enum": list(model.enums[f.argument]["values"])}
    elif f.family in ("ref", "self"):
        schema = {"type": "string", "pattern": f"^{REFERENCES[f.argument]}-[0-9]+(-[0-9]+)?$"}
    elif f.family == "rec":
        schema = record_schema(next(r for r in model.records if r.name == f.argument), model)
    elif f.family == "list":
        record = next((r for r in model.records if r.name == f.argument), None)
        schema = {"type": "array", "items": record_schema(record, model) if record else {"type": "integer"}}
    elif f.base in ("id", "text", "bytes16", "bytes32"):
        schema = {"type": "string"}
    elif f.base in ("time", "when"):
        schema = {"type": "string", "format": "date-time"}
    elif f.base == "day":
        schema = {"type": "string", "format": "date"}
    elif f.base == "bool":
        schema = {"type": "boolean"}
    else:
        schema = {"type": "integer"}
    schema["description"] = f.doc + versions_of(f)
    if f.optional:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return schema


def record_schema(record, model):
    return {
        "type": "object",
        "properties": {f.json: json_type(f, model) for f in record.fields},
        "required": [f.json for f in record.fields if not f.optional],
    }


def files(model):
    described = openapi.document(model)
    out = {"formats.md": formats(model), "openapi.yaml": openapi.text(described)}
    out["api-reference.md"] = reference_page.text(described)
    for e in model.events:
        if "public" in e.extra:
            out[f"schemas/{e.title}.json"] = json.dumps(public.schema(e, json_type, model), indent=1, ensure_ascii=False) + "\n"
    return out
