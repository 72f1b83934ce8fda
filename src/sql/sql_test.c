/* The analyzer and the optimizer as users see them: the columns a query gives, the plan it becomes, the error it ends
 * with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "sql/function.h"
#include "sql/sql.h"

struct fixture {
    struct arena arena;
    struct sql_session *session;
    struct sql_error error;
};

/* Every source has the Kafka columns, except those with a schema. */
static bool describe(void *context, struct arena *arena, const struct relation_read *read,
    struct source_description *description, struct sql_error *error) {
    (void)context;
    struct error cause = {0};
    struct bytes schema = read->schema.data != NULL ? read->schema
                                                    : BYTES("key BINARY, value BINARY, topic STRING, partition INT, "
                                                            "offset BIGINT, timestamp TIMESTAMP, timestampType INT");
    if (bytes_equal_text(read->format, "missing"))
        return raise_data_source_not_found(error, "missing");
    description->schema = type_parse_ddl(arena, schema, &cause);
    return description->schema != NULL;
}

static struct fixture *setup(void) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct sql_environment environment = {.describe_source = describe};
    fixture->session = sql_session_create(&environment);
    fixture->error.arena = &fixture->arena;
    return fixture;
}

static void teardown(struct fixture *fixture) {
    sql_session_destroy(fixture->session);
    arena_destroy(&fixture->arena);
    free(fixture);
}

static const struct relation *analyzed(struct fixture *fixture, const char *text) {
    const struct node *statement = sql_parse_statement(&fixture->arena, bytes_from_text(text), &fixture->error);
    if (statement == NULL)
        return NULL;
    if (node_family(statement) == NODE_COMMAND)
        return sql_run_command(fixture->session, &fixture->arena, (const struct command *)statement, &fixture->error);
    return sql_analyze(fixture->session, &fixture->arena, (const struct relation *)statement, &fixture->error);
}

/* The schema as DDL, or the error's condition. */
static const char *schema_of(struct fixture *fixture, const char *text) {
    fixture->error = (struct sql_error){.arena = &fixture->arena};
    const struct relation *relation = analyzed(fixture, text);
    if (relation == NULL)
        return sql_error_condition(&fixture->error);
    if (sql_optimize(fixture->session, &fixture->arena, relation, &fixture->error) == NULL)
        return sql_error_message(&fixture->error);
    struct buffer out = {0};
    for (size_t i = 0; i < relation->output_count; i++) {
        buffer_printf(&out, "%s%.*s ", i > 0 ? ", " : "", BYTES_ARGS(relation->output[i].name));
        type_format_simple(relation->output[i].type, &out);
        buffer_append_text(&out, relation->output[i].nullable ? "" : " not null");
    }
    const char *copy = arena_text(&fixture->arena, buffer_view(&out));
    buffer_free(&out);
    return copy;
}

struct expectation {
    const char *query, *schema;
};

static void check(const struct expectation *expectations, size_t count) {
    struct fixture *fixture = setup();
    analyzed(fixture, "CREATE TEMP VIEW t AS SELECT * FROM VALUES (1, 'a', 1.5), (2, 'b', 2.5) AS t(id, name, price)");
    analyzed(fixture, "CREATE TEMP VIEW u AS SELECT id, concat('x', name) AS title FROM t");
    for (size_t i = 0; i < count; i++) {
        const char *schema = schema_of(fixture, expectations[i].query);
        if (strcmp(schema, expectations[i].schema) != 0)
            print_error("%s\n", expectations[i].query);
        assert_string_equal(schema, expectations[i].schema);
    }
    teardown(fixture);
}

