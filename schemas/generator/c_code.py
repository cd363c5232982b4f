"""C from the model: structs, decode, encode, keys, descriptors."""

from . import public
from .model import SCALARS, snake

BANNER = "/* Generated from the descriptions in schemas/ by schemas/generate.py: change those, not this. */\n"
TOP = BANNER + "#include <stddef.h>\n\n"


def c_type(f):
    if f.family == "enum":
        return "uint8_t"
    if f.family in ("ref", "self"):
        return "uint64_t"
    if f.family == "rec":
        return f"struct {f.argument}"
    if f.family == "list":
        return f"struct {f.argument}_list"
    if f.base == "bool" and f.optional:
        return "int8_t"
    return SCALARS[f.base][0]


def none_of(f):
    if f.family == "enum":
        return "0"
    if f.family == "ref":
        return "NONE_U64"
    if f.base == "bool":
        return "-1"
    return SCALARS[f.base][4]


def struct(record, name=None):
    lines = [f"/* {record.doc} */", f"struct {name or record.name} {{"]
    for f in record.fields:
        lines.append(f"\t{c_type(f)} {f.name}; /* {f.doc} */")
    lines.append("};")
    return "\n".join(lines) + "\n"


def is_none(f):
    if f.family == "list":
        return f"r->{f.name}.count == 0"
    if f.family == "enum":
        return f"r->{f.name} == 0"
    if f.base in ("id", "text", "bytes16", "bytes32"):
        return f"r->{f.name}.size == 0"
    return f"r->{f.name} == {none_of(f)}"


def read_one(f, what):
    at = f"&r->{f.name}"
    if f.family == "enum":
        return f"cursor_enum(c, {at}, &{f.argument}_enumeration, {what})"
    if f.family == "ref":
        return f"cursor_u64(c, {at}, {what})"
    if f.family == "rec":
        return f"{f.argument}_decode(c, {at})"
    if f.family == "list":
        return f"{f.argument}_list_decode(c, {at}, {what})"
    if f.base.startswith("bytes"):
        return f"cursor_bytes(c, {at}, {f.base[5:]}, {what})"
    if f.base == "bool" and f.optional:
        return f"cursor_flag(c, {at}, {what})"
    return f"{SCALARS[f.base][2]}(c, {at}, {what})"


def write_one(f):
    if f.family in ("enum", "ref"):
        return f"pack_u64(p, r->{f.name});"
    if f.family == "rec":
        return f"{f.argument}_encode(p, &r->{f.name});"
    if f.family == "list":
        return f"{f.argument}_list_encode(p, &r->{f.name});"
    return f"{SCALARS[f.base][3]}(p, r->{f.name});"


def absent(f):
    if f.family == "list":
        return f"r->{f.name}.at = NULL, r->{f.name}.count = 0"
    return f"r->{f.name} = {none_of(f)}"


def decode_fields(record, version=None):
    """`version`: an older one, read as the newest; what it does not say is absent."""
    lines = []
    for f in record.fields:
        if f.family == "self":
            lines.append(f"\tr->{f.name} = c->seq;")
            continue
        if version and f.since > version:
            lines.append(f"\t{absent(f)};")
            continue
        what = f'"{record.title}.{f.name}"'
        if f.optional:
            lines += [f"\tif (cursor_is_nil(c))", f"\t\t{absent(f)};", f"\telse if (!{read_one(f, what)})", "\t\treturn false;"]
        else:
            lines += [f"\tif (!{read_one(f, what)})", "\t\treturn false;"]
    return lines


def encode_fields(record):
    lines = []
    for f in record.wire_fields:
        if f.optional:
            lines += [f"\tif ({is_none(f)})", "\t\tpack_nil(p);", "\telse", f"\t\t{write_one(f)}"]
        else:
            lines.append(f"\t{write_one(f)}")
    return lines


def unused(lines, names):
    """Parameters that an empty record does not touch."""
    text = "\n".join(lines)
    return [f"\t(void){n};" for n in names if f"{n}->" not in text and f"({n}," not in text and f"({n})" not in text]


