"""Each check finds what it is there for, in a small tree that is wrong in one way, and nothing in one that is right."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
GOOD = {
    "schemas/wire/slice.h": "#include <stddef.h>\n",
    "projections/store/environment.c": '#include <lmdb.h>\n#include "schemas/wire/slice.h"\n',
    "projections/store/store.h": '#include "schemas/wire/slice.h"\n',
    "engine/journal/journal.h": "",
    "engine/journal/kafka.c": '#include <librdkafka/rdkafka.h>\n#include "schemas/events.h"\n',
    "engine/decide/decide.c": '#include "projections/store/store.h"\nint atoi_free; /* strcpy( */\n',
    "docs/page.md": "# A page\n## Its `part`, two\n[there](#its-part-two) [rule](../engine/decide/decide.c)\n`engine/decide/`\n",
    "engine/sink/k.c": 'void f(void)\n{\n\tlog_info(member_event(member, given ? "given" : "gone"), LOG_TEXT("a", "b"));\n'
    '\tlog_error(member_event(member, way(member, "down", room)));\n\tlog_warn("x.started", LOG_TEXT("y", z(1, 2)));\n}\n'
    'static const struct member_options options = {\n\t.name = "sink",\n\t.other_side = "endpoint",\n};\n',
    "docs/log.md": "| event | level | means |\n|---|---|---|\n| `sink.given`, `sink.gone` | info | a |\n| `sink.endpoint.down` | error | b |\n"
    "| `x.started` | warn | c |\n\n| `other` | table |\n|---|---|\n| `no.event` | x |\n",
}
BODY = "".join(f"\tstep_{n}(thing);\n" for n in range(12))

# check, file that is added or replaced, its text, what the check must say
WRONG = [
    ("layering", "schemas/wire/a.c", '#include "projections/store/store.h"\n', "against the arrows"),
    ("layering", "projections/a.c", '#include "engine/journal/journal.h"\n', "against the arrows"),
    ("layering", "engine/decide/a.c", '#include "engine/journal/journal.h"\n', "know nothing of one another"),
    ("layering", "engine/journal/a.c", '#include "engine/decide/d.h"\n', "not a file"),
    ("layering", "engine/writer/a.c", "#include <librdkafka/rdkafka.h>\n", "belongs to engine/journal/kafka"),
    ("layering", "engine/decide/a.c", "#include <uv.h>\n", "belongs to engine/http/"),
    ("layering", "projections/store/a.c", "#  include <lmdb.h>\n", "belongs to projections/store/environment.c"),
    ("layering", "engine/serve/a.c", "#include <http_parser.h>\n", "belongs to engine/http/"),
    ("layering", "engine/a.c", '#include "tests/a.h"\n', "not a file"),
    ("layering", "engine/journal/journal.h", '#include "engine/journal2.h"\n', "not a file"),
    ("layering", "schemas/wire/slice.h", '#include "schemas/x/b.h"\n', "not a file"),
    ("house", "engine/a.c", "int f(void)\n{\n\treturn atoi(x);\n}\n", "engine/a.c:3: atoi is banned"),
    ("house", "engine/a.c", "void f(void) { strcpy(a, b); }\n", "strcpy is banned"),
    ("house", "engine/a.c", "/* TO" "DO */\n", "a mark was left"),
    ("house", "docs/page.md", "see /wo" "rk/main\n", "a path of one machine"),
    ("house", "engine/a.c", "\n" * 751, "751 lines"),
    ("links", "docs/page.md", "# A\n[x](nowhere.md)\n", "docs/page.md:2: there is no nowhere.md"),
    ("links", "docs/page.md", "# A\n[x](#b)\n", "no heading #b"),
    ("links", "docs/page.md", "`engine/gone.c`\n", "names engine/gone.c"),
    ("events", "engine/a.c", 'int f(void)\n{\n\tlog_info("y.new");\n}\n', "engine/a.c:3: logs y.new at info, which no table"),
    ("events", "engine/a.c", 'int f(void)\n{\n\tlog_error("x.started");\n}\n', "engine/a.c:3: logs x.started at error, which no table"),
    ("events", "engine/a.c", 'int f(void)\n{\n\tlog_info(name, LOG_TEXT("a", b));\n}\n', "an event that is no text here"),
    ("events", "docs/a.md", "| event | level | means |\n|---|---|---|\n| `x.gone` | info | a |\n", "docs/a.md:3: x.gone at info is logged nowhere"),
    ("events", "docs/log.md", "# none\n", "logs sink.endpoint.down at error"),
    ("twice", "engine/a.c", f"void f(void)\n{{\n{BODY}}}\n\nvoid g(void)\n{{\n{BODY}}}\n", "12 lines as in"),
]


def check(name, root):
    done = subprocess.run(
        [sys.executable, "-B", HERE / f"{name}.py", "--root", root], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def tree(tmp_path):
    def write(extra):
        for name, text in {**GOOD, **extra}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


# A tree in order passes every check.
@pytest.mark.parametrize("name", ["layering", "house", "links", "twice", "events"])
def test_good(tree, name):
    assert check(name, tree({})) == (0, "")


# One thing wrong is found, and the message says where and what.
@pytest.mark.parametrize("name,path,text,expected", WRONG)
def test_wrong(tree, name, path, text, expected):
    status, said = check(name, tree({path: text}))
    assert status == 1 and expected in said, said


# Two folders of one room that include one another are a ring, though each include alone is allowed.
def test_ring(tree):
    root = tree(
        {
            "engine/a/a.h": '#include "engine/b/b.h"\n',
            "engine/b/b.h": '#include "engine/a/c.h"\n',
            "engine/a/c.h": "",
        }
    )
    status, said = check("layering", root)
    assert status == 1 and "in a ring: engine/a -> engine/b -> engine/a" in said
