"""A worker process of Raudal in the user's own Python: evaluates what a program sent pickled with its plans.

It connects to the address that it is given, says its token, and takes one request after the other. A message is a length
(4 bytes, big-endian), the length of a JSON object, the object, and bytes. Requests, by their "do":

    file          name: the bytes are an artifact of the program: pyfiles/…, files/…, archives/…[#folder]
    define        function: a number; about: {python, includes}; the bytes are the pickled command, unpickled when it is first used
    evaluate      calls: [{function, kind, arguments, names}] over the columns of one Arrow batch -> an Arrow batch, a column for each call
    map           function, kind, keys, rows: a function over the rows of an Arrow stream, or over groups (a row for each: its key in the
                  first `keys` columns, then a list of its rows; two lists of a cogroup) -> an Arrow stream of what it gives; rows: at
                  most so many in one batch that an iterator gives
    state         function, keys, timeout, watermarked, rows: a function over groups with state; a row for each group: state, timeout,
                  timed_out, now, watermark, then its key and the list of its rows -> a row for each: what becomes of its state (0: it
                  stays, 1: put, 2: removed), timeout, state, and the list of the rows that the function gave
    table         function, kind, schema: a table function called with each row (a first column, then the arguments) -> its rows
    foreach       function, partition, batch: a foreach writer over the rows of an Arrow stream
    foreachBatch  function, dataframe, batch: the function with a DataFrame of this session
    listener      function, event, json: a query listener hears of an event, of the kind that pyspark.sql.streaming.listener names

An answer's object is empty, or has "failure": the traceback. What functions print comes as messages with "output".
pyspark is used as its version in this interpreter has it; nothing of it is changed.
"""
import importlib
import inspect
import io
import json
import os
import shutil
import socket
import struct
import sys
import traceback

# The kinds of functions, as pyspark.util.PythonEvalType numbers them.
PICKLED = 100
ROWS = {PICKLED, 101}
PANDAS, PANDAS_ITERATOR = {200}, {204}
ARROW, ARROW_ITERATOR = {250}, {251}
AGGREGATE_PANDAS, AGGREGATE_ARROW, AGGREGATE_ITERATOR = {202, 217}, {252, 254}, {217, 254}
MAP_PANDAS, MAP_ARROW = 205, 207
GROUP_PANDAS, GROUP_ARROW, GROUP_ARROW_ITERATOR, GROUP_PANDAS_ITERATOR = 201, 209, 215, 216
COGROUP_PANDAS, COGROUP_ARROW = 206, 210

BATCH_ROWS = 8192  # of an answer


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


def spark_error(kind, condition, **parameters):
    """One of pyspark's own errors, with its text in this version of pyspark."""
    from pyspark import errors
    error_type = getattr(errors, kind)
    try:
        return error_type(errorClass=condition, messageParameters=parameters)
    except TypeError:  # pyspark 3
        return error_type(error_class=condition, message_parameters=parameters)


def has_condition(condition):
    """Whether this version of pyspark knows an error condition."""
    try:
        from pyspark.errors.error_classes import ERROR_CLASSES_MAP as known
    except ImportError:
        return False
    return condition in known


def known(*conditions):
    """The first of the names that this version of pyspark has for a condition."""
    return next((condition for condition in conditions if has_condition(condition)), conditions[0])


def rows_mismatch(given, wanted, kind="pandas_udf"):
    if not has_condition("SCHEMA_MISMATCH_FOR_PANDAS_UDF"):
        return spark_error("PySparkRuntimeError", "RESULT_ROWS_MISMATCH", output_length=str(given), input_length=str(wanted))
    parameters = {"expected": str(wanted), "actual": str(given)}
    if has_condition("RESULT_ROWS_MISMATCH"):  # pyspark 4
        parameters["udf_type"] = kind
    return spark_error("PySparkRuntimeError", "SCHEMA_MISMATCH_FOR_PANDAS_UDF", **parameters)