def codec(record, header):
    """Decode and encode; with `header` the record is an array of its own, else its fields stand in another's."""
    count = len(record.wire_fields)
    reads = decode_fields(record)
    writes = encode_fields(record)
    if header:
        reads.insert(0, f'\tif (!cursor_array_of(c, {count}, "{record.title}"))\n\t\treturn false;')
        writes.insert(0, f"\tpack_array(p, {count});")
    suffix = "" if header else "_fields"
    lines = [f"bool {record.name}_decode{suffix}(struct cursor *c, struct {record.name} *r)", "{"]
    lines += unused(reads, ["c", "r"]) + reads + ["\treturn true;", "}", ""]
    lines += [f"void {record.name}_encode{suffix}(struct packer *p, const struct {record.name} *r)", "{"]
    lines += unused(writes, ["p", "r"]) + writes + ["}", ""]
    return "\n".join(lines)


def codec_heads(record, header):
    suffix = "" if header else "_fields"
    return (
        f"LL_CHECKED bool {record.name}_decode{suffix}(struct cursor *c, struct {record.name} *r);\n"
        f"void {record.name}_encode{suffix}(struct packer *p, const struct {record.name} *r);\n"
        f"extern const struct record {record.name}_record;\n"
    )


KINDS = {"enum": "ENUM", "ref": "REF", "self": "REF", "rec": "RECORD", "list": "LIST"}


def field_descriptor(record, f, enums):
    """`record`: whose struct has it; None: no struct has it any more."""
    kind = KINDS.get(f.family) or SCALARS[f.base][1]
    if f.base == "list:u32":
        kind = "U32S"
    parts = [f'.name = "{f.name}"', f'.json = "{f.json}"', f".kind = FIELD_{kind}"]
    if record:
        parts.append(f".offset = offsetof(struct {record.name}, {f.name})")
    for flag, on in (("optional", f.optional), ("self", f.family == "self"), ("flat", f.options.get("flat"))):
        if on:
            parts.append(f".{flag} = true")
    if "since" in f.options:
        parts.append(f".since = {f.since}")
    for bound in ("min", "max"):
        if bound in f.options:
            parts.append(f".{bound} = {f.options[bound]}")
    if f.family.startswith("bytes"):
        parts.append(f".min = {f.family[5:]}, .max = {f.family[5:]}")
    if "default" in f.options:
        value = f.options["default"]
        if f.family == "enum":
            parts.append(f".preset = {enums[f.argument]['values'][value]}")
        else:
            parts.append(f'.preset_text = "{value}"')
    if "format" in f.options:
        parts.append(f'.format = "{f.options["format"]}"')
    if f.family in ("ref", "self"):
        parts.append(f'.reference = "{REFERENCES[f.argument]}"')
    if f.family == "enum":
        parts.append(f".enumeration = &{f.argument}_enumeration")
    if f.family == "rec" or (f.family == "list" and f.argument != "u32"):
        parts.append(f".record = &{f.argument}_record")
    return "{" + ", ".join(parts) + "}"


def descriptor(record, enums):
    lines = []
    if record.fields:
        lines.append(f"static const struct field {record.name}_fields[] = {{")
    for f in record.fields:
        lines.append(f"\t{field_descriptor(record, f, enums)},")
    if record.fields:
        lines.append("};")
    at = f"{record.name}_fields" if record.fields else "NULL"
    lines.append(
        f'const struct record {record.name}_record = {{"{record.title}", {at}, {len(record.fields)}, '
        f"sizeof(struct {record.name})}};\n"
    )
    return "\n".join(lines)


REFERENCES = {
    "lot": "lot",
    "use": "use",
    "hold": "hold",
    "adjustment": "adjustment",
    "reservation": "reservation",
    "payment": "payment",
    "token": "tok",
}


def enum_constant(enum, value):
    return f"{enum}_{value}".upper().replace("-", "_")


def enums_head(model):
    lines = []
    for name, e in model.enums.items():
        lines += [f"/* {e['doc']} */", f"enum {name} {{"]
        lines += [f"\t{enum_constant(name, value)} = {number}," for value, number in e["values"].items()]
        lines += ["};", f"extern const struct enumeration {name}_enumeration;", ""]
    return "\n".join(lines)


