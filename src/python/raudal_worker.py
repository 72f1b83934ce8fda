"""A worker process of Raudal in the user's own Python: evaluates what a program sent pickled with its plans.

It connects to the address that it is given, says its token, and takes one request after the other. A message is a length
(4 bytes, big-endian), the length of a JSON object, the object, and bytes. Requests, by their "do":

    define        function: a number; the bytes are the pickled command, unpickled when it is first used
    evaluate      calls: [{function, kind, arguments, names}] over the columns of one Arrow batch -> an Arrow batch, a column for each call
    foreach       function, partition, batch: a foreach writer over the rows of an Arrow stream
    foreachBatch  function, dataframe, batch: the function with a DataFrame of this session

An answer's object is empty, or has "failure": the traceback. What functions print comes as messages with "output".
pyspark is used as its version in this interpreter has it; nothing of it is changed.
"""
import io
import json
import os
import socket
import struct
import sys
import traceback

# The kinds of functions, as pyspark.util.PythonEvalType numbers them.
ROWS = {100, 101}
PANDAS, PANDAS_ITERATOR = {200}, {204}
ARROW, ARROW_ITERATOR = {250}, {251}


class Channel:
    """Messages over the socket."""

    def __init__(self, address, token):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb", 1 << 20)
        self.token = token

    def send(self, head, payload=b""):
        text = json.dumps(head).encode()
        self.socket.sendall(struct.pack(">II", 4 + len(text) + len(payload), len(text)) + text)
        if payload:
            self.socket.sendall(payload)

    def receive(self):
        start = self.input.read(8)
        if len(start) < 8:
            return None, None
        size, head_size = struct.unpack(">II", start)
        head = json.loads(self.input.read(head_size))
        return head, self.input.read(size - 4 - head_size)


class Output(io.TextIOBase):
    """What functions print, line by line to the program's terminal."""

    def __init__(self, channel):
        self.channel, self.waiting = channel, ""

    def writable(self):
        return True

    def write(self, text):
        self.waiting += text
        if "\n" in self.waiting or len(self.waiting) > 8192:
            self.flush()
        return len(text)

    def flush(self):
        if self.waiting:
            text, self.waiting = self.waiting, ""
            self.channel.send({"output": text})


class Functions:
    """Commands by number, unpickled when first used."""

    def __init__(self):
        self.commands, self.loaded = {}, {}

    def define(self, number, command):
        self.commands[number] = command

    def get(self, number):
        if number not in self.loaded:
            from pyspark import cloudpickle
            self.loaded[number] = cloudpickle.loads(self.commands.pop(number))
        return self.loaded[number]


functions = Functions()


def conversions():
    try:
        from pyspark.sql import conversion
        conversion.LocalDataToArrowConversion
    except (ImportError, AttributeError):
        from pyspark.sql.connect import conversion
    return conversion


def arrow_type(data_type):
    try:
        from pyspark.sql.pandas.types import to_arrow_type
    except ImportError:
        from pyspark.sql.connect.types import to_arrow_type
    return to_arrow_type(data_type)


def spark_schema(schema):
    from pyspark.sql.pandas.types import from_arrow_type
    from pyspark.sql.types import StructField, StructType
    return StructType([StructField(field.name, from_arrow_type(field.type), field.nullable) for field in schema])


def rows_of(table):
    """The rows as a program sees them: Python's own values, structs as Row."""
    return conversions().ArrowTableToRowsConversion.convert(table, spark_schema(table.schema))


def column_of_values(values, data_type):
    """Python's values as an Arrow column of a Spark type; what does not fit is cast as Arrow casts, or is an error."""
    import pyarrow
    from pyspark.sql.types import StructField, StructType
    convert = conversions().LocalDataToArrowConversion.convert
    schema = StructType([StructField("value", data_type, True)])
    rows = [(value,) for value in values]
    try:
        table = convert(rows, schema, False) if convert.__code__.co_argcount > 2 else convert(rows, schema)
        return table.column(0).combine_chunks() if table.num_rows else pyarrow.array([], arrow_type(data_type))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError):
        return pyarrow.array(values).cast(arrow_type(data_type))


def plain(array):
    return array.combine_chunks() if hasattr(array, "combine_chunks") else array


def series_of(array, data_type=None):
    import pyarrow
    if pyarrow.types.is_timestamp(array.type) and array.type.tz is not None:
        array = array.cast(pyarrow.timestamp("ns", array.type.tz))
        return array.to_pandas().dt.tz_localize(None)
    if pyarrow.types.is_struct(array.type):
        import pandas
        return pandas.DataFrame({field.name: series_of(array.field(index)) for index, field in enumerate(array.type)})
    return array.to_pandas(date_as_object=True)


