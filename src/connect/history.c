/* history.c: what pages show of programs: sessions that have ended, and the SQL executions, running and ended ones. */
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "connect/connect_internal.h"

/* ---- sessions ---- */

static const char *text_or_empty(const char *text) {
    return text == NULL ? "" : text;
}

/* "spark/4.1.4 os/linux python/3.11.2" of a user agent that goes on with gRPC's own words. */
static char *client_words(struct arena *arena, const char *agent) {
    static const char *const wanted[] = {"spark/", "os/", "python/", "scala/", "jvm/"};
    struct buffer words = {0};
    for (const char *at = text_or_empty(agent); *at != 0;) {
        size_t size = strcspn(at, " ");
        for (size_t i = 0; i < ARRAY_COUNT(wanted); i++)
            if (bytes_starts_with(bytes_make(at, size), wanted[i]))
                buffer_printf(&words, "%s%.*s", words.size > 0 ? " " : "", (int)size, at);
        at += size + (at[size] == ' ');
    }
    char *text = arena_text(arena, buffer_view(&words));
    buffer_free(&words);
    return text;
}

static void summarize(struct session *session, struct arena *arena, struct connect_session_summary *summary) {
    *summary = (struct connect_session_summary){
        .id = session->id,
        .user = session->user,
        .application = text_or_empty(session_setting(session, arena, "spark.app.name")),
        .client = client_words(arena, session->client),
        .file = session->file,
        .pid = session->pid,
        .started_ms = session->started_ms,
        .stopped = session->stopped,
        .operation_count = session->operations.count,
        .execution_count = session->execution_count,
    };
}

void connect_each_session(struct connect_server *server,
    void (*visit)(void *argument, const struct connect_session_summary *summary), void *argument) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&server->sessions, &cursor)) != NULL;) {
        struct arena arena = {0};
        struct connect_session_summary summary;
        summarize(entry->value, &arena, &summary);
        visit(argument, &summary);
        arena_destroy(&arena);
    }
}

static void free_ended(struct ended_session *ended) {
    free(ended->id);
    free(ended->user);
    free(ended->application);
    free(ended->client);
    free(ended->file);
}

void history_session_ended(struct session *session) {
    struct connect_server *server = session->server;
    struct arena arena = {0};
    struct ended_session ended;
    summarize(session, &arena, &ended.summary);
    ended.summary.id = ended.id = strdup(ended.summary.id);
    ended.summary.user = ended.user = strdup(ended.summary.user);
    ended.summary.application = ended.application = strdup(ended.summary.application);
    ended.summary.client = ended.client = strdup(ended.summary.client);
    ended.summary.file = ended.file = strdup(ended.summary.file);
    ended.summary.ended_ms = world_wall_ms(server->options.world);
    ended.summary.operation_count = 0;
    if (server->ended_sessions.count == SESSIONS_KEPT) {
        free_ended(&server->ended_sessions.items[0]);
        VECTOR_REMOVE(&server->ended_sessions, 0);
    }
    VECTOR_PUSH(&server->ended_sessions, ended);
    arena_destroy(&arena);
}

void connect_each_ended_session(struct connect_server *server,
    void (*visit)(void *argument, const struct connect_session_summary *summary), void *argument) {
    for (size_t i = server->ended_sessions.count; i-- > 0;)
        visit(argument, &server->ended_sessions.items[i].summary);
}

bool connect_end_session(struct connect_server *server, const char *id) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&server->sessions, &cursor)) != NULL;) {
        struct session *session = entry->value;
        if (strcmp(session->id, id) != 0)
            continue;
        service_log_write(server->options.log, LOG_INFO, "SparkConnectSessionManager",
            "Session [userId: %s, sessionId: %s] is ended from the page", session->user, session->id);
        session_retain(session);
        session->stopped = true;
        session_end(session);
        session_release(session);
        return true;
    }
    return false;
}

/* ---- executions ---- */

struct execution_record {
    struct list_node node;
    struct operation *operation; /* NULL once it has ended */
    struct connect_execution shown;
    char *session_id, *application, *user, *description, *error, *plan;
    struct connect_execution_operator *operators;
    size_t text_size; /* of what is kept for it */
};

static void drop(struct connect_server *server, struct execution_record *record) {
    if (record->operation != NULL)
        record->operation->record = NULL;
    list_remove(&record->node);
    server->execution_count--;
    server->execution_texts_size -= record->text_size;
    free(record->session_id);
    free(record->application);
    free(record->user);
    free(record->description);
    free(record->error);
    free(record->plan);
    free(record->operators);
    free(record);
}

/* The oldest go, but never the newest. */
static void trim(struct connect_server *server) {
    while (server->execution_count > 1 &&
           (server->execution_count > EXECUTIONS_KEPT || server->execution_texts_size > EXECUTION_TEXTS_SIZE_MAX))
        drop(server, CONTAINER_OF(list_first(&server->executions), struct execution_record, node));
}

