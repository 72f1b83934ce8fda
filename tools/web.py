#!/usr/bin/env python3
"""Bundles web/ and writes it as a C file, with the words of web/words for the plain HTML:

    tools/web.py OUT.c OUT.d        for the build; OUT.d names for ninja every file that went in
    tools/web.py --check            type checking with TypeScript

Every folder web/src/NAME with an app.tsx becomes the asset NAME.js, and what is in web/static is taken as it is. Each is
stored gzip-compressed with its ETag. web/src/base/style.css, begin.js beside it and the icon stand in every page itself, so that
the first picture waits for no second answer; for the Content-Security-Policy the first two come with their hashes. Packages come
from the registry that npm is set to, in the versions and with the checksums of package-lock.json, into web/node_modules.
"""
import base64
import fcntl
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]
WEB = TOP / "web"
MODULES = WEB / "node_modules"
IN_PAGE = [pathlib.Path("style.css"), pathlib.Path("begin.js")]
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
LANGUAGES = 2   # of a row of web/words: English, Spanish


def install(with_types):
    """npm ci, unless it ran for this lock file already. Two builds of one tree wait for each other."""
    with open(WEB / "package.json") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
        stamps = [MODULES / ".complete-with-types"] + ([] if with_types else [MODULES / ".complete"])
        if any(stamp.exists() and stamp.read_text() == wanted for stamp in stamps):
            return
        if not shutil.which("npm"):
            sys.exit("tools/web.py: npm is missing; ./dev build installs it (Debian packages nodejs and npm)")
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command + ([] if with_types else ["--omit=dev"]), cwd=WEB, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"tools/web.py: {' '.join(command)} failed in web/:\n{done.stdout}{done.stderr}")
        stamps[-1].write_text(wanted)


def bundle(folder):
    """{asset name: bytes} and the files that went in."""
    entries = {app.parent.name: app for app in sorted(WEB.glob("src/*/app.tsx"))}
    arguments = [f"{name}={path}" for name, path in entries.items()] + [f"{name.stem}={WEB / 'src/base' / name}" for name in IN_PAGE]
    meta = pathlib.Path(folder) / "meta.json"
    done = subprocess.run(
        [MODULES / "esbuild" / "bin" / "esbuild", *arguments, "--bundle", "--minify", "--format=esm", "--target=es2021",
         "--jsx=automatic", "--jsx-import-source=preact", "--log-level=warning", "--legal-comments=none", "--charset=utf8",
         f"--outdir={folder}/out", f"--metafile={meta}"], cwd=WEB, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"tools/web.py: esbuild failed:\n{done.stderr}")
    assets = {path.name: path.read_bytes() for path in sorted((pathlib.Path(folder) / "out").iterdir())}
    inputs = [WEB / name for name in json.loads(meta.read_text())["inputs"]]
    for path in sorted((WEB / "static").glob("*")):
        assets[path.name] = path.read_bytes()
        inputs.append(path)
    return assets, inputs


def words():
    """{"kafka.topics": ("Topics", "Tópicos")}"""
    table = {}
    for path in sorted((WEB / "words").glob("*.json")):
        for key, texts in json.loads(path.read_text()).items():
            if len(texts) != LANGUAGES or not all(texts):
                sys.exit(f"{path}: {key} needs its text in {LANGUAGES} languages")
            table[f"{path.stem}.{key}"] = texts
    return table


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def c_text(data):
    lines = [quoted(data[at:at + 100]) for at in range(0, len(data), 100)]
    return "\n    ".join(lines)


def write_c(path, assets):
    out = ['/* Made by tools/web.py; do not edit. */\n#include "console/assets.h"\n\n#include <stddef.h>\n']
    for name in IN_PAGE:
        text = assets.pop(str(name))
        source = "'sha256-" + base64.b64encode(hashlib.sha256(text).digest()).decode() + "'"
        out.append(f"const char asset_{name.stem}[] =\n    {c_text(text.decode())};\n"
                   f"const char asset_{name.stem}_source[] = {quoted(source)};\n")
    out.append(f"const char asset_icon[] =\n    {c_text(assets['icon.svg'].decode().strip())};\n")
    rows = []
    for number, (name, data) in enumerate(assets.items()):
        packed = gzip.compress(data, 9, mtime=0)
        lines = [",".join(str(byte) for byte in packed[at:at + 32]) for at in range(0, len(packed), 32)]
        out.append(f"static const unsigned char asset_{number}[] = {{\n" + ",\n".join(lines) + "};\n")
        etag = hashlib.sha256(data).hexdigest()[:20]
        rows.append(f"    {{{quoted(name)}, {quoted(TYPES[pathlib.Path(name).suffix])}, {quoted(quoted(etag))}, asset_{number}, "
                    f"{len(packed)}, {len(data)}}},")
    out.append("const struct asset assets[] = {\n" + "\n".join(rows) + "\n};\n"
               f"const size_t asset_count = {len(assets)};\n")
    table = sorted(words().items())
    out.append("const struct asset_word asset_words[] = {\n" + "\n".join(
        f"    {{{quoted(key)}, {{{', '.join(map(quoted, texts))}}}}}," for key, texts in table) + "\n};\n"
        f"const size_t asset_word_count = {len(table)};\n")
    pathlib.Path(path).write_text("\n".join(out))


def main():
    if sys.argv[1:] == ["--check"]:
        install(with_types=True)
        sys.exit(subprocess.run([MODULES / ".bin" / "tsc", "--project", WEB]).returncode)
    source, dependencies = sys.argv[1:]
    install(with_types=False)
    with tempfile.TemporaryDirectory() as folder:
        assets, inputs = bundle(folder)
    write_c(source, assets)
    # The folders too: a page or a word table that is added changes them.
    inputs += [pathlib.Path(__file__), WEB / "package-lock.json", WEB / "src", WEB / "words", WEB / "static"]
    inputs += sorted((WEB / "words").glob("*.json"))
    kept = [os.path.abspath(path) for path in inputs if pathlib.Path(path).exists()]
    pathlib.Path(dependencies).write_text(f"{source}: " + " ".join(kept) + "\n")


if __name__ == "__main__":
    main()
