"""The exercises' notebooks, run headless with nbclient in Raudal's kernel, each to its last cell, which checks the result."""
import json
import os
import pathlib
import re
import sys

import pytest

from harness import BINARY, TOP, Raudal, run

FOLDER = TOP / "exercises"
RUNNER = pathlib.Path(__file__).with_name("run_notebooks.py")
NUMBERS = [int(file.stem) for file in sorted((FOLDER / "source").glob("*.txt"))]
LANGUAGES = [pytest.param("es"), pytest.param("en", marks=pytest.mark.long)]


@pytest.fixture(scope="module")
def results(environment, tmp_path_factory):
    """A function from the language to {notebook: its result}; all of a language run together, once."""
    used, folder, done = environment("lab"), tmp_path_factory.mktemp("exercises"), {}
    child = dict(os.environ, JUPYTER_DATA_DIR=str(folder / "jupyter"))
    # The broker looks for old messages every five minutes; here at once, as the notebook on retention tells learners.
    with Raudal(folder / "data", "--set", "kafka.log.retention.check.interval.ms=1000") as raudal:
        raudal.start()
        run([BINARY, "kernel", "install", "--data", raudal.data], env=child).ok()

        def of(language):
            if language not in done:
                work = folder / language
                work.mkdir()
                words = [used.interpreter, RUNNER, work, *sorted((FOLDER / language).glob("*.ipynb"))]
                said = run(words, 400, env=child)
                lines = [line[2:] for line in said.stdout.splitlines() if line.startswith("@@")]
                done[language] = {entry["name"]: entry for entry in map(json.loads, lines)}
                done[language][""] = said
            return done[language]

        yield of


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("number", NUMBERS)
def test_the_notebook_runs_and_its_last_cell_finds_the_result_right(results, language, number):
    name = next(FOLDER.glob(f"{language}/{number:02}-*.ipynb")).name
    result = results(language).get(name)
    assert result, f"{name} did not end\n{results(language)['']}"
    assert not result["error"], result["error"]
    assert "✔" in result["outputs"][-1], result


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_batches_of_the_second_notebook_are_in_its_cell(results, language):
    result = results(language)[next(FOLDER.glob(f"{language}/02-*.ipynb")).name]
    assert "Batch: 0" in result["outputs"][1]


def test_the_notebooks_are_what_their_sources_give_and_hold_no_output():
    run([sys.executable, FOLDER / "build.py", "--check"]).ok()
    for file in FOLDER.glob("*/*.ipynb"):
        for cell in json.loads(file.read_text())["cells"]:
            assert not cell.get("outputs") and not cell.get("execution_count"), file
            assert "[[" not in "".join(cell["source"]) and "||" not in "".join(cell["source"]), file


def test_every_notebook_is_embedded_and_there_is_one_of_each_in_both_languages():
    listed = set(re.findall(r"'(e[ns]/[^']+)'", (FOLDER / "meson.build").read_text()))
    assert listed == {str(file.relative_to(FOLDER)) for file in FOLDER.glob("e[ns]/*.ipynb")}
    assert len(listed) == 2 * len(NUMBERS)
    for number in NUMBERS:
        spanish, english = (json.loads(next(FOLDER.glob(f"{language}/{number:02}-*")).read_text())["cells"]
                            for language in ("es", "en"))
        assert [cell["cell_type"] for cell in spanish] == [cell["cell_type"] for cell in english]
