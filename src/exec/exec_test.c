/* exec_test.c: plans made by hand through the whole engine, on one thread and on a pool. Rows are compared as show()
 * prints them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <semaphore.h>
#include <cmocka.h>
#include "exec/exec.h"
#include "exec/show.h"
#include "sql/function.h"

static struct world *world;
static struct world_pool *pool;
static struct exec_engine *engine;

static struct arena arena;
static uint32_t next_id = 1;

static const struct expression *column(const struct relation *input, const char *name) {
    for (size_t i = 0; i < input->output_count; i++) {
        if (bytes_equal_text(input->output[i].name, name)) {
            struct expression_column *node = expression_column_new(&arena);
            node->base.type = input->output[i].type;
            node->base.nullable = input->output[i].nullable;
            node->ordinal = (int32_t)i;
            node->name = input->output[i].name;
            node->id = input->output[i].id;
            return &node->base;
        }
    }
    fail_msg("no column %s", name);
    return NULL;
}

static const struct expression *call(const char *name, const struct type *type, size_t count, ...) {
    struct expression_call *node = expression_call_new(&arena);
    const struct expression *arguments[8];
    va_list list;
    va_start(list, count);
    for (size_t i = 0; i < count; i++) {
        arguments[i] = va_arg(list, const struct expression *);
    }
    va_end(list);
    node->function = function_find(bytes_from_text(name));
    assert_non_null(node->function);
    node->arguments = expressions_make(&arena, arguments, count);
    node->base.type = type;
    node->base.nullable = true;
    node->ansi = true;
    return &node->base;
}

static const struct expression *aggregate_call(
    const char *name, const struct type *type, const struct expression *argument) {
    struct expression_aggregate_call *node = expression_aggregate_call_new(&arena);
    struct function *function = ARENA_NEW(&arena, struct function);
    *function = (struct function){.name = name, .kernel = name};
    node->function = function;
    node->arguments = expressions_make(&arena, &argument, 1);
    node->base.type = type;
    node->ansi = true;
    return &node->base;
}

static void set_output(
    struct relation *relation, size_t count, const char *const *names, const struct type *const *types) {
    struct attribute *output = ARENA_ARRAY(&arena, struct attribute, count);
    for (size_t i = 0; i < count; i++) {
        output[i] =
            (struct attribute){.id = next_id++, .name = bytes_from_text(names[i]), .type = types[i], .nullable = true};
    }
    relation->output = output;
    relation->output_count = count;
    relation->analyzed = true;
}

static const struct relation *range(int64_t start, int64_t end, int partitions) {
    struct relation_range *node = relation_range_new(&arena);
    node->start = start;
    node->end = end;
    node->step = 1;
    node->partitions = partitions;
    set_output(&node->base, 1, (const char *[]){"id"}, (const struct type *[]){type_simple(TYPE_LONG)});
    return &node->base;
}

static const struct relation *project(const struct relation *input, size_t count, ...) {
    struct relation_project *node = relation_project_new(&arena);
    const struct expression *columns[8];
    const char *names[8];
    const struct type *types[8];
    va_list list;
    va_start(list, count);
    for (size_t i = 0; i < count; i++) {
        names[i] = va_arg(list, const char *);
        columns[i] = va_arg(list, const struct expression *);
        types[i] = columns[i]->type;
    }
    va_end(list);
    node->input = input;
    node->columns = expressions_make(&arena, columns, count);
    set_output(&node->base, count, names, types);
    return &node->base;
}

static const struct relation *filter(const struct relation *input, const struct expression *condition) {
    struct relation_filter *node = relation_filter_new(&arena);
    node->input = input;
    node->condition = condition;
    node->base.output = input->output;
    node->base.output_count = input->output_count;
    return &node->base;
}

static const struct relation *sort(const struct relation *input, const struct expression *key, bool descending) {
    struct relation_sort *node = relation_sort_new(&arena);
    struct expression_sort_order *order = expression_sort_order_new(&arena);
    order->child = key;
    order->descending = descending;
    order->nulls_last = descending;
    order->base.type = key->type;
    const struct expression *orders[1] = {&order->base};
    node->input = input;
    node->global = true;
    node->orders = expressions_make(&arena, orders, 1);
    node->base.output = input->output;
    node->base.output_count = input->output_count;
    return &node->base;
}

static const struct relation *limit(const struct relation *input, int64_t count, int64_t offset) {
    struct relation_limit *node = relation_limit_new(&arena);
    node->input = input;
    node->count = count;
    node->offset = offset;
    node->base.output = input->output;
    node->base.output_count = input->output_count;
    return &node->base;
}

static const struct relation *aggregate(
    const struct relation *input, const struct expression *key, const char *name, const struct expression *sum) {
    struct relation_aggregate *node = relation_aggregate_new(&arena);
    node->input = input;
    node->groupings = expressions_make(&arena, &key, key == NULL ? 0 : 1);
    node->calls = expressions_make(&arena, &sum, 1);
    const char *names[2] = {"key", name};
    const struct type *types[2] = {key == NULL ? NULL : key->type, sum->type};
    set_output(&node->base, key == NULL ? 1 : 2, names + (key == NULL), types + (key == NULL));
    return &node->base;
}

static void assert_rows(const struct relation *plan, const char *expected) {
    struct exec_settings settings;
    exec_settings_default(&settings);
    struct sql_error error = {.arena = &arena};
    struct exec_query *query = exec_query_create(engine, plan, &settings, &error);
    if (query == NULL) {
        fail_msg("%s", sql_error_message(&error));
    }
    struct batch **batches;
    size_t count;
    if (!exec_query_run(query, &batches, &count, &error)) {
        fail_msg("%s", sql_error_message(&error));
    }
    struct buffer out = {0};
    show_string(exec_query_schema(query), batches, count, 20, false, 20, false, timezone_utc(), &out);
    assert_string_equal(buffer_text(&out), expected);
    buffer_free(&out);
    for (size_t i = 0; i < count; i++) {
        batch_release(batches[i]);
    }
    free(batches);
    exec_query_destroy(query);
}

static void assert_error(const struct relation *plan, const char *condition) {
    struct exec_settings settings;
    exec_settings_default(&settings);
    struct sql_error error = {.arena = &arena};
    struct exec_query *query = exec_query_create(engine, plan, &settings, &error);
    if (query != NULL) {
        struct batch **batches;
        size_t count;
        assert_false(exec_query_run(query, &batches, &count, &error));
        exec_query_destroy(query);
    }
    assert_string_equal(sql_error_condition(&error), condition);
}

#define LONG type_simple(TYPE_LONG)
#define BOOLEAN type_simple(TYPE_BOOLEAN)

static void projects_and_filters(void **state) {
    const struct relation *numbers = range(0, 10, 3);
    const struct expression *id = column(numbers, "id");
    const struct relation *even = filter(
        numbers, call("=", BOOLEAN, 2, call("%", LONG, 2, id, literal_long(&arena, 3)), literal_long(&arena, 0)));
    assert_rows(project(even, 2, "id", id, "twice", call("+", LONG, 2, id, id)),
        "+---+-----+\n| id|twice|\n+---+-----+\n|  0|    0|\n|  3|    6|\n|  6|   12|\n|  9|   18|\n+---+-----+\n");
}

static void groups_and_sorts(void **state) {
    const struct relation *numbers = range(0, 100000, 4);
    const struct expression *key = call("%", LONG, 2, column(numbers, "id"), literal_long(&arena, 3));
    const struct relation *sums = aggregate(numbers, key, "sum", aggregate_call("sum", LONG, column(numbers, "id")));
    assert_rows(sort(sums, column(sums, "key"), true),
        "+---+----------+\n|key|       sum|\n+---+----------+\n|  2|1666650000|\n|  1|1666616667|\n|  0|1666683333|\n"
        "+---+----------+\n");
    assert_rows(aggregate(range(0, 0, 1), NULL, "count", aggregate_call("count", LONG, literal_int(&arena, 1))),
        "+-----+\n|count|\n+-----+\n|    0|\n+-----+\n");
    assert_rows(aggregate(range(0, 0, 1), NULL, "max", aggregate_call("max", LONG, column(range(0, 1, 1), "id"))),
        "+----+\n| max|\n+----+\n|NULL|\n+----+\n");
}

static void limits_keep_the_order_of_partitions(void **state) {
    const struct relation *numbers = range(0, 100000, 7);
    assert_rows(limit(numbers, 2, 0), "+---+\n| id|\n+---+\n|  0|\n|  1|\n+---+\n");
    assert_rows(limit(numbers, 2, 50000), "+-----+\n|   id|\n+-----+\n|50000|\n|50001|\n+-----+\n");
    assert_rows(limit(sort(numbers, column(numbers, "id"), true), 2, 1),
        "+-----+\n|   id|\n+-----+\n|99998|\n|99997|\n+-----+\n");
    assert_rows(limit(numbers, 0, 0), "+---+\n| id|\n+---+\n+---+\n");
}

static void errors_carry_their_condition(void **state) {
    const struct relation *numbers = range(0, 3, 1);
    const struct expression *id = column(numbers, "id");
    const struct expression *zero = call("-", LONG, 2, id, id);
    assert_error(project(numbers, 1, "x", call("div", LONG, 2, id, zero)), "DIVIDE_BY_ZERO");
    assert_error(
        project(numbers, 1, "x", call("+", LONG, 2, id, literal_long(&arena, INT64_MAX))), "ARITHMETIC_OVERFLOW");
    /* The branch that is not taken does not fail. */
    const struct expression *safe = call(
        "case_when", LONG, 3, call("=", BOOLEAN, 2, zero, literal_long(&arena, 0)), id, call("div", LONG, 2, id, zero));
    assert_rows(project(numbers, 1, "x", safe), "+---+\n|  x|\n+---+\n|  0|\n|  1|\n|  2|\n+---+\n");
    const struct relation *guarded =
        filter(numbers, call("and", BOOLEAN, 2, call("<", BOOLEAN, 2, id, literal_long(&arena, 0)),
                            call("=", BOOLEAN, 2, call("div", LONG, 2, id, zero), id)));
    assert_rows(guarded, "+---+\n| id|\n+---+\n+---+\n");
}

