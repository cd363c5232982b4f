"""The descriptions as objects. Whatever is wrong in a .toml file is found here, with its place."""

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

SCALARS = {
    # type: (C type, descriptor kind, cursor function, pack function, none)
    "u8": ("uint8_t", "U8", "cursor_u8", "pack_u64", None),
    "u16": ("uint16_t", "U16", "cursor_u16", "pack_u64", None),
    "u32": ("uint32_t", "U32", "cursor_u32", "pack_u64", "NONE_U32"),
    "u64": ("uint64_t", "U64", "cursor_u64", "pack_u64", "NONE_U64"),
    "i64": ("int64_t", "I64", "cursor_i64", "pack_i64", "NONE_I64"),
    "amount": ("int64_t", "AMOUNT", "cursor_amount", "pack_i64", "NONE_I64"),
    "time": ("int64_t", "TIME", "cursor_amount", "pack_i64", "NONE_TIME"),
    "when": ("int64_t", "WHEN", "cursor_i64", "pack_i64", "NONE_I64"),
    "day": ("int32_t", "DAY", "cursor_i32", "pack_i64", "NONE_DAY"),
    "bool": ("bool", "BOOL", "cursor_bool", "pack_bool", None),
    "id": ("struct slice", "ID", "cursor_id", "pack_string", "SLICE_EMPTY"),
    "text": ("struct slice", "TEXT", "cursor_text", "pack_string", "SLICE_EMPTY"),
    "bytes16": ("struct slice", "BYTES", "cursor_bytes", "pack_bytes", "SLICE_EMPTY"),
    "bytes32": ("struct slice", "BYTES", "cursor_bytes", "pack_bytes", "SLICE_EMPTY"),
}

# Of replies only: they are JSON and never on the wire.
JSON_ONLY = ("position", "string", "decimal", "token", "body", "cut", "json")


def camel(name):
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


def snake(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).replace(".", "_").replace("-", "_").lower()


@dataclass
class Field:
    name: str
    type: str
    doc: str
    options: dict = field(default_factory=dict)
    first: object = None  # of policies: the value of version 1

    def __post_init__(self):
        self.optional = self.type.endswith("?")
        self.base = self.type.rstrip("?")
        self.family, _, self.argument = self.base.partition(":")
        if self.base not in (*SCALARS, *JSON_ONLY) and self.family not in ("enum", "ref", "self", "rec", "list"):
            raise SystemExit(f"schemas: field {self.name}: unknown type {self.type}")

    @property
    def json(self):
        return camel(self.name)

    @property
    def on_wire(self):
        return self.family != "self"

    @property
    def since(self):
        """The first version, of its event or projection, that has it."""
        return self.options.get("since", 1)


@dataclass
class Record:
    name: str  # the C name
    title: str  # the name as people write it
    doc: str
    fields: list
    number: int = 0
    version: int = 0
    extra: dict = field(default_factory=dict)
    keys: list = field(default_factory=list)
    layout: list = field(default_factory=list)  # of a table: the fields of every version, in their order

    @property
    def wire_fields(self):
        return [f for f in self.fields if f.on_wire]

    @property
    def older_versions(self):
        return range(1, self.version)


@dataclass
class Projection:
    name: str
    version: int
    doc: str
    tables: list


@dataclass
class Model:
    enums: dict
    records: list
    events: list
    commands: list
    bodies: list
    entry: Record
    envelope: dict
    formats: list  # of blocks: {number, doc, events}
    projections: list
    refusals: dict
    rejections: dict
    requests: dict  # requests.toml as it stands
    replies: dict  # name -> Record
    details: dict  # code -> names of the facts that stand with it
    facts: dict  # name -> type; those that are not there are integers


def load(directory, name):
    with open(Path(directory) / f"{name}.toml", "rb") as source:
        return tomllib.load(source)


def fields_of(rows):
    return [Field(row[0], row[1], row[2], row[3] if len(row) > 3 else {}) for row in rows]


def policy_records(directory):
    described = load(directory, "policies")["policy"]
    fields, change = [], []
    for name, kind, first, doc, *options in described["fields"]:
        bounds = options[0] if options else {}
        fields.append(Field(name, kind, doc, bounds, first))
        change.append(Field(name, kind + "?", doc, bounds))
    return [
        Record("policy", "policy", described["doc"], fields),
        Record("policy_change", "policy_change", "some of the rules that can be set; absent: unchanged", change),
    ]


def unique(numbers, what):
    seen = {}
    for name, number in numbers:
        if number in seen:
            raise SystemExit(f"schemas: {what} {name} and {seen[number]} share the number {number}")
        seen[number] = name


