#!/usr/bin/python3
"""Logic that stands twice: runs of 12 lines and more that are the same in two places.

Blank lines, braces alone, includes and comments do not count as lines; indentation does not count either.
"""

import re

from common import COMMENT_OR_STRING, end, files, read, root

RUN = 12
TRIVIAL = re.compile(r"^[\s{}();,\[\]]*$|^\s*(#\s*include\b|import\b|from\b)")


def significant(top, name):
    """[(line number, text)] of the lines that count."""
    text = read(top, name)
    if name.endswith((".c", ".h")):
        text = COMMENT_OR_STRING.sub(lambda m: "\n" * m[0].count("\n") if m[0][0] == "/" else m[0], text)
    lines = [(number, " ".join(line.split())) for number, line in enumerate(text.splitlines(), 1)]
    return [(number, line) for number, line in lines if not TRIVIAL.match(line) and not line.startswith("#")]


def findings(top):
    seen = {}  # a run of lines -> where it stood first
    for name in files(top, ".c", ".h", ".py"):
        lines = significant(top, name)
        at = 0
        while at + RUN <= len(lines):
            run = tuple(line for _, line in lines[at : at + RUN])
            first = seen.setdefault(run, (name, at, lines))
            if first[0] == name and at - first[1] < RUN:
                at += 1
                continue
            other, start, theirs = first
            size = RUN
            while (
                at + size < len(lines) and start + size < len(theirs) and lines[at + size][1] == theirs[start + size][1]
            ):
                size += 1
            yield f"{name}:{lines[at][0]}: {size} lines as in {other}:{theirs[start][0]}"
            at += size


if __name__ == "__main__":
    end("twice", list(findings(root(__doc__))))
