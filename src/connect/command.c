/* command.c: commands: SQL text, temporary views, df.write. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "column/ipc.h"
#include "connect/connect_internal.h"

/* ---- spark.sql ---- */

struct sql_task {
    struct operation *operation;
    const Connect__SqlCommand *command;
    Connect__Relation *result;
    bool is_command; /* the text is run at once; a query runs when its rows are asked for */
};

/* The text as a relation: what the client builds on. Clients from 4.0 on send that relation themselves. */
static Connect__Relation *text_relation(struct sql_task *task) {
    struct arena *arena = &task->operation->arena;
    const Connect__SqlCommand *command = task->command;
    if (command->input != NULL)
        return command->input;
    Connect__Relation *relation = PROTOBUF_NEW(arena, Connect__Relation, connect__relation);
    Connect__SQL *sql = PROTOBUF_NEW(arena, Connect__SQL, connect__sql);
    sql->query = command->sql;
    sql->n_pos_args = command->n_pos_args;
    sql->pos_args = command->pos_args;
    sql->n_pos_arguments = command->n_pos_arguments;
    sql->pos_arguments = command->pos_arguments;
    sql->n_args = command->n_args;
    sql->args = (Connect__SQL__ArgsEntry **)command->args; /* entries of maps have the same fields */
    sql->n_named_arguments = command->n_named_arguments;
    sql->named_arguments = (Connect__SQL__NamedArgumentsEntry **)command->named_arguments;
    for (size_t i = 0; i < sql->n_args; i++)
        sql->args[i]->base.descriptor = &connect__sql__args_entry__descriptor;
    for (size_t i = 0; i < sql->n_named_arguments; i++)
        sql->named_arguments[i]->base.descriptor = &connect__sql__named_arguments_entry__descriptor;
    relation->rel_type_case = CONNECT__RELATION__REL_TYPE_SQL;
    relation->sql = sql;
    return relation;
}

/* A command's rows as a relation that the client reads next. */
static Connect__Relation *rows_relation(struct sql_task *task, const struct relation *rows) {
    struct operation *operation = task->operation;
    struct arena *arena = &operation->arena;
    struct buffer data = {0}, schema = {0};
    struct error cause;
    const struct relation_local *local = relation_local_of(rows);
    const struct type *type = local->schema;
    Connect__Relation *relation = PROTOBUF_NEW(arena, Connect__Relation, connect__relation);
    relation->rel_type_case = CONNECT__RELATION__REL_TYPE_LOCAL_RELATION;
    relation->local_relation = PROTOBUF_NEW(arena, Connect__LocalRelation, connect__local_relation);
    if (!ipc_write_stream(type, local->batches.items, local->batches.count, "UTC", &data, &cause))
        sql_error_from(&operation->error, &cause);
    struct bytes copy = arena_copy(arena, buffer_view(&data));
    type_format_json(type, &schema);
    relation->local_relation->has_data = true;
    relation->local_relation->data = (ProtobufCBinaryData){copy.size, (uint8_t *)copy.data};
    relation->local_relation->schema = protobuf_string(arena, buffer_view(&schema));
    buffer_free(&data);
    buffer_free(&schema);
    return operation->error.condition == 0 ? relation : NULL;
}

/* The text of spark.sql may come in the SqlCommand or in its input relation (perhaps with DataFrames around it). */
static const char *text_of(const Connect__SqlCommand *command) {
    const Connect__Relation *input = command->input;
    if (input != NULL && input->rel_type_case == CONNECT__RELATION__REL_TYPE_WITH_RELATIONS)
        input = input->with_relations->root;
    if (input != NULL && input->rel_type_case == CONNECT__RELATION__REL_TYPE_SQL)
        return input->sql->query;
    return command->sql == NULL ? "" : command->sql;
}

static const struct node *bind_parameters(struct sql_task *task, const struct node *statement) {
    struct operation *operation = task->operation;
    struct lower_context context;
    session_lower_context(operation->session, &operation->arena, &operation->error, &context);
    const Connect__Relation *relation = text_relation(task);
    if (relation->rel_type_case == CONNECT__RELATION__REL_TYPE_WITH_RELATIONS)
        relation = relation->with_relations->root;
    const struct relation *lowered = lower_relation(&context, relation);
    if (lowered == NULL)
        return NULL;
    const struct relation_sql *sql = relation_sql_of(lowered);
    struct bytes *names = ARENA_ARRAY(&operation->arena, struct bytes, sql->named.count);
    for (size_t i = 0; i < sql->named.count; i++)
        names[i] = sql->named.items[i].name;
    return sql_bind_parameters(
        &operation->arena, statement, (struct bytes_list){names, sql->named.count}, sql->arguments, &operation->error);
}

static void run_sql(void *argument) {
    struct sql_task *task = argument;
    struct operation *operation = task->operation;
    struct sql_error *error = &operation->error;
    const struct node *statement =
        sql_parse_statement(&operation->arena, bytes_from_text(text_of(task->command)), error);
    if (statement == NULL)
        return;
    if (node_family(statement) == NODE_RELATION) {
        task->result = text_relation(task);
        return;
    }
    task->is_command = true;
    statement = bind_parameters(task, statement);
    const struct relation *rows = statement == NULL ? NULL
                                                    : sql_run_command(operation->session->sql, &operation->arena,
                                                          (const struct command *)statement, error);
    if (rows != NULL)
        task->result = rows_relation(task, rows);
}

