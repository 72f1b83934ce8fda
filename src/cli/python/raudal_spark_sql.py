"""spark-sql: statements from -e, -f, standard input or the terminal; results as Spark's own spark-sql prints them, that is as
Hive's command line does: columns behind tabs, NULL for a null, JSON-like texts for arrays, maps and structs, and on standard
error how long it took.
"""
import logging
import os
import re
import subprocess
import sys
import time

from pyspark.sql import SparkSession
from pyspark.sql import types

logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)  # it would print each failure a second time, as JSON

USAGE = """Usage: spark-sql [options]

  -e <query>            SQL from the command line
  -f <file>             SQL from a file
  -i <file>             SQL that is run first
  -S, --silent          no lines about time
  -v, --verbose         echo each statement
  --database <name>     the database to use
  --conf <name=value>, --hiveconf <name=value>   a setting of the session
  -d, --define, --hivevar <name=value>           a variable for ${name} in statements
  -H, --help            this page
"""


# ---- values ----

def java_double(value, is_float):
    """Double.toString and Float.toString, where Python's shortest form has the same digits."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if is_float:
        import struct
        digits = next(text for text in (f"{value:.{n}g}" for n in range(1, 10))
                      if struct.pack("f", float(text)) == struct.pack("f", value))
        value_text = repr(float(digits))
    else:
        value_text = repr(value)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return value_text if "e" not in value_text else f"{value:f}".rstrip("0")
    mantissa, _, exponent = f"{float(value_text):e}".partition("e")
    shortest = re.sub(r"[.e].*|^-", "", value_text) + re.sub(r"^-?\d+\.?|e.*", "", value_text)
    digits = shortest.lstrip("0").rstrip("0") or "0"
    return ("-" if value < 0 else "") + digits[0] + "." + (digits[1:] or "0") + "E" + str(int(exponent))


def timestamp_text(value):
    text = value.strftime("%Y-%m-%d %H:%M:%S")
    return text + (f".{value.microsecond:06d}".rstrip("0") if value.microsecond else "")


def nested(value, type_):
    """A value inside an array, map or struct."""
    if value is None:
        return "null"
    if isinstance(type_, types.StringType):
        return f'"{value}"'
    return whole(value, type_)


def whole(value, type_):
    if value is None:
        return "NULL"
    if isinstance(type_, types.ArrayType):
        return "[" + ",".join(nested(item, type_.elementType) for item in value) + "]"
    if isinstance(type_, types.MapType):
        return "{" + ",".join(f"{nested(key, type_.keyType)}:{nested(item, type_.valueType)}" for key, item in value.items()) + "}"
    if isinstance(type_, types.StructType):
        return "{" + ",".join(f'"{field.name}":{nested(item, field.dataType)}' for field, item in zip(type_.fields, value)) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(type_, (types.DoubleType, types.FloatType)):
        return java_double(value, isinstance(type_, types.FloatType))
    if isinstance(type_, (types.TimestampType, types.TimestampNTZType)):
        return timestamp_text(value)
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode(errors="replace")
    if isinstance(type_, types.DecimalType):
        return f"{value:f}"
    return str(value)


COMPLEX = (types.ArrayType, types.MapType, types.StructType, types.BinaryType, types.StringType)


def rows_as_text(frame):
    """Every row as a list of texts. Simple values become text on the server, so that they look as Spark writes them."""
    fields = frame.schema.fields
    if not fields:
        frame.collect()
        return []
    named = frame.toDF(*[f"c{i}" for i in range(len(fields))])
    chosen = [named[f"c{i}"] if isinstance(field.dataType, COMPLEX) else named[f"c{i}"].cast("string").alias(f"c{i}")
              for i, field in enumerate(fields)]
    return [[whole(value, field.dataType if isinstance(field.dataType, COMPLEX) else types.StringType())
             for value, field in zip(row, fields)] for row in named.select(*chosen).collect()]


# ---- statements ----

def split(text):
    """Statements and the rest that has no semicolon yet; semicolons in quotes and comments do not count."""
    statements, start = [], 0
    for match in re.finditer(r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:\\.|[^'\\])*(?:'|\Z)|"(?:\\.|[^"\\])*(?:"|\Z)|`[^`]*(?:`|\Z)|;""", text, re.S):
        if match.group() == ";":
            statements.append(text[start:match.start()])
            start = match.end()
    return statements, text[start:]


def without_comments(text):
    return re.sub(r"--[^\n]*|/\*.*?\*/", "", text, flags=re.S).strip()


