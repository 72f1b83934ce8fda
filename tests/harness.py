"""Starting and stopping a Raudal, and running real clients against it. Used through the fixtures of conftest.py."""
import contextlib
import fcntl
import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
BINARY = pathlib.Path(os.environ.get("RAUDAL_BINARY", TOP / "build" / "raudal")).absolute()
# The ports that a Raudal opens by default. A service's own name in `--only` and in `raudal logs` is the key.
PORTS = {"kafka": 9092, "zookeeper": 2181, "kafka-ui": 8080, "spark-master": 8081, "spark-worker": 8082,
         "spark-connect": 15002, "namenode": 9000, "namenode-ui": 9870, "datanode": 9866}
LAB_PORT = 8888     # JupyterLab, only with --lab
# Commands whose processes name the data folder too but are not the server.
CLIENTS = {"shell", "run", "logs", "status", "down", "ps", "sql", "lab", "exec", "config", "doctor", "env", "kernel"}
TIMEOUT_S = 60


class Result(subprocess.CompletedProcess):
    """A finished program: .returncode, .stdout, .stderr, .out (both). Prints well in an assertion."""

    @property
    def out(self):
        return self.stdout + self.stderr

    def ok(self):
        assert self.returncode == 0, f"exit {self.returncode}\n{self}"
        return self

    def __repr__(self):
        return f"{self.args}\nexit {self.returncode}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"

    __str__ = __repr__


def run(command, timeout_s=TIMEOUT_S, input=None, **more):
    """Runs a command to its end with its output captured. When the time is over its whole process group is ended, and
    the result has returncode "timeout" and what had been printed until then."""
    process = subprocess.Popen([str(part) for part in command],
                               stdin=subprocess.PIPE if input else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                               start_new_session=True, **more)
    try:
        stdout, stderr = process.communicate(input, timeout=timeout_s)
        return Result(command, process.returncode, stdout, stderr)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
        return Result(command, "timeout", stdout, stderr)


def wait_until(condition, timeout_s=TIMEOUT_S, what="the condition", step_s=0.1):
    """Calls condition() until it returns something true, and returns that."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true in {timeout_s} s; last value: {value!r}")
        time.sleep(step_s)


class Address:
    """A loopback address with all of Raudal's ports free, held by a lock until it is given back, so that tests of
    several worktrees run side by side."""

    def __init__(self):
        folder = pathlib.Path(tempfile.gettempdir()) / "raudal-test-addresses"
        folder.mkdir(exist_ok=True)
        for number in range(100, 250):
            self.lock = open(folder / str(number), "w")
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.lock.close()
                continue
            self.address = f"127.0.0.{number}"
            if all(self.is_free(port) for port in [*PORTS.values(), LAB_PORT]):
                return
            self.lock.close()
        raise RuntimeError("no free loopback address between 127.0.0.100 and 127.0.0.249")

    def is_free(self, port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.address, port))
                return True
            except OSError:
                return False

    def close(self):
        self.lock.close()


class Environment:
    """One environment of tools/environments.toml."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.bin = self.path / "bin"
        self.interpreter = self.bin / "python"

    @staticmethod
    @functools.cache
    def get(name):
        result = run([sys.executable, TOP / "tools" / "environment.py", name], timeout_s=900)
        assert result.returncode == 0, f"environment {name} cannot be made:\n{result.stderr}"
        return Environment(result.stdout.strip())

    def python(self, program, *arguments, timeout_s=TIMEOUT_S, raudal=None, **more):
        """Runs Python text in this environment. With raudal=…, as `raudal run` does it, so that host names resolve."""
        file = write_program(program)
        if raudal:
            return raudal.run(file, *arguments, environment=self, timeout_s=timeout_s, **more)
        return run([self.interpreter, file, *arguments], timeout_s, **more)

    def tool(self, name, *arguments, timeout_s=TIMEOUT_S, **more):
        """Runs a real Java tool of this environment: environment("kafka").tool("kafka-topics.sh", "--list", …)."""
        return run([self.bin / name, *arguments], timeout_s, **more)


def write_program(program):
    """A Python text as a file; indentation of a text inside a test is taken off."""
    if isinstance(program, pathlib.Path):
        return program
    handle, name = tempfile.mkstemp(prefix="program-", suffix=".py")
    with os.fdopen(handle, "w") as file:
        file.write(textwrap.dedent(program))
    return pathlib.Path(name)


