"""Starts hadoop_driver.py: Hadoop's own FsShell and client, many calls in one JVM."""
import json
import pathlib
import subprocess
import tempfile

DRIVER = pathlib.Path(__file__).with_name("hadoop_driver.py")


class Hadoop:
    """run("root", "fs", "-ls", "/") → (exit status, standard output, standard error)."""

    def __init__(self, environment, namenode):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([environment.interpreter, DRIVER, f"hdfs://{namenode}"], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        while (line := self.process.stdout.readline()) not in ("ready\n", ""):
            pass
        assert line, f"the driver ended:\n{self.said()}"

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def run(self, user, tool, *arguments):
        self.process.stdin.write(json.dumps([user, tool, arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the driver ended:\n{self.said()}"
        return tuple(json.loads(line))

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
