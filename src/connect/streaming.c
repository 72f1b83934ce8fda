/* streaming.c: writeStream…start() and what query handles, spark.streams and listeners ask. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "connect/connect_internal.h"

/* ---- start ---- */

/* Everything a query needs for its life: it outlives the operation that started it. */
struct starting {
    struct operation *operation;
    const Connect__WriteStreamOperationStart *message;
    struct arena arena; /* plan and settings, handed to the query */
    struct session *session;
    struct stream_start start;
};

/* Where a query's callbacks lead. The file is "console", or what the option raudal.console names: notebooks' kernels
 * set it, so that each query's batches reach the cell that started it. Lives as long as the query's plan. */
struct query_output {
    struct session *session;
    char console[64];
};

static struct query_output *query_output_new(struct starting *starting) {
    struct query_output *output = ARENA_NEW(&starting->arena, struct query_output);
    const Connect__WriteStreamOperationStart *message = starting->message;
    output->session = starting->session;
    snprintf(output->console, sizeof output->console, "console");
    for (size_t i = 0; i < message->n_options; i++)
        if (strcmp(message->options[i]->key, "raudal.console") == 0 && strchr(message->options[i]->value, '/') == NULL)
            snprintf(output->console, sizeof output->console, "console.%s", message->options[i]->value);
    return output;
}

void session_write_console(struct session *session, const char *name, struct bytes text) {
    struct world *world = session->server->options.world;
    char path[4200];
    struct error error;
    if (session->program[0] == 0 || strchr(session->program, '/') != NULL)
        return;
    snprintf(path, sizeof path, "%s/%s/%s", session->server->options.programs_folder, session->program, name);
    struct world_file *file = world_file_open(world, path, WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &error);
    if (file == NULL)
        return; /* the program has gone */
    int64_t size = world_file_size(file, &error);
    if (size >= 0 && !world_file_write(file, text.data, text.size, size, &error))
        service_log_write(session->server->options.log, LOG_WARN, "ConsoleSink", "%s", error.message);
    world_file_close(file);
}

static void write_console(void *argument, struct bytes text) {
    const struct query_output *output = argument;
    session_write_console(output->session, output->console, text);
}

/* ---- the memory sink: its rows as a temporary view of the query's name ---- */

struct memory_view {
    struct session *session;
    char *name;
};

static void create_memory_view(void *argument) {
    struct memory_view *view = argument;
    struct arena arena = {0};
    struct sql_error error = {.arena = &arena};
    struct option option = {BYTES("name"), bytes_from_text(view->name)};
    struct relation_read *read = relation_read_new(&arena);
    read->format = BYTES("memory");
    read->options = options_make(&arena, &option, 1);
    if (!sql_create_view(view->session->sql, bytes_from_text(view->name), &read->base, BYTES_NULL, true, false, &error))
        service_log_write(view->session->server->options.log, LOG_ERROR, "MemorySink", "%s", sql_error_message(&error));
    arena_destroy(&arena);
}

static void memory_view_made(void *argument) {
    struct memory_view *view = argument;
    free(view->name);
    free(view);
}

/* Views belong to the session's analysis: made in its queue, before whatever the client asks next. */
static void make_memory_table(void *argument, struct bytes name, struct source *table) {
    struct session *session = ((const struct query_output *)argument)->session;
    struct memory_view *view = calloc(1, sizeof *view);
    ASSERT(view != NULL);
    view->session = session;
    view->name = strndup((const char *)name.data, name.size);
    world_mutex_lock(&session->settings_mutex);
    map_set(&session->tables, name, table);
    world_mutex_unlock(&session->settings_mutex);
    session_run(session, create_memory_view, memory_view_made, view);
}

static void release_plan(void *argument) {
    struct arena *arena = argument;
    struct arena copy = *arena; /* the struct itself lives in it */
    arena_destroy(&copy);
}