class Functions:
    """Commands by number, unpickled when first used."""

    def __init__(self):
        self.commands, self.loaded = {}, {}

    def define(self, number, about, command):
        self.commands[number] = about, command

    def get(self, number):
        if number not in self.loaded:
            from pyspark import cloudpickle
            about, command = self.commands[number]
            check_version(about["python"])
            files.include(about["includes"])
            self.loaded[number] = cloudpickle.loads(command)
            del self.commands[number]
        return self.loaded[number]


def check_version(version):
    """A pickled function holds byte code, which only the same minor version of Python can run."""
    here = "%d.%d" % sys.version_info[:2]
    if version and version != here:
        raise spark_error("PySparkRuntimeError", "PYTHON_VERSION_MISMATCH", worker_version=here, driver_version=version)


class Files:
    """The program's artifacts, in a folder of this process that the server removes."""

    def __init__(self):
        self.folder = os.environ.get("RAUDAL_WORKER_FILES", "")

    def open_folder(self):
        if not os.path.isdir(self.folder):
            os.makedirs(self.folder, 0o700)
            self.find(self.folder)
            try:
                from pyspark import SparkFiles
                SparkFiles._root_directory, SparkFiles._is_running_on_worker = self.folder, True
            except ImportError:  # pyspark-client has none
                pass

    @staticmethod
    def find(path):
        if path not in sys.path:
            sys.path.insert(1, path)
            importlib.invalidate_caches()

    def add(self, name, content):
        kind, _, name = name.partition("/")
        name, _, folder = name.partition("#")
        for part in (name, folder):
            if os.path.isabs(part) or ".." in part.split("/"):
                raise ValueError(f"an artifact with the name {part}")
        self.open_folder()
        path = os.path.join(self.folder, ("archive-" if kind == "archives" else "") + name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        if kind == "archives":
            shutil.unpack_archive(path, os.path.join(self.folder, folder or name), "zip" if name.endswith(".jar") else None)
            os.unlink(path)
        elif kind == "pyfiles" and not name.endswith(".py"):
            self.find(path)
        elif kind == "pyfiles":
            importlib.invalidate_caches()

    def include(self, names):
        for name in names:
            self.find(os.path.join(self.folder, name))


files = Files()
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
    if "timezone" in inspect.signature(to_arrow_type).parameters:  # before 4.3 it is always this one
        return to_arrow_type(data_type, timezone="UTC")
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
    if not values:
        return pyarrow.array([], arrow_type(data_type))
    convert = conversions().LocalDataToArrowConversion.convert
    schema = StructType([StructField("value", data_type, True)])
    rows = [(value,) for value in values]
    try:
        table = convert(rows, schema, False) if convert.__code__.co_argcount > 2 else convert(rows, schema)
        return table.column(0).combine_chunks()
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError):
        return pyarrow.array(values).cast(arrow_type(data_type))


def as_pickled(value, data_type):
    """What Spark makes of a value that comes to it pickled: null when it is of another type, whatever it could be cast to."""
    import decimal
    from pyspark.sql import types
    if value is None:
        return None
    bits = {types.ByteType: 8, types.ShortType: 16, types.IntegerType: 32, types.LongType: 64}.get(type(data_type))
    if bits:
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
    if isinstance(data_type, types.StringType):
        return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(data_type, types.BinaryType):
        return value.encode() if isinstance(value, str) else value if isinstance(value, (bytes, bytearray)) else None
    for kind, accepted in ((types.BooleanType, bool), (types.FloatType, float), (types.DoubleType, float), (types.DecimalType, decimal.Decimal)):
        if isinstance(data_type, kind):
            return value if isinstance(value, accepted) else None
    if isinstance(data_type, types.ArrayType):
        return [as_pickled(one, data_type.elementType) for one in value] if isinstance(value, (list, tuple, bytes)) else None
    if isinstance(data_type, types.MapType):
        return {as_pickled(key, data_type.keyType): as_pickled(one, data_type.valueType) for key, one in value.items()} \
            if isinstance(value, dict) else None
    if isinstance(data_type, types.StructType):
        if isinstance(value, dict):
            value = [value.get(name) for name in data_type.names]
        if not isinstance(value, (list, tuple)):
            return None
        if len(value) != len(data_type.fields):
            raise ValueError(f"Length of object ({len(value)}) does not match with length of fields ({len(data_type.fields)})")
        return tuple(as_pickled(one, field.dataType) for one, field in zip(value, data_type.fields))
    return value


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


