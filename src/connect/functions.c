/* functions.c: the program's own Python functions: the workers of a session, calls in expressions, foreach and
 * foreachBatch. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "column/ipc.h"
#include "connect/connect_internal.h"

#define LOGGER "PythonFunctions"

/* ---- the session's workers ---- */

static void take_output(void *argument, struct bytes text) {
    struct session *session = argument;
    session_write_console(session, "console", text);
    service_log_raw(session->server->options.log, (const char *)text.data, text.size);
}

static const char *interpreter_of(struct session *session, struct arena *arena) {
    const char *given = session_setting(session, arena, "spark.pyspark.python");
    return given != NULL                      ? given
           : session->interpreter != NULL     ? session->interpreter
           : getenv("PYSPARK_PYTHON") != NULL ? getenv("PYSPARK_PYTHON")
                                              : "python3";
}

void session_share_artifact(struct session *session, const char *name, const struct buffer *content) {
    static const char *const kinds[] = {"pyfiles/", "files/", "archives/"};
    for (size_t i = 0; session->python != NULL && i < ARRAY_COUNT(kinds); i++)
        if (strncmp(name, kinds[i], strlen(kinds[i])) == 0 && bytes_is_utf8(bytes_from_text(name)))
            python_add_file(session->python, name, buffer_view(content));
}

struct python_session *session_python(struct session *session) {
    const struct connect_options *options = &session->server->options;
    if (session->python != NULL || options->python == NULL || session->ended)
        return session->python;
    struct arena arena = {0};
    struct buffer user = {0};
    http_encode(bytes_from_text(session->user), "", &user);
    const char *const environment[] = {
        arena_printf(&arena, "RAUDAL_WORKER_REMOTE=sc://%s:%u/;user_id=%s;session_id=%s", options->address,
            options->port, buffer_text(&user), session->id),
        arena_printf(&arena, "RAUDAL_WORKER_SESSION=%s", session->id),
        NULL,
    };
    struct python_session_options python = {
        .interpreter = interpreter_of(session, &arena),
        .environment = environment,
        .folder = session->folder == NULL ? "" : session->folder,
        .worker_max = (int)options->python_worker_max,
        .output = take_output,
        .output_argument = session,
    };
    session->python = python_session_create(options->python, &python);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&session->artifacts, &cursor)) != NULL;)
        session_share_artifact(session, arena_text(&arena, entry->key), entry->value);
    buffer_free(&user);
    arena_destroy(&arena);
    return session->python;
}

/* ---- calls in expressions ---- */

struct python_evaluation {
    struct list_node node;
    struct session *session;
    const struct relation *relation; /* python_eval, python_map or groups_with_state */
    struct buffer input;
    external_done *done;
    void *argument;
};

static void end_evaluation(struct python_evaluation *evaluation, struct buffer *output, const char *failure) {
    list_remove(&evaluation->node);
    evaluation->done(evaluation->argument, output, failure);
    buffer_free(&evaluation->input);
    free(evaluation);
}

static void evaluation_answered(void *argument, const json_t *head, struct bytes payload, const char *failure) {
    struct buffer output = {0};
    if (failure == NULL)
        buffer_append_bytes(&output, payload);
    end_evaluation(argument, &output, failure);
    buffer_free(&output);
}

static int64_t define(struct python_session *python, const struct expression_python_udf *function) {
    json_t *includes = json_array();
    for (size_t i = 0; i < function->includes.count; i++)
        json_array_append_new(
            includes, json_stringn((const char *)function->includes.items[i].data, function->includes.items[i].size));
    json_t *about = json_pack("{s:o, s:o}", "python",
        json_stringn((const char *)function->python_version.data, function->python_version.size), "includes", includes);
    return python_define(python, function->command, about);
}