static enum stream_trigger_kind trigger_kind(
    const Connect__WriteStreamOperationStart *message, struct bytes *interval) {
    switch (message->trigger_case) {
    case CONNECT__WRITE_STREAM_OPERATION_START__TRIGGER_PROCESSING_TIME_INTERVAL:
        *interval = bytes_from_text(message->processing_time_interval);
        return STREAM_TRIGGER_PROCESSING_TIME;
    case CONNECT__WRITE_STREAM_OPERATION_START__TRIGGER_AVAILABLE_NOW:
        return STREAM_TRIGGER_AVAILABLE_NOW;
    case CONNECT__WRITE_STREAM_OPERATION_START__TRIGGER_ONCE:
        return STREAM_TRIGGER_ONCE;
    case CONNECT__WRITE_STREAM_OPERATION_START__TRIGGER_CONTINUOUS_CHECKPOINT_INTERVAL:
        return STREAM_TRIGGER_CONTINUOUS;
    case CONNECT__WRITE_STREAM_OPERATION_START__TRIGGER_REAL_TIME_BATCH_DURATION:
        *interval = bytes_from_text(message->real_time_batch_duration);
        return STREAM_TRIGGER_REAL_TIME;
    default:
        return STREAM_TRIGGER_DEFAULT;
    }
}

static void fill_start(struct starting *starting, const struct relation *plan) {
    const Connect__WriteStreamOperationStart *message = starting->message;
    struct stream_start *start = &starting->start;
    struct arena *arena = &starting->arena;
    struct stream_setting *settings;
    struct source_option *options = ARENA_ARRAY(arena, struct source_option, message->n_options);
    for (size_t i = 0; i < message->n_options; i++)
        options[i] = (struct source_option){arena_copy(arena, bytes_from_text(message->options[i]->key)),
            arena_copy(arena, bytes_from_text(message->options[i]->value))};
    struct bytes *columns = ARENA_ARRAY(arena, struct bytes, message->n_partitioning_column_names);
    for (size_t i = 0; i < message->n_partitioning_column_names; i++)
        columns[i] = bytes_from_text(message->partitioning_column_names[i]);
    start->plan = plan;
    start->configuration_count = session_all_settings(starting->session, arena, &settings);
    start->configuration = settings;
    start->batch_interval = session_default(starting->session, "raudal.stream.minBatchInterval");
    start->exactly_once = session_default(starting->session, "raudal.stream.kafka.exactlyOnce");
    start->name =
        message->query_name == NULL || message->query_name[0] == 0 ? BYTES_NULL : bytes_from_text(message->query_name);
    start->output_mode = message->output_mode == NULL || message->output_mode[0] == 0
                             ? BYTES_NULL
                             : bytes_from_text(message->output_mode);
    start->format = message->format == NULL || message->format[0] == 0 ? BYTES_NULL : bytes_from_text(message->format);
    if (start->function != NULL)
        start->format = message->foreach_batch != NULL ? BYTES("foreachBatch") : BYTES("foreach");
    start->options = options;
    start->option_count = message->n_options;
    start->path = message->sink_destination_case == CONNECT__WRITE_STREAM_OPERATION_START__SINK_DESTINATION_PATH
                      ? bytes_from_text(message->path)
                      : BYTES_NULL;
    start->partition_columns = columns;
    start->partition_column_count = message->n_partitioning_column_names;
    start->trigger = trigger_kind(message, &start->trigger_interval);
    start->user = bytes_from_text(starting->session->user);
    start->session_id = bytes_from_text(starting->session->id);
    start->console = write_console;
    start->memory_table = make_memory_table;
    start->callback_argument = query_output_new(starting);
}

/* foreach and foreachBatch are sinks of these names. */
static bool take_function(struct starting *starting, struct lower_context *context) {
    const Connect__WriteStreamOperationStart *message = starting->message;
    const Connect__StreamingForeachFunction *function =
        message->foreach_batch != NULL ? message->foreach_batch : message->foreach_writer;
    if (function == NULL)
        return true;
    if (function->function_case != CONNECT__STREAMING_FOREACH_FUNCTION__FUNCTION_PYTHON_FUNCTION)
        return lower_refuse(context, "a foreach function that is not written in Python", NULL) != NULL;
    starting->start.function =
        session_stream_function(starting->session, PROTOBUF_BYTES(function->python_function->command),
            function->python_function->python_ver == NULL ? "" : function->python_function->python_ver,
            message->foreach_batch != NULL);
    return true;
}

