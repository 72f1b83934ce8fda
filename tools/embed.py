#!/usr/bin/env python3
"""Writes a C file that holds files as constant byte arrays: embed.py OUT.c OUT.h NAME=FILE ..."""
import pathlib
import sys

source, header, *pairs = sys.argv[1:]
guard = "EMBEDDED_" + pathlib.Path(header).stem.upper() + "_H"
declarations, definitions = [], []
for pair in pairs:
    name, _, path = pair.partition("=")
    data = pathlib.Path(path).read_bytes()
    lines = [", ".join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
    declarations.append(f"/* {pathlib.Path(path).name} */\nextern const unsigned char embedded_{name}[];\n"
                        f"extern const size_t embedded_{name}_size;")
    definitions.append(f"const unsigned char embedded_{name}[] = {{\n" + ",\n".join(lines) + "\n};\n"
                       f"const size_t embedded_{name}_size = {len(data)};")
note = "/* Made by tools/embed.py; do not edit. */\n"
pathlib.Path(header).write_text(
    f"{note}#ifndef {guard}\n#define {guard}\n\n#include <stddef.h>\n\n" + "\n\n".join(declarations) + "\n\n#endif\n")
pathlib.Path(source).write_text(f'{note}#include "cli/{pathlib.Path(header).name}"\n\n' + "\n\n".join(definitions) + "\n")