def frame_of(batch):
    """A batch or table as a DataFrame."""
    import pandas
    columns = [series_of(plain(column)) for column in batch.columns]
    frame = pandas.DataFrame(dict(enumerate(columns)), index=range(batch.num_rows) if not columns else None)
    frame.columns = batch.schema.names
    return frame


def verify_type(result, expected, text):
    if not isinstance(result, expected):
        raise spark_error("PySparkTypeError", "UDF_RETURN_TYPE", expected=text, actual=type(result).__name__)
    return result


def verified_iterator(result, expected, text):
    """The elements of what a function gave, each of the right type."""
    if not hasattr(result, "__iter__") or isinstance(result, expected):
        raise spark_error("PySparkTypeError", "UDF_RETURN_TYPE", expected="iterator of " + text, actual=type(result).__name__)
    for element in result:
        if not isinstance(element, expected):
            raise spark_error("PySparkTypeError", "UDF_RETURN_TYPE", expected="iterator of " + text,
                              actual="iterator of " + type(element).__name__)
        yield element


def verify_names(actual, schema, by_name):
    expected = [field.name for field in schema.fields]
    if by_name:
        missing, extra = sorted(set(expected) - set(actual)), sorted(set(actual) - set(expected))
        if missing or extra:
            raise spark_error("PySparkRuntimeError", known("RESULT_COLUMN_NAMES_MISMATCH", "RESULT_COLUMNS_MISMATCH_FOR_PANDAS_UDF"),
                              missing=f" Missing: {', '.join(missing)}." if missing else "",
                              extra=f" Unexpected: {', '.join(extra)}." if extra else "")
    elif len(actual) != len(expected):
        raise spark_error("PySparkRuntimeError", known("RESULT_COLUMN_SCHEMA_MISMATCH", "RESULT_LENGTH_MISMATCH_FOR_PANDAS_UDF"),
                          expected=str(len(expected)), actual=str(len(actual)))


settings = {"safe": True}  # of the request at hand: spark.sql.execution.pandas.convertToArrowArraySafely


def array_of_pandas(result, data_type, row_count, name=None):
    """Values of a function as an Arrow array; what does not fit is cast as Arrow casts."""
    import pandas
    import pyarrow
    if not hasattr(result, "__len__"):
        raise spark_error("PySparkTypeError", "UDF_RETURN_TYPE", expected="pandas.Series", actual=type(result).__name__)
    if len(result) != row_count:
        raise rows_mismatch(len(result), row_count)
    wanted = arrow_type(data_type)
    if isinstance(result, pandas.DataFrame):
        parts = [array_of_pandas(result[field.name] if field.name in result else result.iloc[:, index], field.dataType, row_count)
                 for index, field in enumerate(data_type.fields)]
        return pyarrow.StructArray.from_arrays(parts, fields=list(wanted))
    if not isinstance(result, pandas.Series):
        result = pandas.Series(result)
    if pyarrow.types.is_timestamp(wanted) and wanted.tz is not None and getattr(result, "dt", None) is not None \
            and result.dt.tz is None:
        result = result.dt.tz_localize(wanted.tz)
    safe = settings["safe"]
    try:
        try:
            return plain(pyarrow.Array.from_pandas(result, mask=result.isnull(), type=wanted, safe=safe))
        except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
            if pyarrow.types.is_string(wanted):
                return plain(pyarrow.Array.from_pandas(result.map(lambda value: None if value is None else str(value)), type=wanted))
            return plain(pyarrow.Array.from_pandas(result, mask=result.isnull()).cast(wanted, safe=safe))
    except (TypeError, ValueError) as failure:
        from pyspark import errors
        kind = errors.PySparkTypeError if isinstance(failure, TypeError) else errors.PySparkValueError
        text = "Exception thrown when converting pandas.Series (%s) with name '%s' to Arrow Array (%s)." \
            % (result.dtype, result.name if name is None else name, wanted)
        if safe and kind is errors.PySparkValueError:
            text += " It can be caused by overflows or other unsafe conversions warned by Arrow. Arrow safe type check can be disabled " \
                "by using SQL config `spark.sql.execution.pandas.convertToArrowArraySafely`."
        raise kind(text) from failure


