/* Commands of SQL text and catalog listings: both answer with local relations in the layout that Spark's clients
 * expect. */
#include "sql/session.h"

#include <fnmatch.h>
#include <stdlib.h>
#include "base/vector.h"
#include "column/builder.h"
#include "sql/analyze.h"

/* A table being filled row by row; every column is BOOLEAN or STRING. */
struct listing {
    struct arena *arena;
    const struct type *schema;
    struct batch *batch;
    struct column_builder *builders;
    size_t row_count;
};

static void listing_init(struct listing *listing, struct arena *arena, size_t count, const struct type_field *fields) {
    struct type_field *copy = ARENA_ARRAY(arena, struct type_field, count);
    memcpy(copy, fields, count * sizeof *copy);
    *listing = (struct listing){.arena = arena, .schema = type_struct(arena, copy, count)};
    listing->batch = batch_create(listing->schema);
    listing->builders = ARENA_ARRAY(arena, struct column_builder, count);
    for (size_t i = 0; i < count; i++)
        column_builder_init(&listing->builders[i], &listing->batch->arena, copy[i].type, 8);
}

static void put_text(struct listing *listing, size_t column, const char *text) {
    if (text == NULL)
        column_builder_null(&listing->builders[column]);
    else
        column_builder_append_string_copy(&listing->builders[column], bytes_from_text(text));
}

static void put_boolean(struct listing *listing, size_t column, bool value) {
    uint8_t byte = value;
    column_builder_append(&listing->builders[column], &byte);
}

static const struct relation *listing_finish(struct listing *listing, struct sql_session *session) {
    for (size_t i = 0; i < listing->schema->field_count; i++)
        listing->batch->columns[i] = column_builder_finish(&listing->builders[i]);
    listing->batch->row_count = listing->row_count;
    const struct relation *local = make_local(listing->arena, &session->next_id, listing->schema, &listing->batch, 1);
    batch_release(listing->batch);
    return local;
}

#define TEXT_FIELD(field, null)                                                                                        \
    { .name = {(const uint8_t *)(field), sizeof(field) - 1}, .type = type_simple(TYPE_STRING), .nullable = (null) }
#define BOOLEAN_FIELD(field)                                                                                           \
    { .name = {(const uint8_t *)(field), sizeof(field) - 1}, .type = type_simple(TYPE_BOOLEAN) }

/* Spark's patterns: * for anything, | between alternatives, case does not matter. */
static bool pattern_matches(struct arena *arena, struct bytes pattern, struct bytes name) {
    if (pattern.data == NULL)
        return true;
    const char *text = arena_text(arena, name);
    for (size_t start = 0; start <= pattern.size;) {
        size_t end = bytes_find(pattern, '|', start);
        end = end == SIZE_MAX ? pattern.size : end;
        if (fnmatch(arena_text(arena, bytes_trim(bytes_slice(pattern, start, end - start))), text, FNM_CASEFOLD) == 0)
            return true;
        start = end + 1;
    }
    return false;
}

static int compare_views(const void *left, const void *right) {
    return bytes_compare((*(struct view *const *)left)->name, (*(struct view *const *)right)->name);
}

/* The session's views in order of name. */
static struct view **sorted_views(struct sql_session *session, struct arena *arena, bool global, size_t *count) {
    const struct map *views = global ? &session->global_views : &session->views;
    struct view **list = arena_allocate(arena, (views->count + 1) * sizeof *list);
    size_t cursor = 0;
    struct map_entry *entry;
    *count = 0;
    while ((entry = map_next(views, &cursor)) != NULL)
        list[(*count)++] = entry->value;
    qsort(list, *count, sizeof *list, compare_views);
    return list;
}

/* ---- Catalog listings (pyspark.sql.Catalog) ---- */

