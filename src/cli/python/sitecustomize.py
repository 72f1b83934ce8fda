"""Raudal's start-up module for Python programs in `raudal run`, `raudal shell` and `spark-submit`.

It is on PYTHONPATH, so the interpreter imports it before the program. It leaves the pyspark package untouched
on disk and answers, in this process only, what Spark Connect clients refuse at line one although Spark's own
local mode takes it: .master(...), sparkContext.setLogLevel, sparkContext.appName, sparkContext.version; spark-
submit's --conf settings; and it lets a session end with its program. It says so in one line.
"""
import os
import sys


def _load_next_sitecustomize():
    """The user's own sitecustomize, if there is one further down the path, runs as it would without us."""
    import importlib.machinery
    import importlib.util
    here = os.path.dirname(os.path.abspath(__file__))
    path = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


_said = set()


def _say(text):
    if text not in _said:
        _said.add(text)
        print("raudal: " + text, file=sys.stderr)


class _SparkContext:
    """What programs commonly ask of spark.sparkContext. Everything else of a JVM's SparkContext is refused with the DataFrame way."""

    _ways = {
        "parallelize": "spark.createDataFrame(rows, schema) or spark.range(n)",
        "textFile": "spark.read.text(path)",
        "wholeTextFiles": "spark.read.text(path, wholetext=True)",
        "broadcast": "a plain Python variable, or pyspark.sql.functions.broadcast(df) for joins",
        "accumulator": "df.agg(...) or df.count()",
        "addFile": "spark.addArtifacts(path, file=True)",
        "addPyFile": "spark.addArtifacts(path, pyfile=True)",
        "emptyRDD": "spark.createDataFrame([], schema)",
        "union": "DataFrame.union",
        "getConf": "spark.conf",
    }

    def __init__(self, session):
        self._session = session

    def setLogLevel(self, logLevel):
        _say(f"sparkContext.setLogLevel({logLevel!r}): the log is in `raudal logs spark`, not on this terminal")

    @property
    def appName(self):
        return self._session.conf.get("spark.app.name", "")

    @property
    def version(self):
        return self._session.version

    @property
    def master(self):
        return os.environ.get("SPARK_REMOTE", "").split(";")[0]

    @property
    def applicationId(self):
        return self._session.session_id

    @property
    def uiWebUrl(self):
        return None

    @property
    def defaultParallelism(self):
        return int(self._session.conf.get("spark.default.parallelism", "2"))

    def stop(self):
        self._session.stop()

    def __getattr__(self, name):
        way = self._ways.get(name)
        raise AttributeError(
            f"sparkContext.{name} needs Spark's JVM, which is not here (nor on any Spark Connect server). "
            + (f"The DataFrame way: {way}" if way else "Use the DataFrame functions of the session instead."))


def _patch_session(module):
    session_class = module.SparkSession

    def spark_context(self):
        _say("sparkContext answers setLogLevel, appName and version here; the rest of it needs a JVM")
        return _SparkContext(self)

    session_class.sparkContext = property(spark_context)
    session_class._sc = property(spark_context)


def _builder_options(builder_class):
    """A class-level dict in some versions, an instance's in others; both end in self._options."""
    original_get_or_create = builder_class.getOrCreate
    original_config = builder_class.config

    def take_master(self, value):
        _say(f"master({value!r}) has no effect here: the program runs on this Raudal")
        return self

    def config(self, key=None, value=None, **more):
        if key == "spark.master":
            return take_master(self, value)
        if isinstance(more.get("map"), dict) and "spark.master" in more["map"]:
            take_master(self, more["map"]["spark.master"])
            more["map"] = {name: text for name, text in more["map"].items() if name != "spark.master"}
        if key is None:
            return original_config(self, **more)
        return original_config(self, key, value, **more)

    def get_or_create(self):
        settings = os.environ.get("RAUDAL_SPARK_SETTINGS")
        if settings:
            import json
            for name, value in json.loads(settings).items():
                if name not in getattr(self, "_options", {}):
                    self.config(name, value)
        session = original_get_or_create(self)
        _release_on_exit(session)
        return session

    builder_class.master = take_master
    builder_class.config = config
    builder_class.getOrCreate = get_or_create


_released = set()


def _release_on_exit(session):
    """The session ends with the program, so that its queries do not outlive it."""
    import atexit
    if os.environ.get("RAUDAL_WORKER_ADDRESS"):    # a worker of the server: the session is the program's
        return
    if id(session) in _released:
        return
    _released.add(id(session))

    def release():
        try:
            session.client.release_session()
        except Exception:
            pass

    atexit.register(release)


def _patch_connect_session(module):
    _patch_session(module)
    _builder_options(module.SparkSession.Builder)


# Module -> what is done to it once it is loaded. raudal_kernel adds its own.
patches = {
    "pyspark.sql.connect.session": _patch_connect_session,
    "pyspark.sql.session": lambda module: _builder_options(module.SparkSession.Builder),
}


class _Finder:
    """Patches the modules above once they have been loaded by whoever loads them."""

    def find_spec(self, name, path, target=None):
        if name not in patches:
            return None
        import importlib.machinery
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return None
        original = spec.loader.exec_module

        def exec_module(module):
            original(module)
            patches[name](module)

        spec.loader.exec_module = exec_module
        return spec


def _introduce():
    """Tells the server this program's number and file, which its pages show, and its interpreter and folder, in which its
    Python functions run; what a parent process said is replaced."""
    import re
    from urllib.parse import quote
    told = ("x-raudal-pid=", "x-raudal-file=", "x-raudal-python=", "x-raudal-folder=")
    words = [word for word in os.environ["SPARK_REMOTE"].split(";") if not word.startswith(told)]
    if "/" not in words[0].partition("://")[2]:
        words[0] += "/"     # arguments follow a path, also in an address of the user's own
    words.append(f"x-raudal-pid={os.getpid()}")
    interpreter = os.environ.get("PYSPARK_PYTHON") or sys.executable
    if interpreter:
        words.append("x-raudal-python=" + quote(quote(interpreter), safe=""))    # once for the client's URL, once for the wire
    command = getattr(sys, "orig_argv", [])
    file = next((word for word in command[1:] if word.endswith(".py")), "")
    words.append("x-raudal-folder=" + quote(quote(os.path.dirname(os.path.abspath(file))), safe=""))
    if file:
        words.append("x-raudal-file=" + re.sub(r"[^\w.+-]", "_", os.path.basename(file), flags=re.ASCII)[:100])
    os.environ["SPARK_REMOTE"] = ";".join(words)


if os.environ.get("RAUDAL_PROGRAM") and os.environ.get("SPARK_REMOTE"):
    _introduce()
    sys.meta_path.insert(0, _Finder())
try:
    _load_next_sitecustomize()
except Exception as failure:  # as Python itself does with a broken sitecustomize
    print(f"Error in sitecustomize: {failure}", file=sys.stderr)
