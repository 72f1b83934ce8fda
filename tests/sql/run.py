#!/usr/bin/env python3
"""Runs SQL text with expected rows: run.py EXEC_SQL FILE.test…   (TAP on standard output, one point per query)

A file holds queries, each followed by a line "----", its rows (values separated by tabs,
    as CAST … AS STRING shows them, NULL for null) and an
empty line. Rows are compared in any order unless the query has ORDER BY outside its subqueries. An expected row "error CONDITION" stands for a
query that fails. Lines that begin with # between queries are comments. "zone NAME" sets the session's time zone for the whole file.
"""
import os
import pathlib
import re
import subprocess
import sys

END = "\x01\n"


def read(path):
    zone, cases = "UTC", []
    for block in re.split(r"\n\n+", pathlib.Path(path).read_text().strip("\n")):
        lines = [line for line in block.split("\n") if not line.startswith("#")]
        if lines and lines[0].startswith("zone "):
            zone = lines.pop(0)[5:]
        if "----" in lines:
            at = lines.index("----")
            cases.append((" ".join(lines[:at]).rstrip(";"), lines[at + 1:]))
    return zone, cases


def answers(program, zone, queries):
    """The rows of each query. A query that ends the process is one failed answer; the rest goes on in a new one."""
    result = []
    while len(result) < len(queries):
        environment = dict(os.environ, SQL_TEST="1", SQL_ZONE=zone)
        try:
            run = subprocess.run([program], input="\n".join(queries[len(result):]) + "\n", text=True, errors="replace",
                                 capture_output=True, timeout=240, env=environment)
            output, ended = run.stdout, run.returncode
        except subprocess.TimeoutExpired as error:
            output, ended = (error.stdout or b"").decode(), "timeout"
        done = output.split(END)[:-1]
        result += [answer[:-1].split("\n") if answer.endswith("\n") else answer.split("\n") if answer else [] for answer in done]
        if len(result) < len(queries):
            result.append([f"(the program ended with {ended})"])
    return result


def matches(query, expected, got):
    if expected and expected[0].startswith("error "):
        return bool(got) and got[0].lstrip("\n").startswith(f"[{expected[0][6:]}]") or any(f"[{expected[0][6:]}]" in line for line in got[:2])
    if not expected and got == [""]:
        return True
    ordered = re.search(r"order by", re.sub(r"\([^()]*\)", "", query), re.I)
    return got == expected if ordered else sorted(got) == sorted(expected)


def main():
    program, *paths = sys.argv[1:]
    number = failed = 0
    for path in paths:
        zone, cases = read(path)
        for (query, expected), got in zip(cases, answers(program, zone, [query for query, _ in cases])):
            number += 1
            good = matches(query, expected, got)
            failed += not good
            print(f"{'ok' if good else 'not ok'} {number} {pathlib.Path(path).stem}: {query[:100].replace('#', '')}")
            if not good:
                print("# want " + " | ".join(expected)[:400] + "\n# got  " + " | ".join(got)[:400])
    print(f"1..{number}")
    return failed > 0


sys.exit(main())
