#!/usr/bin/env python3
"""Make one environment of tools/environments.toml if it is missing, and print its path.

    tools/environment.py NAME...      progress goes to stderr, one path per line to stdout
    tools/environment.py --list | --all

The cache is $RAUDAL_CACHE, else ~/.cache/raudal (so that all clones of a machine share it). The folder's name holds a
hash of its line in the table: a changed version makes a new folder and never touches one that is in use. A folder
counts only when its file `.complete` exists, and is made under a lock, so several processes may ask at once.
"""
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import tomllib

TABLE = pathlib.Path(__file__).with_name("environments.toml")
LAUNCHER = """#!/bin/sh
# {main}
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto $RAUDAL_JAVA_OPTIONS \
    -cp "${{RAUDAL_CONF:-{conf}}}:{jars}/*" {main} "$@"
"""
CONFIGURATION = {
    # Hadoop refuses to start without these; a program that needs values names its own folder in RAUDAL_CONF.
    "core-site.xml": "<configuration/>\n",
    "hdfs-site.xml": "<configuration/>\n",
    # The tools' own default: warnings and errors on stderr, in Kafka's line form.
    "log4j2.properties": """status = off
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = [%d] %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
""",
    "log4j.properties": """log4j.rootLogger=WARN, stderr
log4j.appender.stderr=org.apache.log4j.ConsoleAppender
log4j.appender.stderr.target=System.err
log4j.appender.stderr.layout=org.apache.log4j.PatternLayout
log4j.appender.stderr.layout.ConversionPattern=[%d] %p %m (%c)%n
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
""",
}
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>raudal</groupId><artifactId>{name}</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>{dependencies}</dependencies></project>
"""
DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>{}</dependency>"
ALONE = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"


def cache():
    if os.environ.get("RAUDAL_CACHE"):
        return pathlib.Path(os.environ["RAUDAL_CACHE"])
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "raudal"


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, log, **more):
    """Runs one step with its output in a log file; shows the end of it when the step fails."""
    with open(log, "a") as out:
        out.write(f"$ {' '.join(map(str, command))}\n")
        out.flush()
        code = subprocess.run(command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              **more).returncode
    if code != 0:
        say("\n".join(pathlib.Path(log).read_text(errors="replace").splitlines()[-25:]))
        sys.exit(f"{command[0]} failed with {code}; the whole output is in {log}")


def make_python(name, spec, path, log):
    interpreter = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
    run([interpreter, "-m", "venv", path], log)
    # These are published as source only, and their build runs no compiler. The rest comes as a wheel or not at all.
    run([path / "bin/python", "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-compile",
         "--only-binary", ":all:", "--no-binary", "pyspark,pyspark-client,hdfs,docopt",
         *spec["packages"], *spec.get("required", [])], log,
        env=dict(os.environ, PIP_CACHE_DIR=str(cache() / "pip")))


def make_java(name, spec, path, log):
    dependencies = ""
    for artifact in spec["artifacts"]:
        group, artifact_id, version, *classifier = artifact.split(":")
        more = "".join(f"<classifier>{one}</classifier>" for one in classifier) + (ALONE if spec.get("alone") else "")
        dependencies += DEPENDENCY.format(group, artifact_id, version, more)
    (path / "pom.xml").write_text(POM.format(name=name, dependencies=dependencies))
    run(["mvn", "-q", "-B", "-f", path / "pom.xml", f"-Dmaven.repo.local={cache() / 'maven'}",
         "dependency:copy-dependencies", f"-DoutputDirectory={path / 'jars'}", "-DincludeScope=runtime"], log)
    (path / "bin").mkdir()
    (path / "conf").mkdir()
    for file, text in CONFIGURATION.items():
        (path / "conf" / file).write_text(text)
    for line in spec["launchers"]:
        tool, main = line.split()
        launcher = path / "bin" / tool
        launcher.write_text(LAUNCHER.format(main=main, conf=path / "conf", jars=path / "jars"))
        launcher.chmod(0o755)


def mark(spec):
    """What tells this recipe from others in the folder's name."""
    recipe = json.dumps(spec, sort_keys=True) + (LAUNCHER + str(CONFIGURATION) if spec["kind"] == "java" else "")
    return hashlib.sha256(recipe.encode()).hexdigest()[:8]


def environment(name):
    """The path of the environment, made now if it is missing."""
    table = tomllib.loads(TABLE.read_text())
    if name not in table:
        sys.exit(f"no environment {name}; there are: {', '.join(table)}")
    spec = table[name]
    path = cache() / f"{name}-{mark(spec)}"
    complete = path / ".complete"
    if complete.exists():
        return path
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists():
            return path
        started = time.monotonic()
        say(f"environment {name}: {', '.join(spec.get('packages') or spec['artifacts'])} (once, into {path})")
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        log = cache() / f"{name}.log"
        log.unlink(missing_ok=True)
        (make_python if spec["kind"] == "python" else make_java)(name, spec, path, log)
        complete.touch()
        say(f"environment {name}: ready after {time.monotonic() - started:.0f} s")
    return path


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(tomllib.loads(TABLE.read_text())))
    else:
        names = sys.argv[1:]
        if names == ["--all"]:
            names = [name for name, spec in tomllib.loads(TABLE.read_text()).items() if not spec.get("seldom")]
        for each in names:
            print(environment(each))
