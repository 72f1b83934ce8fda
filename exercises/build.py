#!/usr/bin/env python3
"""Writes the notebooks of es/ and en/ from source/: one text per exercise, both languages side by side.

    exercises/build.py            writes them
    exercises/build.py --check    exits 1 when one of them is not what its source gives

A source is cells, each after a line that says what it is: `--- es` and `--- en` are text (Markdown) of one language,
`--- code` is code of both, in which [[texto||text]] is one or the other. The first line names the two files.
"""
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
CHOICE = re.compile(r"\[\[(.*?)\|\|(.*?)\]\]", re.S)


def cells(text, language):
    number = 0
    for part in re.split(r"^--- ", text, flags=re.M)[1:]:
        kind, _, body = part.partition("\n")
        body = CHOICE.sub(lambda found: found.group(1 if language == "es" else 2), body.strip("\n"))
        if kind not in ("code", "es", "en"):
            sys.exit(f"a cell is code, es or en, not {kind}")
        if kind not in ("code", language):
            continue
        number += 1
        cell = {"cell_type": "code" if kind == "code" else "markdown", "id": f"cell-{number}", "metadata": {},
                "source": body.splitlines(keepends=True)}
        if kind == "code":
            cell.update(execution_count=None, outputs=[])
        yield cell


def notebook(text, language):
    document = {
        "cells": list(cells(text, language)),
        "metadata": {"kernelspec": {"display_name": "Python 3 (Raudal)", "language": "python", "name": "python3"},
                     "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def notebooks():
    """(path, text) of each."""
    for source in sorted((HERE / "source").glob("*.txt")):
        first, _, rest = source.read_text().partition("\n")
        for language, name in zip(("es", "en"), first.split("||")):
            yield HERE / language / f"{source.stem[:2]}-{name.strip()}.ipynb", notebook(rest, language)


def main():
    stale = []
    for path, text in notebooks():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(path)
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    for path in stale:
        print(path.relative_to(HERE.parent))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
