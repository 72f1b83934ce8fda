"""From a seed: a streaming pipeline and its input, as plain data, the same in every run.

    python generate.py SEED…    prints them

A pipeline: sources with options, steps (agent.py says what each is), output mode, sink; and runs of it over one checkpoint. Before
each run more input comes; after some of them the newest commit is lost, as when the process is killed before it is written.
What a real Spark leaves to chance is not asked: where several partitions feed an operator whose result depends on their order,
only columns that do not show it go on.
"""
import datetime
import json
import random
import sys

START = datetime.datetime(2026, 3, 1, 10)
KEYS = ["a", "b", "c", "de", "a longer key", "ñandú", "", None]
FILTERS = ["v > 3", "k is not null", "v % 3 != 1", "k in ('a', 'b', 'c')", "v between 2 and 40 or k = 'a'", "length(k) < 4",
           "not (k like 'a%')", "v is null or v <> 7", "n % 7 > 0", "ts >= '2026-03-01 10:00:20'"]
COLUMNS = ["v * 2 + 1", "upper(k)", "coalesce(v, -1)", "concat(k, '-', v)", "hour(ts)", "date_trunc('minute', ts)",
           "case when v > 10 then 'big' when v is null then 'none' else 'small' end", "cast(v as double) / 4", "substring(k, 1, 2)",
           "v % 5", "abs(v)", "hash(k, v)", "xxhash64(k)", "date_format(ts, 'HH:mm:ss')", "nullif(k, 'a')", "unix_millis(ts)",
           "cast(v as decimal(8, 3))", "md5(k)", "to_date(ts)", "round(v / 3, 2)", "lpad(k, 3, '*')", "if(v > 5, k, null)",
           "ts + interval 90 seconds", "cast(ts as string)", "regexp_replace(k, '[ab]', '_')", "greatest(v, 12)"]
NESTED = ["array(v, v + 1)", "named_struct('k', k, 'v', v)", "map('v', v)", "split(k, ' ')"]
AGGREGATES = ["count(*)", "sum(v)", "avg(v)", "max(v)", "min(k)", "count(v)", "max(ts)", "sum(cast(v as decimal(10, 2)))",
              "count_if(v > 5)", "bool_or(v > 7)", "min(n)", "max_by(n, n)", "sum(v * 2)", "bit_xor(v)", "max(n - v)",
              "every(v < 40)", "sum(case when k = 'a' then 1 else 0 end)", "try_sum(v)"]
LISTS = ["sort_array(collect_list(v))", "sort_array(collect_set(k))", "array_size(collect_list(n))"]
WINDOWS = ["window(ts, '10 seconds')", "window(ts, '1 minute')", "window(ts, '20 seconds', '10 seconds')",
           "window(ts, '30 seconds', '8 seconds')", "window(ts, '15 seconds', '15 seconds', '4 seconds')"]
DELAYS = ["0 seconds", "5 seconds", "10 seconds", "30 seconds"]
FILES = ["json", "csv", "parquet", "text"]