def enums_code(model):
    lines = []
    for name, e in model.enums.items():
        lines.append(f"static const char *const {name}_texts[] = {{")
        lines += [f'\t[{number}] = "{value}",' for value, number in e["values"].items()]
        lines.append("};")
        count = max(e["values"].values()) + 1
        lines.append(f'const struct enumeration {name}_enumeration = {{"{name}", {name}_texts, {count}}};\n')
    return "\n".join(lines)


def lists(model):
    """Records that stand in lists somewhere."""
    everywhere = model.records + model.events + model.commands + [t for p in model.projections for t in p.tables]
    used = {f.argument for r in everywhere for f in r.fields if f.family == "list"} | {"fact"}
    return [r for r in model.records if r.name in used]


def list_code(name, item):
    """Decode and encode of a list; items are laid into the cursor's arena."""
    one = f"cursor_u32(c, &list->at[i], what)" if name == "u32" else f"{name}_decode(c, &list->at[i])"
    write = "pack_u64(p, list->at[i]);" if name == "u32" else f"{name}_encode(p, &list->at[i]);"
    return f"""bool {name}_list_decode(struct cursor *c, struct {name}_list *list, const char *what)
{{
	if (!cursor_array(c, &list->count, what) || list->count > LIST_COUNT_MAX)
		return cursor_fail(c, what);
	list->at = list->count ? arena_alloc(c->arena, list->count * sizeof *list->at) : NULL;
	for (uint32_t i = 0; i < list->count; i++)
		if (!{one})
			return false;
	return true;
}}

void {name}_list_encode(struct packer *p, const struct {name}_list *list)
{{
	pack_array(p, list->count);
	for (uint32_t i = 0; i < list->count; i++)
		{write}
}}
"""


def list_heads(name):
    return (
        f"LL_CHECKED bool {name}_list_decode(struct cursor *c, struct {name}_list *list, const char *what);\n"
        f"void {name}_list_encode(struct packer *p, const struct {name}_list *list);\n"
    )


def guard(name, body, includes=()):
    upper = f"LEDGERLINE_SCHEMAS_{name.upper()}_H"
    lines = [BANNER + f"#ifndef {upper}\n#define {upper}\n"]
    lines += [f'#include "{i}"' for i in includes]
    return "\n".join(lines) + "\n\n" + body + f"\n#endif\n"


def records_files(model):
    listed = {r.name for r in lists(model)}
    head = enums_head(model)
    head += "LL_CHECKED bool cursor_enum(struct cursor *c, uint8_t *v, const struct enumeration *e, const char *what);\n"
    head += "LL_CHECKED bool cursor_flag(struct cursor *c, int8_t *v, const char *what);\n" + list_heads("u32") + "\n"
    code = [TOP + '#include "schemas/records.h"\n', enums_code(model)]
    code.append(
        """bool cursor_enum(struct cursor *c, uint8_t *v, const struct enumeration *e, const char *what)
{
	return cursor_u8(c, v, what) && ((*v < e->count && e->texts[*v]) || cursor_fail(c, what));
}

bool cursor_flag(struct cursor *c, int8_t *v, const char *what)
{
	bool flag;
	if (!cursor_bool(c, &flag, what))
		return false;
	*v = flag;
	return true;
}
"""
    )
    code.append(list_code("u32", None))
    for r in model.records:
        head += struct(r)
        if r.name in listed:
            head += f"struct {r.name}_list {{\n\tstruct {r.name} *at;\n\tuint32_t count;\n}};\n" + list_heads(r.name)
        head += codec_heads(r, True) + "\n"
        code.append(codec(r, True))
        code.append(descriptor(r, model.enums))
        if r.name in listed:
            code.append(list_code(r.name, r))
    head += "/* The policy that every ledger begins with. Its lists are constants: never freed, never changed. */\n"
    head += "extern const struct policy policy_first;\n"
    code.append(policy_first(model))
    includes = ["schemas/wire/error.h", "schemas/wire/msgpack.h", "schemas/wire/record.h"]
    return {"records.h": guard("records", head, includes), "records.c": "\n".join(code)}