const struct relation *sql_list_tables(struct sql_session *session, struct arena *arena, struct bytes pattern) {
    struct listing listing;
    struct type_field fields[] = {TEXT_FIELD("name", true), TEXT_FIELD("catalog", true), TEXT_FIELD("namespace", true),
        TEXT_FIELD("description", true), TEXT_FIELD("tableType", true), BOOLEAN_FIELD("isTemporary")};
    fields[2].type = type_array(arena, type_simple(TYPE_STRING), true);
    listing_init(&listing, arena, ARRAY_COUNT(fields), fields);
    size_t count;
    struct view **views = sorted_views(session, arena, false, &count);
    for (size_t i = 0; i < count; i++) {
        if (!pattern_matches(arena, pattern, views[i]->name))
            continue;
        put_text(&listing, 0, arena_text(arena, views[i]->name));
        put_text(&listing, 1, NULL);
        column_builder_end_row(&listing.builders[2]);
        put_text(&listing, 3, NULL);
        put_text(&listing, 4, "TEMPORARY");
        put_boolean(&listing, 5, true);
        listing.row_count++;
    }
    return listing_finish(&listing, session);
}

const struct relation *sql_list_functions(struct sql_session *session, struct arena *arena, struct bytes pattern) {
    struct listing listing;
    struct type_field fields[] = {TEXT_FIELD("name", true), TEXT_FIELD("catalog", true), TEXT_FIELD("namespace", true),
        TEXT_FIELD("description", true), TEXT_FIELD("className", true), BOOLEAN_FIELD("isTemporary")};
    fields[2].type = type_array(arena, type_simple(TYPE_STRING), true);
    listing_init(&listing, arena, ARRAY_COUNT(fields), fields);
    for (int id = 0; id < FUNCTION_COUNT_OF_ALL; id++) {
        const struct function *function = function_get((enum function_id)id);
        if (!pattern_matches(arena, pattern, bytes_from_text(function->name)))
            continue;
        put_text(&listing, 0, function->name);
        put_text(&listing, 1, NULL);
        column_builder_null(&listing.builders[2]);
        put_text(&listing, 3, function->text);
        put_text(&listing, 4, function->family);
        put_boolean(&listing, 5, true);
        listing.row_count++;
    }
    return listing_finish(&listing, session);
}

const struct relation *sql_list_databases(struct sql_session *session, struct arena *arena, struct bytes pattern) {
    struct listing listing;
    struct type_field fields[] = {TEXT_FIELD("name", true), TEXT_FIELD("catalog", true),
        TEXT_FIELD("description", true), TEXT_FIELD("locationUri", true)};
    listing_init(&listing, arena, ARRAY_COUNT(fields), fields);
    if (pattern_matches(arena, pattern, BYTES("default"))) {
        static const char *const row[] = {
            "default", "spark_catalog", "The only database; it holds temporary views.", ""};
        for (size_t i = 0; i < ARRAY_COUNT(row); i++)
            put_text(&listing, i, row[i]);
        listing.row_count++;
    }
    return listing_finish(&listing, session);
}

static const struct view *view_or_error(struct sql_session *session, struct bytes_list parts, struct sql_error *error) {
    const struct view *view = session_view(session, parts);
    if (view == NULL)
        raise_table_or_view_not_found(error, quote_names(error->arena, parts), SQL_SEARCH_PATH);
    return view;
}

const struct relation *sql_list_columns(
    struct sql_session *session, struct arena *arena, struct bytes_list table, struct sql_error *error) {
    const struct view *view = view_or_error(session, table, error);
    struct listing listing;
    struct type_field fields[] = {TEXT_FIELD("name", true), TEXT_FIELD("description", true),
        TEXT_FIELD("dataType", true), BOOLEAN_FIELD("nullable"), BOOLEAN_FIELD("isPartition"),
        BOOLEAN_FIELD("isBucket"), BOOLEAN_FIELD("isCluster")};
    if (view == NULL)
        return NULL;
    listing_init(&listing, arena, ARRAY_COUNT(fields), fields);
    for (size_t i = 0; i < view->plan->output_count; i++) {
        struct buffer type = {0};
        type_format_simple(view->plan->output[i].type, &type);
        put_text(&listing, 0, arena_text(arena, view->plan->output[i].name));
        put_text(&listing, 1, NULL);
        put_text(&listing, 2, buffer_text(&type));
        put_boolean(&listing, 3, view->plan->output[i].nullable);
        for (size_t j = 4; j < ARRAY_COUNT(fields); j++)
            put_boolean(&listing, j, false);
        listing.row_count++;
        buffer_free(&type);
    }
    return listing_finish(&listing, session);
}

