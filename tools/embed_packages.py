#!/usr/bin/env python3
"""Writes a C header with the exact packages of one Python environment of environments.toml, and the mark that its folder in
the cache has: embed_packages.py OUT.h TABLE NAME"""
import pathlib
import sys
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import environment  # noqa: E402: beside this file

out, table, name = sys.argv[1:]
spec = tomllib.loads(pathlib.Path(table).read_text())[name]
packages = [*spec["packages"], *spec.get("required", [])]
lines = "".join(f'    "{package}",\n' for package in packages)
pathlib.Path(out).write_text(f"""/* Made by tools/embed_packages.py from environments.toml, [{name}]; do not edit. */
#ifndef CLI_PYTHON_PACKAGES_H
#define CLI_PYTHON_PACKAGES_H

#include <stddef.h>

static const char python_packages_mark[] = "{environment.mark(spec)}";
static const char *const python_packages[] = {{
{lines}}};
static const size_t python_packages_count = {len(packages)};

#endif
""")
