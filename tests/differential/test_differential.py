"""Generated pipelines do here what they do on a real Spark: rows, offsets, watermarks, progress counts, over restarts."""
import json
import os

import pytest

import generate
import play

raudal_options = ["--only", "kafka,spark"]
RECORDED = sorted(int(path.stem) for path in (play.HERE / "recorded").glob("*.json"))


@pytest.fixture(scope="module")
def ours(raudal, tmp_path_factory):
    with play.Agent("raudal", raudal, tmp_path_factory.mktemp("agents")) as agent:
        yield agent


@pytest.mark.parametrize("seed", RECORDED)
def test_as_a_real_spark_did(raudal, ours, seed):
    pipeline, recorded = generate.pipeline(seed), json.loads(play.recorded_path(seed).read_text())
    assert recorded["pipeline"] == play.summary(pipeline), "generate.py has changed: record again"
    found = play.play(raudal, ours.folder.parent, [ours], pipeline)["raudal"]
    told = play.differences(found, recorded["runs"])
    assert not told, "\n".join(told)


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_as_a_real_spark_does(raudal, ours):
    """RAUDAL_SEEDS: which ones, FIRST-LAST."""
    first, last = map(int, os.environ.get("RAUDAL_SEEDS", "1000-1039").split("-"))
    told = []
    with play.Agent("spark", raudal, ours.folder.parent) as spark:
        for seed in range(first, last + 1):
            found = play.play(raudal, ours.folder.parent, [spark, ours], generate.pipeline(seed))
            told += [f"seed {seed}: {each}" for each in play.differences(found["raudal"], found["spark"])]
    assert not told, "\n".join(told)