static void sql_done(void *argument) {
    struct sql_task *task = argument;
    struct operation *operation = task->operation;
    if (task->is_command && !operation->complete)
        execution_begin(operation, text_of(task->command));
    if (operation->error.condition != 0) {
        connect_operation_fail(operation);
    } else {
        Connect__ExecutePlanResponse response = CONNECT__EXECUTE_PLAN_RESPONSE__INIT;
        Connect__ExecutePlanResponse__SqlCommandResult result =
            CONNECT__EXECUTE_PLAN_RESPONSE__SQL_COMMAND_RESULT__INIT;
        response.response_type_case = CONNECT__EXECUTE_PLAN_RESPONSE__RESPONSE_TYPE_SQL_COMMAND_RESULT;
        response.sql_command_result = &result;
        result.relation = task->result;
        connect_operation_send(operation, &response);
        connect_operation_finish(operation);
    }
    connect_operation_release(operation);
    free(task);
}

static void command_sql(struct operation *operation, const Connect__SqlCommand *command) {
    struct sql_task *task = calloc(1, sizeof *task);
    ASSERT(task != NULL);
    *task = (struct sql_task){connect_operation_retain(operation), command, NULL, false};
    session_run(operation->session, run_sql, sql_done, task);
}

/* ---- views ---- */

static void run_view(void *argument) {
    struct operation *operation = argument;
    const Connect__CreateDataFrameViewCommand *command = operation->state;
    struct lower_context context;
    session_lower_context(operation->session, &operation->arena, &operation->error, &context);
    const struct relation *relation = lower_relation(&context, command->input);
    if (relation != NULL)
        sql_create_view(operation->session->sql, bytes_from_text(command->name == NULL ? "" : command->name), relation,
            BYTES_NULL, command->replace, command->is_global, &operation->error);
}

static void simple_done(void *argument) {
    struct operation *operation = argument;
    if (operation->error.condition != 0)
        connect_operation_fail(operation);
    else
        connect_operation_finish(operation);
    connect_operation_release(operation);
}

/* ---- spark.udf.register ---- */

static void run_register(void *argument) {
    struct operation *operation = argument;
    const Connect__CommonInlineUserDefinedFunction *command = operation->state;
    struct lower_context context;
    session_lower_context(operation->session, &operation->arena, &operation->error, &context);
    const struct expression *function = lower_python(&context, command, PYTHON_OVER_COLUMNS);
    if (function != NULL)
        session_register_function(operation->session, expression_python_udf_of(function));
}

/* ---- df.write ---- */

struct writing {
    struct operation *operation;
    const Connect__WriteOperation *message;
    struct stream_write write;
    struct stream_save *save;
    struct buffer plan; /* as text, for the pages */
};

static const char *save_mode(const Connect__WriteOperation *message) {
    switch (message->mode) {
    case CONNECT__WRITE_OPERATION__SAVE_MODE__SAVE_MODE_APPEND:
        return "append";
    case CONNECT__WRITE_OPERATION__SAVE_MODE__SAVE_MODE_OVERWRITE:
        return "overwrite";
    case CONNECT__WRITE_OPERATION__SAVE_MODE__SAVE_MODE_IGNORE:
        return "ignore";
    default:
        return "error";
    }
}

static void write_console(void *argument, struct bytes text) {
    session_write_console(argument, "console", text);
}

static bool write_is_served(const Connect__WriteOperation *message, struct lower_context *context) {
    if (message->save_type_case == CONNECT__WRITE_OPERATION__SAVE_TYPE_TABLE)
        return lower_refuse(context, "saveAsTable and insertInto (tables of a catalog); use save(path)", NULL) != NULL;
    if (protobuf_unknown_field(&message->base) == 8)
        return lower_refuse(context, "bucketBy", NULL) != NULL;
    if (message->n_sort_column_names > 0 || message->n_clustering_columns > 0)
        return lower_refuse(context, "sortBy and clusterBy of a writer", NULL) != NULL;
    return true;
}

static void write_ran(void *argument, const struct exec_query *query) {
    struct writing *writing = argument;
    execution_set_operators(writing->operation, query);
    if (!writing->operation->complete)
        connect_operation_send_observed(writing->operation, query);
}

