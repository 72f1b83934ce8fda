"""What a notebook's kernel has beside the start-up module: an IPython extension that `raudal kernel start` loads.

The batches of a console sink appear in the cell that started the query: each query writes to a console file of its
own (the option raudal.console), and a thread that was started in that cell copies it to the cell's output. The file's
growth wakes the thread (inotify); nothing polls. A kernel that found no Raudal says so in every cell.
"""
import contextvars
import ctypes
import os
import shutil
import sys
import threading
import uuid

import sitecustomize

IN_MODIFY = 2


class _Copier:
    """Copies what is appended to one file of the program's folder to standard output. IPython takes the cell that
    output belongs to from the context: the copy of a cell's means that cell, an empty one the cell that runs."""

    def __init__(self, name, context):
        self.path = os.path.join(_folder(), name)
        self.file = open(self.path, "ab+", buffering=0)
        self.position = 0
        self.moved = threading.Condition()
        library = ctypes.CDLL(None, use_errno=True)
        self.watcher = library.inotify_init1(os.O_CLOEXEC)
        library.inotify_add_watch(self.watcher, self.path.encode(), IN_MODIFY)
        threading.Thread(target=context.run, args=(self._copy,), daemon=True).start()

    def _copy(self):
        while True:
            data = os.pread(self.file.fileno(), 1 << 16, self.position)
            if data:
                sys.stdout.write(data.decode(errors="replace"))
                sys.stdout.flush()
                with self.moved:
                    self.position += len(data)
                    self.moved.notify_all()
            else:
                os.read(self.watcher, 4096)

    def drain(self):
        """Waits until everything that is in the file has been written, so that it belongs to the running cell."""
        with self.moved:
            self.moved.wait_for(lambda: self.position >= os.fstat(self.file.fileno()).st_size, timeout=5)


_copiers = []


def _folder():
    return os.path.join(os.environ["RAUDAL_DATA"], "run", "programs", os.environ["RAUDAL_PROGRAM"])


def _drain_all():
    for copier in list(_copiers):
        copier.drain()


def _after(function, then):
    def wrapper(*arguments, **named):
        try:
            return function(*arguments, **named)
        finally:
            then()
    wrapper.__doc__ = function.__doc__
    wrapper.__name__ = function.__name__
    return wrapper


def _patch_stream_writer(module):
    original = module.DataStreamWriter.start

    def start(self, path=None, format=None, *arguments, **named):
        if "console" in (format, self._write_proto.format):
            mark = uuid.uuid4().hex
            _copiers.append(_Copier("console." + mark, contextvars.copy_context()))
            self.option("raudal.console", mark)
        return original(self, path, format, *arguments, **named)

    start.__doc__ = original.__doc__
    module.DataStreamWriter.start = start


def _patch_query(module):
    for name in ("processAllAvailable", "awaitTermination", "stop"):
        setattr(module.StreamingQuery, name, _after(getattr(module.StreamingQuery, name), _drain_all))


def _patch_writer(module):
    """df.write.format("console").save() writes to the program's own console."""
    module.DataFrameWriter.save = _after(module.DataFrameWriter.save, _drain_all)


def _patch_progress(module):
    """PySpark's progress bar clears its line at the end, also when it has drawn none: nothing would be left in the cell."""
    original = module.Progress.finish

    def finish(self):
        if getattr(self, "_max_printed", 1) == 0:
            self._enabled = False
        original(self)

    module.Progress.finish = finish


def _say_that_nothing_runs(shell, note):
    ready = os.path.join(os.environ.get("RAUDAL_DATA", ""), "run", "instance.json")

    def before_cell(*_):
        print(os.environ["RAUDAL_KERNEL_NOTE_READY"] if os.path.exists(ready) else note, file=sys.stderr)

    shell.events.register("pre_run_cell", before_cell)


def _remove_folder():
    folder = _folder()
    try:
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
    except OSError:
        pass


def load_ipython_extension(shell):
    lock = os.environ.pop("RAUDAL_LOCK", None)
    if lock is not None:
        os.set_inheritable(int(lock), False)     # it ends with the kernel, not with what the kernel starts
    note = os.environ.get("RAUDAL_KERNEL_NOTE")
    if note:
        shutil.rmtree(os.environ.pop("RAUDAL_KERNEL_MODULES", ""), ignore_errors=True)
        _say_that_nothing_runs(shell, note)
        return
    import atexit
    atexit.register(_remove_folder)
    # What has no cell of its own, also from programs that a cell starts (!python program.py): to the cell that runs.
    _copiers.append(_Copier("console", contextvars.Context()))
    sitecustomize.patches.update({
        "pyspark.sql.connect.streaming.readwriter": _patch_stream_writer,
        "pyspark.sql.connect.streaming.query": _patch_query,
        "pyspark.sql.connect.readwriter": _patch_writer,
        "pyspark.sql.connect.shell.progress": _patch_progress,
    })