def batch_of_frame(frame, schema, by_position_if_longer=False):
    """The columns of a DataFrame that a function gave, by name, or by position when none has a name."""
    import pyarrow
    fields = schema.fields
    if frame.empty and len(frame.columns) == 0:
        return pyarrow.RecordBatch.from_arrays([pyarrow.array([], arrow_type(field.dataType)) for field in fields], names=schema.names)
    by_name = any(isinstance(name, str) for name in frame.columns)
    given = list(frame.columns[:len(fields)] if by_position_if_longer else frame.columns)
    verify_names(given, schema, by_name)
    columns = [frame[field.name] if by_name else frame.iloc[:, index] for index, field in enumerate(fields)]
    arrays = [array_of_pandas(column, field.dataType, len(frame), field.name) for column, field in zip(columns, fields)]
    return pyarrow.RecordBatch.from_arrays(arrays, names=schema.names)


def same_arrow_type(wanted, given):
    """The zone of a timestamp and the width of offsets are how, not what."""
    import pyarrow
    if pyarrow.types.is_timestamp(wanted) and pyarrow.types.is_timestamp(given):
        return wanted.unit == given.unit and (wanted.tz is None) == (given.tz is None)
    large = {pyarrow.large_string(): pyarrow.string(), pyarrow.large_binary(): pyarrow.binary()}
    return large.get(given, given) == wanted or pyarrow.types.is_nested(wanted) and wanted.id == given.id


def batch_of_arrow(batch, schema, by_name):
    """A record batch that a function gave, with exactly the types that were declared."""
    import pyarrow
    fields = schema.fields
    if batch.num_columns == 0 and batch.num_rows == 0:
        return pyarrow.RecordBatch.from_arrays([pyarrow.array([], arrow_type(field.dataType)) for field in fields], names=schema.names)
    verify_names(batch.schema.names, schema, by_name)
    columns = [batch.column(batch.schema.get_field_index(field.name) if by_name else index) for index, field in enumerate(fields)]
    wrong = [(field.name, arrow_type(field.dataType), column.type) for field, column in zip(fields, columns)
             if not same_arrow_type(arrow_type(field.dataType), column.type)]
    if wrong:
        text = ", ".join("column '%s' (expected %s, actual %s)" % one for one in (sorted(wrong, key=str) if by_name else wrong))
        if not has_condition("RESULT_COLUMN_TYPES_MISMATCH"):  # pyspark 3
            raise TypeError(f"Column types of the returned data do not match specified schema. Mismatch: {text}.")
        raise spark_error("PySparkRuntimeError", "RESULT_COLUMN_TYPES_MISMATCH", mismatch=text)
    arrays = [plain(column).cast(arrow_type(field.dataType)) for field, column in zip(fields, columns)]
    return pyarrow.RecordBatch.from_arrays(arrays, names=schema.names)


def without_stop(function):
    """A StopIteration of the program's function ends no loop of ours."""
    def call(*arguments, **named):
        try:
            return function(*arguments, **named)
        except StopIteration as stop:
            raise spark_error("PySparkRuntimeError", "STOP_ITERATION_OCCURRED", exc=str(stop)) from stop
    return call