/* ---- Commands ---- */

static const struct relation *no_rows(struct sql_session *session, struct arena *arena) {
    struct listing listing;
    listing_init(&listing, arena, 0, (const struct type_field[]){TEXT_FIELD("none", true)});
    return listing_finish(&listing, session);
}

static const struct relation *create_view(struct sql_session *session, struct arena *arena,
    const struct command_create_view *command, struct sql_error *error) {
    const struct relation *query = command->query;
    if (command->columns.count > 0) {
        struct relation_to_df *named = relation_to_df_new(arena);
        named->input = query;
        named->columns = command->columns;
        query = &named->base;
    }
    struct bytes name = command->parts.items[command->parts.count - 1];
    return sql_create_view(session, name, query, command->text, command->replace, command->global, error)
               ? no_rows(session, arena)
               : NULL;
}

static const struct relation *drop_view(struct sql_session *session, struct arena *arena,
    const struct command_drop_view *command, struct sql_error *error) {
    bool global = command->parts.count == 2 && bytes_equal_ignore_case(command->parts.items[0], BYTES("global_temp"));
    struct bytes name = command->parts.items[command->parts.count - 1];
    bool dropped = (global || command->parts.count == 1) && sql_drop_view(session, name, global);
    if (dropped || command->if_exists)
        return no_rows(session, arena);
    raise_view_not_found(error, quote_names(arena, command->parts));
    return NULL;
}

static const struct relation *show_tables(
    struct sql_session *session, struct arena *arena, const struct command_show *command) {
    struct listing listing;
    struct type_field tables[] = {
        TEXT_FIELD("namespace", false), TEXT_FIELD("tableName", false), BOOLEAN_FIELD("isTemporary")};
    struct type_field views[] = {
        TEXT_FIELD("namespace", false), TEXT_FIELD("viewName", false), BOOLEAN_FIELD("isTemporary")};
    bool global = command->parts.count == 1 && bytes_equal_ignore_case(command->parts.items[0], BYTES("global_temp"));
    listing_init(&listing, arena, 3, command->kind == SHOW_TABLES ? tables : views);
    for (int pass = global ? 0 : 1; pass < 2; pass++) {
        size_t count;
        struct view **list = sorted_views(session, arena, pass == 0, &count);
        for (size_t i = 0; i < count; i++) {
            if (!pattern_matches(arena, command->pattern, list[i]->name))
                continue;
            put_text(&listing, 0, pass == 0 ? "global_temp" : "");
            put_text(&listing, 1, arena_text(arena, list[i]->name));
            put_boolean(&listing, 2, true);
            listing.row_count++;
        }
    }
    return listing_finish(&listing, session);
}