/* A copy of at most EXECUTION_TEXT_SIZE_MAX bytes, whole characters. */
static char *keep_text(struct execution_record *record, struct connect_server *server, struct bytes text) {
    size_t size = text.size < EXECUTION_TEXT_SIZE_MAX ? text.size : EXECUTION_TEXT_SIZE_MAX;
    while (size > 0 && size < text.size && (text.data[size] & 0xc0) == 0x80)
        size--;
    char *copy = malloc(size + 4);
    ASSERT(copy != NULL);
    memcpy(copy, size > 0 ? text.data : (const uint8_t *)"", size);
    memcpy(copy + size, size < text.size ? "…" : "", size < text.size ? 4 : 1);
    record->text_size += size;
    server->execution_texts_size += size;
    return copy;
}

void execution_begin(struct operation *operation, const char *description) {
    struct session *session = operation->session;
    struct connect_server *server = session->server;
    struct arena arena = {0};
    const char *application = session_setting(session, &arena, "spark.app.name");
    struct execution_record *record = calloc(1, sizeof *record);
    ASSERT(record != NULL);
    record->operation = operation;
    record->session_id = keep_text(record, server, bytes_from_text(session->id));
    record->application = keep_text(record, server, bytes_from_text(text_or_empty(application)));
    record->user = keep_text(record, server, bytes_from_text(session->user));
    record->description = keep_text(record, server, bytes_from_text(description));
    int64_t since_ms = world_loop_now_ms(server->options.loop) - operation->started_ms;
    record->shown = (struct connect_execution){
        .id = server->next_execution++,
        .session_id = record->session_id,
        .application = record->application,
        .user = record->user,
        .description = record->description,
        .status = CONNECT_EXECUTION_RUNNING,
        .started_ms = world_wall_ms(server->options.world) - (since_ms > 0 ? since_ms : 0),
        .error = "",
        .plan = "",
    };
    operation->record = record;
    session->execution_count++;
    list_append(&server->executions, &record->node);
    server->execution_count++;
    trim(server);
    arena_destroy(&arena);
}

void execution_set_plan(struct operation *operation, struct buffer *plan) {
    struct execution_record *record = operation->record;
    if (record != NULL && record->plan == NULL) {
        record->plan = keep_text(record, operation->session->server, buffer_view(plan));
        record->shown.plan = record->plan;
    }
    buffer_free(plan);
}

void execution_set_operators(struct operation *operation, const struct exec_query *query) {
    struct execution_record *record = operation->record;
    size_t count = query == NULL ? 0 : exec_query_operator_count(query);
    struct exec_progress progress;
    if (record == NULL || record->operators != NULL || count == 0)
        return;
    exec_query_progress(query, &progress);
    record->shown.output_rows = progress.output_rows;
    record->operators = calloc(count, sizeof *record->operators);
    ASSERT(record->operators != NULL);
    for (size_t i = 0; i < count; i++) {
        struct exec_operator_progress now;
        exec_query_operator_progress(query, i, &now);
        record->operators[i] = (struct connect_execution_operator){
            now.name, now.depth, now.input_rows, now.output_rows, now.duration_ns, now.memory_size};
    }
    record->shown.operators = record->operators;
    record->shown.operator_count = count;
    record->text_size += count * sizeof *record->operators;
    operation->session->server->execution_texts_size += count * sizeof *record->operators;
}

static int64_t duration_so_far(struct connect_server *server, const struct execution_record *record) {
    int64_t now_ms = world_wall_ms(server->options.world);
    return now_ms > record->shown.started_ms ? now_ms - record->shown.started_ms : 0;
}

void execution_end(struct operation *operation) {
    struct execution_record *record = operation->record;
    struct connect_server *server = operation->session->server;
    if (record == NULL)
        return;
    bool failed = operation->error.condition != 0 || operation->removed;
    const char *error = operation->error.condition != 0 ? sql_error_message(&operation->error) : "";
    record->shown.duration_ms = duration_so_far(server, record);
    record->shown.status = failed ? CONNECT_EXECUTION_FAILED : CONNECT_EXECUTION_COMPLETED;
    record->error = keep_text(record, server, bytes_from_text(error));
    record->shown.error = record->error;
    record->operation = NULL;
    operation->record = NULL;
    trim(server);
}

static void show_record(struct connect_server *server, const struct execution_record *record,
    void (*visit)(void *argument, const struct connect_execution *execution), void *argument) {
    struct connect_execution shown = record->shown;
    if (record->operation != NULL)
        shown.duration_ms = duration_so_far(server, record);
    visit(argument, &shown);
}

