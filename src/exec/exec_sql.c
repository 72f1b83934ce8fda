/* exec_sql.c: runs SQL statements through the analyzer, the optimizer and the engine and prints what show() would: for
 * tests that compare with other systems, and by hand. Statements come from the arguments, or from standard input, one
 * per line. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include "exec/exec.h"
#include "exec/program.h"
#include "exec/show.h"
#include "column/text.h"
#include "sql/sql.h"

struct shell {
    struct exec_engine *engine;
    struct exec_settings settings;
    struct sql_session *session;
};

static const char *setting(void *context, const char *name) {
    if (strcmp(name, "spark.sql.session.timeZone") == 0) {
        return getenv("SQL_ZONE") != NULL ? getenv("SQL_ZONE") : "UTC";
    }
    return NULL;
}

static bool evaluate(void *context, struct arena *arena, const struct expression *expression,
    const struct column **value, struct sql_error *error) {
    return program_evaluate_constant(arena, &((struct shell *)context)->settings, expression, value, error);
}

struct waiting {
    sem_t done;
    VECTOR(struct batch *) batches;
    struct sql_error *error;
};

static enum exec_demand take(void *argument, struct batch *batch, size_t partition) {
    struct waiting *waiting = argument;
    VECTOR_PUSH(&waiting->batches, batch_retain(batch));
    return EXEC_MORE;
}

static void finished(void *argument, const struct sql_error *error) {
    struct waiting *waiting = argument;
    if (error != NULL) {
        sql_error_copy(waiting->error, error);
    }
    sem_post(&waiting->done);
}

/* SQL_TEST=1: rows as lines of tab-separated values, then a line that ends the answer, for tests/sql. */
static void print_rows(const struct shell *shell, struct batch *const *batches, size_t count) {
    struct buffer out = {0};
    for (size_t b = 0; b < count; b++) {
        for (size_t row = 0; row < batches[b]->row_count; row++) {
            for (size_t i = 0; i < batches[b]->column_count; i++) {
                buffer_append_text(&out, i > 0 ? "\t" : "");
                if (column_is_null(batches[b]->columns[i], row)) {
                    buffer_append_text(&out, "NULL");
                } else {
                    value_format(batches[b]->columns[i], row, shell->settings.zone, &out);
                }
            }
            buffer_append_byte(&out, '\n');
        }
    }
    fwrite(out.data, 1, out.size, stdout);
    buffer_free(&out);
}

static bool run(struct shell *shell, const struct relation *plan, struct sql_error *error) {
    struct exec_query *query = exec_query_create(shell->engine, plan, &shell->settings, error);
    if (query == NULL) {
        return false;
    }
    struct waiting waiting = {.error = error};
    struct exec_consumer consumer = {&waiting, take, NULL, finished};
    sem_init(&waiting.done, 0, 0);
    exec_query_start(query, EXEC_OUTPUT_ORDERED, &consumer);
    sem_wait(&waiting.done);
    sem_destroy(&waiting.done);
    if (error->condition == 0) {
        struct buffer out = {0};
        if (getenv("SQL_TEST") != NULL) {
            print_rows(shell, waiting.batches.items, waiting.batches.count);
        } else {
            const char *rows = getenv("ROWS"), *truncate = getenv("TRUNCATE");
            size_t row_count = rows == NULL ? 20 : (size_t)strtol(rows, NULL, 10);
            int cut = truncate == NULL ? 0 : (int)strtol(truncate, NULL, 10);
            show_string(exec_query_schema(query), waiting.batches.items, waiting.batches.count, row_count, false, cut,
                getenv("VERTICAL") != NULL, shell->settings.zone, &out);
            fwrite(out.data, 1, out.size, stdout);
            buffer_free(&out);
        }
    }
    if (getenv("PROGRESS") != NULL) {
        for (size_t i = 0; i < exec_query_operator_count(query); i++) {
            struct exec_operator_progress progress;
            exec_query_operator_progress(query, i, &progress);
            printf("%*s%-20s in %lld out %lld  %.1f ms\n", progress.depth * 2, "", progress.name,
                (long long)progress.input_rows, (long long)progress.output_rows, (double)progress.duration_ns / 1e6);
        }
    }
    for (size_t i = 0; i < waiting.batches.count; i++) {
        batch_release(waiting.batches.items[i]);
    }
    VECTOR_FREE(&waiting.batches);
    exec_query_destroy(query);
    return error->condition == 0;
}

static void statement(struct shell *shell, struct bytes text) {
    struct arena arena = {0};
    struct sql_error error = {.arena = &arena};
    const struct node *node = sql_parse_statement(&arena, text, &error);
    const struct relation *plan = NULL;
    if (node != NULL && node_family(node) == NODE_COMMAND) {
        plan = sql_run_command(shell->session, &arena, (const struct command *)node, &error);
    } else if (node != NULL) {
        plan = sql_analyze(shell->session, &arena, (const struct relation *)node, &error);
    }
    plan = plan == NULL ? NULL : sql_optimize(shell->session, &arena, plan, &error);
    if (plan == NULL || !run(shell, plan, &error)) {
        printf("%s\n", sql_error_message(&error));
    }
    if (getenv("SQL_TEST") != NULL) {
        printf("\x01\n");
    }
    fflush(stdout);
    arena_destroy(&arena);
}

int main(int argument_count, char **arguments) {
    struct error error = {0};
    struct world *world = world_posix_create();
    struct world_pool *pool = world_pool_create(world, "compute", 2, WORLD_POOL_NORMAL, &error);
    struct exec_options options = {.world = world, .pool = pool, .memory_size = INT64_C(4) << 30};
    struct shell shell = {.engine = exec_engine_create(&options, &error)};
    exec_settings_default(&shell.settings);
    shell.settings.now_us = world_wall_us(world);
    if (getenv("SQL_ZONE") != NULL) {
        shell.settings.zone = timezone_get(world, bytes_from_text(getenv("SQL_ZONE")), &error);
    }
    struct sql_environment environment = {
        .world = world, .context = &shell, .setting = setting, .evaluate = evaluate, .user = "test"};
    shell.session = sql_session_create(&environment);
    for (int i = 1; i < argument_count; i++) {
        statement(&shell, bytes_from_text(arguments[i]));
    }
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while (argument_count == 1 && (size = getline(&line, &capacity, stdin)) > 0) {
        statement(&shell, bytes_trim(bytes_make(line, (size_t)size)));
    }
    free(line);
    sql_session_destroy(shell.session);
    world_pool_destroy(pool);
    exec_engine_destroy(shell.engine);
    world_destroy(world);
    return 0;
}