class Raudal:
    """One instance of the program under test, on its own address and data folder."""

    def __init__(self, data, *options):
        self.data = pathlib.Path(data)
        self.options = [str(option) for option in options]
        self.held = Address()
        self.address = self.held.address
        self.up_output = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # Start and stop.

    def start(self, *more):
        """`raudal up -d`: returns when every port answers."""
        assert BINARY.exists(), f"{BINARY} is missing: ./dev build"
        result = run([BINARY, "up", "-d", "--data", self.data, "--address", self.address, *self.options, *more])
        self.up_output = result.out
        assert result.returncode == 0, f"raudal up failed\n{result}\n{self.describe()}"
        return self

    def stop(self):
        """`raudal down`: the clean stop."""
        return self.command("down")

    def kill9(self):
        """kill -9, and waits until the process is gone."""
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not self.pids(), 10, "the end of the killed process", 0.01)

    def close(self):
        try:
            if self.pids():
                self.stop()
            deadline = time.monotonic() + 5
            while self.pids() and time.monotonic() < deadline:
                time.sleep(0.02)
            if self.pids():
                self.kill9()
        finally:
            self.held.close()

    def pids(self):
        """The processes of this instance: the contract says that the data folder stands in their command line."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if "raudal" in words[0] and str(self.data) in words and words[1] not in CLIENTS and state != "Z":
                found.append(int(entry.name))
        return found

    # What a user types.

    def command(self, *words, timeout_s=TIMEOUT_S, **more):
        """`raudal WORDS --data DIR`."""
        name, *rest = [str(word) for word in words]
        return run([BINARY, name, "--data", self.data, *rest], timeout_s, **more)

    def shell(self, line, timeout_s=TIMEOUT_S, **more):
        """A command line of a user inside `raudal shell`; a string goes through sh, a list does not."""
        words = ["sh", "-c", line] if isinstance(line, str) else line
        return run([BINARY, "shell", "--data", self.data, "--", *words], timeout_s, **more)

    def run(self, program, *arguments, environment=None, timeout_s=TIMEOUT_S, **more):
        """`raudal run PROGRAM.py` with an environment's interpreter first on PATH; program is a path or Python text."""
        return run(self.run_command(program, *arguments), timeout_s, env=self.child_environment(environment), **more)

    def run_in_background(self, program, *arguments, environment=None, **more):
        """The same without waiting: a Popen whose output goes to .output (a path). End it with end(process)."""
        process_output = pathlib.Path(tempfile.mkstemp(prefix="output-", suffix=".txt")[1])
        with open(process_output, "w") as file:
            process = subprocess.Popen(self.run_command(program, *arguments), env=self.child_environment(environment),
                                       stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                       start_new_session=True, **more)
        process.output = process_output
        return process

    def run_command(self, program, *arguments):
        words = [BINARY, "run", "--data", self.data, write_program(program), *arguments]
        return [str(word) for word in words]

    @staticmethod
    def child_environment(environment):
        child = dict(os.environ, PYTHONUNBUFFERED="1")
        for name in ("SPARK_REMOTE", "RAUDAL_DATA", "JAVA_TOOL_OPTIONS"):
            child.pop(name, None)
        if environment:
            child["PATH"] = f"{environment.bin}:{child['PATH']}"
            child["VIRTUAL_ENV"] = str(environment.path)
        return child

    def tool(self, name, *arguments, timeout_s=TIMEOUT_S, **more):
        """One of the course's tools as a user of `raudal shell` runs it: tool("kafka-topics.sh", "--list", …)."""
        return self.shell([name, *[str(argument) for argument in arguments]], timeout_s, **more)

    # What a test looks at.

    def port(self, service):
        return PORTS[service]

    def at(self, service):
        """ADDRESS:PORT of a service, for clients that are not started by `raudal run` or `raudal shell`."""
        return f"{self.address}:{PORTS[service]}"

    def create_topic(self, name, partitions=3, **configuration):
        """Makes a topic with librdkafka's admin client (only in the environment `clients`, where pytest runs)."""
        from confluent_kafka.admin import AdminClient, NewTopic
        settings = {key.replace("_", "."): str(value) for key, value in configuration.items()}
        admin = AdminClient({"bootstrap.servers": self.at("kafka")})
        admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(20)

    def status(self):
        return json.loads(self.command("status", "--json").ok().stdout)

    def logs(self, service):
        """What `raudal logs SERVICE` prints."""
        return self.command("logs", service).stdout

    def describe(self):
        """For a failure's report: what `up` said and the end of every log file."""
        parts = [f"data: {self.data}", f"up said:\n{self.up_output}"]
        for file in sorted(self.data.rglob("*.log")):
            if file.stat().st_size and "logs" in file.parts[-2]:
                parts.append(f"--- {file}\n" + "\n".join(file.read_text(errors="replace").splitlines()[-25:]))
        return "\n".join(parts)


def end(process, with_signal=signal.SIGTERM, timeout_s=15):
    """Ends a program started by run_in_background with its children, and returns what it had printed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, with_signal)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout_s)
    return process.output.read_text(errors="replace")