def policy_first(model):
    policy = next(r for r in model.records if r.name == "policy")
    lines, values = [], []
    for f in policy.fields:
        if f.family == "list":
            items = ", ".join("{" + ", ".join(map(str, item)) + "}" for item in f.first)
            lines.append(f"static struct {f.argument} {f.name}_first[] = {{{items}}};")
            value = f"{{{f.name}_first, {len(f.first)}}}"
        elif f.family == "enum":
            value = enum_constant(f.argument, f.first)
        elif f.base == "text":
            value = f'{{(const uint8_t *)"{f.first}", {len(f.first)}}}'
        else:
            value = str(f.first).lower()
        values.append(f"\t.{f.name} = {value},")
    return "\n".join(lines + ["const struct policy policy_first = {"] + values + ["};", ""])


def union_files(model, records, what, constant, extra_head, extra_code):
    """Events or commands: structs, codecs of their fields, and a union of them all with a switch over the type."""
    head = f"enum {what}_type {{\n"
    head += "".join(f"\t{constant}_{r.name.upper()} = {r.number},\n" for r in records) + "};\n\n"
    code = [TOP + f'#include "schemas/{what}s.h"\n']
    for r in records:
        head += struct(r) + codec_heads(r, False) + "\n"
        code += [codec(r, False), descriptor(r, model.enums)]
    members = "".join(f"\t\tstruct {r.name} {r.name};\n" for r in records)
    head += extra_head.replace("@MEMBERS@", members)
    cases = "".join(
        f"\tcase {constant}_{r.name.upper()}: return {r.name}_decode_fields(c, &{what}->{r.name});\n" for r in records
    )
    writes = "".join(
        f"\tcase {constant}_{r.name.upper()}: {r.name}_encode_fields(p, &{what}->{r.name}); break;\n" for r in records
    )
    infos = "".join(extra_code(r) for r in records)
    code.append(
        f"""static bool decode_fields(struct cursor *c, struct {what} *{what})
{{
	switch ({what}->type) {{
{cases}	default: return cursor_fail(c, "{what} type");
	}}
}}

static void encode_fields(struct packer *p, const struct {what} *{what})
{{
	switch ({what}->type) {{
{writes}	default: UNREACHABLE();
	}}
}}

static const struct {what}_info infos[] = {{
{infos}}};

const struct {what}_info *{what}_info(uint16_t type)
{{
	return type < sizeof infos / sizeof *infos && infos[type].record ? &infos[type] : NULL;
}}

const struct {what}_info *{what}_info_named(struct slice name)
{{
	for (size_t i = 0; i < sizeof infos / sizeof *infos; i++)
		if (infos[i].record && slice_equal(slice_text(infos[i].record->name), name))
			return &infos[i];
	return NULL;
}}
"""
    )
    return head, code


def upcasters(model):
    """Events of older versions, read as the newest one: for ever, as journals are."""
    code, rows = [], []
    for e in model.events:
        for version in e.older_versions:
            name = f"{e.name}_upcast_{version}"
            reads = decode_fields(e, version)
            code += [f"static bool {name}(struct cursor *c, struct event *event)", "{"]
            code += [f"\tstruct {e.name} *r = &event->{e.name};", *unused(reads, ["c"]), *reads, "\treturn true;", "}", ""]
            count = sum(f.since <= version for f in e.wire_fields)
            rows.append(f"\t{{EVENT_{e.name.upper()}, {version}, {count}, {name}}},")
    return "\n".join(code) + """
static const struct upcaster {
	uint16_t type, version;
	uint8_t fields; /* on the wire */
	bool (*decode)(struct cursor *c, struct event *event);
} upcasters[] = {
""" + "\n".join(rows) + """
};

static bool decode_older(struct cursor *c, uint32_t count, struct event *event)
{
	for (size_t i = 0; i < sizeof upcasters / sizeof *upcasters; i++) {
		const struct upcaster *older = &upcasters[i];
		if (older->type == event->type && older->version == event->version)
			return count == 2u + older->fields ? older->decode(c, event)
							   : cursor_fail(c, "event: number of fields: damaged");
	}
	return cursor_fail(c, "event version: damaged");
}
"""


