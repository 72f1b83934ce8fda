#!/usr/bin/env python3
"""The style that a machine can check. Every check is a test: `./dev test style`, or tools/style.py [CHECK…].

A check is a function that yields one line for every place that breaks its rule. What a rule lets pass stands in a table
beside it with the reason.
"""
import functools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

TOP = pathlib.Path(__file__).resolve().parents[1]
LINE_MAX = 120
PYTHON_LINE_MAX = 150
FILE_MAX = 1000
FUNCTION_MAX = 100
README_MAX = 60

# Lower folders first; a folder may include its own headers and those of the rows above it.
LAYERS = [
    ["base"], ["world"], ["wire", "net"], ["log", "store", "column"], ["format"], ["kafka", "zookeeper", "hdfs", "sql"],
    ["exec"], ["stream"], ["python"], ["connect"], ["console"], ["compose"], ["cli"],
]
RANK = {folder: rank for rank, folders in enumerate(LAYERS) for folder in folders}

BANNED = ["strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "atoi", "atol", "atof"]

# Clock, disk, network, threads and randomness are reached through struct world; these folders hold the real ones.
SYSTEM_CALLS = [
    "open", "openat", "creat", "fopen", "pread", "pwrite", "fsync", "fdatasync", "rename", "unlink", "mkdir", "opendir",
    "socket", "accept", "accept4", "time", "clock_gettime", "gettimeofday", "pthread_create", "rand", "random", "srand",
    "sleep", "usleep", "nanosleep",
]
SYSTEM_CALLS_ALLOWED = ("src/world/", "src/cli/")

# Functions that were over the limit when the check came. A number may only go down; a line that is not needed must go.
LONG_FUNCTIONS = {}


@functools.cache
def tracked():
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=TOP,
                            capture_output=True, check=True)
    names = [name for name in listed.stdout.decode().split("\0") if name]
    return [name for name in names if (TOP / name).is_file()]


@functools.cache
def text(name):
    try:
        return (TOP / name).read_text()
    except UnicodeDecodeError:
        return ""


def files(*endings, under=""):
    return [name for name in tracked() if name.startswith(under) and name.endswith(endings)]


def numbered(name):
    return enumerate(text(name).split("\n"), 1)