static void names_and_types(void **state) {
    (void)state;
    static const struct expectation list[] = {
        {"SELECT 1", "1 int not null"},
        {"SELECT 1 + 1L, 2 / 3, 'a' || 'b'", "(1 + 1) bigint not null, (2 / 3) double, concat(a, b) string not null"},
        {"SELECT id + 1 FROM t", "(id + 1) int not null"},
        {"SELECT CAST(id AS STRING), CAST(1 AS STRING), id::double FROM t",
            "id string not null, CAST(1 AS STRING) string not null, id double not null"},
        {"SELECT count(*), sum(price), avg(id) FROM t",
            "count(1) bigint not null, sum(price) decimal(12,1), avg(id) double"},
        {"SELECT name, count(*) AS n FROM t GROUP BY name HAVING n > 1 ORDER BY 2 DESC",
            "name string not null, n bigint not null"},
        {"SELECT upper(name) AS big, big || '!' AS bigger FROM t", "big string not null, bigger string not null"},
        {"SELECT t.*, title FROM t JOIN u USING (id)",
            "id int not null, name string not null, price decimal(2,1) not null, title string not null"},
        {"SELECT * FROM t LEFT JOIN u ON t.id = u.id",
            "id int not null, name string not null, price decimal(2,1) not null, id int, title string"},
        {"SELECT CASE WHEN id > 1 THEN 'x' END AS c, if(id > 1, 1, 2.5) FROM t",
            "c string, (IF((id > 1), 1, 2.5)) decimal(11,1) not null"},
        {"SELECT explode(array(1, 2))", "col int not null"},
        {"SELECT posexplode(map('a', 1))", "pos int not null, key string not null, value int not null"},
        {"SELECT transform(array(1, 2), x -> x + 1)", "transform(array(1, 2), lambdafunction((namedlambdavariable() + "
                                                      "1), namedlambdavariable())) array<int> not null"},
        {"SELECT named_struct('a', 1, 'b', 'x').a", "named_struct(a, 1, b, x).a int not null"},
        {"SELECT id FROM t UNION ALL SELECT 2.5", "id decimal(11,1) not null"},
        {"SELECT -1, - id, NOT true FROM t", "-1 int not null, (- id) int not null, (NOT true) boolean not null"},
        {"SELECT id IN (1, 2), name LIKE 'a%', id BETWEEN 1 AND 2 FROM t",
            "(id IN (1, 2)) boolean not null, name LIKE a% boolean not null, between(id, 1, 2) boolean not null"},
        {"SELECT DATE '2020-01-01' + 1, DATE '2020-01-01' - DATE '2019-01-01'",
            "date_add(DATE '2020-01-01', 1) date not null, (DATE '2020-01-01' - DATE '2019-01-01') interval day not "
            "null"},
        {"SELECT row_number() OVER (PARTITION BY name ORDER BY id) AS r FROM t", "r int not null"},
        {"SELECT id FROM t WHERE id IN (SELECT id FROM u) AND EXISTS (SELECT 1 FROM u WHERE u.id = t.id)",
            "id int not null"},
        {"SELECT (SELECT max(id) FROM u) AS m, (SELECT count(*) FROM u WHERE u.id = t.id) AS c FROM t",
            "m int, c bigint"},
        {"WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT * FROM a, b",
            "x int not null, y int not null"},
        {"SELECT name, sum(id) FROM t GROUP BY ROLLUP(name)", "name string, sum(id) bigint"},
        {"SELECT DISTINCT name FROM t ORDER BY name LIMIT 1", "name string not null"},
        {"SELECT name FROM t ORDER BY price DESC", "name string not null"},
        {"SELECT name FROM t GROUP BY name ORDER BY count(*)", "name string not null"},
        {"SELECT * FROM range(3)", "id bigint not null"},
        {"SELECT id FROM t EXCEPT SELECT id FROM u", "id int not null"},
        {"SELECT extract(YEAR FROM DATE '2020-01-01')", "extract(YEAR FROM DATE '2020-01-01') int not null"},
        {"SELECT INTERVAL '1' DAY, INTERVAL '1-2' YEAR TO MONTH",
            "INTERVAL '1' DAY interval day not null, INTERVAL '1-2' YEAR TO MONTH interval year to month not null"},
    };
    check(list, ARRAY_COUNT(list));
}

static void errors(void **state) {
    (void)state;
    static const struct expectation list[] = {
        {"SELECT missing FROM t", "UNRESOLVED_COLUMN.WITH_SUGGESTION"},
        {"SELECT * FROM nowhere", "TABLE_OR_VIEW_NOT_FOUND"},
        {"SELECT nofunction(1)", "UNRESOLVED_ROUTINE"},
        {"SELECT upper()", "WRONG_NUM_ARGS.WITHOUT_SUGGESTION"},
        {"SELECT id, count(*) FROM t", "MISSING_GROUP_BY"},
        {"SELECT id, count(*) FROM t GROUP BY name", "MISSING_AGGREGATION"},
        {"SELECT id FROM t JOIN u ON t.id = u.id", "AMBIGUOUS_REFERENCE"},
        {"SELECT FROM WHERE", "PARSE_SYNTAX_ERROR"},
        {"SELECT 1 +", "PARSE_SYNTAX_ERROR"},
        {"SELECT array(1) + 1", "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES"},
        {"SELECT id FROM t WHERE id + 1", "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN"},
        {"SELECT id FROM t WHERE count(*) > 1", "INVALID_WHERE_CONDITION"},
        {"SELECT sum(count(*)) FROM t", "NESTED_AGGREGATE_FUNCTION"},
        {"SELECT id FROM t UNION SELECT 1, 2", "NUM_COLUMNS_MISMATCH"},
        {"SELECT id.x FROM t", "INVALID_EXTRACT_BASE_FIELD_TYPE"},
        {"SELECT id FROM t ORDER BY 5", "ORDER_BY_POS_OUT_OF_RANGE"},
        {"CREATE TABLE x (a INT)", "UNSUPPORTED_FEATURE.NOT_IN_THIS_PROGRAM"},
        {"", "PARSE_EMPTY_STATEMENT"},
    };
    check(list, ARRAY_COUNT(list));
}