static void prepare_start(void *argument) {
    struct starting *starting = argument;
    struct operation *operation = starting->operation;
    struct sql_error *error = &operation->error;
    struct lower_context context;
    session_lower_context(operation->session, &starting->arena, error, &context);
    if (protobuf_unknown_field(&starting->message->base) != 0) {
        lower_refuse(&context, "streaming sink", &starting->message->base);
        return;
    }
    if (!take_function(starting, &context))
        return;
    if (starting->message->sink_destination_case ==
            CONNECT__WRITE_STREAM_OPERATION_START__SINK_DESTINATION_TABLE_NAME ||
        starting->message->n_clustering_column_names > 0) {
        lower_refuse(&context, "toTable and clusterBy of a streaming writer; use start(path)", NULL);
        return;
    }
    const struct relation *relation = lower_relation(&context, starting->message->input);
    if (relation != NULL)
        relation = sql_analyze(operation->session->sql, &starting->arena, relation, error);
    if (relation != NULL && !relation_is_streaming(relation)) {
        raise_write_stream_not_allowed(error);
        return;
    }
    starting->start.analyzed = relation;
    if (relation != NULL)
        relation = sql_optimize(operation->session->sql, &starting->arena, relation, error);
    if (relation != NULL &&
        session_exec_settings(operation->session, &starting->arena, &starting->start.settings, error))
        fill_start(starting, relation);
}

/* Handles go on to be asked after a query has ended. */
static void remember_query(struct session *session, struct stream_query *query) {
    char run_id[UUID_TEXT_SIZE];
    uuid_format(stream_query_run_id(query), run_id);
    map_set_text(&session->queries, run_id, query);
}

static void started(void *argument, struct stream_query *query, const struct sql_error *error) {
    struct operation *operation = argument;
    if (error != NULL) {
        sql_error_copy(&operation->error, error);
        connect_operation_fail(operation);
        connect_operation_release(operation);
        return;
    }
    char id[UUID_TEXT_SIZE], run_id[UUID_TEXT_SIZE];
    struct buffer event = {0};
    Connect__ExecutePlanResponse response = CONNECT__EXECUTE_PLAN_RESPONSE__INIT;
    Connect__WriteStreamOperationStartResult result = CONNECT__WRITE_STREAM_OPERATION_START_RESULT__INIT;
    Connect__StreamingQueryInstanceId instance = CONNECT__STREAMING_QUERY_INSTANCE_ID__INIT;
    uuid_format(stream_query_id(query), id);
    uuid_format(stream_query_run_id(query), run_id);
    stream_query_started_json(query, &event);
    instance.id = id;
    instance.run_id = run_id;
    result.query_id = &instance;
    result.name = protobuf_string(&operation->arena, stream_query_name(query));
    result.query_started_event_json = event.size == 0 ? NULL : (char *)buffer_text(&event);
    response.response_type_case = CONNECT__EXECUTE_PLAN_RESPONSE__RESPONSE_TYPE_WRITE_STREAM_OPERATION_START_RESULT;
    response.write_stream_operation_start_result = &result;
    connect_operation_send(operation, &response);
    connect_operation_finish(operation);
    buffer_free(&event);
    remember_query(operation->session, query);
    session_function_started(operation->state, stream_query_run_id(query));
    connect_operation_release(operation);
}

static void start_prepared(void *argument) {
    struct starting *starting = argument;
    struct operation *operation = starting->operation;
    if (operation->error.condition != 0 || operation->complete || operation->session->ended) {
        if (operation->error.condition != 0)
            connect_operation_fail(operation);
        arena_destroy(&starting->arena);
        connect_operation_release(operation);
        free(starting);
        return;
    }
    struct arena *kept = ARENA_NEW(&starting->arena, struct arena);
    starting->start.release = release_plan;
    starting->start.release_argument = kept;
    *kept = starting->arena; /* after its last use */
    operation->state = (void *)starting->start.function;
    stream_query_start(operation->session->streams, &starting->start, started, operation);
    free(starting);
}