static void run_write(void *argument) {
    struct writing *writing = argument;
    struct operation *operation = writing->operation;
    const Connect__WriteOperation *message = writing->message;
    struct arena *arena = &operation->arena;
    struct lower_context context;
    session_lower_context(operation->session, arena, &operation->error, &context);
    if (!write_is_served(message, &context))
        return;
    const struct relation *relation = lower_relation(&context, message->input);
    if (relation != NULL)
        relation = sql_analyze(operation->session->sql, arena, relation, &operation->error);
    if (relation != NULL)
        relation = sql_optimize(operation->session->sql, arena, relation, &operation->error);
    if (relation != NULL)
        sql_explain_physical(relation, &writing->plan);
    if (relation == NULL ||
        !session_exec_settings(operation->session, arena, &writing->write.settings, &operation->error))
        return;
    struct source_option *options = ARENA_ARRAY(arena, struct source_option, message->n_options);
    for (size_t i = 0; i < message->n_options; i++)
        options[i] = (struct source_option){
            bytes_from_text(message->options[i]->key), bytes_from_text(message->options[i]->value)};
    struct bytes_list partitions =
        lower_names(&context, message->partitioning_columns, message->n_partitioning_columns);
    const char *standard = session_setting(operation->session, arena, "spark.sql.sources.default");
    writing->write.plan = relation;
    writing->write.ran = write_ran;
    writing->write.mode = bytes_from_text(save_mode(message));
    writing->write.format = bytes_from_text(message->source != NULL && message->source[0] != 0 ? message->source
                                            : standard != NULL                                 ? standard
                                                                                               : "parquet");
    writing->write.options = options;
    writing->write.option_count = message->n_options;
    writing->write.path = message->save_type_case == CONNECT__WRITE_OPERATION__SAVE_TYPE_PATH
                              ? bytes_from_text(message->path)
                              : BYTES_NULL;
    writing->write.partition_columns = partitions.items;
    writing->write.partition_column_count = partitions.count;
    writing->write.user = bytes_from_text(operation->session->user);
    writing->write.console = write_console;
    writing->write.callback_argument = operation->session;
}

static void write_done(void *argument, const struct sql_error *error) {
    struct writing *writing = argument;
    struct operation *operation = writing->operation;
    operation->cancel = NULL;
    if (error != NULL)
        sql_error_copy(&operation->error, error);
    free(writing);
    simple_done(operation);
}

static void cancel_write(struct operation *operation) {
    struct writing *writing = operation->state;
    if (writing->save != NULL)
        stream_save_cancel(writing->save);
}

static void write_prepared(void *argument) {
    struct writing *writing = argument;
    struct operation *operation = writing->operation;
    execution_set_plan(operation, &writing->plan);
    buffer_free(&writing->plan);
    if (operation->error.condition != 0 || operation->complete) {
        free(writing);
        simple_done(operation);
        return;
    }
    operation->state = writing;
    operation->cancel = cancel_write;
    writing->save =
        stream_save_start(operation->session->server->options.streams, &writing->write, write_done, writing);
}

void command_write(struct operation *operation, const Connect__WriteOperation *message) {
    struct writing *writing = calloc(1, sizeof *writing);
    ASSERT(writing != NULL);
    writing->operation = connect_operation_retain(operation);
    writing->message = message;
    execution_begin(operation,
        arena_printf(&operation->arena, "write %s%s%s", message->source == NULL ? "parquet" : message->source,
            message->save_type_case == CONNECT__WRITE_OPERATION__SAVE_TYPE_PATH ? " " : "",
            message->save_type_case == CONNECT__WRITE_OPERATION__SAVE_TYPE_PATH ? message->path : ""));
    session_run(operation->session, run_write, write_prepared, writing);
}

/* ---- all ---- */

void execute_command(struct operation *operation, const Connect__Command *command) {
    struct lower_context context;
    switch (command->command_type_case) {
    case CONNECT__COMMAND__COMMAND_TYPE_SQL_COMMAND:
        command_sql(operation, command->sql_command);
        break;
    case CONNECT__COMMAND__COMMAND_TYPE_REGISTER_FUNCTION:
        operation->state = command->register_function;
        session_run(operation->session, run_register, simple_done, connect_operation_retain(operation));
        break;
    case CONNECT__COMMAND__COMMAND_TYPE_CREATE_DATAFRAME_VIEW:
        operation->state = command->create_dataframe_view;
        session_run(operation->session, run_view, simple_done, connect_operation_retain(operation));
        break;
    case CONNECT__COMMAND__COMMAND_TYPE_WRITE_OPERATION:
        command_write(operation, command->write_operation);
        break;
    case CONNECT__COMMAND__COMMAND_TYPE_REMOVE_CACHED_REMOTE_RELATION_COMMAND:
        connect_operation_finish(operation); /* the rows go with the batch that they belong to */
        break;
    case CONNECT__COMMAND__COMMAND_TYPE_WRITE_STREAM_OPERATION_START:
        command_start_stream(operation, command->write_stream_operation_start);
        break;
    case CONNECT__COMMAND__COMMAND_TYPE_STREAMING_QUERY_COMMAND:
        command_query(operation, command->streaming_query_command);
        break;
    case CONNECT__COMMAND__COMMAND_TYPE_STREAMING_QUERY_MANAGER_COMMAND:
        command_manager(operation, command->streaming_query_manager_command);
        break;
    case CONNECT__COMMAND__COMMAND_TYPE_STREAMING_QUERY_LISTENER_BUS_COMMAND:
        command_listener_bus(operation, command->streaming_query_listener_bus_command);
        break;
    default:
        session_lower_context(operation->session, &operation->arena, &operation->error, &context);
        lower_refuse(&context, "command", &command->base);
        connect_operation_fail(operation);
    }
}