def events_files(model):
    head_text = """/* What is known of a type of event. */
struct event_info {
	const struct record *record; /* its name is the type's */
	uint16_t type;
	uint16_t version;     /* the newest; the one that is written */
	uint8_t fields;       /* on the wire */
	const char *public_as; /* type under which the relay publishes it; NULL: it does not */
	const char *public_key; /* field that orders it there */
};

/* NULL: no such type. */
const struct event_info *event_info(uint16_t type);
const struct event_info *event_info_named(struct slice name);

/* Whatever version was read, the fields are those of the newest: what an older one does not say is absent. */
struct event {
	uint16_t type;
	uint16_t version; /* that it was read in; it is written in the newest */
	union {
@MEMBERS@	};
};

/* An array [type, version, fields ...]. An unknown type or version, and a field too many, fail. */
LL_CHECKED bool event_decode(struct cursor *c, struct event *event);
void event_encode(struct packer *p, const struct event *event);
"""

    def info(r):
        public = f'"{r.extra["public"]}"' if "public" in r.extra else "NULL"
        key = f'"{r.extra["key"]}"' if "key" in r.extra else "NULL"
        return (
            f"\t[EVENT_{r.name.upper()}] = {{&{r.name}_record, {r.number}, {r.version}, {len(r.wire_fields)}, "
            f"{public}, {key}}},\n"
        )

    head, code = union_files(model, model.events, "event", "EVENT", head_text, info)
    code.append(upcasters(model))
    code.append(
        """bool event_decode(struct cursor *c, struct event *event)
{
	uint32_t count;
	if (!cursor_array(c, &count, "event") || !cursor_u16(c, &event->type, "event type") ||
	    !cursor_u16(c, &event->version, "event version"))
		return false;
	const struct event_info *info = event_info(event->type);
	if (!info)
		return cursor_fail(c, "event type: made by a newer version, or damaged");
	if (event->version > info->version)
		return cursor_fail(c, "event version: made by a newer version, or damaged");
	if (event->version < info->version)
		return decode_older(c, count, event);
	if (count != 2u + info->fields)
		return cursor_fail(c, "event: number of fields: made by a newer version, or damaged");
	return decode_fields(c, event);
}

void event_encode(struct packer *p, const struct event *event)
{
	const struct event_info *info = event_info(event->type);
	ENSURE(info);
	pack_array(p, 2u + info->fields);
	pack_u64(p, event->type);
	pack_u64(p, info->version);
	encode_fields(p, event);
}
"""
    )
    code[0] += '#include "schemas/wire/ensure.h"\n'
    return {"events.h": guard("events", head, ["schemas/records.h"]), "events.c": "\n".join(code)}


def commands_files(model):
    head_text = """/* What is known of a type of command. */
struct command_info {
	const struct record *record; /* its name is the type's */
	uint16_t type;
	uint16_t status; /* of HTTP, when it is accepted */
	uint8_t fields;
};

/* NULL: no such type. */
const struct command_info *command_info(uint16_t type);
const struct command_info *command_info_named(struct slice name);

struct command {
	uint16_t type;
	union {
@MEMBERS@	};
};

/* The canonical fields as one array; the type stands beside them. */
LL_CHECKED bool command_decode(struct cursor *c, uint16_t type, struct command *command);
void command_encode(struct packer *p, const struct command *command);
"""

    def info(r):
        return (
            f"\t[COMMAND_{r.name.upper()}] = {{&{r.name}_record, {r.number}, {r.extra['status']}, "
            f"{len(r.wire_fields)}}},\n"
        )

    head, code = union_files(model, model.commands, "command", "COMMAND", head_text, info)
    code.append(
        """bool command_decode(struct cursor *c, uint16_t type, struct command *command)
{
	const struct command_info *info = command_info(type);
	command->type = type;
	return info && cursor_array_of(c, info->fields, "command fields") ? decode_fields(c, command)
									   : cursor_fail(c, "command");
}

void command_encode(struct packer *p, const struct command *command)
{
	const struct command_info *info = command_info(command->type);
	ENSURE(info);
	pack_array(p, info->fields);
	encode_fields(p, command);
}
"""
    )
    code[0] += '#include "schemas/wire/ensure.h"\n'
    return {"commands.h": guard("commands", head, ["schemas/records.h"]), "commands.c": "\n".join(code)}