/* Which function takes which columns, as raudal_worker.py reads it. */
static json_t *describe_calls(
    struct python_session *python, const struct relation_python_eval *relation, int64_t *numbers) {
    json_t *calls = json_array();
    size_t column = 0;
    for (size_t i = 0; i < relation->functions.count; i++) {
        const struct expression_python_udf *function = expression_python_udf_of(relation->functions.items[i]);
        json_t *arguments = json_array(), *names = json_array();
        numbers[i] = define(python, function);
        for (size_t j = 0; j < function->arguments.count; j++, column++) {
            const struct expression *argument = function->arguments.items[j];
            bool named = argument->node.tag == EXPRESSION_NAMED_ARGUMENT;
            struct bytes name = named ? expression_named_argument_of(argument)->name : BYTES("");
            json_array_append_new(arguments, json_integer((json_int_t)column));
            json_array_append_new(names, json_stringn((const char *)name.data, name.size));
        }
        json_array_append_new(calls, json_pack("{s:I, s:i, s:o, s:o}", "function", (json_int_t)numbers[i], "kind",
                                         (int)function->eval_type, "arguments", arguments, "names", names));
    }
    return calls;
}

/* Whether what a function of pandas gives must fit its type. */
static bool casts_safely(struct session *session) {
    struct arena arena = {0};
    const char *safe = session_setting(session, &arena, "spark.sql.execution.pandas.convertToArrowArraySafely");
    bool answer = safe == NULL || strcasecmp(safe, "false") != 0;
    arena_destroy(&arena);
    return answer;
}

/* The most rows of one batch that an iterator gives. */
static json_int_t rows_per_batch(struct session *session) {
    struct arena arena = {0};
    const char *rows = session_setting(session, &arena, "spark.sql.execution.arrow.maxRecordsPerBatch");
    json_int_t count = rows == NULL ? 10000 : strtoll(rows, NULL, 10);
    arena_destroy(&arena);
    return count;
}

static void call_columns(
    struct python_evaluation *evaluation, struct python_session *python, const struct relation_python_eval *relation) {
    int64_t *numbers = calloc(relation->functions.count, sizeof *numbers);
    ASSERT(numbers != NULL);
    struct python_request request = {
        .head = json_pack("{s:s, s:o, s:b}", "do", "evaluate", "calls", describe_calls(python, relation, numbers),
            "safe", casts_safely(evaluation->session)),
        .payload = evaluation->input,
        .functions = numbers,
        .function_count = relation->functions.count,
        .done = evaluation_answered,
        .argument = evaluation,
    };
    evaluation->input = (struct buffer){0};
    python_call(python, &request);
    free(numbers);
}

static void call_rows(
    struct python_evaluation *evaluation, struct python_session *python, const struct relation_python_map *relation) {
    const struct expression_python_udf *function = expression_python_udf_of(relation->function);
    struct buffer schema = {0};
    int64_t number = define(python, function);
    bool table = function->eval_type >= 300 && function->eval_type < 400; /* a table function */
    type_format_json(function->result, &schema);
    struct python_request request = {
        .head = json_pack("{s:s, s:b, s:I, s:i, s:i, s:I, s:s}", "do", table ? "table" : "map", "safe",
            casts_safely(evaluation->session), "function", (json_int_t)number, "kind", (int)function->eval_type, "keys",
            (int)relation->key_count, "rows", rows_per_batch(evaluation->session), "schema",
            table ? buffer_text(&schema) : ""),
        .payload = evaluation->input,
        .functions = &number,
        .function_count = 1,
        .done = evaluation_answered,
        .argument = evaluation,
    };
    evaluation->input = (struct buffer){0};
    python_call(python, &request);
    buffer_free(&schema);
}

static const char *const timeout_names[] = {[TIMEOUT_NONE] = "NoTimeout",
    [TIMEOUT_PROCESSING_TIME] = "ProcessingTimeTimeout",
    [TIMEOUT_EVENT_TIME] = "EventTimeTimeout"};