void connect_each_execution(struct connect_server *server,
    void (*visit)(void *argument, const struct connect_execution *execution), void *argument) {
    for (struct list_node *node = server->executions.head.previous; node != &server->executions.head;
         node = node->previous)
        show_record(server, CONTAINER_OF(node, struct execution_record, node), visit, argument);
}

static struct execution_record *find(struct connect_server *server, uint64_t id) {
    LIST_FOR_EACH(node, &server->executions) {
        struct execution_record *record = CONTAINER_OF(node, struct execution_record, node);
        if (record->shown.id == id)
            return record;
    }
    return NULL;
}

bool connect_find_execution(struct connect_server *server, uint64_t id,
    void (*visit)(void *argument, const struct connect_execution *execution), void *argument) {
    struct execution_record *record = find(server, id);
    if (record != NULL)
        show_record(server, record, visit, argument);
    return record != NULL;
}

bool connect_cancel_execution(struct connect_server *server, uint64_t id) {
    struct execution_record *record = find(server, id);
    if (record == NULL || record->operation == NULL)
        return false;
    connect_operation_interrupt(record->operation);
    return true;
}

void history_free(struct connect_server *server) {
    for (size_t i = 0; i < server->ended_sessions.count; i++)
        free_ended(&server->ended_sessions.items[i]);
    VECTOR_FREE(&server->ended_sessions);
    while (!list_empty(&server->executions))
        drop(server, CONTAINER_OF(list_first(&server->executions), struct execution_record, node));
}

/* ---- how an execution is called ---- */

/* The relation that a relation's message reads first, or NULL. */
static const Connect__Relation *input_of(const ProtobufCMessage *message) {
    static const char *const names[] = {"input", "root", "left", "left_input"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(message->descriptor, names[i]);
        if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED &&
            field->descriptor == &connect__relation__descriptor)
            return *(const Connect__Relation *const *)((const char *)message + field->offset);
    }
    return NULL;
}

static const char *format_of(const Connect__Relation *relation) {
    if (relation->rel_type_case != CONNECT__RELATION__REL_TYPE_READ)
        return NULL;
    if (relation->read->read_type_case == CONNECT__READ__READ_TYPE_DATA_SOURCE)
        return relation->read->data_source->format;
    return relation->read->read_type_case == CONNECT__READ__READ_TYPE_NAMED_TABLE
               ? relation->read->named_table->unparsed_identifier
               : NULL;
}

/* White space runs as one blank. */
static void append_line(struct buffer *out, const char *text) {
    bool blank = true;
    for (; *text != 0; text++) {
        bool space = strchr(" \t\r\n", *text) != NULL;
        if (!space || !blank)
            buffer_append_byte(out, space ? ' ' : (uint8_t)*text);
        blank = space;
    }
}

/* "aggregate ← filter ← read parquet", or the text of spark.sql. */
static void append_chain(struct buffer *out, const Connect__Relation *relation) {
    enum { STEPS_SHOWN_MAX = 6 };
    for (int steps = 0; relation != NULL && relation->rel_type_case != CONNECT__RELATION__REL_TYPE__NOT_SET; steps++) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(&connect__relation__descriptor, (unsigned)relation->rel_type_case);
        const ProtobufCMessage *inner = (const ProtobufCMessage *)relation->read; /* any member of the union */
        if (field == NULL || inner == NULL)
            return;
        if (steps == STEPS_SHOWN_MAX) {
            buffer_append_text(out, " ← …");
            return;
        }
        buffer_append_text(out, steps > 0 ? " ← " : "");
        if (relation->rel_type_case == CONNECT__RELATION__REL_TYPE_SQL) {
            append_line(out, text_or_empty(relation->sql->query));
            return;
        }
        if (relation->rel_type_case == CONNECT__RELATION__REL_TYPE_WITH_RELATIONS) {
            relation = relation->with_relations->root;
            steps--;
            continue;
        }
        const char *format = format_of(relation);
        buffer_printf(out, "%s%s%s", field->name, format == NULL ? "" : " ", text_or_empty(format));
        relation = input_of(inner);
    }
}

const char *execution_describe(struct arena *arena, const Connect__Relation *root) {
    struct buffer text = {0};
    if (root != NULL && root->rel_type_case == CONNECT__RELATION__REL_TYPE_SHOW_STRING) {
        buffer_append_text(&text, "show: ");
        root = root->show_string->input;
    } else if (root != NULL && root->rel_type_case == CONNECT__RELATION__REL_TYPE_HTML_STRING) {
        buffer_append_text(&text, "show in a notebook: ");
        root = root->html_string->input;
    } else if (root == NULL || root->rel_type_case != CONNECT__RELATION__REL_TYPE_CATALOG) {
        buffer_append_text(&text, "collect: ");
    }
    append_chain(&text, root);
    const char *copy = arena_text(arena, buffer_view(&text));
    buffer_free(&text);
    return copy;
}
