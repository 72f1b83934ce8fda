#!/usr/bin/env python3
"""Writes a C file and header with a table of files: embed_folder.py OUT.c OUT.h NAME FOLDER FILE...
Each file is known by its path below FOLDER: struct embedded_file embedded_NAME[], embedded_NAME_count."""
import pathlib
import sys

source, header, name, folder, *files = sys.argv[1:]
note = "/* Made by tools/embed_folder.py; do not edit. */\n"
arrays, rows = [], []
for number, file in enumerate(files):
    data = pathlib.Path(file).read_bytes()
    lines = ",\n".join(", ".join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24))
    arrays.append(f"static const unsigned char data_{number}[] = {{\n{lines}\n}};\n")
    path = pathlib.Path(file).resolve().relative_to(pathlib.Path(folder).resolve())
    rows.append(f'    {{"{path}", data_{number}, {len(data)}}},\n')
pathlib.Path(header).write_text(f"""{note}#ifndef EMBEDDED_{name.upper()}_H
#define EMBEDDED_{name.upper()}_H

#include <stddef.h>

struct embedded_file {{
    const char *path;
    const unsigned char *data;
    size_t size;
}};
extern const struct embedded_file embedded_{name}[];
extern const size_t embedded_{name}_count;

#endif
""")
pathlib.Path(source).write_text(f'{note}#include "cli/{pathlib.Path(header).name}"\n\n' + "\n".join(arrays) + f"""
const struct embedded_file embedded_{name}[] = {{
{"".join(rows)}}};
const size_t embedded_{name}_count = {len(files)};
""")