class Shell:
    def __init__(self, options):
        self.silent = options["silent"]
        self.verbose = options["verbose"]
        self.variables = options["variables"]
        builder = SparkSession.builder
        for name, value in options["settings"]:
            builder = builder.config(name, value)
        self.spark = builder.getOrCreate()

    def say(self, text):
        if not self.silent:
            print(text, file=sys.stderr, flush=True)

    def run(self, statement):
        """False when it failed."""
        statement = re.sub(r"\$\{(?:hivevar:)?(\w+)\}", lambda match: self.variables.get(match.group(1), match.group()), statement.strip())
        bare = without_comments(statement)
        if not bare:
            return True
        if self.verbose:
            print(statement, flush=True)
        if bare.lower() in ("quit", "exit"):
            raise SystemExit(0)
        if bare.startswith("!"):
            return subprocess.call(bare[1:], shell=True) == 0
        source = re.fullmatch(r"source\s+(.+)", bare, re.I)
        try:
            if source:
                with open(source.group(1)) as file:
                    return self.run_all(file.read())
            self.show(bare, statement)
            return True
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
        except SystemExit:
            raise
        except Exception as failure:
            print(message_of(failure), file=sys.stderr, flush=True)
        return False

    def show(self, bare, statement):
        started = time.monotonic()
        frame = self.spark.sql(statement)
        columns = frame.columns
        rows = rows_as_text(frame)
        if re.match(r"show\s+(tables|views)\b", bare, re.I) and len(columns) == 3:
            columns, rows = columns[1:2], [row[1:2] for row in rows]
        if re.match(r"desc(ribe)?\b", bare, re.I) and columns == ["col_name", "data_type", "comment"]:
            rows = [["%-20s" % ("" if text == "NULL" else text) for text in row] for row in rows]
        taken = time.monotonic() - started
        if columns and self.spark.conf.get("spark.sql.cli.print.header", "false") == "true":
            print("\t".join(columns))
        for row in rows:
            print("\t".join(row))
        sys.stdout.flush()
        self.say(f"Time taken: {taken:.3f} seconds" + (f", Fetched {len(rows)} row(s)" if rows else ""))

    def run_all(self, text):
        statements, rest = split(text)
        return all(self.run(statement) for statement in statements + [rest])

    def interact(self):
        history = os.path.expanduser("~/.raudal_spark_sql_history")
        try:
            import readline
            if os.path.exists(history):
                readline.read_history_file(history)
        except (ImportError, OSError):
            readline = None
        self.say(f"Spark master: {os.environ.get('SPARK_REMOTE', '').split(';')[0].rstrip('/')}, "
                 f"Application Id: {self.spark.session_id}")
        text = ""
        try:
            while True:
                prompt = f"spark-sql ({self.spark.catalog.currentDatabase()})> " if not text else " " * 14 + "> "
                try:
                    text += input(prompt) + "\n"
                except EOFError:
                    print()
                    break
                except KeyboardInterrupt:
                    print()
                    text = ""
                    continue
                statements, text = split(text)
                for statement in statements:
                    self.run(statement)
                text = text if without_comments(text) else ""
        finally:
            if readline:
                try:
                    readline.write_history_file(history)
                except OSError:
                    pass


def message_of(failure):
    """What Spark's shell prints of a failure: condition and message, without the client's own frame around it."""
    text = str(failure)
    return re.sub(r"^\([\w.$]+\)\s*", "", text).split("\n\nJVM stacktrace:")[0].rstrip()


# ---- the command line ----

def parse(words):
    options = {"silent": False, "verbose": False, "settings": [], "variables": {}, "queries": [], "files": [], "first": [],
               "database": None}
    values = {"-e": "queries", "-f": "files", "-i": "first"}
    words = list(words)
    while words:
        word = words.pop(0)
        name, equals, attached = word.partition("=")
        if word in ("-S", "--silent"):
            options["silent"] = True
            continue
        if word in ("-v", "--verbose"):
            options["verbose"] = True
            continue
        if word in ("-H", "--help", "-h"):
            print(USAGE, end="")
            raise SystemExit(0)
        if name not in ("-e", "-f", "-i", "-d", "--define", "--hivevar", "--hiveconf", "--conf", "-c", "--database"):
            print(f"spark-sql: the option {word} is not known here; spark-sql --help lists those that are", file=sys.stderr)
            raise SystemExit(1)
        if not equals and not words:
            print(f"Missing argument for option: {word}", file=sys.stderr)
            raise SystemExit(1)
        value = attached if equals and name.startswith("--") else words.pop(0)
        if name in values:
            options[values[name]].append(value)
        elif name == "--database":
            options["database"] = value
        else:
            key, _, text = value.partition("=")
            if name in ("-d", "--define", "--hivevar"):
                options["variables"][key] = text
            else:
                options["settings"].append((key, text))
    return options


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError as failure:
        print(f"Could not open input file for reading. ({failure})", file=sys.stderr)
        raise SystemExit(1)


def main():
    options = parse(sys.argv[1:])
    texts = options["queries"] + [read(path) for path in options["files"]]
    firsts = [read(path) for path in options["first"]]
    shell = Shell(options)
    if options["database"] and not shell.run(f"USE {options['database']}"):
        return 1
    if not all(shell.run_all(text) for text in firsts):
        return 1
    if texts or not sys.stdin.isatty():
        return 0 if all(shell.run_all(text) for text in texts or [sys.stdin.read()]) else 1
    shell.interact()
    return 0


sys.exit(main())
