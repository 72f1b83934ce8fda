/* session.c: the manager, its sessions, who waits for what, and what handles ask. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "format/format.h"
#include "sql/sql.h"
#include "stream/internal.h"

/* ---- waiting ---- */

static void waiting_free(struct waiting *waiting) {
    list_remove(&waiting->node);
    if (waiting->timer != NULL) {
        world_timer_destroy(waiting->timer);
    }
    free(waiting);
}

void waiting_end(struct waiting *waiting, bool terminated, const struct sql_error *error) {
    struct waiting copy = *waiting;
    waiting_free(waiting);
    if (copy.done != NULL) {
        copy.done(copy.argument, terminated, error);
    } else if (copy.stopped != NULL) {
        copy.stopped(copy.argument);
    }
}

static void waiting_timed_out(void *argument) {
    waiting_end(argument, false, NULL);
}

struct waiting *waiting_add(
    struct list *list, struct world_loop *loop, int64_t timeout_ms, stream_await *done, void *argument) {
    struct waiting *waiting = calloc(1, sizeof *waiting);
    ASSERT(waiting != NULL);
    waiting->done = done;
    waiting->argument = argument;
    list_append(list, &waiting->node);
    if (timeout_ms >= 0) {
        waiting->timer = world_timer_create(loop, waiting_timed_out, waiting);
        world_timer_start(waiting->timer, timeout_ms, 0);
    }
    return waiting;
}

void waiting_end_all(struct list *list, const struct sql_error *error) {
    while (!list_empty(list)) {
        waiting_end(CONTAINER_OF(list_first(list), struct waiting, node), true, error);
    }
}

void waiting_cancel(struct list *list, void *argument) {
    LIST_FOR_EACH(node, list) {
        struct waiting *waiting = CONTAINER_OF(node, struct waiting, node);
        if (waiting->argument == argument && waiting->done != NULL) {
            waiting_free(waiting);
            return;
        }
    }
}

/* ---- manager ---- */

static const struct source_class *const source_classes[] = {&parquet_source_class, &json_source_class,
    &csv_source_class, &text_source_class, &kafka_source_class, &rate_source_class, &rate_batch_source_class,
    &socket_source_class, &noop_source_class, &state_store_source_class, &state_metadata_source_class};
static const struct stream_source_class *const stream_classes[] = {
    &kafka_stream_class, &rate_stream_class, &rate_batch_stream_class, &socket_stream_class, &file_stream_class};

const struct stream_source_class *stream_source_find(const struct source *source) {
    for (size_t i = 0; i < ARRAY_COUNT(stream_classes); i++) {
        bool file = stream_classes[i] == &file_stream_class && source->class->open == parquet_source_class.open;
        if (stream_classes[i]->class == source->class || file) {
            return stream_classes[i];
        }
    }
    return NULL;
}

struct stream_manager *stream_manager_create(const struct stream_manager_options *options, struct error *error) {
    struct stream_manager *manager = calloc(1, sizeof *manager);
    ASSERT(manager != NULL);
    manager->options = *options;
    manager->context =
        (struct stream_context){options->world, options->loop, options->disk_pool, options->store, options->kafka};
    manager->temporary_directory = strdup(options->temporary_directory != NULL ? options->temporary_directory : "/tmp");
    ASSERT(options->notes_directory != NULL);
    manager->notes_directory = strdup(options->notes_directory);
    list_init(&manager->queries);
    list_init(&manager->sessions);
    list_init(&manager->saves);
    format_set_world(options->world);
    for (size_t i = 0; i < ARRAY_COUNT(source_classes); i++) {
        exec_register_source(options->engine, source_classes[i], &manager->context);
    }
    return manager;
}