void command_start_stream(struct operation *operation, const Connect__WriteStreamOperationStart *message) {
    struct starting *starting = calloc(1, sizeof *starting);
    ASSERT(starting != NULL);
    starting->operation = connect_operation_retain(operation);
    starting->message = message;
    starting->session = operation->session;
    session_run(operation->session, prepare_start, start_prepared, starting);
}

/* ---- what a handle asks ---- */

struct asking {
    struct operation *operation;
    struct stream_query *query;
    void (*cancel_await)(struct asking *asking);
};

static void send_query_result(
    struct operation *operation, struct stream_query *query, Connect__StreamingQueryCommandResult *result) {
    char id[UUID_TEXT_SIZE], run_id[UUID_TEXT_SIZE];
    Connect__ExecutePlanResponse response = CONNECT__EXECUTE_PLAN_RESPONSE__INIT;
    Connect__StreamingQueryInstanceId instance = CONNECT__STREAMING_QUERY_INSTANCE_ID__INIT;
    uuid_format(stream_query_id(query), id);
    uuid_format(stream_query_run_id(query), run_id);
    instance.id = id;
    instance.run_id = run_id;
    result->query_id = &instance;
    response.response_type_case = CONNECT__EXECUTE_PLAN_RESPONSE__RESPONSE_TYPE_STREAMING_QUERY_COMMAND_RESULT;
    response.streaming_query_command_result = result;
    connect_operation_send(operation, &response);
    connect_operation_finish(operation);
}

static void answer_status(struct operation *operation, struct stream_query *query) {
    struct stream_status status;
    Connect__StreamingQueryCommandResult result = CONNECT__STREAMING_QUERY_COMMAND_RESULT__INIT;
    Connect__StreamingQueryCommandResult__StatusResult answer =
        CONNECT__STREAMING_QUERY_COMMAND_RESULT__STATUS_RESULT__INIT;
    stream_query_status(query, &status);
    answer.status_message = (char *)status.message;
    answer.has_is_data_available = answer.has_is_trigger_active = answer.has_is_active = true;
    answer.is_data_available = status.is_data_available;
    answer.is_trigger_active = status.is_trigger_active;
    answer.is_active = status.is_active;
    result.result_type_case = CONNECT__STREAMING_QUERY_COMMAND_RESULT__RESULT_TYPE_STATUS;
    result.status = &answer;
    send_query_result(operation, query, &result);
}

static void answer_progress(struct operation *operation, struct stream_query *query, bool only_last) {
    struct arena *arena = &operation->arena;
    Connect__StreamingQueryCommandResult result = CONNECT__STREAMING_QUERY_COMMAND_RESULT__INIT;
    Connect__StreamingQueryCommandResult__RecentProgressResult answer =
        CONNECT__STREAMING_QUERY_COMMAND_RESULT__RECENT_PROGRESS_RESULT__INIT;
    size_t count = stream_query_progress_count(query);
    size_t first = only_last && count > 0 ? count - 1 : 0;
    answer.recent_progress_json = ARENA_ARRAY(arena, char *, count - first);
    for (size_t i = first; i < count; i++)
        answer.recent_progress_json[answer.n_recent_progress_json++] =
            arena_text(arena, stream_query_progress_json(query, i));
    result.result_type_case = CONNECT__STREAMING_QUERY_COMMAND_RESULT__RESULT_TYPE_RECENT_PROGRESS;
    result.recent_progress = &answer;
    send_query_result(operation, query, &result);
}

static void answer_explain(struct operation *operation, struct stream_query *query, bool extended) {
    struct buffer text = {0};
    Connect__StreamingQueryCommandResult result = CONNECT__STREAMING_QUERY_COMMAND_RESULT__INIT;
    Connect__StreamingQueryCommandResult__ExplainResult answer =
        CONNECT__STREAMING_QUERY_COMMAND_RESULT__EXPLAIN_RESULT__INIT;
    stream_query_explain(query, extended, &text);
    answer.result = (char *)buffer_text(&text);
    result.result_type_case = CONNECT__STREAMING_QUERY_COMMAND_RESULT__RESULT_TYPE_EXPLAIN;
    result.explain = &answer;
    send_query_result(operation, query, &result);
    buffer_free(&text);
}

