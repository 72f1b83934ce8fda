/* execute.c: plans that give rows: lowered, analyzed and compiled on the disk pool, run by the engine, answered as
 * Arrow batches; df.show() drawn. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "column/ipc.h"
#include "column/text.h"
#include "connect/connect_internal.h"
#include "exec/show.h"

enum execution_kind { EXECUTION_ROWS, EXECUTION_SHOW, EXECUTION_HTML };

struct execution {
    struct operation *operation;
    const Connect__Relation *root;
    enum execution_kind kind;
    int64_t row_count_max; /* of show */
    int truncate;
    bool vertical;
    const struct relation *analyzed;
    struct exec_settings settings;
    struct exec_query *query;
    struct buffer plan;        /* as text, for the pages */
    const struct type *schema; /* of the answer */
    /* Compute threads, one at a time. */
    struct batch **shown; /* batches kept for drawing */
    size_t shown_count, shown_capacity;
    int64_t next_row;
    bool sent_any;
    atomic_size_t posted_size; /* bytes on their way to the loop */
    atomic_bool is_waiting;    /* the engine was told EXEC_FULL */
    bool running;
};

/* ---- compute threads ---- */

struct piece {
    struct execution *execution;
    struct buffer data;
    int64_t row_count, start;
};

static void receive_piece(void *argument) {
    struct piece *piece = argument;
    struct execution *execution = piece->execution;
    struct operation *operation = execution->operation;
    atomic_fetch_sub(&execution->posted_size, piece->data.size);
    connect_operation_send_arrow(operation, &piece->data, piece->row_count, piece->start);
    free(piece);
}

static void post_piece(struct execution *execution, struct buffer data, int64_t row_count) {
    struct piece *piece = malloc(sizeof *piece);
    ASSERT(piece != NULL);
    *piece = (struct piece){execution, data, row_count, execution->next_row};
    execution->next_row += row_count;
    execution->sent_any = true;
    atomic_fetch_add(&execution->posted_size, data.size);
    world_loop_post(execution->operation->session->server->options.loop, receive_piece, piece);
}

/* One Arrow stream per at most 4 MiB of rows. */
static void send_batch(struct execution *execution, struct batch *batch) {
    enum { PIECE_SIZE_MAX = 4 << 20 };
    struct error error;
    size_t at = 0;
    do {
        struct buffer data = {0};
        size_t count = ipc_rows_for(batch, at, PIECE_SIZE_MAX);
        ipc_write_schema(execution->schema, timezone_name(execution->settings.zone), &data);
        bool written = ipc_write_batch(batch, at, count, &data, &error);
        ASSERT(written); /* ipc_rows_for keeps strings below Arrow's bound */
        ipc_write_end(&data);
        post_piece(execution, data, (int64_t)count);
        at += count;
    } while (at < batch->row_count);
}

static bool is_full(const struct execution *execution) {
    return atomic_load(&execution->posted_size) >= RESULT_QUEUE_SIZE || connect_operation_is_full(execution->operation);
}

static enum exec_demand take_batch(void *argument, struct batch *batch, size_t partition) {
    struct execution *execution = argument;
    if (execution->kind != EXECUTION_ROWS) {
        execution->shown = vector_grow(
            execution->shown, execution->shown_count, 1, &execution->shown_capacity, sizeof *execution->shown);
        execution->shown[execution->shown_count++] = batch_retain(batch);
        return EXEC_MORE;
    }
    if (batch->row_count > 0)
        send_batch(execution, batch);
    if (!is_full(execution))
        return EXEC_MORE;
    atomic_store(&execution->is_waiting, true);
    /* The loop may have sent everything just before it could see that we wait. */
    if (!is_full(execution) && atomic_exchange(&execution->is_waiting, false))
        return EXEC_MORE;
    return EXEC_FULL;
}

static struct batch *one_string(struct execution *execution, struct bytes text) {
    struct batch *batch = batch_create(execution->schema);
    struct column *column = column_create(&batch->arena, type_simple(TYPE_STRING), 1);
    struct bytes copy = arena_copy(&batch->arena, text);
    COLUMN_VALUES(column, struct string_view)[0] = (struct string_view){copy.data, (uint32_t)copy.size, 0};
    batch->columns[0] = column;
    batch->row_count = 1;
    return batch;
}

static void html_cell(
    const struct column *column, size_t row, int truncate, const struct exec_settings *settings, struct buffer *out) {
    struct buffer text = {0};
    if (column_is_null(column, row))
        buffer_append_text(&text, "NULL");
    else
        value_format(column, row, settings->zone, &text);
    struct bytes shown = buffer_view(&text);
    buffer_append_text(out, "<td>");
    if (truncate > 0 && shown.size > (size_t)truncate) {
        size_t kept = truncate < 4 ? (size_t)truncate : (size_t)truncate - 3;
        while (kept > 0 && (shown.data[kept] & 0xc0) == 0x80) /* not inside a character */
            kept--;
        buffer_append_html(out, bytes_slice(shown, 0, kept));
        buffer_append_text(out, truncate < 4 ? "" : "...");
    } else {
        buffer_append_html(out, shown);
    }
    buffer_append_text(out, "</td>");
    buffer_free(&text);
}

