"""Child processes that do not outlive the test.

A child is killed by the kernel when the thread that started it ends, however it ends (so start children in the main
thread), and its temporary directory, which carries its owner's pid in its name, is removed by the next test run if the
owner could not do it.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

PREFIX = "ledgerline-"


def spawn(command, **options):
    """subprocess.Popen, in a session of its own, killed with its parent."""
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)], start_new_session=True, **options
    )


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def pause(pid):
    """SIGSTOP, and waits until the process stands still."""
    os.kill(pid, signal.SIGSTOP)
    while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "TZ":
        time.sleep(0.002)


def directory(what):
    """A new temporary directory for `what`. Those of dead owners go first."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}{what}-*"):
        owner = left.name.removeprefix(f"{PREFIX}{what}-").split("-")[0]
        if owner.isdigit() and not alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{what}-{os.getpid()}-"))