static void answer_exception(struct operation *operation, struct stream_query *query) {
    const struct sql_error *error = stream_query_exception(query);
    Connect__StreamingQueryCommandResult result = CONNECT__STREAMING_QUERY_COMMAND_RESULT__INIT;
    Connect__StreamingQueryCommandResult__ExceptionResult answer =
        CONNECT__STREAMING_QUERY_COMMAND_RESULT__EXCEPTION_RESULT__INIT;
    if (error != NULL) {
        answer.exception_message = (char *)sql_error_message(error);
        answer.error_class = (char *)sql_error_condition(error);
        answer.stack_trace = (char *)"";
    }
    result.result_type_case = CONNECT__STREAMING_QUERY_COMMAND_RESULT__RESULT_TYPE_EXCEPTION;
    result.exception = &answer;
    send_query_result(operation, query, &result);
}

static struct asking *begin_asking(struct operation *operation, struct stream_query *query) {
    struct asking *asking = calloc(1, sizeof *asking);
    ASSERT(asking != NULL);
    asking->operation = connect_operation_retain(operation);
    asking->query = query == NULL ? NULL : stream_query_retain(query);
    operation->state = asking;
    return asking;
}

static void end_asking(struct asking *asking) {
    asking->operation->state = NULL;
    asking->operation->cancel = NULL;
    if (asking->query != NULL)
        stream_query_release(asking->query);
    connect_operation_release(asking->operation);
    free(asking);
}

static void cancel_asking(struct operation *operation) {
    struct asking *asking = operation->state;
    if (asking != NULL && asking->cancel_await != NULL) {
        asking->cancel_await(asking);
        end_asking(asking);
    }
}

static void cancel_query_await(struct asking *asking) {
    stream_query_cancel_await(asking->query, asking);
}

static void cancel_any_await(struct asking *asking) {
    stream_session_cancel_await(asking->operation->session->streams, asking);
}

/* The error that ended a query is raised where it is awaited. */
static bool fail_asking(struct asking *asking, const struct sql_error *error) {
    if (error == NULL)
        return false;
    sql_error_copy(&asking->operation->error, error);
    connect_operation_fail(asking->operation);
    return true;
}

/* Ends the asking: with that error, or with this result. */
static void end_await(
    struct asking *asking, const struct sql_error *error, Connect__StreamingQueryCommandResult *result) {
    if (!fail_asking(asking, error))
        send_query_result(asking->operation, asking->query, result);
    end_asking(asking);
}

static void awaited(void *argument, bool terminated, const struct sql_error *error) {
    Connect__StreamingQueryCommandResult result = CONNECT__STREAMING_QUERY_COMMAND_RESULT__INIT;
    Connect__StreamingQueryCommandResult__AwaitTerminationResult answer =
        CONNECT__STREAMING_QUERY_COMMAND_RESULT__AWAIT_TERMINATION_RESULT__INIT;
    answer.has_terminated = true;
    answer.terminated = terminated;
    result.result_type_case = CONNECT__STREAMING_QUERY_COMMAND_RESULT__RESULT_TYPE_AWAIT_TERMINATION;
    result.await_termination = &answer;
    end_await(argument, error, &result);
}

static void processed_all(void *argument, bool terminated, const struct sql_error *error) {
    Connect__StreamingQueryCommandResult result = CONNECT__STREAMING_QUERY_COMMAND_RESULT__INIT;
    end_await(argument, error, &result);
}

static void stopped(void *argument) {
    processed_all(argument, true, NULL);
}

static int64_t timeout_of(bool given, int64_t timeout_ms) {
    return given ? timeout_ms : -1;
}

static void await_query(struct operation *operation, struct stream_query *query, int64_t timeout_ms) {
    struct asking *asking = begin_asking(operation, query);
    asking->cancel_await = cancel_query_await;
    operation->cancel = cancel_asking;
    stream_query_await(query, timeout_ms, awaited, asking);
}