/* The table of Dataset.htmlString, for notebooks with spark.sql.repl.eagerEval.enabled. */
static void draw_html(struct execution *execution, const struct type *schema, struct buffer *out) {
    int64_t shown = 0, total = 0;
    buffer_append_text(out, "<table border='1'>\n<tr>");
    for (size_t i = 0; i < schema->field_count; i++) {
        buffer_append_text(out, "<th>");
        buffer_append_html(out, schema->fields[i].name);
        buffer_append_text(out, "</th>");
    }
    buffer_append_text(out, "</tr>\n");
    for (size_t b = 0; b < execution->shown_count; b++) {
        struct batch *batch = execution->shown[b];
        total += (int64_t)batch->row_count;
        for (size_t row = 0; row < batch->row_count && shown < execution->row_count_max; row++, shown++) {
            buffer_append_text(out, "<tr>");
            for (size_t i = 0; i < batch->column_count; i++)
                html_cell(batch->columns[i], row, execution->truncate, &execution->settings, out);
            buffer_append_text(out, "</tr>\n");
        }
    }
    buffer_append_text(out, "</table>\n");
    if (total > shown)
        buffer_printf(out, "only showing top %lld row%s\n", (long long)shown, shown == 1 ? "" : "s");
}

static void draw(struct execution *execution, struct buffer *text) {
    const struct type *schema = exec_query_schema(execution->query);
    if (execution->kind == EXECUTION_SHOW)
        show_string(schema, execution->shown, execution->shown_count, (size_t)execution->row_count_max, false,
            execution->truncate, execution->vertical, execution->settings.zone, text);
    else
        draw_html(execution, schema, text);
}

/* ---- the loop ---- */

static void free_execution(struct execution *execution) {
    for (size_t i = 0; i < execution->shown_count; i++)
        batch_release(execution->shown[i]);
    free(execution->shown);
    if (execution->query != NULL)
        exec_query_destroy(execution->query);
    buffer_free(&execution->plan);
    connect_operation_release(execution->operation);
    free(execution);
}

static void run_ended(void *argument) {
    struct execution *execution = argument;
    struct operation *operation = execution->operation;
    execution->running = false;
    execution_set_operators(operation, execution->query);
    operation->cancel = NULL;
    operation->drained = NULL;
    operation->progress = NULL;
    if (operation->error.condition == 0)
        connect_operation_send_observed(operation, execution->query);
    if (operation->error.condition != 0)
        connect_operation_fail(operation);
    else
        connect_operation_finish(operation);
    free_execution(execution);
}

static void on_done(void *argument, const struct sql_error *error) {
    struct execution *execution = argument;
    struct operation *operation = execution->operation;
    if (error != NULL) {
        sql_error_copy(&operation->error, error);
    } else if (execution->kind != EXECUTION_ROWS) {
        struct buffer text = {0};
        draw(execution, &text);
        struct batch *drawn = one_string(execution, buffer_view(&text));
        send_batch(execution, drawn);
        batch_release(drawn);
        buffer_free(&text);
    } else if (!execution->sent_any) {
        struct batch *empty = batch_create(execution->schema);
        for (size_t i = 0; i < empty->column_count; i++)
            empty->columns[i] = column_create(&empty->arena, execution->schema->fields[i].type, 0);
        send_batch(execution, empty);
        batch_release(empty);
    }
    world_loop_post(operation->session->server->options.loop, run_ended, execution);
}

static void cancel(struct operation *operation) {
    struct execution *execution = operation->state;
    if (execution->running)
        exec_query_cancel(execution->query);
    if (atomic_exchange(&execution->is_waiting, false))
        exec_query_resume(execution->query);
}

static void drained(struct operation *operation) {
    struct execution *execution = operation->state;
    if (atomic_load(&execution->posted_size) < RESULT_QUEUE_SIZE / 2 && atomic_exchange(&execution->is_waiting, false))
        exec_query_resume(execution->query);
}

static void progress(struct operation *operation, Connect__ExecutePlanResponse__ExecutionProgress *message) {
    struct execution *execution = operation->state;
    struct exec_progress now;
    if (!execution->running)
        return;
    exec_query_progress(execution->query, &now);
    Connect__ExecutePlanResponse__ExecutionProgress__StageInfo *stage =
        PROTOBUF_NEW(&operation->arena, Connect__ExecutePlanResponse__ExecutionProgress__StageInfo,
            connect__execute_plan_response__execution_progress__stage_info);
    stage->has_stage_id = stage->has_num_tasks = stage->has_num_completed_tasks = stage->has_input_bytes_read =
        stage->has_done = true;
    stage->num_tasks = now.task_count;
    stage->num_completed_tasks = now.tasks_done;
    stage->input_bytes_read = now.input_bytes;
    stage->done = now.tasks_done == now.task_count;
    message->n_stages = 1;
    message->stages = ARENA_ARRAY(&operation->arena, Connect__ExecutePlanResponse__ExecutionProgress__StageInfo *, 1);
    message->stages[0] = stage;
    message->has_num_inflight_tasks = true;
    message->num_inflight_tasks = now.tasks_running;
}