def evaluate_call(call, batch, rows):
    """One function over the batch, as an Arrow array with a value for each row."""
    function, data_type = functions.get(call["function"])
    kind, places, names = call["kind"], call["arguments"], call["names"]
    columns = [batch.column(place) for place in places]

    def split(values):
        return ([value for value, name in zip(values, names) if not name],
                {name: value for value, name in zip(values, names) if name})

    if kind not in PANDAS_ITERATOR and kind not in ARROW_ITERATOR:
        function = without_stop(function)
    if kind in ROWS:
        values = []
        for row in rows():
            positional, named = split([row[place] for place in places])
            value = function(*positional, **named)
            values.append(as_pickled(value, data_type) if kind == PICKLED else value)
        return column_of_values(values, data_type)
    if kind in AGGREGATE_PANDAS or kind in AGGREGATE_ARROW:
        return aggregate(function, kind, columns[0], data_type)
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
        import pyarrow
        verify_type(result, pyarrow.Array, "pyarrow.Array")
        if len(result) != batch.num_rows:
            raise rows_mismatch(len(result), batch.num_rows, "arrow_udf")
        return plain(result.cast(arrow_type(data_type)))
    return array_of_pandas(result, data_type, batch.num_rows)


def rows_of_list(lists, index):
    """The rows of one group as a record batch: the structs of a list."""
    import pyarrow
    start, end = (lists.offsets[index].as_py(), lists.offsets[index + 1].as_py()) if lists[index].is_valid else (0, 0)
    rows = lists.values.slice(start, end - start)
    return pyarrow.RecordBatch.from_arrays(rows.flatten(), names=[field.name for field in rows.type])


def aggregate(function, kind, lists, data_type):
    """One value for each list of arguments: structs whose fields are the arguments, =name for named ones."""
    import pandas
    import pyarrow
    lists = plain(lists)
    wanted, arrays = arrow_type(data_type), []
    for index in range(len(lists)):
        group = rows_of_list(lists, index)
        columns = group.columns if kind in AGGREGATE_ARROW else [series_of(column) for column in group.columns]
        if kind in AGGREGATE_ITERATOR:
            value = function(iter([columns[0] if len(columns) == 1 else tuple(columns)]))
        else:
            named = {name[1:]: column for name, column in zip(group.schema.names, columns) if name.startswith("=")}
            value = function(*[column for name, column in zip(group.schema.names, columns) if not name.startswith("=")], **named)
        if kind in AGGREGATE_ARROW:
            arrays.append(pyarrow.array([value.as_py() if isinstance(value, pyarrow.Scalar) else value], wanted))
        else:
            arrays.append(array_of_pandas(pandas.Series([value]), data_type, 1))
    return pyarrow.concat_arrays(arrays) if arrays else pyarrow.array([], wanted)


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


def map_rows(function, kind, schema, table, row_max):
    import pandas
    import pyarrow
    batches = table.combine_chunks().to_batches(max_chunksize=row_max)
    if kind == MAP_PANDAS:
        for frame in verified_iterator(function(frame_of(batch) for batch in batches), pandas.DataFrame, "pandas.DataFrame"):
            yield batch_of_frame(frame, schema, True)
    else:
        for batch in verified_iterator(function(iter(batches)), pyarrow.RecordBatch, "pyarrow.RecordBatch"):
            yield batch_of_arrow(batch, schema, False)


