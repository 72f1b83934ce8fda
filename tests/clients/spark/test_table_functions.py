"""Table functions of the program (@udtf), called with values."""
import pytest

raudal_options = ["--only", "spark"]

PROGRAM = """
    from pyspark.sql import SparkSession, functions as f
    from pyspark.sql.functions import lit, udtf
    spark = SparkSession.builder.getOrCreate()

    @udtf(returnType="num int, squared int")
    class Squares:
        def eval(self, start, end=3):
            self.seen = end
            for num in range(start, end + 1):
                yield num, num * num
        def terminate(self):
            yield -1, self.seen

    @udtf(returnType="a string, t array<int>")
    class Words:
        def eval(self):
            return [["x", [1, None]], ("y", None)]

    @udtf(returnType="a int")
    class Wrong:
        def eval(self, how):
            if how == "raises":
                raise ValueError("no rows today")
            return {"wide": [(1, 2)], "number": 3, "scalars": [1, 2], "none": None}[how]

    print(Squares(lit(1), lit(2)).collect(), Squares(lit(2)).where("num > 0").count(), Squares(lit(0), end=lit(0)).first())
    print(sorted(Words().collect()), Words().select(f.upper("a").alias("b")).collect(), Wrong(lit("none")).collect())
    for how in ("raises", "wide", "number", "scalars"):
        try:
            Wrong(lit(how)).collect()
        except Exception as failure:
            print(how, [word for word in str(failure).split() if word.startswith("[UDTF")])
    print(*spark.range(2).crossJoin(Squares(lit(1), lit(1))).orderBy("id", "num").collect(), sep=" ")
"""


@pytest.mark.parametrize("version", ["course", pytest.param("spark-3_5", marks=pytest.mark.long),
                                     pytest.param("spark-4_3", marks=pytest.mark.long)])
def test_table_functions(raudal, environment, version):
    program = PROGRAM.replace("end=lit", "lit") if version == "spark-3_5" else PROGRAM  # there are no named arguments yet
    printed = environment(version).python(program, raudal=raudal, timeout_s=240).ok().stdout.splitlines()
    assert printed == [
        "[Row(num=1, squared=1), Row(num=2, squared=4), Row(num=-1, squared=2)] 2 Row(num=0, squared=0)",
        "[Row(a='x', t=[1, None]), Row(a='y', t=None)] [Row(b='X'), Row(b='Y')] []",
        "raises ['[UDTF_EXEC_ERROR]']", "wide ['[UDTF_RETURN_SCHEMA_MISMATCH]']", "number ['[UDTF_RETURN_NOT_ITERABLE]']",
        "scalars ['[UDTF_INVALID_OUTPUT_ROW_TYPE]']",
        "Row(id=0, num=-1, squared=1) Row(id=0, num=1, squared=1) Row(id=1, num=-1, squared=1) Row(id=1, num=1, squared=1)"]


def test_what_table_functions_cannot_do_is_named(raudal, environment):
    printed = environment("course").python("""
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import lit, udtf
        from pyspark.sql.types import StructType
        from pyspark.sql.udtf import AnalyzeResult
        spark = SparkSession.builder.getOrCreate()

        @udtf
        class Analyzed:
            @staticmethod
            def analyze(value):
                return AnalyzeResult(StructType().add("a", "int"))
            def eval(self, value):
                yield 1,

        @udtf(returnType="a int")
        class Plain:
            def eval(self, value):
                yield 1,

        for attempt in (lambda: Analyzed(lit(1)).collect(), lambda: Plain(spark.range(3).asTable()).collect(),
                        lambda: spark.udtf.register("plain", Plain)):
            try:
                print("worked", attempt())
            except Exception as failure:
                print(str(failure).split(chr(10))[0])
        """, raudal=raudal, timeout_s=240).ok().stdout.splitlines()
    assert len(printed) == 3 and all("NOT_IN_THIS_PROGRAM" in line for line in printed), printed
    assert "analyze" in printed[0]
