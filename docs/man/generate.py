#!/usr/bin/python3
"""The manual page of the program, from what its commands' --help says: generate.py BINARY PAGE.in >PAGE"""

import subprocess
import sys
from pathlib import Path


def ask(*arguments):
    return subprocess.run([sys.argv[1], *arguments], capture_output=True, text=True, check=True).stdout


def escape(text):
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join("\\&" + line if line.startswith((".", "'")) else line for line in lines)


def verbatim(text):
    return f".nf\n{escape(text.strip(chr(10)))}\n.fi"


def command(name):
    """One subsection. Its --help is: usage, description, options, exit status, with an empty line between."""
    parts = ask(*name.split(), "--help").strip().split("\n\n")
    usage, description, options = parts[0].removeprefix("Usage: "), "\n\n".join(parts[1:-2]), parts[-2]
    exits = "\n".join(parts[-1].splitlines()[1:])
    made = [f'.SS "{escape(name)}"', f".B {escape(usage)}", ".PP", verbatim(description)]
    made += [".PP", verbatim(options.removeprefix("Options:\n"))]
    return "\n".join(made + ([".PP", "Exit status " + escape(exits)] if exits else []))


def main():
    listed = ask("--help").split("Commands:\n")[1].split("\n\n")[0].splitlines()
    names = [line[2:20].strip() for line in listed]
    page = Path(sys.argv[2]).read_text()
    page = page.replace("@VERSION@", ask("--version").split()[-1])
    print(page.replace("@COMMANDS@", "\n".join(map(command, names))), end="")


if __name__ == "__main__":
    main()