def map_group(function, kind, schema, key, groups, row_max):
    """What the function gives for one group (two of a cogroup), as record batches."""
    import pandas
    import pyarrow
    pandas_kind = kind in (GROUP_PANDAS, COGROUP_PANDAS, GROUP_PANDAS_ITERATOR)
    if kind in (GROUP_PANDAS_ITERATOR, GROUP_ARROW_ITERATOR):
        batches = pyarrow.Table.from_batches(groups).to_batches(max_chunksize=row_max)
        values = [(frame_of(batch) for batch in batches) if pandas_kind else iter(batches)]
    else:
        values = [frame_of(group) if pandas_kind else pyarrow.Table.from_batches([group]) for group in groups]
    wants_key = len(inspect.getfullargspec(function).args) > len(groups)
    result = function(*([key()] if wants_key else []), *values)
    if kind == GROUP_PANDAS_ITERATOR:
        for frame in verified_iterator(result, pandas.DataFrame, "pandas.DataFrame"):
            yield batch_of_frame(frame, schema)
    elif kind == GROUP_ARROW_ITERATOR:
        for batch in verified_iterator(result, pyarrow.RecordBatch, "pyarrow.RecordBatch"):
            yield batch_of_arrow(batch, schema, True)
    elif pandas_kind:
        yield batch_of_frame(verify_type(result, pandas.DataFrame, "pandas.DataFrame"), schema)
    else:
        table = verify_type(result, pyarrow.Table, "pyarrow.Table")
        yield from (batch_of_arrow(batch, schema, True) for batch in table.to_batches() or [table.schema.empty_table()])


def map_groups(function, kind, schema, table, key_count, row_max):
    for batch in table.to_batches():
        keys, lists = batch.columns[:key_count], batch.columns[key_count:]
        for index in range(batch.num_rows):
            def key(index=index):
                if kind in (GROUP_ARROW, GROUP_ARROW_ITERATOR, COGROUP_ARROW):
                    return tuple(column[index] for column in keys)
                return tuple(series_of(column.slice(index, 1))[0] for column in keys)
            yield from map_group(function, kind, schema, key, [rows_of_list(column, index) for column in lists], row_max)


def map_request(head, payload):
    import pyarrow
    function, schema = functions.get(head["function"])
    table = pyarrow.ipc.open_stream(payload).read_all()
    row_max = head["rows"] if head["rows"] > 0 else None
    results = map_rows(function, head["kind"], schema, table, row_max) if head["kind"] in (MAP_PANDAS, MAP_ARROW) \
        else map_groups(function, head["kind"], schema, table, head["keys"], row_max)
    arrow_schema = pyarrow.schema([(field.name, arrow_type(field.dataType)) for field in schema.fields])
    rows = pyarrow.Table.from_batches([pyarrow.RecordBatch.from_arrays(batch.columns, schema=arrow_schema) for batch in results],
                                      schema=arrow_schema)
    return stream_of(rows.combine_chunks().to_batches(max_chunksize=BATCH_ROWS), arrow_schema)


def plain_series(array):
    """Like series_of, but with structs as dictionaries."""
    import pyarrow
    if not pyarrow.types.is_struct(array.type):
        return series_of(array)
    import pandas
    rows = [row[0] for row in rows_of(pyarrow.Table.from_arrays([array], ["value"]))]
    return pandas.Series([None if row is None else row.asDict(recursive=True) for row in rows], dtype=object)


def frame_with_dictionaries(batch):
    import pandas
    columns = [plain_series(column) for column in batch.columns]
    frame = pandas.concat(columns, axis=1) if columns else pandas.DataFrame(index=range(batch.num_rows))
    frame.columns = batch.schema.names
    return frame


def state_of(group, value, timeout_kind, watermarked):
    """The GroupState of a group, as this version of pyspark makes it."""
    from pyspark.sql.streaming.state import GroupState
    return GroupState(
        optionalValue=value, batchProcessingTimeMs=group["now"], eventTimeWatermarkMs=group["watermark"], timeoutConf=timeout_kind,
        hasTimedOut=group["timed_out"], watermarkPresent=watermarked, defined=value is not None, updated=False, removed=False,
        timeoutTimestamp=GroupState.NO_TIMESTAMP, keyAsUnsafe=b"", valueSchema=None)


def what_becomes_of(state):
    """As Spark decides it: keep, put or remove; the timeout; the new value. A timeout that was not set again is kept with the
    state that nobody changed."""
    timeout = int(state._timeout_timestamp)
    if state._removed and timeout == state.NO_TIMESTAMP:
        return 2, timeout, None
    changed = state._updated or state._removed or timeout != state.NO_TIMESTAMP
    return int(changed), timeout, tuple(state._value) if state._defined else None


