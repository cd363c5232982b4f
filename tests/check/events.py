#!/usr/bin/python3
"""Each event that the code logs has a row in a table `| event | level | ... |` of the pages, with its level, and each row an event."""

import re

from common import end, files, read, root

CALL = re.compile(r"\blog_(debug|info|warn|error)\(")
TEXT = re.compile(r'"((?:\\.|[^"\\])*)"')
OWNER = re.compile(r'\.name = "(\w+)",\s*\.other_side = "(\w+)"')  # whose events member_event names
TABLE = re.compile(r"^\| event \| level \|.*\n\|[-|: ]+\n((?:\|.*\n?)+)", re.MULTILINE)
NAME = re.compile(r"`([a-z]+(?:\.[A-Za-z]+)*)`")


def first_argument(text, at):
    """From `at` up to the comma or parenthesis that ends it."""
    depth, quoted = 0, False
    for here in range(at, len(text)):
        one = text[here]
        if one == '"' and text[here - 1] != "\\":
            quoted = not quoted
        elif quoted:
            continue
        elif one in ",)" and depth == 0:
            return text[at:here]
        depth += (one == "(") - (one == ")")
    return text[at:]


def events_of(argument, owners):
    """The events that a first argument stands for; none: it cannot be told."""
    texts = TEXT.findall(argument)
    if not argument.startswith("member_event("):
        return texts
    sides = "way(" in argument
    return [f"{name}.{side}.{text}" if sides else f"{name}.{text}" for name, side in owners for text in texts]


def logged(top):
    """{(event, level): "FILE:LINE"}"""
    sources = {name: read(top, name) for name in files(top, ".c") if name.startswith(("engine/", "projections/"))}
    owners = sorted({owner for text in sources.values() for owner in OWNER.findall(text)})
    found = {}
    for name, text in sources.items():
        for call in CALL.finditer(text):
            where = f"{name}:{text.count(chr(10), 0, call.start()) + 1}"
            events = events_of(first_argument(text, call.end()).strip(), owners)
            for event in events or ["(an event that is no text here)"]:
                found.setdefault((event, call[1]), where)
    return found


def told(top):
    """{(event, level): "PAGE:LINE"}"""
    found = {}
    for page in files(top, ".md"):
        text = read(top, page)
        for table in TABLE.finditer(text):
            for number, row in enumerate(table[1].splitlines(), text.count("\n", 0, table.start(1)) + 1):
                cells = row.split("|")
                for event in NAME.findall(cells[1]):
                    for level in re.findall(r"\w+", cells[2]):
                        found[event, level] = f"{page}:{number}"
    return found


def findings(top):
    known, shown = logged(top), told(top)
    for one in sorted(known.keys() - shown.keys()):
        yield f"{known[one]}: logs {one[0]} at {one[1]}, which no table of events on a page has"
    for one in sorted(shown.keys() - known.keys()):
        yield f"{shown[one]}: {one[0]} at {one[1]} is logged nowhere"


if __name__ == "__main__":
    end("events", list(findings(root(__doc__))))
