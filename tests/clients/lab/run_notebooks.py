"""Executes notebooks headless with nbclient in Raudal's kernel, as `jupyter execute` does, several at a time. Runs in
the environment `lab`; the kernel is the one that `raudal kernel install` wrote into JUPYTER_DATA_DIR.

    run_notebooks.py FOLDER NOTEBOOK...      a line each that begins with @@: name, error, output of the last cell, seconds
"""
import asyncio
import json
import pathlib
import sys
import time

import nbformat
from nbclient import NotebookClient

AT_ONCE = 3
MARK = "@@"          # kernels write to this output too


async def run(path, folder, limit):
    async with limit:
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(notebook, kernel_name="raudal", timeout=120, resources={"metadata": {"path": folder}})
        started = time.monotonic()
        error = ""
        try:
            await client.async_execute()
        except Exception as failure:
            error = str(failure)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        outputs = [["".join(output.get("text", "")) for output in cell.outputs] for cell in code]
        print(MARK + json.dumps({"name": pathlib.Path(path).name, "error": error, "outputs": ["".join(each) for each in outputs],
                          "seconds": round(time.monotonic() - started, 1)}), flush=True)


async def main(folder, *paths):
    limit = asyncio.Semaphore(AT_ONCE)
    await asyncio.gather(*[run(path, folder, limit) for path in paths])


asyncio.run(main(*sys.argv[1:]))
