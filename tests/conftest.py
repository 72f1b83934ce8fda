"""The harness of the client tests: real, unmodified clients against a Raudal of their own.

Fixtures (clients/README.md shows how to use them):
    raudal         a running Raudal with every service on a loopback address of its own, one per test module
    fresh_raudal   the same, one per test
    start_raudal   a function that starts one with options:
                   start_raudal("--only", "kafka", set={"kafka.num.partitions": 1})
    environment    environment("spark-4_3").python(program) runs a Python program in one of tools/environments.toml
"""
import os
import sys

import pytest

from harness import Environment, Raudal, TOP

# What these fixtures give is Raudal's or, with RAUDAL_AGAINST=real, the real system's.
EITHER = {"broker", "namenode", "zookeeper"}


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes or starts a real cluster; only in `./dev test long`")
    config.addinivalue_line("markers", "ours: what only Raudal does; left out when the tests run against the real systems")
    config.addinivalue_line("markers", "raudal(*options): options of `raudal up` for this module's Raudal")


def pytest_collection_modifyitems(config, items):
    """A test marked `long` runs only when asked for, and is then the only kind that runs. Against the real systems: the
    tests that take what they speak to from one of the fixtures that can be either."""
    wanted = os.environ.get("RAUDAL_LONG") == "1"
    kept = [item for item in items if (item.get_closest_marker("long") is not None) == wanted]
    if os.environ.get("RAUDAL_AGAINST") == "real":
        kept = [item for item in kept if EITHER.intersection(item.fixturenames)
                and item.get_closest_marker("ours") is None]
    left_out = [item for item in items if item not in kept]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def pytest_sessionfinish(session, exitstatus):
    session.config.exit_status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    """Ends at once: a client library whose threads hang after a failed test must not hold up the whole run."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(getattr(config, "exit_status", 3))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """On a failure, attaches the end of the service logs of each Raudal that the test used."""
    report = yield
    if report.failed:
        for raudal in {id(value): value for value in item.funcargs.values() if isinstance(value, Raudal)}.values():
            report.sections.append((f"raudal at {raudal.address}", raudal.describe()))
        for raudal in getattr(item, "started_raudals", []):
            report.sections.append((f"raudal at {raudal.address}", raudal.describe()))
    return report


@pytest.fixture(scope="module")
def raudal(request, tmp_path_factory):
    marker = getattr(request.module, "raudal_options", ())
    with Raudal(tmp_path_factory.mktemp("raudal"), *marker) as running:
        running.start()
        yield running


@pytest.fixture
def fresh_raudal(request, tmp_path):
    options = request.node.get_closest_marker("raudal")
    with Raudal(tmp_path / "data", *(options.args if options else ())) as running:
        running.start()
        yield running


@pytest.fixture
def start_raudal(request, tmp_path):
    """A function; every Raudal it starts is stopped at the end of the test."""
    started = []
    request.node.started_raudals = started

    def start(*options, set=None, up=True):
        for name, value in (set or {}).items():
            options += ("--set", f"{name}={value}")
        running = Raudal(tmp_path / f"data{len(started)}", *options)
        started.append(running)
        if up:
            running.start()
        return running

    yield start
    for running in started:
        running.close()


@pytest.fixture(scope="module")
def broker(request, tmp_path_factory):
    """ADDRESS:PORT of this module's Kafka: Raudal's, or with RAUDAL_AGAINST=real a real one, to check the test itself."""
    if os.environ.get("RAUDAL_AGAINST") == "real":
        from real import RealKafka
        with RealKafka(tmp_path_factory.mktemp("kafka")) as kafka:
            yield kafka.bootstrap
    else:
        yield request.getfixturevalue("raudal").at("kafka")


@pytest.fixture(scope="module")
def namenode(request, tmp_path_factory):
    """The address of this module's HDFS (RPC on 9000, WebHDFS on 9870), Raudal's or, as above, a real one."""
    if os.environ.get("RAUDAL_AGAINST") == "real":
        from real import RealHdfs
        with RealHdfs(tmp_path_factory.mktemp("hdfs")) as hdfs:
            yield hdfs.address
    else:
        yield request.getfixturevalue("raudal").address


@pytest.fixture(scope="module")
def zookeeper(request, tmp_path_factory):
    """ADDRESS:PORT of this module's ZooKeeper, Raudal's or, as above, a real one."""
    if os.environ.get("RAUDAL_AGAINST") == "real":
        from real import RealZooKeeper
        with RealZooKeeper(tmp_path_factory.mktemp("zookeeper")) as real:
            yield f"{real.address}:2181"
    else:
        yield request.getfixturevalue("raudal").at("zookeeper")


@pytest.fixture(scope="session")
def environment():
    """A function from the name of an environment to the environment, made now if it is missing."""
    return Environment.get


@pytest.fixture(scope="session")
def top():
    """The folder of the project."""
    return TOP