void command_query(struct operation *operation, const Connect__StreamingQueryCommand *command) {
    const char *run_id = command->query_id == NULL ? NULL : command->query_id->run_id;
    struct stream_query *query = run_id == NULL ? NULL : map_get_text(&operation->session->queries, run_id);
    if (query == NULL) {
        raise_connect_invalid_plan_streaming_query_not_found(&operation->error, run_id == NULL ? "" : run_id);
        connect_operation_fail(operation);
        return;
    }
    switch (command->command_case) {
    case CONNECT__STREAMING_QUERY_COMMAND__COMMAND_STATUS:
        answer_status(operation, query);
        break;
    case CONNECT__STREAMING_QUERY_COMMAND__COMMAND_LAST_PROGRESS:
        answer_progress(operation, query, true);
        break;
    case CONNECT__STREAMING_QUERY_COMMAND__COMMAND_RECENT_PROGRESS:
        answer_progress(operation, query, false);
        break;
    case CONNECT__STREAMING_QUERY_COMMAND__COMMAND_STOP:
        stream_query_stop(query, stopped, begin_asking(operation, query));
        session_stop_function(operation->session, stream_query_run_id(query));
        break;
    case CONNECT__STREAMING_QUERY_COMMAND__COMMAND_PROCESS_ALL_AVAILABLE:
        stream_query_process_all(query, processed_all, begin_asking(operation, query));
        break;
    case CONNECT__STREAMING_QUERY_COMMAND__COMMAND_EXPLAIN:
        answer_explain(operation, query, command->explain->extended);
        break;
    case CONNECT__STREAMING_QUERY_COMMAND__COMMAND_EXCEPTION:
        answer_exception(operation, query);
        break;
    case CONNECT__STREAMING_QUERY_COMMAND__COMMAND_AWAIT_TERMINATION:
        await_query(operation, query,
            timeout_of(command->await_termination->has_timeout_ms, command->await_termination->timeout_ms));
        break;
    default:
        raise_unsupported_feature_not_in_this_program(&operation->error, "This command of a streaming query", "");
        connect_operation_fail(operation);
    }
}

/* ---- spark.streams ---- */

static void send_manager_result(struct operation *operation, Connect__StreamingQueryManagerCommandResult *result) {
    Connect__ExecutePlanResponse response = CONNECT__EXECUTE_PLAN_RESPONSE__INIT;
    response.response_type_case = CONNECT__EXECUTE_PLAN_RESPONSE__RESPONSE_TYPE_STREAMING_QUERY_MANAGER_COMMAND_RESULT;
    response.streaming_query_manager_command_result = result;
    connect_operation_send(operation, &response);
    connect_operation_finish(operation);
}

static Connect__StreamingQueryManagerCommandResult__StreamingQueryInstance *describe_query(
    struct arena *arena, struct stream_query *query) {
    Connect__StreamingQueryManagerCommandResult__StreamingQueryInstance *instance =
        PROTOBUF_NEW(arena, Connect__StreamingQueryManagerCommandResult__StreamingQueryInstance,
            connect__streaming_query_manager_command_result__streaming_query_instance);
    instance->id = PROTOBUF_NEW(arena, Connect__StreamingQueryInstanceId, connect__streaming_query_instance_id);
    instance->id->id = arena_allocate(arena, UUID_TEXT_SIZE);
    instance->id->run_id = arena_allocate(arena, UUID_TEXT_SIZE);
    uuid_format(stream_query_id(query), instance->id->id);
    uuid_format(stream_query_run_id(query), instance->id->run_id);
    instance->name = stream_query_name(query).data == NULL ? NULL : arena_text(arena, stream_query_name(query));
    return instance;
}

static void answer_active(struct operation *operation) {
    struct arena *arena = &operation->arena;
    struct stream_query **queries;
    size_t count = stream_session_active(operation->session->streams, &queries);
    Connect__StreamingQueryManagerCommandResult result = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__INIT;
    Connect__StreamingQueryManagerCommandResult__ActiveResult active =
        CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__ACTIVE_RESULT__INIT;
    active.active_queries =
        ARENA_ARRAY(arena, Connect__StreamingQueryManagerCommandResult__StreamingQueryInstance *, count);
    for (size_t i = 0; i < count; i++) {
        active.active_queries[active.n_active_queries++] = describe_query(arena, queries[i]);
        stream_query_release(queries[i]);
    }
    free(queries);
    result.result_type_case = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__RESULT_TYPE_ACTIVE;
    result.active = &active;
    send_manager_result(operation, &result);
}