void manager_check_gone(struct stream_manager *manager) {
    if (!manager->destroying || manager->ending > 0 || !list_empty(&manager->queries) ||
        !list_empty(&manager->sessions) || !list_empty(&manager->saves)) {
        return;
    }
    void (*done)(void *argument) = manager->destroyed;
    void *argument = manager->destroyed_argument;
    free(manager->temporary_directory);
    free(manager->notes_directory);
    free(manager);
    if (done != NULL) {
        done(argument);
    }
}

static void manager_check_posted(void *argument) {
    manager_check_gone(argument);
}

void stream_manager_destroy(struct stream_manager *manager, void (*done)(void *argument), void *argument) {
    manager->destroying = true;
    manager->destroyed = done;
    manager->destroyed_argument = argument;
    LIST_FOR_EACH(node, &manager->queries) {
        struct stream_query *query = CONTAINER_OF(node, struct stream_query, node);
        if (query->state != QUERY_ENDED) {
            stream_query_stop(query, NULL, NULL);
        } else if (!query->syncing) {
            list_remove(&query->node);
            stream_query_release(query);
        }
    }
    LIST_FOR_EACH(node, &manager->sessions) {
        struct stream_session *session = CONTAINER_OF(node, struct stream_session, node);
        if (!session->destroying) {
            stream_session_destroy(session, NULL, NULL);
        }
    }
    world_loop_post(manager->options.loop, manager_check_posted, manager);
}

void stream_manager_each(struct stream_manager *manager,
    void (*visit)(void *argument, const struct stream_summary *summary), void *argument) {
    LIST_FOR_EACH(node, &manager->queries) {
        struct stream_query *query = CONTAINER_OF(node, struct stream_query, node);
        struct arena arena = {0};
        struct stream_summary summary;
        if (query->started_ms > 0) {
            stream_query_summarize(query, &arena, &summary);
            visit(argument, &summary);
        }
        arena_destroy(&arena);
    }
}

struct stream_query *stream_manager_find(struct stream_manager *manager, struct uuid run_id) {
    LIST_FOR_EACH(node, &manager->queries) {
        struct stream_query *query = CONTAINER_OF(node, struct stream_query, node);
        if (uuid_equal(query->run_id, run_id) && query->started_ms > 0) {
            return stream_query_retain(query);
        }
    }
    return NULL;
}

/* ---- sessions ---- */

struct stream_session *stream_session_create(struct stream_manager *manager) {
    struct stream_session *session = calloc(1, sizeof *session);
    ASSERT(session != NULL);
    session->manager = manager;
    session->ended_error.arena = &session->error_arena;
    list_init(&session->waiting);
    list_append(&manager->sessions, &session->node);
    return session;
}

static void session_check_gone(struct stream_session *session) {
    if (!session->destroying || session->check_posted || session->queries.count > 0) {
        return;
    }
    struct stream_manager *manager = session->manager;
    void (*done)(void *argument) = session->destroyed;
    void *argument = session->destroyed_argument;
    waiting_end_all(&session->waiting, NULL);
    LIST_FOR_EACH(node, &manager->queries) {
        struct stream_query *query = CONTAINER_OF(node, struct stream_query, node);
        query->session = query->session == session ? NULL : query->session;
    }
    for (size_t i = 0; i < session->tables.count; i++) {
        session->tables.items[i]->class->destroy(session->tables.items[i]);
    }
    VECTOR_FREE(&session->tables);
    VECTOR_FREE(&session->queries);
    VECTOR_FREE(&session->listeners);
    arena_destroy(&session->error_arena);
    list_remove(&session->node);
    free(session);
    if (done != NULL) {
        done(argument);
    }
    manager_check_gone(manager);
}

static void session_check_posted(void *argument) {
    struct stream_session *session = argument;
    session->check_posted = false;
    session_check_gone(session);
}

void stream_session_destroy(struct stream_session *session, void (*done)(void *argument), void *argument) {
    session->destroying = true;
    session->destroyed = done;
    session->destroyed_argument = argument;
    session->listeners.count = 0;
    for (size_t i = 0; i < session->queries.count; i++) {
        stream_query_stop(session->queries.items[i], NULL, NULL);
    }
    session->check_posted = true;
    world_loop_post(session->manager->options.loop, session_check_posted, session);
}