def refuse(place, why):
    raise SystemExit(f"schemas: {place}: {why}")


def check_versions(place, fields, version):
    """`since`, `changed` and `until` name versions that there are, and none is said twice."""
    names = [f.name for f in fields if "until" not in f.options]
    for f in fields:
        for option, least in (("since", 2), ("changed", f.since + 1)):
            if option in f.options and not least <= f.options[option] <= version:
                refuse(f"{place}.{f.name}", f"{option} is {f.options[option]}, not {least} to {version}")
        if "until" in f.options and not f.since <= f.options["until"] < version:
            refuse(f"{place}.{f.name}", f"until is {f.options['until']}, not {f.since} to {version - 1}")
    if len(set(names)) != len(names):
        refuse(place, "two fields have one name")


def check_events(events, formats):
    """An older version can be read as the newest one, and a newer version has its format."""
    announced = [(name, version) for one in formats for name, version in one.get("events", {}).items()]
    for e in events:
        check_versions(e.title, e.fields, e.version)
        for f in e.fields:
            if {"changed", "until"} & f.options.keys():
                refuse(f"{e.title}.{f.name}", "an event keeps its fields as they are: a new one may stand beside them")
            if f.since > 1 and not f.optional:
                refuse(f"{e.title}.{f.name}", "an older version does not say it: its type ends in ?")
        for version in range(2, e.version + 1):
            if version not in [f.since for f in e.fields]:
                refuse(e.title, f"version {version} has no field that is new in it")
            if announced.count((e.title, version)) != 1:
                refuse(e.title, f"version {version} is of no format, or of two: blocks.toml, formats")
    known = [(e.title, version) for e in events for version in range(2, e.version + 1)]
    for name, version in announced:
        if (name, version) not in known:
            refuse("blocks.toml, formats", f"{name} has no version {version}")
    if [one["number"] for one in formats] != list(range(1, len(formats) + 1)):
        refuse("blocks.toml, formats", "they are numbered 1, 2, 3, ...")


def table(name, described, version):
    layout = fields_of(described["fields"])
    check_versions(name, layout, version)
    if not 1 <= described.get("since", 1) <= version:
        refuse(name, f"since is {described['since']}, not 1 to {version}")
    return Record(
        f"{name}_row",
        name,
        described["doc"],
        [f for f in layout if "until" not in f.options],
        version=version,
        extra=described,
        keys=[Field(k[0], k[1], "") for k in described["key"]],
        layout=layout,
    )


def read(directory):
    shared = load(directory, "records")
    events = load(directory, "events")["events"]
    commands = load(directory, "commands")["commands"]
    blocks = load(directory, "blocks")
    codes = load(directory, "codes")
    replies = load(directory, "replies")
    records = [Record(n, n, r["doc"], fields_of(r["fields"])) for n, r in shared["records"].items()]

    def reply_fields(reply):
        """`like`: the fields of that reply, then its own."""
        return (reply_fields(replies["replies"][reply["like"]]) if "like" in reply else []) + fields_of(reply["fields"])

    model = Model(
        enums=shared["enums"],
        records=records + policy_records(directory),
        events=[
            Record(snake(n), n, e["doc"], fields_of(e["fields"]), e["number"], e.get("version", 1), e)
            for n, e in events.items()
        ],
        commands=[
            Record(snake(n), n, c.get("doc", ""), fields_of(c["fields"]), c["number"], 0, c) for n, c in commands.items()
        ],
        bodies=[Record(f"{n}_body", n, b["doc"], fields_of(b["fields"]), b["kind"]) for n, b in blocks["bodies"].items()],
        entry=Record("entry_head", "entry", blocks["entry"]["doc"], fields_of(blocks["entry"]["fields"])),
        envelope=blocks["envelope"],
        formats=blocks["formats"],
        projections=[
            Projection(
                n,
                p["version"],
                p["doc"],
                [table(t, d, p["version"]) for t, d in p["tables"].items()],
            )
            for n, p in load(directory, "tables")["projections"].items()
        ],
        refusals=codes["refusals"],
        rejections=codes["rejections"],
        requests=load(directory, "requests"),
        replies={
            n: Record(n, n, r.get("doc", ""), reply_fields(r), extra=r) for n, r in replies["replies"].items()
        },
        details=replies["details"],
        facts=replies["facts"],
    )
    check_events(model.events, model.formats)
    unique([(e.title, e.number) for e in model.events], "events")
    unique([(c.title, c.number) for c in model.commands], "commands")
    unique([(n, c[0]) for n, c in {**model.refusals, **model.rejections}.items()], "codes")
    return model
