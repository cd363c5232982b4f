"""What the checks share: the project's files, and how a check ends."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOMS = ["schemas", "projections", "engine"]  # arrows point to the left
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def root(description):
    """The tree to check: the working directory, or what --root says."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=Path, default=Path.cwd())
    return parser.parse_args().root


def files(top, *endings):
    """The project's own files, as paths from `top`: what git knows or would add; all of them where there is no git."""
    listed = subprocess.run(
        ["git", "-C", top, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True
    )
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:
        names = [str(p.relative_to(top)) for p in top.rglob("*") if p.is_file()]
    names = [n for n in names if not n.startswith(("build/", ".git/"))]
    return sorted(n for n in names if (not endings or n.endswith(endings)) and (top / n).is_file())


def read(top, name):
    return (top / name).read_text(errors="replace")


def code_only(text):
    """C without the insides of comments and strings; lines keep their numbers."""
    return COMMENT_OR_STRING.sub(lambda m: '""' if m[0][0] in "\"'" else "\n" * m[0].count("\n"), text)


def end(what, findings):
    for finding in findings:
        print(finding)
    if findings:
        sys.exit(f"{what}: {len(findings)} found")