KEY_ADD = {"u8": "key_add_u8", "u32": "key_add_u32", "u64": "key_add_u64", "time": "key_add_time"}


def key_code(table):
    name = table.title
    parameters = ", ".join(f"{c_type(k)} {k.name}" for k in table.keys)
    adds, takes, fields = [], [], []
    for i, k in enumerate(table.keys):
        last = i + 1 == len(table.keys)
        fields.append(f"\t{c_type(k)} {k.name};")
        if k.base == "id":
            adds.append(f"\tkey_add_id(&key, {k.name}, {'true' if last else 'false'});")
            takes.append(f"key_take_id(&bytes, &k->{k.name}, {'true' if last else 'false'})")
        elif k.base.startswith("bytes"):
            adds.append(f"\tkey_add_bytes(&key, {k.name});")
            takes.append(f"key_take(&bytes, {k.base[5:]}, &k->{k.name}.at)")
        else:
            adds.append(f"\t{KEY_ADD[k.base]}(&key, {k.name});")
            takes.append(f"key_take_{k.base}(&bytes, &k->{k.name})")
    head = f"struct {name}_key {{\n" + "\n".join(fields) + "\n};\n"
    head += f"static inline struct key {name}_key({parameters})\n{{\n\tstruct key key;\n\tkey.size = 0;\n"
    head += "\n".join(adds) + "\n\treturn key;\n}\n"
    head += f"LL_CHECKED bool {name}_key_read(struct slice bytes, struct {name}_key *k);\n"
    sizes = "".join(
        f"\tk->{k.name}.size = {k.base[5:]};\n" for k in table.keys if k.base.startswith("bytes")
    )
    code = f"bool {name}_key_read(struct slice bytes, struct {name}_key *k)\n{{\n{sizes}\treturn "
    code += " && ".join(takes) + " && bytes.size == 0;\n}\n"
    return head, code


def run_time_code(table, enums):
    """What is known of a table's key and rows at run time."""
    lines = [f"static const struct key_part {table.title}_key_parts[] = {{"]
    for k in table.keys:
        is_bytes = k.base.startswith("bytes")
        kind, size = ("BYTES", k.base[5:]) if is_bytes else (k.base.upper(), 0)
        lines.append(f'\t{{"{k.json}", KEY_PART_{kind}, {size}}},')
    lines.append("};")
    lines.append(f"static bool {table.title}_decode_any(struct cursor *c, void *row)\n{{")
    lines.append(f"\treturn {table.title}_row_decode(c, row);\n}}")
    return lines + layout_code(table, enums)


def layout_code(table, enums):
    """The fields of every version of a table's rows."""
    gone = [f for f in table.layout if "until" in f.options]
    lines = [f"static const struct field {table.title}_gone[] = {{"] if gone else []
    lines += [f"\t{field_descriptor(None, f, enums)}," for f in gone]
    lines += ["};"] if gone else []
    lines += [f"static const struct layout_field {table.title}_layout[] = {{"] if table.layout else []
    for f in table.layout:
        at = f"{table.title}_gone[{gone.index(f)}]" if f in gone else f"{table.name}_fields[{table.fields.index(f)}]"
        lines.append(f"\t{{&{at}, {f.options.get('until', 0)}, {f.options.get('changed', 0)}}},")
    return lines + (["};"] if table.layout else [])