static void call_groups(struct python_evaluation *evaluation, struct python_session *python,
    const struct relation_groups_with_state *relation) {
    int64_t number = define(python, expression_python_udf_of(relation->function)), delay;
    bool watermarked = false;
    for (size_t i = 0; i < relation->input->output_count; i++)
        watermarked = watermarked || attribute_event_time(&relation->input->output[i], &delay);
    struct python_request request = {
        .head = json_pack("{s:s, s:b, s:I, s:i, s:s, s:b, s:I}", "do", "state", "safe",
            casts_safely(evaluation->session), "function", (json_int_t)number, "keys", (int)relation->keys.count,
            "timeout", timeout_names[relation->timeout], "watermarked", watermarked, "rows",
            rows_per_batch(evaluation->session)),
        .payload = evaluation->input,
        .functions = &number,
        .function_count = 1,
        .done = evaluation_answered,
        .argument = evaluation,
    };
    evaluation->input = (struct buffer){0};
    python_call(python, &request);
}

static void begin_evaluation(void *argument) {
    struct python_evaluation *evaluation = argument;
    struct python_session *python = session_python(evaluation->session);
    list_append(&evaluation->session->evaluations, &evaluation->node);
    if (python == NULL) {
        end_evaluation(evaluation, NULL, "The session has ended");
        return;
    }
    if (evaluation->relation->node.tag == RELATION_PYTHON_MAP)
        call_rows(evaluation, python, relation_python_map_of(evaluation->relation));
    else if (evaluation->relation->node.tag == RELATION_GROUPS_WITH_STATE)
        call_groups(evaluation, python, relation_groups_with_state_of(evaluation->relation));
    else
        call_columns(evaluation, python, relation_python_eval_of(evaluation->relation));
}

static void evaluate(
    void *context, const struct relation *relation, struct buffer *input, external_done *done, void *argument) {
    struct session *session = context;
    struct python_evaluation *evaluation = calloc(1, sizeof *evaluation);
    ASSERT(evaluation != NULL);
    *evaluation = (struct python_evaluation){
        .session = session, .relation = relation, .input = *input, .done = done, .argument = argument};
    *input = (struct buffer){0};
    world_loop_post(session->server->options.loop, begin_evaluation, evaluation);
}

struct cancelling {
    struct session *session;
    void *argument;
};

static void cancel_on_loop(void *argument) {
    struct cancelling *cancelling = argument;
    LIST_FOR_EACH(node, &cancelling->session->evaluations) {
        struct python_evaluation *evaluation = CONTAINER_OF(node, struct python_evaluation, node);
        if (evaluation->argument != cancelling->argument)
            continue;
        if (cancelling->session->python != NULL)
            python_cancel(cancelling->session->python, evaluation);
        end_evaluation(evaluation, NULL, "It was cancelled");
        break;
    }
    free(cancelling);
}

static void cancel_evaluation(void *context, void *argument) {
    struct session *session = context;
    struct cancelling *cancelling = calloc(1, sizeof *cancelling);
    ASSERT(cancelling != NULL);
    *cancelling = (struct cancelling){session, argument};
    world_loop_post(session->server->options.loop, cancel_on_loop, cancelling);
}

void session_init_functions(struct session *session) {
    session->externals = (struct exec_externals){session, evaluate, cancel_evaluation};
    list_init(&session->evaluations);
    list_init(&session->listeners);
}

/* ---- functions by name ---- */

struct registered_function {
    struct arena arena;
    const struct expression_python_udf *function;
};

static struct bytes small_letters(struct arena *arena, struct bytes name) {
    uint8_t *copy = arena_allocate(arena, name.size + 1);
    for (size_t i = 0; i < name.size; i++)
        copy[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? name.data[i] + 32 : name.data[i];
    return bytes_make(copy, name.size);
}

static void free_registered(struct registered_function *registered) {
    if (registered == NULL)
        return;
    arena_destroy(&registered->arena);
    free(registered);
}

void session_register_function(struct session *session, const struct expression_python_udf *function) {
    struct registered_function *registered = calloc(1, sizeof *registered);
    ASSERT(registered != NULL);
    registered->function = (const struct expression_python_udf *)node_copy(&registered->arena, &function->base.node);
    free_registered(map_set(&session->functions, small_letters(&registered->arena, function->name), registered));
}

const struct expression_python_udf *session_find_function(void *context, struct arena *arena, struct bytes name) {
    struct session *session = context;
    struct registered_function *registered =
        session->functions.count == 0 ? NULL : map_get(&session->functions, small_letters(arena, name));
    return registered == NULL
               ? NULL
               : (const struct expression_python_udf *)node_copy(arena, &registered->function->base.node);
}

void session_copy_functions(struct session *to, struct session *from) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&from->functions, &cursor)) != NULL;)
        session_register_function(to, ((struct registered_function *)entry->value)->function);
}