static void answer_get(struct operation *operation, const char *id_text) {
    struct uuid id;
    struct stream_query *query = uuid_parse(bytes_from_text(id_text == NULL ? "" : id_text), &id)
                                     ? stream_session_get(operation->session->streams, id)
                                     : NULL;
    Connect__StreamingQueryManagerCommandResult result = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__INIT;
    if (query != NULL) {
        result.result_type_case = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__RESULT_TYPE_QUERY;
        result.query = describe_query(&operation->arena, query);
        stream_query_release(query);
    }
    send_manager_result(operation, &result);
}

static void awaited_any(void *argument, bool terminated, const struct sql_error *error) {
    struct asking *asking = argument;
    Connect__StreamingQueryManagerCommandResult result = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__INIT;
    Connect__StreamingQueryManagerCommandResult__AwaitAnyTerminationResult answer =
        CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__AWAIT_ANY_TERMINATION_RESULT__INIT;
    answer.has_terminated = true;
    answer.terminated = terminated;
    result.result_type_case = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__RESULT_TYPE_AWAIT_ANY_TERMINATION;
    result.await_any_termination = &answer;
    if (!fail_asking(asking, error))
        send_manager_result(asking->operation, &result);
    end_asking(asking);
}

/* Listeners of clients before 4.0. */
static void answer_listeners(struct operation *operation, const Connect__StreamingQueryManagerCommand *command) {
    struct session *session = operation->session;
    Connect__StreamingQueryManagerCommandResult result = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__INIT;
    Connect__StreamingQueryManagerCommandResult__ListStreamingQueryListenerResult list =
        CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__LIST_STREAMING_QUERY_LISTENER_RESULT__INIT;
    if (command->command_case == CONNECT__STREAMING_QUERY_MANAGER_COMMAND__COMMAND_LIST_LISTENERS) {
        list.listener_ids = session_listener_ids(session, &operation->arena, &list.n_listener_ids);
        result.result_type_case = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__RESULT_TYPE_LIST_LISTENERS;
        result.list_listeners = &list;
    } else if (command->command_case == CONNECT__STREAMING_QUERY_MANAGER_COMMAND__COMMAND_REMOVE_LISTENER) {
        session_remove_listener(session, command->remove_listener->id == NULL ? "" : command->remove_listener->id);
        result.result_type_case = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__RESULT_TYPE_REMOVE_LISTENER;
        result.remove_listener = true;
    } else if (command->add_listener->python_listener_payload == NULL || command->add_listener->id == NULL) {
        raise_unsupported_feature_not_in_this_program(
            &operation->error, "A listener that is not written in Python", "");
        connect_operation_fail(operation);
        return;
    } else {
        session_add_listener(session, command->add_listener->id, command->add_listener->python_listener_payload);
        result.result_type_case = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__RESULT_TYPE_ADD_LISTENER;
        result.add_listener = true;
    }
    send_manager_result(operation, &result);
}

void command_manager(struct operation *operation, const Connect__StreamingQueryManagerCommand *command) {
    struct asking *asking;
    Connect__StreamingQueryManagerCommandResult result = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__INIT;
    switch (command->command_case) {
    case CONNECT__STREAMING_QUERY_MANAGER_COMMAND__COMMAND_ACTIVE:
        answer_active(operation);
        break;
    case CONNECT__STREAMING_QUERY_MANAGER_COMMAND__COMMAND_GET_QUERY:
        answer_get(operation, command->get_query);
        break;
    case CONNECT__STREAMING_QUERY_MANAGER_COMMAND__COMMAND_AWAIT_ANY_TERMINATION:
        asking = begin_asking(operation, NULL);
        asking->cancel_await = cancel_any_await;
        operation->cancel = cancel_asking;
        stream_session_await_any(operation->session->streams,
            timeout_of(command->await_any_termination->has_timeout_ms, command->await_any_termination->timeout_ms),
            awaited_any, asking);
        break;
    case CONNECT__STREAMING_QUERY_MANAGER_COMMAND__COMMAND_RESET_TERMINATED:
        stream_session_reset(operation->session->streams);
        result.result_type_case = CONNECT__STREAMING_QUERY_MANAGER_COMMAND_RESULT__RESULT_TYPE_RESET_TERMINATED;
        result.reset_terminated = true;
        send_manager_result(operation, &result);
        break;
    case CONNECT__STREAMING_QUERY_MANAGER_COMMAND__COMMAND_ADD_LISTENER:
    case CONNECT__STREAMING_QUERY_MANAGER_COMMAND__COMMAND_REMOVE_LISTENER:
    case CONNECT__STREAMING_QUERY_MANAGER_COMMAND__COMMAND_LIST_LISTENERS:
        answer_listeners(operation, command);
        break;
    default:
        raise_unsupported_feature_not_in_this_program(
            &operation->error, "This command of the streaming query manager", "");
        connect_operation_fail(operation);
    }
}