static void error_texts(void **state) {
    (void)state;
    struct fixture *fixture = setup();
    analyzed(fixture, "CREATE TEMP VIEW t AS SELECT 1 AS id, 2 AS idea, 3 AS other");
    assert_null(analyzed(fixture, "SELECT\n  ids FROM t"));
    assert_string_equal(sql_error_message(&fixture->error),
        "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name `ids` cannot be "
        "resolved. "
        "Did you mean one of the following? [`id`, `idea`, `other`]. SQLSTATE: 42703; line 2 pos 2");
    assert_string_equal(sql_error_classes(&fixture->error)[0], "org.apache.spark.sql.AnalysisException");
    fixture->error = (struct sql_error){.arena = &fixture->arena};
    assert_null(analyzed(fixture, "SELECT a FRM t WHERE"));
    assert_string_equal(sql_error_message(&fixture->error),
        "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 't'. SQLSTATE: 42601 (line "
        "1, pos 13)\n\n== SQL ==\nSELECT a FRM t WHERE\n-------------^^^\n");
    teardown(fixture);
}

/* readStream.format("kafka") … selectExpr("CAST(value AS STRING)") … select(from_json(…).alias("data")) …
 * select("data.*") */
static void course_pipeline(void **state) {
    (void)state;
    struct fixture *fixture = setup();
    struct arena *arena = &fixture->arena;
    struct relation_read *read = relation_read_new(arena);
    read->format = BYTES("kafka");
    read->streaming = true;
    struct relation_project *text = relation_project_new(arena);
    text->input = &read->base;
    text->columns =
        expressions_of(arena, 1, sql_parse_expression(arena, BYTES("CAST(value AS STRING)"), &fixture->error));
    struct relation_project *parsed = relation_project_new(arena);
    parsed->input = &text->base;
    parsed->columns = expressions_of(arena, 1,
        sql_parse_expression(arena,
            BYTES("from_json(value, "
                  "'{\"type\":\"struct\",\"fields\":[{\"name\":\"timestamp\",\"type\":\"timestamp\",\"nullable\":true,"
                  "\"metadata\":{}},"
                  "{\"name\":\"value\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{}}]}') AS data"),
            &fixture->error));
    struct relation_project *spread = relation_project_new(arena);
    spread->input = &parsed->base;
    spread->columns = expressions_of(arena, 1, sql_parse_expression(arena, BYTES("data.*"), &fixture->error));
    const struct relation *plan = sql_analyze(fixture->session, arena, &spread->base, &fixture->error);
    assert_non_null(plan);
    assert_true(relation_is_streaming(plan));
    struct buffer out = {0};
    type_format_simple(relation_schema(arena, plan), &out);
    assert_string_equal(buffer_text(&out), "struct<timestamp:timestamp,value:int>");
    buffer_clear(&out);
    plan = sql_optimize(fixture->session, arena, plan, &fixture->error);
    assert_non_null(plan);
    /* Only `value` is read, and from_json is computed once per record. */
    sql_explain_physical(plan, &out);
    assert_non_null(strstr(buffer_text(&out), "StreamingScan kafka [value#2]"));
    assert_non_null(strstr(buffer_text(&out), "+- Project [from_json(cast(value#2 as string)) AS data#"));
    buffer_free(&out);
    teardown(fixture);
}

static void unused_json_fields_are_not_parsed(void **state) {
    (void)state;
    struct fixture *fixture = setup();
    const struct relation *plan =
        analyzed(fixture, "SELECT data.b, data.b + data.c AS s FROM (SELECT from_json(CAST(value AS STRING), 'a INT, b "
                          "INT, c INT') AS data FROM parquet.`/x`)");
    assert_non_null(plan);
    plan = sql_optimize(fixture->session, &fixture->arena, plan, &fixture->error);
    struct buffer out = {0};
    node_print(&plan->node, &out);
    assert_non_null(strstr(buffer_text(&out), "struct<b:int,c:int>"));
    assert_null(strstr(buffer_text(&out), "a:int"));
    buffer_free(&out);
    teardown(fixture);
}

