"""ansible-playbook for tests: what it imported and compiled for one task serves all others.

As a rule Ansible begins a process for each task of each host, and a Python for each module that one runs; all of these
import the filters, the engine and the module anew, which takes four to ten times as long as what they do. Here tasks
run in one process, and modules in copies of it; a module that runs elsewhere, as another user or by another Python
runs as ever. What that renders is what users' ansible-playbook renders
(tests/integration/test_rendered_without_forks.py), and what it deployed, users' ansible-playbook leaves as it is: the
tests of second runs.
"""

from __future__ import annotations

import atexit
import copy
import gc
import json
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ansible.plugins.action
import ansible.plugins.lookup.template
from ansible._internal import _task
from ansible._internal._templating import _jinja_bits
from ansible.cli.playbook import main
from ansible.executor.module_common import _BuiltModule, _get_ansible_module_fqn
from ansible.executor.process.worker import WorkerProcess
from ansible.executor.task_executor import TaskExecutor
from ansible.executor.task_result import _RawTaskResult
from ansible.module_utils._internal._ansiballz import _loader
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import local

PROFILE = "legacy"
MODULE = b"module of the collection or of Ansible\n"
EXECUTE = local.Connection.exec_command
CONFIGURE = ActionBase._configure_module
MODIFY = ansible.plugins.action.modify_module
COMPILE = _jinja_bits.AnsibleEnvironment.compile
# What decides how a template is read, besides its text.
SYNTAX = [f"{what}_{end}_string" for what in ("block", "variable", "comment") for end in ("start", "end")]
SYNTAX += ["line_statement_prefix", "line_comment_prefix", "trim_blocks", "lstrip_blocks", "newline_sequence"]
SYNTAX += ["keep_trailing_newline"]
COMPILED: dict[Any, Any] = {}
# The collection's code and its roles, by their folder or by the link to it.
PLACES = (f"{Path(__file__).parents[2]}/", "/ansible_collections/mlops/mlflow/")
NOTED = tuple(place + folder for place in PLACES for folder in ("plugins/", "roles/"))
READ: set[str] = set()


def note(file: int, event: str, arguments: tuple[Any, ...]) -> None:
    """Writes down which files of the collection's code and roles are read: on these it depends what was rendered."""
    if event == "open" and isinstance(arguments[0], str | bytes):
        path = os.fsdecode(arguments[0])
        if path not in READ and any(place in path for place in NOTED):
            READ.add(path)
            os.write(file, os.fsencode(path) + b"\n")


def start(worker: WorkerProcess) -> None:
    """What the process of a task does, with copies of what it would change."""
    task, host = worker._task.copy(exclude_parent=True), copy.copy(worker._host)
    # Blocks, which nobody changes, are not worth a copy for each task.
    task._parent = worker._task._parent
    host.vars, host.groups = {}, []
    with _task.TaskContext(task):
        said = TaskExecutor(
            worker._host,
            task,
            worker._task_vars,
            worker._play_context,
            worker._loader,
            worker._shared_loader_obj,
            worker._final_q,
            worker._variable_manager,
        ).run()
    result = _RawTaskResult(host=host, task=task, return_data=said, task_fields=task.dump_attrs())
    worker._final_q.send_task_result(result)


def configure(action: ActionBase, module_name: str, module_args: Any, task_vars: Mapping[str, Any]) -> Any:
    """Chooses how a module gets its program, by whether it would run on this machine, as this user, by this Python."""
    connection = action._connection
    here = isinstance(connection, local.Connection) and not connection.become and not action._task.async_val
    interpreter = action._templar.template(task_vars.get("ansible_python_interpreter"))
    ansible.plugins.action.modify_module = build if here and interpreter == sys.executable else MODIFY
    return CONFIGURE(action, module_name, module_args, task_vars)


def build(*, module_path: str, module_args: Any, environment: dict[str, str], **_: Any) -> Any:
    """Instead of a program: what C(execute) is to run. It travels as a program does that is piped into a Python."""
    encoder = get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": module_args}, cls=encoder)
    told = json.dumps([_get_ansible_module_fqn(module_path), arguments, environment])
    return _BuiltModule(
        b_module_data=MODULE + told.encode(), module_style="new", shebang="#!", serialization_profile=PROFILE
    )


def execute(connection: local.Connection, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> Any:
    """A module in a copy of this process; any other command as ever."""
    if not in_data or not in_data.startswith(MODULE):
        return EXECUTE(connection, cmd, in_data, sudoable)
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.dup2(writing, 1)
        _run(*json.loads(in_data.removeprefix(MODULE)))
    os.close(writing)
    with open(reading, "rb") as said:
        output = said.read()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), output, b""


def _run(module: str, arguments: str, environment: Mapping[str, str]) -> None:
    code = 1
    try:
        atexit._clear()
        # A module may run for long; what it got from this process it keeps as well.
        gc.freeze()
        gc.enable()
        # A module reads what is written for it, and not what is typed.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(environment)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        _loader.run_module(
            json_params=arguments.encode(), profile=PROFILE, module_fqn=module, modlib_path="", extensions={}
        )
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)


def compiled(environment: Any, source: Any, *given: Any, **named: Any) -> Any:
    """Each text once."""
    if not isinstance(source, str):
        return COMPILE(environment, source, *given, **named)
    context = _jinja_bits._TemplateCompileContext.current(optional=True)
    syntax = [getattr(environment, name) for name in SYNTAX]
    key = (source, given, *named.items(), context and context.escape_backslashes, *syntax)
    if key not in COMPILED:
        COMPILED[key] = COMPILE(environment, source, *given, **named)
    return COMPILED[key]


if __name__ == "__main__":
    if noted := os.environ.get("MLOPS_TEST_CODE_READ"):
        sys.addaudithook(partial(note, os.open(noted, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)))
    # What it made, it keeps: looking for what may go takes a quarter of the time.
    gc.disable()
    os.environ["ANSIBLE_PIPELINING"] = "true"
    WorkerProcess.start = start
    ActionBase._configure_module = configure
    local.Connection.exec_command = execute
    _jinja_bits.AnsibleEnvironment.compile = compiled
    # All variables, of which it only adds some. Whoever names it by its whole name would have a second one.
    ansible.plugins.lookup.template.deepcopy = copy.copy
    sys.modules["ansible_collections.ansible.builtin.plugins.lookup.template"] = ansible.plugins.lookup.template
    sys.argv[0] = "ansible-playbook"
    sys.exit(main())
