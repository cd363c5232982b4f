#!/usr/bin/env python3
"""Writes what comes from schemas/*.toml: C (into the build), and pages and JSON Schemas (into docs/).

	generate.py --out DIR      DIR/schemas/*.h and *.c; files that would not change are left alone
	generate.py --docs         docs/formats.md, docs/openapi.yaml, docs/api-reference.md and docs/schemas/*.json
	generate.py --check-docs   exit 1 when those are not what they would be
"""

import argparse
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from generator import c_code, documents, model  # noqa: E402


def write(path, text):
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--check-docs", action="store_true")
    options = parser.parse_args()
    described = model.read(HERE)
    if options.out:
        for name, text in c_code.files(described).items():
            write(options.out / "schemas" / name, text)
    pages = documents.files(described) if options.docs or options.check_docs else {}
    stale = [n for n, t in pages.items() if not (p := HERE.parent / "docs" / n).exists() or p.read_text() != t]
    if options.check_docs and stale:
        sys.exit(f"docs: not as schemas/ has it: {', '.join(stale)}; run: python3 schemas/generate.py --docs")
    if options.docs:
        for name, text in pages.items():
            write(HERE.parent / "docs" / name, text)


if __name__ == "__main__":
    main()
