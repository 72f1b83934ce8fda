#!/usr/bin/env python3
"""Makes the function table from schema/functions/*.def (their form: schema/functions/README.md).

    generate_functions.py list FILE.def… OUT     FUNCTION(ID, kernel, KIND) per row
    generate_functions.py table FILE.def… OUT    the rows as C
    generate_functions.py docs FILE.def… OUT     docs/functions.md
    generate_functions.py examples FILE.def… OUT the examples as a tests/sql file
"""
import json
import pathlib
import re
import sys

HEAD = re.compile(r"^(\S+) \((.*?)\) -> (\S+) (strict|strict_nullable|never|custom)((?: \S+)*)$")
SYMBOLS = {"+": "PLUS", "-": "MINUS", "*": "TIMES", "/": "DIVIDE", "%": "MOD", "=": "EQUAL", "!=": "NOT_EQUAL",
    "<=>": "EQUAL_NULL_SAFE", "<": "LESS",
           "<=": "LESS_OR_EQUAL", ">": "GREATER", ">=": "GREATER_OR_EQUAL", "&": "BIT_AND_OPERATOR", "|": "BIT_OR_OPERATOR", "^": "BIT_XOR_OPERATOR",
           "aggregate": "AGGREGATE_LAMBDA", "~": "BIT_NOT", "<<": "SHIFT_LEFT", ">>": "SHIFT_RIGHT", ">>>": "SHIFT_RIGHT_UNSIGNED"}


class Row:
    def __init__(self, family, match):
        names, self.arguments, self.result, self.nulls, rest = match.groups()
        self.name, *self.aliases = names.split(",")
        self.family = family
        self.words = dict((word.partition("=")[0], word.partition("=")[2]) for word in rest.split())
        self.text = self.example = self.expected = ""
        self.identifier = SYMBOLS.get(self.name, self.name.upper())
        self.kind = next((k for k in ("aggregate", "window", "generator", "table", "rewritten") if k in self.words),
            "scalar").upper()
        self.kernel = "" if self.kind == "REWRITTEN" else self.words.get("kernel", self.identifier.lower())
        self.symbol = self.words.get("show", self.words.get("infix", self.words.get("prefix",
            self.words.get("postfix", self.name))))
        self.symbol = self.symbol.replace("_", " ") if "postfix" in self.words else self.symbol
        self.display = next((k for k in ("infix", "prefix", "postfix", "special") if k in self.words), "call").upper()
        self.volatility = next((k for k in ("volatile", "stable") if k in self.words), "immutable").upper()


def read(paths):
    rows = []
    for path in paths:
        for number, line in enumerate(open(path), 1):
            text = line.rstrip("\n")
            if not text or text.startswith("#"):
                continue
            if not text.startswith(" "):
                match = HEAD.match(text)
                if not match:
                    sys.exit(f"{path}:{number}: NAME[,ALIAS…] (ARGUMENTS) -> RESULT NULLS [WORDS]")
                rows.append(Row(pathlib.Path(path).stem, match))
            elif text.startswith("    > "):
                rows[-1].example = text[6:]
            elif text.startswith("    = "):
                rows[-1].expected += ("\n" if rows[-1].expected else "") + text[6:]
            else:
                rows[-1].text = (rows[-1].text + " " + text.strip()).strip()
    seen = set()
    for row in rows:
        for name in [row.name, *row.aliases]:
            if name in seen:
                sys.exit(f"function {name} is listed twice")
            seen.add(name)
    return rows


def write_list(rows, out):
    out.write("/* Made by tools/generate_functions.py from schema/functions. */\n")
    for row in rows:
        out.write(f"FUNCTION({row.identifier}, {row.kernel or 'none'}, {row.kind})\n")


def write_table(rows, out):
    def quote(text):
        return json.dumps(text, ensure_ascii=False).replace("??", "?\\?")
    out.write("/* Made by tools/generate_functions.py from schema/functions. */\n#include \"sql/function.h\"\n\n#include <stddef.h>\n\n")
    for row in rows:
        names = ", ".join(quote(name) for name in row.aliases + [None] if name is not None)
        out.write(f"static const char *const aliases_{row.identifier}[] = {{{names}{', ' if names else ''}NULL}};\n")
    out.write("const struct function function_table[FUNCTION_COUNT_OF_ALL] = {\n")
    for row in rows:
        out.write(f"    [FUNCTION_{row.identifier}] = {{FUNCTION_{row.identifier}, {quote(row.name)}, aliases_{row.identifier}, "
                  f"{quote(row.family)}, {quote(row.kernel)}, FUNCTION_{row.kind},\n        {quote(row.arguments)}, {quote(row.result)}, "
                  f"NULLS_{row.nulls.upper()}, VOLATILITY_{row.volatility}, DISPLAY_{row.display}, {quote(row.symbol)},\n"
                  f"        {quote(row.text)},\n        {quote(row.example)}, {quote(row.expected)}}},\n")
    out.write("};\n")


def write_docs(rows, out):
    out.write("# Functions\n\nMade by tools/generate_functions.py from schema/functions; not edited by hand.\n")
    family = None
    for row in rows:
        if row.family != family:
            family = row.family
            out.write(f"\n## {family}\n\n| function | what it gives | example |\n|---|---|---|\n")
        names = ", ".join(f"`{name}`" for name in [row.name, *row.aliases])
        example = f"`{row.example}` → `{row.expected}`" if row.example else ""
        out.write(f"| {names} | {row.text} | {example} |\n".replace("\n", " ").replace("||", "\\|\\|").rstrip() + "\n")


def write_examples(rows, out):
    out.write("zone America/Los_Angeles\n# Made by tools/generate_functions.py: the published example of each function.\n")
    for row in rows:
        if row.example:
            out.write(f"\n{row.example}\n----\n{row.expected}\n")


def main():
    mode, *paths, target = sys.argv[1:]
    rows = read(paths)
    with open(target, "w") as out:
        {"list": write_list, "table": write_table, "docs": write_docs, "examples": write_examples}[mode](rows, out)


main()