def tables_files(model):
    head = "/* Every table of every projection. */\nenum table_id {\n"
    for p in model.projections:
        head += "".join(f"\t{p.name.upper()}_{t.title.upper()},\n" for t in p.tables)
    head += "\tTABLES_COUNT\n};\n\nenum projection_id {\n"
    head += "".join(f"\tPROJECTION_{p.name.upper()},\n" for p in model.projections) + "\tPROJECTIONS_COUNT\n};\n\n"
    head += """/* What a key is joined from, for those who show it. */
enum key_part_kind { KEY_PART_ID, KEY_PART_BYTES, KEY_PART_U8, KEY_PART_U32, KEY_PART_U64, KEY_PART_TIME };
struct key_part {
	const char *json; /* camelCase */
	enum key_part_kind kind;
	uint8_t size; /* of KEY_PART_BYTES */
};

/* A field of a table's rows, in whatever version of its projection: for comparing rows of two versions. */
struct layout_field {
	const struct field *field;
	uint16_t until;   /* the last version that has it; 0: it is there today */
	uint16_t changed; /* from this version on it has another value than before; 0: never */
};

/* Where a table lives. */
struct table_place {
	uint8_t projection;          /* enum projection_id */
	uint8_t index;               /* within its store */
	const char *name;
	const struct record *record; /* of its rows */
	const struct key_part *key;
	uint8_t key_parts;
	bool (*decode)(struct cursor *c, void *row); /* into the struct that `record` describes */
	const struct layout_field *layout; /* fields of all versions of its rows, each in its place; NULL: none */
	uint16_t layout_fields;
	uint16_t since; /* the first version of its projection that has it */
};
extern const struct table_place table_places[TABLES_COUNT];
extern const struct store_spec projection_specs[PROJECTIONS_COUNT];

"""
    code = [TOP + '#include "schemas/tables.h"\n#include "projections/store/store.h"\n']
    code[0] = code[0].replace('#include "projections/store/store.h"\n', "")
    code.append(
        """static inline bool key_take_u8(struct slice *rest, uint8_t *v)
{
	const uint8_t *at;
	if (!key_take(rest, 1, &at))
		return false;
	*v = *at;
	return true;
}

static inline bool key_take_u32(struct slice *rest, uint32_t *v)
{
	const uint8_t *at;
	if (!key_take(rest, 4, &at))
		return false;
	*v = load_u32(at);
	return true;
}

static inline bool key_take_u64(struct slice *rest, uint64_t *v)
{
	const uint8_t *at;
	if (!key_take(rest, 8, &at))
		return false;
	*v = load_u64(at);
	return true;
}

static inline bool key_take_time(struct slice *rest, int64_t *v)
{
	uint64_t ms;
	if (!key_take_u64(rest, &ms))
		return false;
	*v = ms == UINT64_MAX ? NONE_TIME : (int64_t)ms;
	return true;
}
"""
    )
    places, layouts = [], []
    for number, p in enumerate(model.projections):
        layouts.append(f"static const struct table_layout {p.name}_tables[] = {{")
        for i, t in enumerate(p.tables):
            key_head, key_body = key_code(t)
            head += struct(t) + codec_heads(t, True) + key_head + "\n"
            code += [codec(t, True), descriptor(t, model.enums), key_body, *run_time_code(t, model.enums)]
            order = f"ORDER_{t.extra['order'].upper()}"
            layouts.append(f'\t{{"{t.title}", {order}, &{t.name}_record}},')
            layout = f"{t.title}_layout" if t.layout else "NULL"
            places.append(
                f'\t[{p.name.upper()}_{t.title.upper()}] = {{{number}, {i}, "{t.title}", &{t.name}_record, '
                f"{t.title}_key_parts, {len(t.keys)}, {t.title}_decode_any, {layout}, {len(t.layout)}, "
                f"{t.extra.get('since', 1)}}},"
            )
        layouts.append("};")
    head = head.replace("extern const struct store_spec projection_specs[PROJECTIONS_COUNT];\n", "")
    head = head.replace(
        "/* Where a table lives. */",
        """enum table_order { ORDER_POINT, ORDER_ORDERED, ORDER_APPEND, ORDER_SCATTERED, ORDER_HASHED };

struct table_layout {
	const char *name;
	enum table_order order;
	const struct record *record;
};

/* A projection as schemas/tables.toml has it. */
struct projection_layout {
	const char *name;
	uint32_t version;
	const struct table_layout *tables;
	uint32_t table_count;
	uint32_t first_table; /* its first enum table_id */
};
extern const struct projection_layout projection_layouts[PROJECTIONS_COUNT];

/* Where a table lives. */""",
    )
    code += layouts
    code.append("const struct projection_layout projection_layouts[PROJECTIONS_COUNT] = {")
    for p in model.projections:
        code.append(
            f'\t{{"{p.name}", {p.version}, {p.name}_tables, {len(p.tables)}, '
            f"{p.name.upper()}_{p.tables[0].title.upper()}}},"
        )
    code.append("};\n\nconst struct table_place table_places[TABLES_COUNT] = {")
    code += places + ["};", ""]
    return {
        "tables.h": guard("tables", head, ["schemas/records.h", "schemas/wire/key.h"]),
        "tables.c": "\n".join(code),
    }


