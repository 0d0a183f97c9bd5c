"""Running commands, saying what happens, and failing with a reason."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import settings

TAIL_LINES = 15
SAY_EVERY_SECONDS = 20

Argv = Sequence[str | Path]
Result = subprocess.CompletedProcess[str]


class Failure(Exception):
    """Something the reader can act on. With a log, its last lines and its place become part of the message."""

    def __init__(self, message: str, log: Path | None = None) -> None:
        super().__init__(f"{message}\n{tail(log)}\nlog: {log}" if log else message)


def say(message: str) -> None:
    print(f"{settings.BED}: {message}", flush=True)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    if not log.exists():
        return "  (no log was written)"
    text = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(f"  {line}" for line in text) or "  (the log is empty)"


def run(argv: Argv, *, stdin: str | None = None, env: Mapping[str, str] | None = None, check: bool = True) -> Result:
    """Run a short command and return what it printed; `env` is added to our own environment."""
    try:
        result = subprocess.run(
            [str(part) for part in argv],
            input=stdin or "",
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise Failure(f"The program `{argv[0]}` is not installed: `up` installs what is missing.") from error
    if check and result.returncode:
        words = "\n".join(f"  {line}" for line in (result.stderr or result.stdout).splitlines()[-TAIL_LINES:])
        raise Failure(f"`{' '.join(map(str, argv))}` ended with code {result.returncode}:\n{words}")
    return result


def run_long(
    what: str,
    argv: Argv,
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    progress: Callable[[], str] = lambda: "",
) -> None:
    """Run a command of minutes: output goes to `log`, and a line now and then tells that it is still going on."""
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"{what} ...")
    start = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in argv],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                try:
                    process.wait(SAY_EVERY_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    say(f"{what}: {time.monotonic() - start:.0f} s {progress()}".rstrip())
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode:
        raise Failure(f"{what} failed with code {process.returncode}:", log)
    say(f"{what}: done in {time.monotonic() - start:.0f} s")


def wait_for(
    what: str, ready: Callable[[], bool], *, seconds: float, check: Callable[[], None], log: Path | None = None
) -> None:
    """Ask `ready` until it says yes; give up after `seconds`, or as soon as `check` raises."""
    deadline = time.monotonic() + seconds
    while not ready():
        check()
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not ready within {seconds:.0f} s.", log)
        time.sleep(0.2)
