/* listeners.c: listeners that clients before 4.0 send pickled and that run here, each in a worker of its own, one event
 * after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "connect/connect_internal.h"

struct server_listener {
    struct list_node node;
    struct session *session;
    char *id;
    char lane[80];
    struct buffer command;
    char python_version[16]; /* of the interpreter that pickled it */
    size_t waiting;          /* events that it has not answered */
    bool removed;
};

static void free_listener(struct server_listener *listener) {
    list_remove(&listener->node);
    buffer_free(&listener->command);
    free(listener->id);
    free(listener);
}

/* A removed listener still hears what happened before. */
static void end_when_idle(struct server_listener *listener) {
    if (!listener->removed || listener->waiting > 0)
        return;
    if (listener->session->python != NULL)
        python_end_lane(listener->session->python, listener->lane);
    free_listener(listener);
}

static void event_heard(void *argument, const json_t *head, struct bytes payload, const char *failure) {
    struct server_listener *listener = argument;
    struct session *session = listener->session;
    if (failure != NULL) { /* as in Spark, that does not concern the query */
        service_log_write(session->server->options.log, LOG_ERROR, "PythonStreamingQueryListener", "%s", failure);
        session_write_console(session, "console", bytes_from_text(failure));
        session_write_console(session, "console", BYTES("\n"));
    }
    listener->waiting--;
    end_when_idle(listener);
}

static void tell_listener(void *argument, enum stream_event_kind kind, struct bytes json) {
    static const char *const kinds[] = {[STREAM_EVENT_STARTED] = "QueryStartedEvent",
        [STREAM_EVENT_PROGRESS] = "QueryProgressEvent",
        [STREAM_EVENT_IDLE] = "QueryIdleEvent",
        [STREAM_EVENT_TERMINATED] = "QueryTerminatedEvent"};
    struct server_listener *listener = argument;
    struct python_session *python = session_python(listener->session);
    if (python == NULL)
        return;
    json_t *about = json_pack("{s:s, s:[]}", "python", listener->python_version, "includes");
    int64_t number = python_define(python, buffer_view(&listener->command), about);
    struct python_request request = {
        .head = json_pack("{s:s, s:I, s:s, s:o}", "do", "listener", "function", (json_int_t)number, "event",
            kinds[kind], "json", json_stringn((const char *)json.data, json.size)),
        .functions = &number,
        .function_count = 1,
        .lane = listener->lane,
        .done = event_heard,
        .argument = listener,
    };
    listener->waiting++;
    python_call(python, &request);
}

static struct server_listener *find_listener(struct session *session, const char *id) {
    LIST_FOR_EACH(node, &session->listeners) {
        struct server_listener *listener = CONTAINER_OF(node, struct server_listener, node);
        if (!listener->removed && strcmp(listener->id, id) == 0)
            return listener;
    }
    return NULL;
}

void session_add_listener(struct session *session, const char *id, const Connect__PythonUDF *function) {
    struct server_listener *listener = calloc(1, sizeof *listener);
    ASSERT(listener != NULL);
    listener->session = session;
    listener->id = strdup(id);
    snprintf(listener->lane, sizeof listener->lane, "listener-%s", id);
    snprintf(listener->python_version, sizeof listener->python_version, "%s",
        function->python_ver == NULL ? "" : function->python_ver);
    buffer_append_bytes(&listener->command, PROTOBUF_BYTES(function->command));
    list_append(&session->listeners, &listener->node);
    stream_session_add_listener(session->streams, tell_listener, listener);
}

void session_remove_listener(struct session *session, const char *id) {
    struct server_listener *listener = find_listener(session, id);
    if (listener == NULL)
        return;
    stream_session_remove_listener(session->streams, listener);
    listener->removed = true;
    end_when_idle(listener);
}

char **session_listener_ids(struct session *session, struct arena *arena, size_t *count) {
    size_t room = 0;
    LIST_FOR_EACH(each, &session->listeners)
    room++;
    char **ids = ARENA_ARRAY(arena, char *, room + 1);
    *count = 0;
    LIST_FOR_EACH(node, &session->listeners) {
        struct server_listener *listener = CONTAINER_OF(node, struct server_listener, node);
        if (!listener->removed)
            ids[(*count)++] = arena_strdup(arena, listener->id);
    }
    return ids;
}

void session_free_listeners(struct session *session) {
    LIST_FOR_EACH(node, &session->listeners)
    free_listener(CONTAINER_OF(node, struct server_listener, node));
}
