"""Access keys for tests: a file of them, and engines asked by one who has a key."""

import re

from engine import Engine, run

ROLES = ("client", "admin", "auditor", "operator")
FORM = re.compile(r"^ll_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$")


class Keys:
    """A file of keys, and the keys themselves by their names."""

    def __init__(self, binary, path):
        self.binary, self.path, self.of = binary, path, {}

    def add(self, name, role, *more):
        done = run(self.binary, "keys", "add", name, role, "--keys", self.path, *more, check=0)
        self.of[name] = done.stdout.strip()
        assert FORM.match(self.of[name]) and self.of[name] not in done.stderr
        return self.of[name]

    def all_roles(self):
        for role in ROLES:
            self.add(f"the-{role}", role)
        return self

    def file_of(self, name):
        path = self.path.with_name(f"{name}.key")
        path.write_text(self.of[name] + "\n")
        return path


class Holder:
    """An engine as one asks it who has a key."""

    def __init__(self, engine, key):
        self.engine, self.key = engine, key

    def http(self, method, path, body=None, headers=None, **more):
        return self.engine.http(method, path, body, headers={**({"X-Api-Key": self.key} if self.key else {}), **(headers or {})}, **more)

    get = Engine.get
    post = Engine.post
    command = Engine.command

    def __getattr__(self, name):
        return getattr(self.engine, name)


def as_role(engine, keys, role):
    return Holder(engine, keys.of[f"the-{role}"])