static int compare_texts(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static const struct relation *show_functions(
    struct sql_session *session, struct arena *arena, const struct command_show *command) {
    struct listing listing;
    listing_init(&listing, arena, 1, (const struct type_field[]){TEXT_FIELD("function", false)});
    VECTOR(const char *) names = {0};
    for (int id = 0; id < FUNCTION_COUNT_OF_ALL; id++) {
        VECTOR_PUSH(&names, function_table[id].name);
        for (const char *const *alias = function_table[id].aliases; *alias != NULL; alias++)
            VECTOR_PUSH(&names, *alias);
    }
    qsort(names.items, names.count, sizeof *names.items, compare_texts);
    for (size_t i = 0; i < names.count; i++) {
        if (!pattern_matches(arena, command->pattern, bytes_from_text(names.items[i])))
            continue;
        put_text(&listing, 0, names.items[i]);
        listing.row_count++;
    }
    VECTOR_FREE(&names);
    return listing_finish(&listing, session);
}

static const struct relation *show(
    struct sql_session *session, struct arena *arena, const struct command_show *command, struct sql_error *error) {
    struct listing listing;
    switch (command->kind) {
    case SHOW_TABLES:
    case SHOW_VIEWS:
        return show_tables(session, arena, command);
    case SHOW_FUNCTIONS:
        return show_functions(session, arena, command);
    case SHOW_DATABASES:
    case SHOW_CATALOGS: {
        bool databases = command->kind == SHOW_DATABASES;
        struct type_field field[] = {TEXT_FIELD("namespace", false)};
        if (!databases)
            field[0].name = BYTES("catalog");
        const char *only = databases ? "default" : "spark_catalog";
        listing_init(&listing, arena, 1, field);
        if (pattern_matches(arena, command->pattern, bytes_from_text(only))) {
            put_text(&listing, 0, only);
            listing.row_count++;
        }
        return listing_finish(&listing, session);
    }
    case SHOW_COLUMNS:
        break;
    }
    const struct view *view = view_or_error(session, command->parts, error);
    if (view == NULL)
        return NULL;
    listing_init(&listing, arena, 1, (const struct type_field[]){TEXT_FIELD("col_name", false)});
    for (size_t i = 0; i < view->plan->output_count; i++) {
        put_text(&listing, 0, arena_text(arena, view->plan->output[i].name));
        listing.row_count++;
    }
    return listing_finish(&listing, session);
}

static const struct relation *describe_output(
    struct sql_session *session, struct arena *arena, const struct relation *plan) {
    struct listing listing;
    listing_init(&listing, arena, 3,
        (const struct type_field[]){
            TEXT_FIELD("col_name", false), TEXT_FIELD("data_type", false), TEXT_FIELD("comment", true)});
    for (size_t i = 0; i < plan->output_count; i++) {
        struct buffer type = {0};
        type_format_simple(plan->output[i].type, &type);
        put_text(&listing, 0, arena_text(arena, plan->output[i].name));
        put_text(&listing, 1, buffer_text(&type));
        put_text(&listing, 2, NULL);
        listing.row_count++;
        buffer_free(&type);
    }
    return listing_finish(&listing, session);
}

static const struct relation *describe_function(struct sql_session *session, struct arena *arena,
    const struct command_describe_function *command, struct sql_error *error) {
    const struct function *function = function_find(command->name);
    struct listing listing;
    if (function == NULL) {
        raise_unresolved_routine(error, quote_name(arena, command->name), SQL_SEARCH_PATH);
        return NULL;
    }
    listing_init(&listing, arena, 1, (const struct type_field[]){TEXT_FIELD("function_desc", false)});
    put_text(&listing, 0, arena_printf(arena, "Function: %s", function->name));
    put_text(&listing, 0,
        arena_printf(arena, "Usage: %s(%s) - %s", function->name,
            strcmp(function->arguments, "custom") == 0 ? "…" : function->arguments, function->text));
    listing.row_count = 2;
    if (command->extended && function->example[0] != '\0') {
        put_text(&listing, 0,
            arena_printf(
                arena, "Extended Usage:\n    Examples:\n      > %s\n       %s", function->example, function->expected));
        listing.row_count++;
    }
    return listing_finish(&listing, session);
}

static const struct relation *set(
    struct sql_session *session, struct arena *arena, const struct command_set *command, struct sql_error *error) {
    struct listing listing;
    const char *key = arena_text(arena, command->key);
    if (command->value.data != NULL) {
        const char *value = arena_text(arena, command->value);
        const struct sql_environment *environment = &session->environment;
        if (environment->set_setting == NULL) {
            raise_cannot_modify_config(error, quote_config(arena, key), "https://spark.apache.org/docs/latest");
            return NULL;
        }
        if (!environment->set_setting(environment->context, key, value, error))
            return NULL;
    }
    listing_init(&listing, arena, 2, (const struct type_field[]){TEXT_FIELD("key", false), TEXT_FIELD("value", false)});
    if (command->key.size > 0 && !bytes_equal_text(command->key, "-v")) {
        const char *value = sql_setting(session, key);
        put_text(&listing, 0, key);
        put_text(&listing, 1, value != NULL ? value : "<undefined>");
        listing.row_count++;
    }
    return listing_finish(&listing, session);
}

static const struct relation *explain(
    struct sql_session *session, struct arena *arena, const struct command_explain *command, struct sql_error *error) {
    struct buffer text = {0};
    struct listing listing;
    if (!sql_explain(session, arena, command->query, command->mode, &text, error)) {
        buffer_free(&text);
        return NULL;
    }
    listing_init(&listing, arena, 1, (const struct type_field[]){TEXT_FIELD("plan", false)});
    put_text(&listing, 0, buffer_text(&text));
    listing.row_count = 1;
    buffer_free(&text);
    return listing_finish(&listing, session);
}

static const struct relation *use(
    struct sql_session *session, struct arena *arena, const struct command_use *command, struct sql_error *error) {
    struct bytes last = command->parts.items[command->parts.count - 1];
    if (bytes_equal_ignore_case(last, BYTES("default")) || bytes_equal_ignore_case(last, BYTES("spark_catalog")))
        return no_rows(session, arena);
    raise_schema_not_found(error, arena_printf(arena, "`spark_catalog`.%s", quote_name(arena, last)));
    return NULL;
}

/* CACHE TABLE x AS query makes the view; keeping results is not done, reading again gives the same rows. */
static const struct relation *cache(
    struct sql_session *session, struct arena *arena, const struct command_cache *command, struct sql_error *error) {
    if (command->parts.count > 0 && command->query == NULL && view_or_error(session, command->parts, error) == NULL)
        return NULL;
    if (command->query != NULL && !sql_create_view(session, command->parts.items[command->parts.count - 1],
                                      command->query, BYTES_NULL, false, false, error))
        return NULL;
    return no_rows(session, arena);
}

const struct relation *sql_run_command(
    struct sql_session *session, struct arena *arena, const struct command *command, struct sql_error *error) {
    switch (command->node.tag) {
    case COMMAND_CREATE_VIEW:
        return create_view(session, arena, command_create_view_of(command), error);
    case COMMAND_DROP_VIEW:
        return drop_view(session, arena, command_drop_view_of(command), error);
    case COMMAND_SHOW:
        return show(session, arena, command_show_of(command), error);
    case COMMAND_DESCRIBE_TABLE: {
        const struct view *view = view_or_error(session, command_describe_table_of(command)->parts, error);
        return view == NULL ? NULL : describe_output(session, arena, view->plan);
    }
    case COMMAND_DESCRIBE_QUERY: {
        const struct relation *plan = sql_analyze(session, arena, command_describe_query_of(command)->query, error);
        return plan == NULL ? NULL : describe_output(session, arena, plan);
    }
    case COMMAND_DESCRIBE_FUNCTION:
        return describe_function(session, arena, command_describe_function_of(command), error);
    case COMMAND_SET:
        return set(session, arena, command_set_of(command), error);
    case COMMAND_RESET: {
        const struct sql_environment *environment = &session->environment;
        const char *key =
            command_reset_of(command)->key.data != NULL ? arena_text(arena, command_reset_of(command)->key) : NULL;
        if (environment->set_setting != NULL && !environment->set_setting(environment->context, key, NULL, error))
            return NULL;
        return no_rows(session, arena);
    }
    case COMMAND_EXPLAIN:
        return explain(session, arena, command_explain_of(command), error);
    case COMMAND_USE:
        return use(session, arena, command_use_of(command), error);
    case COMMAND_CACHE:
        return cache(session, arena, command_cache_of(command), error);
    default:
        UNREACHABLE();
    }
}