void stream_session_add_listener(struct stream_session *session, stream_listener *listener, void *argument) {
    VECTOR_PUSH(&session->listeners, ((struct listener){listener, argument}));
}

void stream_session_remove_listener(struct stream_session *session, void *argument) {
    for (size_t i = session->listeners.count; i-- > 0;) {
        if (session->listeners.items[i].argument == argument) {
            VECTOR_REMOVE(&session->listeners, i);
        }
    }
}

void session_tell(struct stream_session *session, enum stream_event_kind kind, struct bytes json) {
    for (size_t i = 0; session != NULL && i < session->listeners.count; i++) {
        session->listeners.items[i].function(session->listeners.items[i].argument, kind, json);
    }
}

size_t stream_session_active(struct stream_session *session, struct stream_query ***queries) {
    *queries = calloc(session->queries.count + 1, sizeof **queries);
    ASSERT(*queries != NULL);
    for (size_t i = 0; i < session->queries.count; i++) {
        (*queries)[i] = stream_query_retain(session->queries.items[i]);
    }
    return session->queries.count;
}

struct stream_query *stream_session_get(struct stream_session *session, struct uuid id) {
    for (size_t i = 0; i < session->queries.count; i++) {
        if (uuid_equal(session->queries.items[i]->id, id)) {
            return stream_query_retain(session->queries.items[i]);
        }
    }
    return NULL;
}

/* What has ended since the last reset is told at once, but not before await_any has returned. */
static void tell_ended(void *argument) {
    struct stream_session *session = argument;
    if (session->any_ended) {
        waiting_end_all(&session->waiting, session->ended_error.condition != 0 ? &session->ended_error : NULL);
    }
}

void stream_session_await_any(struct stream_session *session, int64_t timeout_ms, stream_await *done, void *argument) {
    waiting_add(&session->waiting, session->manager->options.loop, timeout_ms, done, argument);
    if (session->any_ended) {
        world_loop_post(session->manager->options.loop, tell_ended, session);
    }
}

void stream_session_reset(struct stream_session *session) {
    session->any_ended = false;
    arena_reset(&session->error_arena);
    session->ended_error = (struct sql_error){.arena = &session->error_arena};
}

void stream_session_cancel_await(struct stream_session *session, void *argument) {
    waiting_cancel(&session->waiting, argument);
}

/* ---- from queries ---- */

void session_query_started(struct stream_query *query) {
    struct buffer json = {0};
    VECTOR_PUSH(&query->session->queries, stream_query_retain(query));
    query->in_session = true;
    stream_query_started_json(query, &json);
    session_tell(query->session, STREAM_EVENT_STARTED, buffer_view(&json));
    buffer_free(&json);
}

/* Ended ones stay for pages until there are too many. */
static void trim_ended(struct stream_manager *manager) {
    size_t ended = 0;
    for (struct list_node *node = manager->queries.head.previous; node != &manager->queries.head;) {
        struct stream_query *query = CONTAINER_OF(node, struct stream_query, node);
        node = node->previous;
        if (query->state == QUERY_ENDED && ++ended > ENDED_MAX) {
            list_remove(&query->node);
            stream_query_release(query);
        }
    }
}

void session_query_ended(struct stream_query *query) {
    struct stream_session *session = query->session;
    struct stream_manager *manager = query->manager;
    bool failed_start = !query->in_session;
    if (query->in_session && session != NULL) {
        for (size_t i = 0; i < session->queries.count; i++) {
            if (session->queries.items[i] == query) {
                VECTOR_REMOVE(&session->queries, i);
                stream_query_release(query);
                break;
            }
        }
        session->any_ended = true;
        if (query->has_exception) {
            sql_error_copy(&session->ended_error, &query->exception);
        }
        tell_ended(session);
    }
    query->session = NULL;
    query->in_session = false;
    if (failed_start || manager->destroying) {
        list_remove(&query->node);
    } else {
        stream_query_retain(query); /* the list's, as one that has ended */
        trim_ended(manager);
    }
    if (session != NULL) {
        session_check_gone(session);
    }
}