/* ---- on the pool ---- */

struct consumed {
    sem_t done;
    struct exec_query *query;
    int64_t rows, sum, batches;
    int full_every;
    bool ordered, failed;
    int64_t last;
};

static void resume_task(void *argument) {
    exec_query_resume(argument);
}

static enum exec_demand consume(void *argument, struct batch *batch, size_t partition) {
    struct consumed *consumed = argument;
    consumed->rows += (int64_t)batch->row_count;
    for (size_t i = 0; i < batch->row_count; i++) {
        int64_t value = COLUMN_AT(batch->columns[0], int64_t, i);
        consumed->sum += value;
        consumed->ordered = consumed->ordered && value > consumed->last;
        consumed->last = value;
    }
    if (consumed->full_every > 0 && ++consumed->batches % consumed->full_every == 0) {
        world_pool_submit(pool, resume_task, consumed->query);
        return EXEC_FULL;
    }
    return EXEC_MORE;
}

static void consumed_done(void *argument, const struct sql_error *error) {
    struct consumed *consumed = argument;
    consumed->failed = error != NULL;
    sem_post(&consumed->done);
}

static void runs_on_the_pool_with_back_pressure(void **state) {
    const struct relation *numbers = range(0, 1000000, 9);
    const struct expression *id = column(numbers, "id");
    const struct relation *plan = project(numbers, 1, "id", call("+", LONG, 2, id, literal_long(&arena, 1)));
    struct exec_settings settings;
    exec_settings_default(&settings);
    struct sql_error error = {.arena = &arena};
    struct exec_query *query = exec_query_create(engine, plan, &settings, &error);
    assert_non_null(query);
    for (int full_every = 0; full_every < 3; full_every++) {
        struct consumed consumed = {.query = query, .full_every = full_every, .ordered = true, .last = -1};
        sem_init(&consumed.done, 0, 0);
        struct exec_consumer consumer = {&consumed, consume, NULL, consumed_done};
        exec_query_start(query, EXEC_OUTPUT_ORDERED, &consumer);
        sem_wait(&consumed.done);
        sem_destroy(&consumed.done);
        assert_false(consumed.failed);
        assert_int_equal(consumed.rows, 1000000);
        assert_int_equal(consumed.sum, INT64_C(500000500000));
        assert_true(consumed.ordered);
    }
    struct exec_progress progress;
    exec_query_progress(query, &progress);
    assert_int_equal(progress.output_rows, 1000000);
    assert_int_equal(progress.memory_size, 0);
    exec_query_destroy(query);
}

