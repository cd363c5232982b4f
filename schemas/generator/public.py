"""Public payloads: what the world outside is told of an event. The C that writes them and their JSON Schemas both come from here."""

from dataclasses import dataclass

# Public payloads name things as the world outside does.
NAMES = {"schedule_id": "concertScheduleId"}


@dataclass
class PublicField:
    json: str
    kind: str  # of the C enumeration
    field: object = None  # the event's field that it comes from
    value: object = None  # of a fixed one


def fields(event):
    """What stands in the payload, in order: the event's own fields, then what events.toml lets it say beside them."""
    out = []
    for f in event.fields:
        if f.name == "seat_nos":
            if event.name == "payment_completed":
                out.append(PublicField("seatId", "FIRST_SEAT_ID", f))
            out.append(PublicField("seatIds", "SEAT_IDS", f))
        else:
            out.append(PublicField(NAMES.get(f.name, f.json), "AS_IT_IS", f))
    by_name = {f.name: f for f in event.fields}
    out += [PublicField(name, "COUNT", by_name[of]) for name, of in event.extra.get("counts", {}).items()]
    out += [
        PublicField(name, "TEXT" if isinstance(value, str) else "NUMBER", None, value)
        for name, value in event.extra.get("says", {}).items()
    ]
    return out


def types(model):
    """The public types, each once, in the order of the events."""
    return list(dict.fromkeys(e.extra["public"] for e in model.events if "public" in e.extra))


# ---- JSON Schema ----


def schema_of(one, json_type, model):
    if one.kind == "FIRST_SEAT_ID":
        return {"type": "string", "description": "the first of seatIds"}
    if one.kind == "SEAT_IDS":
        return {"type": "array", "items": {"type": "string"}, "description": "scheduleId:seatNo of each"}
    if one.kind == "COUNT":
        return {"type": "integer", "description": f"how many {one.field.json}"}
    if one.kind in ("TEXT", "NUMBER"):
        return {"const": one.value}
    return json_type(one.field, model)


def schema(event, json_type, model):
    payload = {"type": "object", "properties": {}, "required": []}
    for one in fields(event):
        payload["properties"][one.json] = schema_of(one, json_type, model)
        if one.kind != "AS_IT_IS" or not one.field.optional:
            payload["required"].append(one.json)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event.extra["public"],
        "description": event.doc,
        "type": "object",
        "properties": {
            "eventId": {"type": "string", "format": "uuid"},
            "eventType": {"const": event.extra["public"]},
            "eventTime": {"type": "string", "format": "date-time"},
            "schemaVersion": {"const": event.version},
            "sequence": {"type": "integer"},
            "payload": payload,
        },
        "required": ["eventId", "eventType", "eventTime", "schemaVersion", "sequence", "payload"],
    }


# ---- C ----

HEAD = """enum public_kind {
	PUBLIC_AS_IT_IS,      /* the event's field */
	PUBLIC_SEAT_IDS,      /* scheduleId:seatNo of each of the field's numbers */
	PUBLIC_FIRST_SEAT_ID, /* of the first of them */
	PUBLIC_COUNT,         /* how many the field's list has */
	PUBLIC_TEXT,          /* always `text` */
	PUBLIC_NUMBER,        /* always `number` */
};

struct public_field {
	const char *json;
	enum public_kind kind;
	uint16_t field; /* index in the event's record */
	const char *text;
	int64_t number;
};

struct public_event {
	uint8_t type; /* index in public_types */
	uint16_t key; /* field that orders it */
	const struct public_field *fields;
	uint16_t count;
};

/* The types under which events are published. */
enum { PUBLIC_TYPES_COUNT = @COUNT@ };
extern const char *const public_types[PUBLIC_TYPES_COUNT];

/* NULL: events of that type are not published. */
const struct public_event *public_event_of(uint16_t type);
"""


def c_field(event, one):
    index = event.fields.index(one.field) if one.field else 0
    parts = [f'.json = "{one.json}"', f".kind = PUBLIC_{one.kind}", f".field = {index}"]
    if one.kind == "TEXT":
        parts.append(f'.text = "{one.value}"')
    if one.kind == "NUMBER":
        parts.append(f".number = {one.value}")
    return "{" + ", ".join(parts) + "}"


def files(model, top, guard):
    names = types(model)
    code = [top + '#include "schemas/public_events.h"\n#include "schemas/events.h"\n']
    code.append("const char *const public_types[PUBLIC_TYPES_COUNT] = {")
    code += [f'\t"{name}",' for name in names]
    code.append("};\n")
    table = []
    for e in model.events:
        if "public" not in e.extra:
            continue
        inside = fields(e)
        key = [f.name for f in e.fields].index(e.extra["key"])
        code.append(f"static const struct public_field {e.name}_fields[] = {{")
        code += [f"\t{c_field(e, one)}," for one in inside]
        code.append("};\n")
        kind = names.index(e.extra["public"])
        table.append(f"\t[EVENT_{e.name.upper()}] = {{{kind}, {key}, {e.name}_fields, {len(inside)}}},")
    code.append("static const struct public_event table[] = {")
    code += table
    code.append("};\n")
    code.append(
        """const struct public_event *public_event_of(uint16_t type)
{
	return type < sizeof table / sizeof *table && table[type].fields ? &table[type] : NULL;
}
"""
    )
    head = HEAD.replace("@COUNT@", str(len(names)))
    return {"public_events.h": guard("public_events", "#include <stdint.h>\n\n" + head), "public_events.c": "\n".join(code)}