static void start_run(struct execution *execution) {
    struct operation *operation = execution->operation;
    Connect__ExecutePlanResponse response = CONNECT__EXECUTE_PLAN_RESPONSE__INIT;
    struct exec_consumer consumer = {.argument = execution, .on_batch = take_batch, .on_done = on_done};
    response.schema = raise_type(&operation->arena, execution->schema);
    connect_operation_send(operation, &response);
    operation->cancel = cancel;
    operation->drained = drained;
    operation->progress = progress;
    execution->running = true;
    exec_query_start(execution->query, EXEC_OUTPUT_ORDERED, &consumer);
}

static void prepared(void *argument) {
    struct execution *execution = argument;
    struct operation *operation = execution->operation;
    operation->cancel = NULL;
    execution_set_plan(operation, &execution->plan);
    if (operation->complete || operation->removed) { /* interrupted meanwhile */
        free_execution(execution);
    } else if (execution->query == NULL) {
        connect_operation_fail(operation);
        free_execution(execution);
    } else {
        start_run(execution);
    }
}

/* ---- the disk pool ---- */

static const struct type *drawing_schema(struct arena *arena, const char *name) {
    struct type_field field = {bytes_from_text(name), type_simple(TYPE_STRING), false, BYTES_NULL};
    return type_struct(arena, &field, 1);
}

/* One row more than is shown, so that the drawing knows that there are more. */
static const struct relation *limited(struct arena *arena, const struct relation *input, int64_t count) {
    struct relation_limit *limit = relation_limit_new(arena);
    limit->input = input;
    limit->count = count;
    return &limit->base;
}

static const struct relation *lower_root(struct execution *execution, const Connect__Relation *root) {
    struct operation *operation = execution->operation;
    struct lower_context context;
    session_lower_context(operation->session, &operation->arena, &operation->error, &context);
    if (root->rel_type_case == CONNECT__RELATION__REL_TYPE_CATALOG)
        return catalog_relation(operation->session, &operation->arena, root->catalog, &operation->error);
    const struct relation *relation = lower_relation(&context, root);
    if (relation == NULL || execution->kind == EXECUTION_ROWS)
        return relation;
    return limited(&operation->arena, relation, execution->row_count_max + 1);
}

static const Connect__Relation *take_drawing(struct execution *execution, const Connect__Relation *root) {
    enum { ROWS_SHOWN_MAX = 1 << 20 };
    if (root->rel_type_case == CONNECT__RELATION__REL_TYPE_SHOW_STRING) {
        execution->kind = EXECUTION_SHOW;
        execution->row_count_max = root->show_string->num_rows;
        execution->truncate = root->show_string->truncate;
        execution->vertical = root->show_string->vertical;
        root = root->show_string->input;
    } else if (root->rel_type_case == CONNECT__RELATION__REL_TYPE_HTML_STRING) {
        execution->kind = EXECUTION_HTML;
        execution->row_count_max = root->html_string->num_rows;
        execution->truncate = root->html_string->truncate;
        root = root->html_string->input;
    }
    if (execution->row_count_max < 0)
        execution->row_count_max = 0;
    if (execution->row_count_max > ROWS_SHOWN_MAX)
        execution->row_count_max = ROWS_SHOWN_MAX;
    return root;
}

static void prepare(void *argument) {
    struct execution *execution = argument;
    struct operation *operation = execution->operation;
    struct session *session = operation->session;
    struct arena *arena = &operation->arena;
    struct sql_error *error = &operation->error;
    const Connect__Relation *root = take_drawing(execution, execution->root);
    const struct relation *relation = root == NULL ? NULL : lower_root(execution, root);
    if (relation != NULL)
        relation = sql_analyze(session->sql, arena, relation, error);
    if (relation != NULL && relation_is_streaming(relation)) {
        raise_streaming_source_without_start(error);
        return;
    }
    if (relation != NULL)
        execution->schema = execution->kind == EXECUTION_SHOW   ? drawing_schema(arena, "show_string")
                            : execution->kind == EXECUTION_HTML ? drawing_schema(arena, "html_string")
                                                                : relation_schema(arena, relation);
    if (relation != NULL)
        relation = sql_optimize(session->sql, arena, relation, error);
    if (relation != NULL)
        sql_explain_physical(relation, &execution->plan);
    if (relation != NULL && session_exec_settings(session, arena, &execution->settings, error))
        execution->query = exec_query_create(session->server->options.engine, relation, &execution->settings, error);
    if (execution->query == NULL && error->condition == 0)
        raise_internal_error(error, "the plan was refused without a reason");
}

void execute_root(struct operation *operation, const Connect__Relation *root) {
    struct execution *execution = calloc(1, sizeof *execution);
    ASSERT(execution != NULL);
    execution->operation = connect_operation_retain(operation);
    execution->root = root;
    operation->state = execution;
    execution_begin(operation, execution_describe(&operation->arena, root));
    session_run(operation->session, prepare, prepared, execution);
}
