#!/usr/bin/env python3
"""Makes error_conditions.h and error_table.inc from schema/errors.def: generate_errors.py ERRORS.def HEADER TABLE"""
import json
import re
import sys


def read(path):
    exceptions, rows = [], []
    for line in open(path):
        text = line.rstrip("\n")
        if not text or text.startswith("#"):
            continue
        if text.startswith("    "):
            rows[-1].append(text.strip().replace("\\n", "\n"))
        elif text.startswith("exception "):
            exceptions.append(text.split()[1:])
        else:
            rows.append(text.split())
    for row in rows:
        row.append(list(dict.fromkeys(re.findall(r"<(\w+)>", row[3]))))
    return exceptions, rows


def constant(name):
    return "CONDITION_" + name.replace(".", "_")


def identifier(parameter):
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", parameter).lower()
    return words + "_" if words in ("default", "class", "type", "error") else words


def header(rows, out):
    out.write("/* Made by tools/generate_errors.py from schema/errors.def. Included by sql/error.h. Each raise_ function fills the error with its\n"
              " * condition and the parameters' texts (copied) and returns false; a NULL parameter is written as an empty text. */\n"
              "#ifndef SQL_ERROR_CONDITIONS_H\n#define SQL_ERROR_CONDITIONS_H\n\nenum error_condition {\n    CONDITION_NONE,\n")
    for name, *_ in rows:
        out.write(f"    {constant(name)},\n")
    out.write("    CONDITION_COUNT,\n};\n\n")
    for name, state, _, message, parameters in rows:
        declared = "".join(f", const char *{identifier(p)}" for p in parameters)
        values = ", ".join(identifier(p) for p in parameters) or "NULL"
        out.write(f"/* {state}: {message.split(chr(10))[0].replace('*/', '* /').replace('/*', '/ *')} */\n")
        out.write(f"static inline bool raise_{name.replace('.', '_').lower()}(struct sql_error *error{declared}) {{\n"
                  f"    return sql_error_raise(error, {constant(name)}, (const char *const[]){{{values}}});\n}}\n")
    out.write("\n#endif\n")


def table(exceptions, rows, out):
    out.write("/* Made by tools/generate_errors.py from schema/errors.def. */\n")
    for name, *classes in exceptions:
        listed = ", ".join(json.dumps(one) for one in classes)
        out.write(f"static const char *const {name}_classes[] = {{{listed}, NULL}};\n")
    for index, row in enumerate(rows):
        listed = ", ".join(json.dumps(one) for one in row[4]) or "NULL"
        out.write(f"static const char *const parameters_{index}[] = {{{listed}}};\n")
    out.write("static const struct condition_row condition_rows[CONDITION_COUNT] = {\n")
    for index, (name, state, exception, message, parameters) in enumerate(rows):
        out.write(f'    [{constant(name)}] = {{"{name}", "{state}", {exception}_classes, parameters_{index}, {len(parameters)},\n'
                  f"        {json.dumps(message, ensure_ascii=False)}}},\n")
    out.write("};\n")


def main():
    exceptions, rows = read(sys.argv[1])
    with open(sys.argv[2], "w") as out:
        header(rows, out)
    with open(sys.argv[3], "w") as out:
        table(exceptions, rows, out)


main()