def results_with_state(function, schema, key, chunks, state):
    """What the function gives for one group, checked as Spark does."""
    import pandas
    result = function(key, chunks, state)
    if isinstance(result, pandas.DataFrame):
        raise spark_error("PySparkTypeError", "UDF_RETURN_TYPE", expected="iterable of pandas.DataFrame", actual=type(result).__name__)
    try:
        iter(result)
    except TypeError:
        raise spark_error("PySparkTypeError", "UDF_RETURN_TYPE", expected="iterable", actual=type(result).__name__) from None
    for frame in result:
        if not isinstance(frame, pandas.DataFrame):
            raise spark_error("PySparkTypeError", "UDF_RETURN_TYPE", expected="iterator of pandas.DataFrame",
                              actual="iterator of " + type(frame).__name__)
        if len(frame.columns) != len(schema) and not (len(frame.columns) == 0 and frame.empty):
            raise spark_error("PySparkRuntimeError", known("RESULT_COLUMN_SCHEMA_MISMATCH", "RESULT_LENGTH_MISMATCH_FOR_PANDAS_UDF"),
                              expected=str(len(schema)), actual=str(len(frame.columns)))
        if len(frame) > 0:
            yield batch_of_frame(frame, schema)


def groups_with_state(head, function, schema, batch):
    """The answers of one batch of groups: (change, timeout, state, record batches) of each."""
    import pandas
    key_count, row_max = head["keys"], head["rows"] if head["rows"] > 0 else None
    keys, lists = batch.columns[5:5 + key_count], batch.column(5 + key_count)
    about = batch.select(["timed_out", "now", "watermark"]).to_pylist()
    values = rows_of(stream_table([batch.column(0)], ["state"]))
    for index in range(batch.num_rows):
        group, rows = about[index], rows_of_list(lists, index)
        key = tuple(plain_series(column.slice(index, 1))[0] for column in keys)
        state = state_of(group, values[index][0], head["timeout"], head["watermarked"])
        if group["timed_out"]:
            chunks = [pandas.DataFrame(columns=rows.schema.names)]
        else:
            chunks = (frame_with_dictionaries(chunk) for chunk in stream_table([rows]).to_batches(max_chunksize=row_max))
        batches = list(results_with_state(function, schema, key, iter(chunks), state))
        yield (*what_becomes_of(state), batches)


def stream_table(parts, names=None):
    import pyarrow
    return pyarrow.Table.from_arrays(parts, names) if names else pyarrow.Table.from_batches(parts)


def list_of_rows(batches, counts, row_type):
    """A list for each group, of so many rows of the batches one after the other."""
    import pyarrow
    offsets = [0]
    for count in counts:
        offsets.append(offsets[-1] + count)
    table = pyarrow.Table.from_batches(batches) if batches else None
    fields = [row_type.field(index) for index in range(row_type.num_fields)]
    columns = [plain(table.column(index)) if batches else pyarrow.array([], field.type) for index, field in enumerate(fields)]
    rows = pyarrow.StructArray.from_arrays(columns, fields=fields)
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets, pyarrow.int32()), rows)


def state_request(head, payload):
    import pyarrow
    from pyspark.sql.types import StructType
    function, schema = functions.get(head["function"])
    table = pyarrow.ipc.open_stream(payload).read_all()
    state_type = spark_schema(pyarrow.schema([table.schema.field(0)])).fields[0].dataType
    row_type = arrow_type(StructType(schema.fields))
    results = []
    for batch in table.to_batches():
        groups = list(groups_with_state(head, function, schema, batch))
        batches = [one for group in groups for one in group[3]]
        lists = list_of_rows(batches, [sum(one.num_rows for one in group[3]) for group in groups], row_type)
        states = column_of_values([as_pickled(group[2], state_type) for group in groups], state_type)
        results.append(pyarrow.RecordBatch.from_arrays(
            [pyarrow.array([group[0] for group in groups], pyarrow.int64()), pyarrow.array([group[1] for group in groups], pyarrow.int64()),
             states, lists], names=["change", "timeout", "state", "rows"]))
    return stream_of(results, results[0].schema)