/* A source whose one partition waits for ever. */
static enum source_result wait_for_ever(
    struct source_partition *partition, struct exec_waker waker, struct batch **batch, struct sql_error *error) {
    return SOURCE_BLOCKED;
}
static struct source_scan waiting_scan = {.partition_count = 1};
static struct source_partition waiting_partition = {.scan = &waiting_scan};
static struct source_scan *begin_waiting(
    struct source *source, const struct source_projection *projection, struct sql_error *error) {
    waiting_scan.source = source;
    return &waiting_scan;
}
static void end_waiting(struct source_scan *scan) {
}
static struct source_partition *open_waiting(struct source_scan *scan, size_t partition, struct sql_error *error) {
    return &waiting_partition;
}
static void close_waiting(struct source_partition *partition) {
}
static const struct source_class waiting_class = {.name = "waiting",
    .scan_begin = begin_waiting,
    .scan_end = end_waiting,
    .partition_open = open_waiting,
    .partition_next = wait_for_ever,
    .partition_close = close_waiting};

static void cancel_ends_a_run_that_waits(void **state) {
    struct relation_scan *scan = relation_scan_new(&arena);
    struct source source = {&waiting_class, NULL};
    set_output(&scan->base, 1, (const char *[]){"id"}, (const struct type *[]){LONG});
    scan->schema = type_parse_ddl(&arena, BYTES("id bigint, x int"), NULL);
    scan->streaming = true;
    scan->limit = -1;
    struct exec_settings settings;
    exec_settings_default(&settings);
    struct sql_error error = {.arena = &arena};
    struct exec_query *query = exec_query_create(engine, &scan->base, &settings, &error);
    assert_non_null(query);
    assert_int_equal(exec_query_stream_count(query), 1);
    for (int i = 0; i < 20; i++) {
        struct consumed consumed = {.query = query};
        sem_init(&consumed.done, 0, 0);
        struct exec_consumer consumer = {&consumed, consume, NULL, consumed_done};
        exec_query_bind(query, 0, &source);
        exec_query_start(query, EXEC_OUTPUT_PARTITIONED, &consumer);
        exec_query_cancel(query);
        sem_wait(&consumed.done);
        sem_destroy(&consumed.done);
        assert_true(consumed.failed);
    }
    exec_query_destroy(query);
}

static int set_up(void **state) {
    struct error error;
    world = world_posix_create();
    pool = world_pool_create(world, "compute", 2, WORLD_POOL_NORMAL, &error);
    struct exec_options options = {.world = world, .pool = pool, .memory_size = INT64_C(1) << 30};
    engine = exec_engine_create(&options, &error);
    return engine == NULL;
}

static int tear_down(void **state) {
    world_pool_destroy(pool);
    exec_engine_destroy(engine);
    world_destroy(world);
    arena_destroy(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(projects_and_filters),
        cmocka_unit_test(groups_and_sorts),
        cmocka_unit_test(limits_keep_the_order_of_partitions),
        cmocka_unit_test(errors_carry_their_condition),
        cmocka_unit_test(runs_on_the_pool_with_back_pressure),
        cmocka_unit_test(cancel_ends_a_run_that_waits),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