def array_of_pandas(result, data_type, row_count):
    import pandas
    import pyarrow
    if not hasattr(result, "__len__"):
        raise TypeError(f"Return type of the user-defined function should be pandas.Series, but is {type(result).__name__}")
    if len(result) != row_count:
        raise RuntimeError(f"Result vector from pandas_udf was not the required length: expected {row_count}, got {len(result)}")
    wanted = arrow_type(data_type)
    if isinstance(result, pandas.DataFrame):
        parts = [array_of_pandas(result[field.name] if field.name in result else result.iloc[:, index], field.dataType, row_count)
                 for index, field in enumerate(data_type.fields)]
        return pyarrow.StructArray.from_arrays(parts, fields=list(wanted))
    if pyarrow.types.is_timestamp(wanted) and wanted.tz is not None and getattr(result, "dt", None) is not None \
            and result.dt.tz is None:
        result = result.dt.tz_localize(wanted.tz)
    try:
        return plain(pyarrow.Array.from_pandas(result, type=wanted, safe=True))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        if pyarrow.types.is_string(wanted):
            return plain(pyarrow.Array.from_pandas(result.map(lambda value: None if value is None else str(value)), type=wanted))
        return plain(pyarrow.Array.from_pandas(result).cast(wanted))


def evaluate_call(call, batch, rows):
    """One function over the batch, as an Arrow array with a value for each row."""
    function, data_type = functions.get(call["function"])
    kind, places, names = call["kind"], call["arguments"], call["names"]
    columns = [batch.column(place) for place in places]

    def split(values):
        return ([value for value, name in zip(values, names) if not name],
                {name: value for value, name in zip(values, names) if name})

    if kind in ROWS:
        values = []
        for row in rows():
            positional, named = split([row[place] for place in places])
            values.append(function(*positional, **named))
        return column_of_values(values, data_type)
    if kind in PANDAS or kind in PANDAS_ITERATOR:
        columns = [series_of(column) for column in columns]
    if kind in PANDAS_ITERATOR or kind in ARROW_ITERATOR:
        result = next(iter(function(iter([columns[0] if len(columns) == 1 else tuple(columns)]))))
    elif kind in PANDAS or kind in ARROW:
        positional, named = split(columns)
        result = function(*positional, **named)
    else:
        raise NotImplementedError(f"functions of kind {kind}")
    if kind in ARROW or kind in ARROW_ITERATOR:
        return plain(result.cast(arrow_type(data_type)))
    return array_of_pandas(result, data_type, batch.num_rows)


def stream_of(batches, schema):
    import pyarrow
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write(batch)
    return sink.getvalue()


def evaluate(head, payload):
    import pyarrow
    table = pyarrow.ipc.open_stream(payload).read_all().combine_chunks()
    batch = table.to_batches()[0] if table.num_rows else pyarrow.RecordBatch.from_pylist([], table.schema)
    kept = []

    def rows():
        if not kept:
            kept.append(rows_of(table))
        return kept[0]

    arrays = [evaluate_call(call, batch, rows) for call in head["calls"]]
    result = pyarrow.RecordBatch.from_arrays(arrays, [f"_{index}" for index in range(len(arrays))])
    return stream_of([result], result.schema)


def foreach(head, payload):
    import pyarrow
    from pyspark.taskcontext import TaskContext
    function = functions.get(head["function"])[0]
    table = pyarrow.ipc.open_stream(payload).read_all().combine_chunks()
    context = TaskContext._getOrCreate()
    context._partitionId = head["partition"]
    context._localProperties = {"streaming.sql.batchId": str(head["batch"])}
    for _ in function(head["partition"], iter(rows_of(table))) or ():
        pass
    return b""


session = None


def this_session():
    """The program's own session, in this process."""
    global session
    if session is None:
        from pyspark.sql.connect.session import SparkSession
        session = SparkSession.builder.remote(os.environ["RAUDAL_WORKER_REMOTE"]).getOrCreate()
        session._client._session_id = os.environ["RAUDAL_WORKER_SESSION"]
    return session


def foreach_batch(head, payload):
    spark = this_session()
    function = functions.get(head["function"])
    function(spark._create_remote_dataframe(head["dataframe"]), head["batch"])
    return b""


REQUESTS = {"evaluate": evaluate, "foreach": foreach, "foreachBatch": foreach_batch}


def describe(failure):
    """The traceback from the program's own frames on."""
    frames = failure.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    failure = failure.with_traceback(frames)
    return "".join(traceback.format_exception(type(failure), failure, frames)).rstrip()


def introduce(channel):
    """Says the token; False when this interpreter cannot do the work."""
    try:
        import pyarrow  # noqa: F401
        import pyspark.sql.connect.session  # noqa: F401
    except Exception as failure:
        channel.send({"token": channel.token, "failure": f"{sys.executable} cannot run Python functions of Spark: {failure}"})
        return False
    channel.send({"token": channel.token, "version": "%d.%d" % sys.version_info[:2]})
    return True


def main():
    channel = Channel(os.environ["RAUDAL_WORKER_ADDRESS"], os.environ.pop("RAUDAL_WORKER_TOKEN"))
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    sys.path[:0] = [entry for entry in os.environ.get("RAUDAL_WORKER_FOLDER", "").split(os.pathsep) if entry]
    if not introduce(channel):
        return
    sys.stdout = sys.stderr = output = Output(channel)
    while True:
        head, payload = channel.receive()
        if head is None:
            return
        if head["do"] == "define":
            functions.define(head["function"], payload)
            continue
        try:
            answer, result = {}, REQUESTS[head["do"]](head, payload)
        except BaseException as failure:
            answer, result = {"failure": describe(failure)}, b""
        output.flush()
        channel.send(answer, bytes(result))


if __name__ == "__main__":
    main()
