#!/usr/bin/python3
"""Links of the Markdown pages lead to files and headings that are there, and paths that they name in code type exist."""

import re
from pathlib import PurePosixPath

from common import end, files, read, root

LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
FENCED = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", re.MULTILINE)
EXPLICIT = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")
# `engine/journal/kafka.c` and the like; not patterns, and not what a build makes.
NAMED = re.compile(r"`((?:engine|projections|schemas|tests|bench|docs|\.ci)/[\w./-]*[\w/])`")


def anchors(text):
    """The names that GitHub gives to headings."""
    names = set(EXPLICIT.findall(text))
    for heading in HEADING.findall(FENCED.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        twin, count = name, 0
        while twin in names:
            count += 1
            twin = f"{name}-{count}"
        names.add(twin)
    return names


def normal(path):
    parts = []
    for part in PurePosixPath(path).parts:
        if part == "..":
            if not parts:
                return None
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def judge(top, page, target):
    """What is wrong with a link to `target` on `page`, or None."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    path, _, anchor = target.partition("#")
    there = normal(PurePosixPath(page).parent / path) if path else page
    if there is None or not (top / there).exists():
        return f"there is no {path}"
    if anchor and there.endswith(".md") and anchor not in anchors(read(top, there)):
        return f"{there} has no heading #{anchor}"
    return None


def findings(top):
    for page in files(top, ".md"):
        text = FENCED.sub(lambda m: "\n" * m[0].count("\n"), read(top, page))
        for number, line in enumerate(text.splitlines(), 1):
            for target in LINK.findall(line):
                if wrong := judge(top, page, target):
                    yield f"{page}:{number}: {wrong}"
            for named in NAMED.findall(line):
                if not (top / named).exists():
                    yield f"{page}:{number}: names {named}, which is not there"


if __name__ == "__main__":
    end("links", list(findings(root(__doc__))))