def rows_of_method(schema, method, name, arguments=(), named=None):
    """What a method of a table function gives, each a tuple as wide as the schema."""
    try:
        result = method(*arguments, **(named or {}))
        if result is not None and not hasattr(result, "__iter__"):
            raise spark_error("PySparkRuntimeError", "UDTF_RETURN_NOT_ITERABLE", type=type(result).__name__, func=name)
        for row in result or ():
            if isinstance(row, dict):
                row = tuple(row.get(field) for field in schema.names)
            if not isinstance(row, (tuple, list)):
                raise spark_error("PySparkRuntimeError", "UDTF_INVALID_OUTPUT_ROW_TYPE", type=type(row).__name__, func=name)
            if len(row) != len(schema.fields):
                raise spark_error("PySparkRuntimeError", "UDTF_RETURN_SCHEMA_MISMATCH", expected=str(len(schema.fields)),
                                  actual=str(len(row)), func=name)
            yield tuple(row)
    except Exception as failure:
        from pyspark.errors import PySparkRuntimeError
        if isinstance(failure, PySparkRuntimeError):
            raise
        raise spark_error("PySparkRuntimeError", "UDTF_EXEC_ERROR", method_name=name, error=str(failure)) from failure


def table_request(head, payload):
    import pyarrow
    from pyspark.sql.types import StructType
    schema, handler = StructType.fromJson(json.loads(head["schema"])), functions.get(head["function"])()
    table, rows = pyarrow.ipc.open_stream(payload).read_all(), []
    names = table.schema.names[1:]
    for row in rows_of(table):
        values = list(zip(names, list(row)[1:]))
        rows += rows_of_method(schema, handler.eval, "eval", [value for name, value in values if not name.startswith("=")],
                               {name[1:]: value for name, value in values if name.startswith("=")})
    if hasattr(handler, "terminate"):
        rows += rows_of_method(schema, handler.terminate, "terminate")
    if hasattr(handler, "cleanup"):
        handler.cleanup()
    columns = []
    for index, field in enumerate(schema.fields):
        values = [row[index] for row in rows]
        columns.append(column_of_values([as_pickled(value, field.dataType) for value in values] if head["kind"] == 300 else values,
                                        field.dataType))
    arrow_schema = pyarrow.schema([(field.name, arrow_type(field.dataType)) for field in schema.fields])
    return stream_of([pyarrow.RecordBatch.from_arrays(columns, schema=arrow_schema)], arrow_schema)


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


def listener(head, payload):
    from pyspark.sql.streaming import listener as events
    one, event = functions.get(head["function"]), getattr(events, head["event"]).fromJson(json.loads(head["json"]))
    if one.spark is None:
        one._set_spark_session(this_session())
    getattr(one, "on" + head["event"][:-len("Event")])(event)
    return b""


REQUESTS = {
    "evaluate": evaluate, "map": map_request, "state": state_request, "table": table_request, "foreach": foreach,
    "foreachBatch": foreach_batch, "listener": listener}


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
        if head["do"] == "file":
            try:
                files.add(head["name"], payload)
            except Exception as failure:
                print(f"The artifact {head['name']} cannot be used: {failure}")
            continue
        if head["do"] == "define":
            functions.define(head["function"], head["about"], payload)
            continue
        settings["safe"] = head.get("safe", True)
        try:
            answer, result = {}, REQUESTS[head["do"]](head, payload)
        except BaseException as failure:
            answer, result = {"failure": describe(failure)}, b""
        output.flush()
        channel.send(answer, bytes(result))


if __name__ == "__main__":
    main()