/* ---- foreach and foreachBatch ---- */

struct stream_command {
    struct stream_function function;
    struct session *session;
    struct buffer command;
    char python_version[16]; /* of the interpreter that pickled it */
    char lane[64];
    bool whole; /* foreachBatch; else foreach */
    /* The batch at hand, on the loop. */
    struct stream_function_batch batch;
    size_t partition;    /* foreach: the next one */
    struct source *rows; /* foreachBatch: what the function's DataFrame reads, until the next batch */
    char rows_name[UUID_TEXT_SIZE];
    struct uuid run_id; /* of its query, once that has started */
};

static void finish_batch(struct stream_command *command, const char *failure) {
    struct error error = {0};
    struct stream_function_batch batch = command->batch;
    if (failure == NULL) {
        batch.done(batch.done_argument, NULL);
        return;
    }
    size_t size = strlen(failure), shown = size < 900 ? size : 900; /* its end tells what happened */
    error_set(&error, ERROR_INTERNAL, "%s%s", shown < size ? "…" : "", failure + size - shown);
    batch.done(batch.done_argument, &error);
}

static void forget_rows(struct stream_command *command) {
    struct session *session = command->session;
    if (command->rows == NULL)
        return;
    world_mutex_lock(&session->settings_mutex);
    map_remove(&session->tables, bytes_from_text(command->rows_name));
    world_mutex_unlock(&session->settings_mutex);
    command->rows->class->close(command->rows);
    command->rows = NULL;
}

/* What the program's function raised is shown whole on its terminal; errors have room for the end only. */
static void show_failure(struct stream_command *command, const json_t *head, const char *failure) {
    if (head != NULL && failure != NULL) {
        take_output(command->session, bytes_from_text(failure));
        take_output(command->session, BYTES("\n"));
    }
}

static void batch_answered(void *argument, const json_t *head, struct bytes payload, const char *failure) {
    show_failure(argument, head, failure);
    finish_batch(argument, failure);
}

static int64_t define_command(const struct stream_command *command, struct python_session *python) {
    json_t *about = json_pack("{s:s, s:[]}", "python", command->python_version, "includes");
    return python_define(python, buffer_view(&command->command), about);
}

/* The rows become a DataFrame that the worker asks for by its name: see lower_relation.c, cached_remote_relation. */
static void run_whole_batch(struct stream_command *command, struct python_session *python) {
    struct session *session = command->session;
    const struct stream_function_batch *batch = &command->batch;
    uint8_t random[16];
    forget_rows(command);
    world_random(session->server->options.world, random, sizeof random);
    uuid_format(uuid_from_random(random), command->rows_name);
    command->rows = source_memory_create(batch->schema, batch->partitions, batch->batch_counts, batch->partition_count);
    world_mutex_lock(&session->settings_mutex);
    map_set_text(&session->tables, command->rows_name, command->rows);
    world_mutex_unlock(&session->settings_mutex);
    int64_t number = define_command(command, python);
    struct python_request request = {
        .head = json_pack("{s:s, s:I, s:s, s:I}", "do", "foreachBatch", "function", (json_int_t)number, "dataframe",
            command->rows_name, "batch", (json_int_t)batch->batch_id),
        .functions = &number,
        .function_count = 1,
        .lane = command->lane,
        .done = batch_answered,
        .argument = command,
    };
    python_call(python, &request);
}

static void run_next_partition(struct stream_command *command, struct python_session *python);

