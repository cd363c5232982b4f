#!/usr/bin/python3
"""Includes go one way, and each library stays behind its adapter.

The rules are the tables below. An include is written from the root of the tree; a generated header belongs to schemas.
"""

import os
import re

from common import ROOMS, end, files, read, root

# Folders of engine that must not know one another.
STRANGERS = [("engine/decide", "engine/journal")]

# A header (by its beginning) and the files (by theirs) that may include it.
KEEPERS = {
    "librdkafka/": ["engine/journal/kafka", "engine/relay/kafka", "engine/sink/kafka", "engine/intake/kafka"],
    "uv.h": ["engine/http/", "engine/loop", "engine/serve", "engine/access/", "engine/commands/serve.c", "engine/bench/commands.c"],
    "lmdb.h": ["projections/store/environment.c"],
    "http_parser.h": ["engine/http/"],
    "yajl/": ["schemas/wire/json_read.c"],
    "openssl/": ["schemas/wire/", "engine/http/tls.c"],
    "sodium": ["schemas/wire/", "engine/http/", "engine/decide/token.c", "engine/access/", "engine/commands/keys.c", "engine/proof/note.c"],
    "ini.h": ["engine/cli/"],
    "curl/": ["engine/sink/post.c"],
    "systemd/": ["engine/commands/serve.c"],
    "msgpack": ["schemas/wire/"],
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def includes(top):
    """(file, line, True for <...>, included) of every include of the project."""
    for name in files(top, ".c", ".h"):
        text = read(top, name)
        for found in INCLUDE.finditer(text):
            yield name, text.count("\n", 0, found.start()) + 1, found[1] == "<", found[2]


def rank(path):
    room = path.split("/")[0]
    return ROOMS.index(room) if room in ROOMS else None


def is_generated(top, included):
    return included.startswith("schemas/") and included.count("/") == 1 and not (top / included).exists()


def inside(path, folder):
    return path.startswith(folder + "/")


def judge_own(top, name, included):
    """What is wrong with `#include "included"` in file `name`, or None."""
    if not (top / included).is_file() and not is_generated(top, included):
        return "is not a file of this tree (includes are written from its root)"
    if rank(name) is None:
        return None  # tests may include everything
    if rank(included) is None:
        return "is of no room that programs are made of"
    if rank(included) > rank(name):
        return f"points against the arrows {' <- '.join(ROOMS)}"
    for one, other in STRANGERS:
        if (inside(name, one) and inside(included, other)) or (inside(name, other) and inside(included, one)):
            return f"is wrong: {one} and {other} know nothing of one another"
    return None


def judge_library(name, included):
    for header, keepers in KEEPERS.items():
        if included.startswith(header) and rank(name) is not None and not name.startswith(tuple(keepers)):
            return f"belongs to {', '.join(keepers)} alone"
    return None


def folder(path):
    """The folder whose includes must make no ring. schemas/ is one, as its generated files build on its wire and back."""
    return "schemas" if path.startswith("schemas/") else os.path.dirname(path)


def cycle(edges):
    """A list of folders that include one another in a ring, or None."""
    done, path = set(), []

    def visit(folder):
        if folder in path:
            return path[path.index(folder) :] + [folder]
        if folder in done:
            return None
        path.append(folder)
        for to in sorted(edges.get(folder, ())):
            if ring := visit(to):
                return ring
        path.pop()
        done.add(folder)
        return None

    return next((ring for folder in sorted(edges) if (ring := visit(folder))), None)


def main():
    top, findings, edges = root(__doc__), [], {}
    for name, line, library, included in includes(top):
        wrong = judge_library(name, included) if library else judge_own(top, name, included)
        if wrong:
            findings.append(f'{name}:{line}: "{included}" {wrong}')
        here, there = folder(name), folder(included)
        if not library and here != there and rank(name) is not None:
            edges.setdefault(here, set()).add(there)
    if ring := cycle(edges):
        findings.append(f"folders include one another in a ring: {' -> '.join(ring)}")
    end("layering", findings)


if __name__ == "__main__":
    main()
