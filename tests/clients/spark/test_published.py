"""What ships with PySpark itself: the doctests of pyspark.sql.streaming, and its Structured Streaming examples."""
import os
import re
import socket
import threading
import urllib.parse

import pytest

from harness import end, run, wait_until

raudal_options = ["--only", "spark"]

# What Spark does and Raudal does not, by the name of the example: no catalog of tables, no ORC, no XML, and a path without a
# scheme is in the store. The progress of a query is there before that example asks for it, which expects none.
REFUSED = {"query": {"StreamingQuery.lastProgress"},
           "readwriter": {"DataStreamReader.orc", "DataStreamReader.schema", "DataStreamReader.table", "DataStreamReader.xml",
                          "DataStreamWriter.clusterBy", "DataStreamWriter.toTable"}}


@pytest.mark.long
@pytest.mark.parametrize("module", ["query", "readwriter"])
def test_doctests_of_the_package(raudal, environment, tmp_path, module):
    real = environment("spark-4_3")
    package = next(real.path.glob("lib/python3*/site-packages/pyspark"))
    remote = f"sc://{raudal.at('spark-connect')}/;x-raudal-python={urllib.parse.quote(str(real.interpreter), '')}"
    surroundings = dict(os.environ, SPARK_HOME=str(package), SPARK_CONNECT_TESTING_REMOTE=remote)
    result = run([real.interpreter, "-m", f"pyspark.sql.connect.streaming.{module}"], 240, cwd=tmp_path, env=surroundings)
    failed = set(re.findall(rf"^ +\d+ of +\d+ in pyspark\.sql\.connect\.streaming\.{module}\.(\S+)", result.stdout, re.MULTILINE))
    assert failed <= REFUSED[module], result.out
    assert "Skipping" not in result.out


class Lines(threading.Thread):
    """Says lines to whoever connects, a few times, and then nothing."""

    def __init__(self, text):
        super().__init__(daemon=True)
        self.text, self.server, self.over = text.encode(), socket.create_server(("127.0.0.1", 0)), threading.Event()
        self.port = self.server.getsockname()[1]
        self.start()

    def run(self):
        connection, _ = self.server.accept()
        with connection:
            for _ in range(5):
                connection.sendall(self.text)
                self.over.wait(0.2)
            self.over.wait()


SEEN = {"structured_network_wordcount": r"\|apple\|\s+\d+\|", "structured_network_wordcount_windowed": r"\|apple\|\s*\d+",
        "structured_network_wordcount_session_window": r"\|\s*apple\|"}
MORE = {"structured_network_wordcount_windowed": ["20", "10"]}


@pytest.mark.parametrize("example", ["structured_network_wordcount", *(
    pytest.param(name, marks=pytest.mark.long) for name in SEEN if name != "structured_network_wordcount")])
def test_examples_of_the_package(raudal, environment, example):
    real, lines = environment("spark-4_3"), Lines("apple pear apple\n")
    program = next(real.path.glob(f"lib/python3*/site-packages/pyspark/examples/src/main/python/sql/streaming/{example}.py"))
    process = raudal.run_in_background(program, "127.0.0.1", lines.port, *MORE.get(example, []), environment=real)
    try:
        wait_until(lambda: re.search(SEEN[example], process.output.read_text()) or process.poll() is not None, 240, "a table of counts")
        assert re.search(SEEN[example], process.output.read_text()), process.output.read_text()
    finally:
        lines.over.set()
        end(process)
