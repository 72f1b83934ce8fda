/* Sessions: settings with Spark's defaults, temporary views. */
#include "sql/session.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "sql/function.h"

static const struct {
    const char *name, *value;
} defaults[] = {
    {"spark.sql.ansi.enabled", "true"},
    {"spark.sql.session.timeZone", "UTC"},
    {"spark.sql.caseSensitive", "false"},
    {"spark.sql.shuffle.partitions", "200"},
    {"spark.sql.timestampType", "TIMESTAMP_LTZ"},
    {"spark.sql.sources.default", "parquet"},
    {"spark.sql.columnNameOfCorruptRecord", "_corrupt_record"},
    {"spark.sql.groupByOrdinal", "true"},
    {"spark.sql.orderByOrdinal", "true"},
    {"spark.sql.crossJoin.enabled", "true"},
    {"spark.sql.repl.eagerEval.enabled", "false"},
    {"spark.sql.execution.arrow.maxRecordsPerBatch", "10000"},
};

struct sql_session *sql_session_create(const struct sql_environment *environment) {
    struct sql_session *session = calloc(1, sizeof *session);
    ASSERT(session != NULL);
    session->environment = *environment;
    session->next_id = 1;
    return session;
}

static void view_release(struct view *view) {
    if (atomic_fetch_sub((atomic_int *)&view->references, 1) > 1)
        return;
    arena_destroy(&view->arena);
    free(view);
}

static void release_view(void *view) {
    view_release(view);
}

static void copy_views(const struct map *from, struct map *to) {
    size_t cursor = 0;
    struct map_entry *entry;
    while ((entry = map_next(from, &cursor)) != NULL) {
        struct view *view = entry->value;
        atomic_fetch_add((atomic_int *)&view->references, 1);
        map_set(to, entry->key, view);
    }
}

struct sql_session *sql_session_clone(const struct sql_session *session, const struct sql_environment *environment) {
    struct sql_session *clone = sql_session_create(environment);
    clone->next_id = session->next_id;
    copy_views(&session->views, &clone->views);
    copy_views(&session->global_views, &clone->global_views);
    return clone;
}

static void free_views(struct map *views) {
    size_t cursor = 0;
    struct map_entry *entry;
    while ((entry = map_next(views, &cursor)) != NULL)
        view_release(entry->value);
    map_free(views);
}

void sql_session_destroy(struct sql_session *session) {
    if (session == NULL)
        return;
    free_views(&session->views);
    free_views(&session->global_views);
    free(session);
}

const struct sql_environment *sql_session_environment(const struct sql_session *session) {
    return &session->environment;
}

const char *sql_setting(const struct sql_session *session, const char *name) {
    const struct sql_environment *environment = &session->environment;
    const char *value = environment->setting == NULL ? NULL : environment->setting(environment->context, name);
    for (size_t i = 0; value == NULL && i < ARRAY_COUNT(defaults); i++)
        if (strcmp(defaults[i].name, name) == 0)
            value = defaults[i].value;
    return value;
}

bool sql_setting_is_true(const struct sql_session *session, const char *name) {
    const char *value = sql_setting(session, name);
    return value != NULL && bytes_equal_ignore_case(bytes_from_text(value), BYTES("true"));
}

/* ---- Views ---- */

static struct bytes key_of(struct bytes name, uint8_t *space, size_t size) {
    size_t length = name.size < size ? name.size : size;
    for (size_t i = 0; i < length; i++)
        space[i] = (uint8_t)tolower(name.data[i]);
    return bytes_make(space, length);
}

static const struct map *map_of(const struct sql_session *session, struct bytes_list parts, struct bytes *name) {
    *name = parts.items[parts.count - 1];
    if (parts.count == 1)
        return &session->views;
    return parts.count == 2 && bytes_equal_ignore_case(parts.items[0], BYTES("global_temp")) ? &session->global_views
                                                                                             : NULL;
}

struct view *session_view(const struct sql_session *session, struct bytes_list parts) {
    uint8_t space[512];
    struct bytes name;
    const struct map *views = map_of(session, parts, &name);
    return views == NULL ? NULL : map_get(views, key_of(name, space, sizeof space));
}

bool sql_view_exists(struct sql_session *session, struct bytes_list parts) {
    return session_view(session, parts) != NULL;
}

bool sql_create_view(struct sql_session *session, struct bytes name, const struct relation *query, struct bytes text,
    bool replace, bool global, struct sql_error *error) {
    uint8_t space[512];
    struct map *views = global ? &session->global_views : &session->views;
    struct bytes key = key_of(name, space, sizeof space);
    if (!replace && map_has(views, key))
        return raise_temp_table_or_view_already_exists(error, quote_name(error->arena, name));
    /* The sources that analysis opens live as long as the arena that it uses: the view's. */
    struct view *view = calloc(1, sizeof *view);
    ASSERT(view != NULL);
    view->references = 1;
    view->name = arena_copy(&view->arena, name);
    view->text = arena_copy(&view->arena, text);
    query = (const struct relation *)node_copy(&view->arena, &query->node);
    view->plan = sql_analyze(session, &view->arena, query, error);
    if (view->plan == NULL) {
        arena_on_destroy(error->arena, release_view, view); /* the error may point into it */
        return false;
    }
    struct view *old = map_set(views, key, view);
    if (old != NULL)
        view_release(old);
    return true;
}

void session_hold_view(struct arena *arena, const struct view *view) {
    struct view *held = (struct view *)(uintptr_t)view;
    atomic_fetch_add((atomic_int *)&held->references, 1);
    arena_on_destroy(arena, release_view, held);
}

bool sql_drop_view(struct sql_session *session, struct bytes name, bool global) {
    uint8_t space[512];
    struct view *view =
        map_remove(global ? &session->global_views : &session->views, key_of(name, space, sizeof space));
    if (view == NULL)
        return false;
    view_release(view);
    return true;
}

bool sql_function_exists(struct bytes name) {
    return function_find(name) != NULL;
}