/* ---- the listener bus: one answer stream per session that stays open ---- */

static void send_events(struct operation *operation, Connect__StreamingQueryListenerEventsResult *events) {
    Connect__ExecutePlanResponse response = CONNECT__EXECUTE_PLAN_RESPONSE__INIT;
    response.response_type_case = CONNECT__EXECUTE_PLAN_RESPONSE__RESPONSE_TYPE_STREAMING_QUERY_LISTENER_EVENTS_RESULT;
    response.streaming_query_listener_events_result = events;
    connect_operation_send(operation, &response);
}

/* The started event travels in the answer to start(), as Spark does it. */
static void on_event(void *argument, enum stream_event_kind kind, struct bytes json) {
    struct operation *operation = argument;
    struct arena arena = {0};
    Connect__StreamingQueryListenerEventsResult events = CONNECT__STREAMING_QUERY_LISTENER_EVENTS_RESULT__INIT;
    Connect__StreamingQueryListenerEvent event = CONNECT__STREAMING_QUERY_LISTENER_EVENT__INIT, *list[] = {&event};
    if (kind == STREAM_EVENT_STARTED)
        return;
    event.event_json = arena_text(&arena, json);
    event.has_event_type = true;
    event.event_type = kind == STREAM_EVENT_PROGRESS ? CONNECT__STREAMING_QUERY_EVENT_TYPE__QUERY_PROGRESS_EVENT
                       : kind == STREAM_EVENT_IDLE   ? CONNECT__STREAMING_QUERY_EVENT_TYPE__QUERY_IDLE_EVENT
                                                     : CONNECT__STREAMING_QUERY_EVENT_TYPE__QUERY_TERMINATED_EVENT;
    events.n_events = 1;
    events.events = list;
    send_events(operation, &events);
    arena_destroy(&arena);
}

static void end_listening(struct operation *operation) {
    struct session *session = operation->session;
    if (session->listener != operation)
        return;
    session->listener = NULL;
    if (!session->ended)
        stream_session_remove_listener(session->streams, operation);
    connect_operation_release(operation);
}

static void cancel_listening(struct operation *operation) {
    end_listening(operation);
}

void command_listener_bus(struct operation *operation, const Connect__StreamingQueryListenerBusCommand *command) {
    struct session *session = operation->session;
    if (command->command_case == CONNECT__STREAMING_QUERY_LISTENER_BUS_COMMAND__COMMAND_REMOVE_LISTENER_BUS_LISTENER) {
        struct operation *open = session->listener;
        if (open != NULL) {
            connect_operation_retain(open);
            end_listening(open);
            connect_operation_finish(open);
            connect_operation_release(open);
        }
        connect_operation_finish(operation);
        return;
    }
    Connect__StreamingQueryListenerEventsResult added = CONNECT__STREAMING_QUERY_LISTENER_EVENTS_RESULT__INIT;
    if (session->listener != NULL) { /* a second bus of the session takes over */
        struct operation *open = connect_operation_retain(session->listener);
        end_listening(open);
        connect_operation_finish(open);
        connect_operation_release(open);
    }
    session->listener = connect_operation_retain(operation);
    operation->cancel = cancel_listening;
    operation->on_remove = end_listening;
    stream_session_add_listener(session->streams, on_event, operation);
    added.has_listener_bus_listener_added = true;
    added.listener_bus_listener_added = true;
    send_events(operation, &added);
}