static void filters_move_to_the_scan(void **state) {
    (void)state;
    struct fixture *fixture = setup();
    const struct relation *plan = analyzed(fixture, "SELECT a.topic FROM parquet.`/x` a JOIN parquet.`/y` b ON "
                                                    "a.offset = b.offset WHERE a.partition = 1 AND b.topic = 'x'");
    assert_non_null(plan);
    plan = sql_optimize(fixture->session, &fixture->arena, plan, &fixture->error);
    assert_non_null(plan);
    struct buffer out = {0};
    sql_explain_physical(plan, &out);
    assert_non_null(strstr(buffer_text(&out), "DataFilters: [(partition#"));
    assert_non_null(strstr(buffer_text(&out), "DataFilters: [(topic#"));
    assert_null(strstr(buffer_text(&out), "timestampType"));
    buffer_free(&out);
    teardown(fixture);
}

static void views_keep_their_plan(void **state) {
    (void)state;
    struct fixture *fixture = setup();
    assert_non_null(analyzed(fixture, "CREATE TEMP VIEW v AS SELECT 1 AS a"));
    assert_non_null(analyzed(fixture, "CREATE OR REPLACE TEMP VIEW v AS SELECT a + 1 AS b FROM v"));
    assert_string_equal(
        schema_of(fixture, "SELECT * FROM v x JOIN v y ON x.b = y.b"), "b int not null, b int not null");
    assert_string_equal(schema_of(fixture, "SHOW TABLES"),
        "namespace string not null, tableName string not null, isTemporary boolean not null");
    assert_non_null(analyzed(fixture, "DROP VIEW v"));
    assert_string_equal(schema_of(fixture, "SELECT * FROM v"), "TABLE_OR_VIEW_NOT_FOUND");
    teardown(fixture);
}

static void deep_nesting_is_an_error(void **state) {
    (void)state;
    struct fixture *fixture = setup();
    struct buffer text = {0};
    buffer_append_text(&text, "SELECT ");
    for (int i = 0; i < 100000; i++)
        buffer_append_byte(&text, '(');
    assert_string_equal(schema_of(fixture, buffer_text(&text)), "FAILED_TO_PARSE_TOO_COMPLEX");
    buffer_clear(&text);
    buffer_append_text(&text, "SELECT 1 WHERE 1 = 1");
    for (int i = 0; i < 5000; i++)
        buffer_append_text(&text, " OR 1 = 2");
    assert_string_equal(schema_of(fixture, buffer_text(&text)), "1 int not null");
    buffer_free(&text);
    teardown(fixture);
}

static void every_function_row_is_whole(void **state) {
    (void)state;
    for (int id = 0; id < FUNCTION_COUNT_OF_ALL; id++) {
        assert_int_equal(function_table[id].id, id);
        assert_ptr_equal(function_find(bytes_from_text(function_table[id].name)), &function_table[id]);
        for (const char *const *alias = function_table[id].aliases; *alias != NULL; alias++)
            assert_ptr_equal(function_find(bytes_from_text(*alias)), &function_table[id]);
    }
    assert_null(function_find(BYTES("nothing")));
}

/* Every published example must pass the analyzer (its rows are checked by tests/sql through the engine). */
static void every_example_is_analyzed(void **state) {
    (void)state;
    struct fixture *fixture = setup();
    int failed = 0;
    for (int id = 0; id < FUNCTION_COUNT_OF_ALL; id++) {
        if (function_table[id].example[0] == '\0')
            continue;
        fixture->error = (struct sql_error){.arena = &fixture->arena};
        if (analyzed(fixture, function_table[id].example) == NULL) {
            print_error("%s\n    %s\n", function_table[id].example, sql_error_message(&fixture->error));
            failed++;
        }
    }
    assert_int_equal(failed, 0);
    teardown(fixture);
}

/* Kafka's column `offset` begins a clause elsewhere. */
static void a_clause_word_can_be_a_column(void **state) {
    struct fixture *fixture = setup();
    const struct expression *offset = sql_parse_expression(&fixture->arena, BYTES("offset"), &fixture->error);
    assert_non_null(offset);
    assert_string_equal(
        schema_of(fixture, "SELECT offset FROM VALUES (1) AS t(offset) LIMIT 5 OFFSET 1"), "offset int not null");
    assert_null(sql_parse_expression(&fixture->arena, BYTES("a +"), &fixture->error));
    teardown(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_row_is_whole),
        cmocka_unit_test(names_and_types),
        cmocka_unit_test(errors),
        cmocka_unit_test(error_texts),
        cmocka_unit_test(course_pipeline),
        cmocka_unit_test(unused_json_fields_are_not_parsed),
        cmocka_unit_test(filters_move_to_the_scan),
        cmocka_unit_test(views_keep_their_plan),
        cmocka_unit_test(a_clause_word_can_be_a_column),
        cmocka_unit_test(deep_nesting_is_an_error),
        cmocka_unit_test(every_example_is_analyzed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