@functools.cache
def code(name):
    """The text of a C file with comments and the insides of strings blanked, lines kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[0]
        return re.sub(r"[^\n]", " ", found)

    return pattern.sub(blank, text(name))


# The checks.

def line_length():
    """Tables of facts (*.def, *.msg) are exempt: a row of a table is one line. Python may be wider: its texts hold C and SQL."""
    for name in files(".c", ".h", ".py", ".sh", ".proto", ".build", "dev"):
        limit = PYTHON_LINE_MAX if name.endswith((".py", ".sh")) else LINE_MAX
        for number, line in numbered(name):
            if len(line) > limit:
                yield f"{name}:{number}: {len(line)} columns, the limit is {limit}"


def white_space():
    for name in files(".c", ".h", ".py", ".sh", ".def", ".proto", ".build", ".md", ".toml", "dev"):
        content = text(name)
        if content and not content.endswith("\n"):
            yield f"{name}: no newline at its end"
        for number, line in numbered(name):
            if line != line.rstrip() and not name.endswith(".md"):
                yield f"{name}:{number}: white space at the end of the line"
            if "\t" in line and name.endswith((".c", ".h", ".py")):
                yield f"{name}:{number}: a tab"


def file_length():
    for name in files(".c", ".h", ".py", ".ts", ".tsx"):
        count = text(name).count("\n")
        if count > FILE_MAX:
            yield f"{name}: {count} lines, the limit is {FILE_MAX}"


def functions(name):
    """(name, first line, lines) of each function of a C file in our layout: its signature starts in the first column,
    its body ends at a brace in the first column."""
    start, signature = None, ""
    for number, line in enumerate(code(name).split("\n"), 1):
        if start is None:
            if re.match(r"[A-Za-z_].*\)\s*\{\s*$", line) or (line.startswith("{") and signature):
                found = re.search(r"(\w+)\s*\(", line if "(" in line else signature)
                start, label = number, found.group(1) if found else "?"
            elif line[:1].isalpha() and "(" in line and not line.rstrip().endswith(";"):
                signature = line
                continue
            elif line.startswith((" ", "\t")) and line.rstrip().endswith("{") and ")" in line and signature:
                found = re.search(r"(\w+)\s*\(", signature)
                start, label = number, found.group(1) if found else "?"
            if not line.startswith(" "):
                signature = ""
        elif line.startswith("}"):
            yield label, start, number - start + 1
            start, signature = None, ""


def function_length():
    needed = set()
    for name in files(".c", ".h", under="src/"):
        for function, line, count in functions(name):
            allowed = LONG_FUNCTIONS.get((name, function), FUNCTION_MAX)
            needed.add((name, function)) if count > FUNCTION_MAX else None
            if count > allowed:
                yield f"{name}:{line}: {function} has {count} lines, the limit is {allowed}"
    for name, function in LONG_FUNCTIONS.keys() - needed:
        yield f"tools/style.py: LONG_FUNCTIONS names {function} of {name}, which is short now: take the line out"


def banned_calls():
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    for name in files(".c", ".h", under="src/"):
        for number, line in enumerate(code(name).split("\n"), 1):
            for found in pattern.finditer(line):
                yield f"{name}:{number}: {found.group(1)} is banned"


def system_calls():
    pattern = re.compile(r"(?<![\w.>*&])(" + "|".join(SYSTEM_CALLS) + r")\s*\(")
    for name in files(".c", ".h", under="src/"):
        if name.startswith(SYSTEM_CALLS_ALLOWED) or name.endswith("_test.c"):
            continue
        for number, line in enumerate(code(name).split("\n"), 1):
            for found in pattern.finditer(line):
                yield f"{name}:{number}: {found.group(1)}() goes around struct world"


def leftover_notes():
    pattern = re.compile(r"\b(TODO|FIXME|XXX|HACK|for now)\b")
    for name in files(".c", ".h", ".py", ".sh", ".def", ".proto", ".ts", ".tsx", ".build", "dev"):
        if name == "tools/style.py":
            continue
        for number, line in numbered(name):
            if found := pattern.search(line):
                yield f"{name}:{number}: '{found.group(1)}' is left over"


def no_machine_paths():
    """Nothing in the tree may depend on one machine or name a registry."""
    pattern = re.compile(r"(?<![\w./-])/(work|farm|root|home/(?!jovyan)\w+)/\w|--(extra-)?index-url"
                         r"|\"resolved\": *\"http"
                         r"|pypi\.org|repo\.maven|repo1\.maven|registry\.npmjs|deb\.debian\.org")
    for name in tracked():
        if name == "tools/style.py":
            continue
        for number, line in numbered(name):
            if pattern.search(line):
                yield f"{name}:{number}: a machine's path or a registry's name: {line.strip()[:80]}"


def opening_comment():
    """A .c file with a header of its own name may leave it to the header."""
    for name in files(".c", ".h", under="src/"):
        header = name[:-1] + "h"
        if not any(text(each).lstrip().startswith(("/*", "//")) for each in (name, header) if each in tracked()):
            yield f"{name}: does not start with a comment that says what it is for"


def layers():
    include = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
    for name in files(".c", ".h", under="src/"):
        folder = name.split("/")[1]
        if folder not in RANK:
            yield f"{name}: the folder {folder} has no place in LAYERS of tools/style.py"
            continue
        for found in include.finditer(text(name)):
            target = found.group(1).split("/")[0]
            if "/" in found.group(1) and target in RANK and target != folder and RANK[target] >= RANK[folder]:
                line = text(name)[:found.start()].count("\n") + 1
                yield f"{name}:{line}: {folder} may not include {found.group(1)}"


def readmes():
    folders = {"/".join(name.split("/")[:2]) for name in files(".c", under="src/") if name.count("/") >= 2}
    for folder in sorted(folders | {"tests/clients", "bench", "tools"}):
        readme = TOP / folder / "README.md"
        if not readme.is_file():
            yield f"{folder}: has no README.md"
        elif folder.startswith("src/") and len(readme.read_text().splitlines()) > README_MAX:
            yield f"{folder}/README.md: more than {README_MAX} lines"


def self_contained_headers():
    """Each header compiles alone."""
    flags = header_flags()

    def check(name):
        result = subprocess.run(["gcc", "-fsyntax-only", "-x", "c", "-", *flags], cwd=TOP, capture_output=True,
                                text=True, input=f'#include "{name[len("src/"):]}"\n')
        return f"{name}: does not compile alone: {result.stderr.strip().splitlines()[0]}" if result.returncode else None

    plain = [name for name in files(".h", under="src/") if not name.endswith(("_template.h", "_impl.h"))]
    with ThreadPoolExecutor(2) as pool:
        yield from filter(None, pool.map(check, plain))


def header_flags():
    """What the build passes to the compiler: defines and include folders of all targets together."""
    flags = ["-std=gnu11", "-D_GNU_SOURCE", f"-I{TOP}/src"]
    database = TOP / "build" / "compile_commands.json"
    for entry in json.loads(database.read_text()) if database.is_file() else []:
        for word in shlex.split(entry["command"]):
            if word.startswith("-I"):
                word = "-I" + os.path.normpath(os.path.join(entry["directory"], word[2:]))
                if word not in flags:
                    flags.append(word)
    return flags


def symbol_clashes():
    """A global function or table of ours with the name of one in a shared library that we link: whoever includes that
    library's header and means its function would get ours. Looks at what was built."""
    binary = TOP / "build" / "src" / "cli" / "raudal"
    if not binary.is_file():
        return

    def names(*words):
        listed = subprocess.run(["nm", "--defined-only", *words], capture_output=True, text=True).stdout
        return {line.split()[-1].partition("@")[0] for line in listed.splitlines() if len(line.split()) == 3}

    ours = {}
    for archive in [*(TOP / "build" / "src").glob("**/*.a"), *binary.parent.glob("raudal.p/*.o")]:
        ours.update(dict.fromkeys(names("--extern-only", str(archive)), archive.relative_to(TOP)))
    linked = subprocess.run(["ldd", binary], capture_output=True, text=True).stdout
    for library in re.findall(r"=> (/\S+)", linked):
        for name in sorted(names("--dynamic", library) & ours.keys() - {"main"}):
            yield f"{ours[name]}: {name} is also the name of something in {os.path.basename(library)}"


def web_types():
    """TypeScript's own checks: the build only bundles."""
    done = subprocess.run([sys.executable, TOP / "tools" / "web.py", "--check"], capture_output=True, text=True)
    if done.returncode != 0:
        yield from (done.stdout + done.stderr).splitlines()


CHECKS = [line_length, white_space, file_length, function_length, banned_calls, system_calls, leftover_notes,
          no_machine_paths, opening_comment, layers, readmes, self_contained_headers, symbol_clashes, web_types]


def main(words=()):
    """Runs the named checks, or all; prints what is wrong; returns (passed, failed)."""
    passed = failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", "-")
        if words and name not in words:
            continue
        found = list(check())
        if found:
            failed += 1
            print(f"FAILED {name}: {len(found)} place{'s' if len(found) != 1 else ''}")
            print("\n".join(f"    {line}" for line in found[:40]))
            if len(found) > 40:
                print(f"    … and {len(found) - 40} more")
        else:
            passed += 1
            print(f"ok     {name}")
    return passed, failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:])[1] else 0)