static void partition_answered(void *argument, const json_t *head, struct bytes payload, const char *failure) {
    struct stream_command *command = argument;
    command->partition++;
    show_failure(command, head, failure);
    if (failure != NULL || command->session->python == NULL)
        finish_batch(command, failure == NULL ? "The session has ended" : failure);
    else
        run_next_partition(command, command->session->python);
}

static void run_next_partition(struct stream_command *command, struct python_session *python) {
    const struct stream_function_batch *batch = &command->batch;
    size_t at = command->partition;
    struct error error = {0};
    struct buffer rows = {0};
    if (at >= batch->partition_count) {
        finish_batch(command, NULL);
        return;
    }
    if (!ipc_write_stream(
            batch->schema, (struct batch **)batch->partitions[at], batch->batch_counts[at], "UTC", &rows, &error)) {
        buffer_free(&rows);
        finish_batch(command, error.message);
        return;
    }
    int64_t number = define_command(command, python);
    struct python_request request = {
        .head = json_pack("{s:s, s:I, s:I, s:I}", "do", "foreach", "function", (json_int_t)number, "partition",
            (json_int_t)at, "batch", (json_int_t)batch->batch_id),
        .payload = rows,
        .functions = &number,
        .function_count = 1,
        .lane = command->lane,
        .done = partition_answered,
        .argument = command,
    };
    python_call(python, &request);
}

static void begin_batch(void *argument) {
    struct stream_command *command = argument;
    struct python_session *python = session_python(command->session);
    command->partition = 0;
    if (python == NULL)
        finish_batch(command, "The session has ended");
    else if (command->whole)
        run_whole_batch(command, python);
    else
        run_next_partition(command, python);
}

static void run_function(void *argument, const struct stream_function_batch *batch) {
    struct stream_command *command = argument;
    command->batch = *batch;
    world_loop_post(command->session->server->options.loop, begin_batch, command);
}

static void end_on_loop(void *argument) {
    struct stream_command *command = argument;
    if (command->session->python != NULL)
        python_end_lane(command->session->python, command->lane);
    forget_rows(command);
}

/* The last call: the session lives at least until this has run, since it ends only after its queries. */
static void end_function(void *argument) {
    struct stream_command *command = argument;
    world_loop_post(command->session->server->options.loop, end_on_loop, command);
}

const struct stream_function *session_stream_function(
    struct session *session, struct bytes pickled, const char *python_version, bool whole) {
    uint8_t random[16];
    char id[UUID_TEXT_SIZE];
    struct stream_command *command = calloc(1, sizeof *command);
    ASSERT(command != NULL);
    command->session = session;
    command->whole = whole;
    buffer_append_bytes(&command->command, pickled);
    snprintf(command->python_version, sizeof command->python_version, "%s", python_version);
    world_random(session->server->options.world, random, sizeof random);
    uuid_format(uuid_from_random(random), id);
    snprintf(command->lane, sizeof command->lane, "query-%s", id);
    command->function = (struct stream_function){run_function, end_function, command};
    world_mutex_lock(&session->settings_mutex);
    VECTOR_PUSH(&session->stream_commands, command);
    world_mutex_unlock(&session->settings_mutex);
    return &command->function;
}

void session_function_started(const struct stream_function *function, struct uuid run_id) {
    if (function != NULL)
        ((struct stream_command *)function->argument)->run_id = run_id;
}

void session_stop_function(struct session *session, struct uuid run_id) {
    for (size_t i = 0; session->python != NULL && i < session->stream_commands.count; i++)
        if (uuid_equal(session->stream_commands.items[i]->run_id, run_id))
            python_end_lane(session->python, session->stream_commands.items[i]->lane);
}

void session_free_functions(struct session *session) {
    size_t cursor = 0;
    session_free_listeners(session);
    for (struct map_entry *entry; (entry = map_next(&session->functions, &cursor)) != NULL;)
        free_registered(entry->value);
    map_free(&session->functions);
    for (size_t i = 0; i < session->stream_commands.count; i++) {
        buffer_free(&session->stream_commands.items[i]->command);
        free(session->stream_commands.items[i]);
    }
    VECTOR_FREE(&session->stream_commands);
    free(session->interpreter);
    free(session->folder);
}
