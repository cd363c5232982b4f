"""Dictionaries, lists and scalars as YAML that people can read. Every string that could mean something else is quoted."""

import json
import re

PLAIN = re.compile(r"[A-Za-z/$][A-Za-z0-9/$#._-]*( [A-Za-z0-9/$._()-]+)*$")
MEANS_SOMETHING = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
FLOW_WIDTH = 100


def scalar(value):
    if isinstance(value, str):
        if PLAIN.match(value) and value.lower() not in MEANS_SOMETHING:
            return value
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def is_scalar(value):
    return not isinstance(value, (dict, list)) or not value


def flow(value):
    """On one line, or None when it is too much for one."""
    if isinstance(value, dict):
        parts = [f"{scalar(k)}: {flow(v)}" for k, v in value.items()]
        text = "{ " + ", ".join(parts) + " }" if parts else "{}"
    elif isinstance(value, list):
        text = "[" + ", ".join(str(flow(v)) for v in value) + "]"
    else:
        text = scalar(value)
    return text


def short(value):
    if is_scalar(value):
        return True
    flat = all(is_scalar(v) for v in (value.values() if isinstance(value, dict) else value))
    return flat and len(flow(value)) <= FLOW_WIDTH


def lines(value, indent):
    pad = "  " * indent
    if isinstance(value, dict):
        for key, inner in value.items():
            if short(inner):
                yield f"{pad}{scalar(key)}: {flow(inner)}"
            else:
                yield f"{pad}{scalar(key)}:"
                yield from lines(inner, indent + 1)
        return
    for inner in value:
        if short(inner):
            yield f"{pad}- {flow(inner)}"
            continue
        first, *rest = lines(inner, indent + 1)
        yield f"{pad}- {first.lstrip()}"
        yield from rest


def dump(value):
    return "\n".join(lines(value, 0)) + "\n"