def blocks_files(model):
    head, offset = "", 0
    head += f'#define BLOCK_MAGIC "{model.envelope["magic"]}"\n#define BLOCK_FORMAT {model.formats[-1]["number"]}\n\n'
    head += "/* Where each field of the envelope stands, and how many bytes it has. */\nenum {\n"
    for name, size, _, doc in model.envelope["fields"]:
        head += f"\tENVELOPE_{name.upper()} = {offset},\n\tENVELOPE_{name.upper()}_SIZE = {size}, /* {doc} */\n"
        offset += size
    head += f"\tENVELOPE_SIZE = {offset},\n}};\n\n"
    head += "enum block_kind {\n" + "".join(f"\tBLOCK_{b.title.upper()} = {b.number},\n" for b in model.bodies)
    head += "\tBLOCK_ENTRIES = 3,\n};\n\n"
    code = [TOP + '#include "schemas/blocks.h"\n']
    for r in model.bodies:
        head += struct(r) + codec_heads(r, True) + "\n"
        code += [codec(r, True), descriptor(r, model.enums)]
    head += struct(model.entry) + codec_heads(model.entry, False)
    head += f"enum {{ ENTRY_HEAD_FIELDS = {len(model.entry.wire_fields)} }};\n"
    code += [codec(model.entry, False), descriptor(model.entry, model.enums)]
    return {"blocks.h": guard("blocks", head, ["schemas/records.h"]), "blocks.c": "\n".join(code)}


def codes_files(model):
    head = "/* Codes of refusals (journaled) and of rejections (not), as API answers carry them. */\nenum code {\n"
    every = {**model.refusals, **model.rejections}
    head += "".join(f"\tCODE_{n} = {c[0]},\n" for n, c in every.items()) + "};\n\n"
    first = min(c[0] for c in model.rejections.values())
    head += f"""struct code_info {{
	const char *name;
	uint16_t status; /* of HTTP */
	const char *message;
}};

/* NULL: no such code. */
const struct code_info *code_info(uint16_t code);

/* A refusal becomes an entry; everything else does not. */
static inline bool code_is_refusal(uint16_t code)
{{
	return code > 0 && code < {first};
}}
"""
    code = TOP + '#include "schemas/codes.h"\n\nstatic const struct code_info infos[] = {\n'
    code += "".join(f'\t[CODE_{n}] = {{"{n}", {c[1]}, "{c[2]}"}},\n' for n, c in every.items())
    code += """};

const struct code_info *code_info(uint16_t code)
{
	return code < sizeof infos / sizeof *infos && infos[code].name ? &infos[code] : NULL;
}
"""
    return {"codes.h": guard("codes", head, ["stdbool.h", "stdint.h"]).replace('"stdbool.h"', "<stdbool.h>").replace('"stdint.h"', "<stdint.h>"), "codes.c": code}


def files(model):
    out = {}
    for part in (records_files, events_files, commands_files, tables_files, blocks_files, codes_files):
        out.update(part(model))
    out.update(public.files(model, BANNER, guard))
    return out
