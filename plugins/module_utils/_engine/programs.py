# Copyright (c) 2026, the mlops.mlflow authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that answer a request: started in a group of their own, listened to, and ended with all they started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from .errors import EngineError
from .progress import Say

# What is kept of what a program prints: results are one line, and of a log its end tells why.
_KEPT_LINES = 2000
_LONGEST_LINE = 8 << 20
_GRACE_SECONDS = 15.0


class TimedOut(EngineError):
    """A program did not end in time; it has been ended."""


def ask(
    argv: Sequence[str],
    line: str,
    *,
    seconds: float,
    say: Say,
    env: Mapping[str, str] | None = None,
    identity: Mapping[str, Any] | None = None,
) -> str:
    """Start a program, give it one line, and return what it printed on standard output.

    Its standard input stays open until it ends, so that it can tell when we are gone. What it prints on standard error
    goes to C(say), line by line, and behind the output that is returned.

    :param identity: C(user), C(group) and C(extra_groups), as subprocess takes them.
    :raises TimedOut: it did not end within C(seconds); nothing of its group runs any more.
    :raises EngineError: there is no such program.
    """
    try:
        process = _started(argv, subprocess.PIPE, subprocess.PIPE, env, "/", **(identity or {}))
    except OSError as error:
        raise EngineError(f"{argv[0]} cannot be started: {error.strerror}.") from error
    printed: deque[str] = deque(maxlen=_KEPT_LINES)
    logged: deque[str] = deque(maxlen=_KEPT_LINES)
    with _ended(process):
        heard = ((process.stdout, printed, None), (process.stderr, logged, say))
        listeners = [threading.Thread(target=_listen, args=one, daemon=True) for one in heard]
        for listener in listeners:
            listener.start()
        with contextlib.suppress(BrokenPipeError):  # it ended before it read: what it printed says why
            _give(process.stdin, line)
        _wait(process, argv, seconds)
        for listener in listeners:
            listener.join(_GRACE_SECONDS)
    return "\n".join([*logged, *printed])


def follow(
    argv: Sequence[str], *, say: Say, env: Mapping[str, str], cwd: str, seconds: float | None = None
) -> tuple[int, list[str]]:
    """Start a program that asks for nothing, and tell each line that it prints, on whichever stream.

    Whatever ends this, such as a signal, ends the program and all that it started.

    :returns: its exit code, and the last lines.
    :raises TimedOut: it did not end within C(seconds); nothing of its group runs any more.
    """
    printed: deque[str] = deque(maxlen=_KEPT_LINES)
    process = _started(argv, subprocess.DEVNULL, subprocess.STDOUT, env, cwd)
    listener = threading.Thread(target=_listen, args=(process.stdout, printed, say), daemon=True)
    with _ended(process):
        listener.start()
        _wait(process, argv, seconds)
    listener.join(_GRACE_SECONDS)
    return process.returncode, list(printed)


def _wait(process: subprocess.Popen[str], argv: Sequence[str], seconds: float | None) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise TimedOut(f"{os.path.basename(argv[0])} did not end within {seconds:.0f} s.") from None


def _started(
    argv: Sequence[str], stdin: int, stderr: int, env: Mapping[str, str] | None, cwd: str, **identity: Any
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        list(argv),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=dict(env) if env is not None else None,
        cwd=cwd,
        start_new_session=True,
        **identity,
    )


def _give(stream: IO[str] | None, line: str) -> None:
    if stream:
        stream.write(line)
        stream.flush()


def _listen(stream: IO[str] | None, kept: deque[str], say: Say | None) -> None:
    while stream and (text := stream.readline(_LONGEST_LINE)):
        text = text.rstrip("\n")
        kept.append(text)
        if say and text:
            say(text)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever happens meanwhile, nothing of the program's group runs afterwards."""
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not _signalled(process, number):
                break
        with contextlib.suppress(OSError):
            if process.stdin:
                process.stdin.close()


def _signalled(process: subprocess.Popen[str], number: signal.Signals) -> bool:
    """Signal the group and wait; whether something of it may still run."""
    if process.poll() is not None and number == signal.SIGTERM:
        # The program itself has ended: what it left behind ends at once.
        number = signal.SIGKILL
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        process.poll()
        return False
    end = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < end:
        process.poll()
        try:
            os.killpg(process.pid, 0)
        except (ProcessLookupError, PermissionError):
            return False
        time.sleep(0.02)
    return True