class Generator:
    def __init__(self, seed):
        self.chance = random.Random(f"pipeline {seed}")
        self.seed = seed
        self.moment, self.number = START, 0

    def one_of(self, *choices):
        return self.chance.choice(choices)

    def some(self, of, least, most):
        return self.chance.sample(of, min(self.chance.randint(least, most), len(of)))

    def often(self, share):
        return self.chance.random() < share

    # ---- input ----

    def row(self):
        """Event time goes on by some seconds, jumps now and then, and some rows are late."""
        jump = self.chance.choice([1, 2, 3, 5, 8]) if self.often(0.95) else self.chance.randint(60, 240)
        self.moment += datetime.timedelta(milliseconds=jump * 1000 + self.chance.choice([0, 0, 250]))
        late = datetime.timedelta(seconds=self.chance.randint(1, 90) if self.often(0.2) else 0)
        self.number += 1
        time = (self.moment - late).isoformat(timespec="milliseconds") if self.often(0.97) else None
        return {"ts": time, "k": self.chance.choice(KEYS), "v": self.chance.randint(-5, 50) if self.often(0.93) else None,
                "n": self.number}

    def rows(self, source, count, run):
        rows = [self.row() for _ in range(count)]
        if self.often(0.5):     # some again
            rows += [dict(self.chance.choice(rows)) for _ in range(count // 4)]
        if source["kind"] != "kafka":
            size = self.chance.randint(1, 12)
            return [rows[at:at + size] for at in range(0, len(rows), size)]
        partitions = source["partitions"] + (run >= source.get("grows", run + 1))
        return [self.record(partitions, row) for row in rows]

    def record(self, partitions, row):
        """[partition, key, value, milliseconds]"""
        value = json.dumps(row, ensure_ascii=False)
        if self.often(0.04):
            value = self.one_of("not json", "{", '{"v": "abc", "n": 1}', None, "", "[]", '{"ts": "yesterday"}')
        return [self.chance.randrange(partitions), row["k"], value,
                int(START.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000) + row["n"] * 1000]

    # ---- sources ----

    def source(self, name, single):
        if self.often(0.6):
            options = {"startingOffsets": "earliest"}
            if self.often(0.1):
                options = {"startingTimestamp": str(1772359200000 + 3000)}
            return {"kind": "kafka", "topic": f"d{self.seed}{name}", "partitions": 1 if single else self.one_of(1, 2, 3),
                    "options": options, "more": False}
        kind = self.one_of(*FILES)
        return {"kind": kind, "folder": f"in{self.seed}{name}", "options": {}}

    def limits(self, source, single):
        """Options of one run."""
        if source["kind"] == "kafka":
            found = {"maxOffsetsPerTrigger": str(self.chance.randint(3, 25))} if self.often(0.7) else {}
            return found | ({"minPartitions": str(self.chance.randint(2, 6))} if not single and self.often(0.15) else {})
        if single:
            return {"maxFilesPerTrigger": "1"}
        return {"maxFilesPerTrigger": str(self.chance.randint(1, 4))} if self.often(0.8) else {}

    # ---- steps ----

    def plain_steps(self):
        found = [["where", self.one_of(*FILTERS)] for _ in range(self.one_of(0, 1, 1, 2))]
        if self.often(0.6):
            columns = self.some(COLUMNS + ([] if self.flat else NESTED), 1, 4)
            found.append(["with", [f"{column} as c{number}" for number, column in enumerate(columns)]])
        self.chance.shuffle(found)
        return found

    def aggregates(self):
        columns = self.some(AGGREGATES + ([] if self.flat else LISTS), 1, 5)
        return [f"{column} as a{number}" for number, column in enumerate(columns)]

    def grouped(self, window):
        keys = [window] if window else []
        if not window or self.often(0.6):
            keys.append(self.one_of("k", "v % 3 as m", "coalesce(k, 'none') as kk"))
        return ["group", keys, self.aggregates()]

    def flattened(self, name="window"):
        return ["flat", name] if self.flat or self.often(0.3) else None

    def stateful(self, kind):
        watermark = ["watermark", "ts", self.one_of(*DELAYS)]
        if kind == "window":
            return [watermark, self.grouped(self.one_of(*WINDOWS)), self.flattened(),
                    ["where", "a0 is not null"] if self.often(0.2) else None]
        if kind == "session":
            gap = self.one_of("'10 seconds'", "'45 seconds'", "case k when 'a' then '5 seconds' else '20 seconds' end")
            return [watermark, ["group", [f"session_window(ts, {gap})", "k"], self.aggregates()], self.flattened("session_window")]
        if kind == "unique":
            keys = self.one_of(["k", "ts"], ["ts"], ["k", "v", "ts"])
            return [watermark, ["unique", keys], *([] if self.single else [["select", keys]])]
        if kind == "unique within":
            keys = self.one_of(["k"], ["k", "v"])
            return [watermark, ["unique within", keys], *([] if self.single else [["select", keys]])]
        if kind == "chain":
            return [watermark, ["unique", ["k", "ts", "v"]], ["select", ["k", "ts", "v"]],
                    ["group", ["window(ts, '10 seconds')", "k"], ["count(*) as a0", "sum(v) as a1"]],
                    *self.one_of([], [["group", ["window(window, '1 minute')"], ["sum(a0) as b0", "count(*) as b1"]]]),
                    ["flat", "window"]]
        if kind == "limit":
            return [["limit", self.chance.randint(3, 40)]]
        if kind == "table":
            return [["table", self.one_of("inner", "left", "leftsemi", "leftanti")]]
        if kind == "group":
            return [*([watermark] if self.often(0.3) else []), self.grouped(None)]
        return []

    def join(self):
        how = self.one_of("inner", "left", "right", "full", "leftsemi")
        near = f"ts2 between ts - interval {self.one_of(5, 20)} seconds and ts + interval {self.one_of(0, 10, 30)} seconds"
        return [["watermark", "ts", self.one_of(*DELAYS)],
                ["join", [["watermark", "ts", self.one_of(*DELAYS)], ["select", ["ts as ts2", "k as k2", "v as v2"]]],
                 f"k = k2 and {near}", how]]

    # ---- the whole ----

    def runs(self, sources):
        found, count = [], 1 if self.sink == "memory" else self.one_of(1, 2, 3, 4)
        for source in sources:
            if source["kind"] == "kafka" and count > 1 and not self.single and self.often(0.2):
                source["grows"] = self.chance.randrange(1, count)  # one more partition before this run
        files = any(source["kind"] != "kafka" for source in sources)
        for number in range(count):
            run = {"trigger": self.one_of("availableNow", "availableNow", "all", "all" if self.single and files else "once"),
                   "input": [self.rows(source, self.chance.randint(4, 36), number) for source in sources],
                   "options": [self.limits(source, self.single) for source in sources], "lost": None}
            if self.sink in ("parquet", "json", "csv") and self.often(0.4):
                run["lost"] = self.one_of("commit", "commit and files")
            if self.sink == "function" and self.often(0.4):
                run["lost"] = "commit"
            found.append(run)
        return found

    def pipeline(self):
        kind = self.one_of("plain", "plain", "window", "window", "window", "session", "unique", "unique within", "chain", "limit",
                           "table", "group", "group", "join", "join", "union")
        mode = {"window": self.one_of("append", "append", "update", "complete"), "session": self.one_of("append", "complete"),
                "group": self.one_of("update", "complete")}.get(kind, "append")
        self.sink = self.one_of("kafka", "memory", "function") if mode != "append" else self.one_of(
            "parquet", "parquet", "json", "csv", "kafka", "memory", "function")
        self.flat = self.sink == "csv"
        drawn = kind in ("unique", "unique within") and self.often(0.5)
        self.single = drawn or kind in ("limit", "unique within")   # when a key is forgotten depends on its first row
        sources = [self.source("a", self.single)]
        if kind in ("join", "union"):
            sources.append(self.source("b", self.single))
        if kind == "plain" and sources[0]["kind"] == "kafka" and not self.flat:
            sources[0]["more"] = self.often(0.5)
        steps = self.plain_steps()
        if kind == "union":
            steps += [["union", []], *(self.stateful("window") if self.often(0.5) else [])]
        elif kind == "join":
            steps = [step for step in steps if step[0] == "where"] + self.join()
        else:
            steps += self.stateful(kind)
        return {"seed": self.seed, "kind": kind, "sources": sources, "steps": [step for step in steps if step], "mode": mode,
                "sink": self.sink, "partitions": self.one_of(1, 2, 2, 3, 5), "policy": self.one_of("min", "min", "max"),
                "runs": self.runs(sources)}


def pipeline(seed):
    return Generator(seed).pipeline()


if __name__ == "__main__":
    for each in sys.argv[1:]:
        print(json.dumps(pipeline(int(each)), indent=1, ensure_ascii=False))