/* ---- handles ---- */

struct uuid stream_query_id(const struct stream_query *query) {
    return query->id;
}
struct uuid stream_query_run_id(const struct stream_query *query) {
    return query->run_id;
}
struct bytes stream_query_name(const struct stream_query *query) {
    return query->start.name.size > 0 ? query->start.name : BYTES_NULL;
}
bool stream_query_is_active(const struct stream_query *query) {
    return query->state != QUERY_ENDED;
}

void stream_query_status(const struct stream_query *query, struct stream_status *status) {
    *status = (struct stream_status){
        query->status, query->is_data_available, query->is_trigger_active, query->state != QUERY_ENDED};
}

size_t stream_query_progress_count(const struct stream_query *query) {
    return query->progress.count;
}
struct bytes stream_query_progress_json(const struct stream_query *query, size_t index) {
    ASSERT(index < query->progress.count);
    return query->progress.items[index];
}
const struct sql_error *stream_query_exception(const struct stream_query *query) {
    return query->has_exception ? &query->exception : NULL;
}

void query_explain_logical(const struct stream_query *query, struct buffer *out) {
    const struct relation *analyzed = query->start.analyzed != NULL ? query->start.analyzed : query->start.plan;
    buffer_append_text(out, "== Parsed Logical Plan ==\n");
    sql_explain_logical(analyzed, out);
    buffer_append_text(out, "\n== Analyzed Logical Plan ==\n");
    sql_explain_logical(analyzed, out);
    buffer_append_text(out, "\n== Optimized Logical Plan ==\n");
    sql_explain_logical(query->start.plan, out);
    buffer_append_byte(out, '\n');
}

void stream_query_explain(const struct stream_query *query, bool extended, struct buffer *out) {
    if (query->exec == NULL && query->plan.size == 0) {
        buffer_append_text(out, "No physical plan. Waiting for data.\n");
        return;
    }
    if (extended && query->exec != NULL) {
        query_explain_logical(query, out);
    } else if (extended) {
        buffer_append_bytes(out, buffer_view(&query->logical_plan));
    }
    buffer_append_text(out, "== Physical Plan ==\n");
    if (query->exec == NULL) {
        buffer_append_bytes(out, buffer_view(&query->plan));
    } else {
        exec_query_explain(query->exec, out);
    }
}

static void await_posted(void *argument) {
    struct stream_query *query = argument;
    if (query->state == QUERY_ENDED && !query->syncing) {
        waiting_end_all(&query->waiting, query->has_exception ? &query->exception : NULL);
    }
    stream_query_release(query);
}

void stream_query_await(struct stream_query *query, int64_t timeout_ms, stream_await *done, void *argument) {
    waiting_add(&query->waiting, query->manager->options.loop, timeout_ms, done, argument);
    if (query->state == QUERY_ENDED) {
        world_loop_post(query->manager->options.loop, await_posted, stream_query_retain(query));
    }
}

void stream_query_cancel_await(struct stream_query *query, void *argument) {
    waiting_cancel(&query->waiting, argument);
}

static void process_posted(void *argument) {
    struct stream_query *query = argument;
    if (query->state == QUERY_ENDED) {
        waiting_end_all(&query->waiting, query->has_exception ? &query->exception : NULL);
    } else {
        query_run(query);
    }
    stream_query_release(query);
}

void stream_query_process_all(struct stream_query *query, stream_await *done, void *argument) {
    waiting_add(&query->waiting, query->manager->options.loop, -1, done, argument)->process_all = true;
    world_loop_post(query->manager->options.loop, process_posted, stream_query_retain(query));
}
