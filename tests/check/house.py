#!/usr/bin/python3
"""Calls that are banned, marks that were left over, files that are too long to read in one sitting."""

import re

from common import ROOMS, code_only, end, files, read, root

BANNED = {
    "strcpy": "snprintf or memcpy",
    "strcat": "snprintf or a buffer",
    "sprintf": "snprintf",
    "vsprintf": "vsnprintf",
    "atoi": "a reader that sees errors",
    "gets": "fgets",
    "strtok": "slices",
    "alloca": "an arena",
}
CALL = re.compile(rf"(?<![\w>.])({'|'.join(BANNED)})\s*\(")

# In pieces, so that this file does not find itself.
MARKS = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
OF_ONE_MACHINE = re.compile(r"(?<![\w.])/wo" r"rk/|/tmp/stu" r"dio|/ho" r"me/\w+/")
TEXT = (".c", ".h", ".py", ".md", ".toml", ".yaml", ".yml", ".json", ".1", ".3", ".xml", "Makefile", "Dockerfile", "run", "setup")

LINES_MAX = 750  # of a C file of the program


def findings(top):
    for name in files(top, *TEXT):
        text = read(top, name)
        for number, line in enumerate(text.splitlines(), 1):
            if found := MARKS.search(line):
                yield f"{name}:{number}: a mark was left: {found[0]}"
            if found := OF_ONE_MACHINE.search(line):
                yield f"{name}:{number}: a path of one machine: {found[0]}"
        if not name.endswith((".c", ".h")):
            continue
        if (lines := text.count("\n")) > LINES_MAX and name.startswith(tuple(ROOMS)):
            yield f"{name}: {lines} lines; {LINES_MAX} at most: give what does not belong together files of its own"
        for number, line in enumerate(code_only(text).splitlines(), 1):
            if found := CALL.search(line):
                yield f"{name}:{number}: {found[1]} is banned; use {BANNED[found[1]]}"


if __name__ == "__main__":
    end("house rules", list(findings(root(__doc__))))
