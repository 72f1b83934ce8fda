/* catalog.c: spark.catalog questions as relations of one batch. The catalog is spark_catalog with the database default
 * and temporary views. */
#include <string.h>

#include "base/assert.h"
#include "column/builder.h"
#include "connect/connect_internal.h"

/* A relation of one row and one column. */
static const struct relation *one_value(struct arena *arena, const char *name, const struct expression *value) {
    struct relation_project *project = relation_project_new(arena);
    struct expression_alias *alias = expression_alias_new(arena);
    alias->child = value;
    alias->names = names_of(arena, 1, name);
    project->columns = expressions_of(arena, 1, &alias->base);
    return &project->base;
}

static const struct relation *one_text(struct arena *arena, const char *name, const char *text) {
    return one_value(arena, name, literal_string(arena, bytes_from_text(text)));
}

static const struct relation *one_flag(struct arena *arena, const char *name, bool flag) {
    return one_value(arena, name, literal_boolean(arena, flag));
}

/* Commands give nothing: an empty relation. */
static const struct relation *nothing(struct arena *arena) {
    struct relation_local *local = relation_local_new(arena);
    local->schema = type_struct(arena, NULL, 0);
    return &local->base;
}

static bool parse_name(
    struct session *session, struct arena *arena, const char *name, struct bytes_list *parts, struct sql_error *error) {
    return sql_parse_name(arena, bytes_from_text(name == NULL ? "" : name), parts, error);
}

static bool is_default_database(const char *name) {
    return name != NULL && (strcmp(name, "default") == 0 || strcmp(name, "spark_catalog.default") == 0);
}

static const struct relation *table_exists(
    struct session *session, struct arena *arena, const char *name, struct sql_error *error) {
    struct bytes_list parts;
    return parse_name(session, arena, name, &parts, error)
               ? one_flag(arena, "value", sql_view_exists(session->sql, parts))
               : NULL;
}

static const struct relation *list_catalogs(struct arena *arena) {
    struct relation_project *project = relation_project_new(arena);
    struct expression_alias *name = expression_alias_new(arena), *description = expression_alias_new(arena);
    name->child = literal_string(arena, BYTES("spark_catalog"));
    name->names = names_of(arena, 1, "name");
    description->child = literal_null(arena, type_simple(TYPE_STRING));
    description->names = names_of(arena, 1, "description");
    project->columns = expressions_of(arena, 2, &name->base, &description->base);
    return &project->base;
}

static const struct relation *list_columns(
    struct session *session, struct arena *arena, const Connect__ListColumns *message, struct sql_error *error) {
    struct bytes_list parts;
    return parse_name(session, arena, message->table_name, &parts, error)
               ? sql_list_columns(session->sql, arena, parts, error)
               : NULL;
}

static const struct relation *drop_view(struct session *session, struct arena *arena, const char *name, bool global) {
    return one_flag(arena, "value", sql_drop_view(session->sql, bytes_from_text(name == NULL ? "" : name), global));
}

const struct relation *catalog_relation(
    struct session *session, struct arena *arena, const Connect__Catalog *catalog, struct sql_error *error) {
    switch (catalog->cat_type_case) {
    case CONNECT__CATALOG__CAT_TYPE_CURRENT_DATABASE:
        return one_text(arena, "value", "default");
    case CONNECT__CATALOG__CAT_TYPE_CURRENT_CATALOG:
        return one_text(arena, "value", "spark_catalog");
    case CONNECT__CATALOG__CAT_TYPE_SET_CURRENT_DATABASE:
        if (is_default_database(catalog->set_current_database->db_name))
            return nothing(arena);
        raise_schema_not_found(error, quote_name(arena, bytes_from_text(catalog->set_current_database->db_name)));
        return NULL;
    case CONNECT__CATALOG__CAT_TYPE_SET_CURRENT_CATALOG:
        if (catalog->set_current_catalog->catalog_name != NULL &&
            strcmp(catalog->set_current_catalog->catalog_name, "spark_catalog") == 0)
            return nothing(arena);
        raise_unsupported_feature_not_in_this_program(error, "Another catalog than spark_catalog", "");
        return NULL;
    case CONNECT__CATALOG__CAT_TYPE_LIST_CATALOGS:
        return list_catalogs(arena);
    case CONNECT__CATALOG__CAT_TYPE_LIST_DATABASES:
        return sql_list_databases(session->sql, arena, bytes_from_text(catalog->list_databases->pattern));
    case CONNECT__CATALOG__CAT_TYPE_LIST_TABLES:
        return sql_list_tables(session->sql, arena, bytes_from_text(catalog->list_tables->pattern));
    case CONNECT__CATALOG__CAT_TYPE_LIST_VIEWS:
        return sql_list_tables(session->sql, arena, bytes_from_text(catalog->list_views->pattern));
    case CONNECT__CATALOG__CAT_TYPE_LIST_FUNCTIONS:
        return sql_list_functions(session->sql, arena, bytes_from_text(catalog->list_functions->pattern));
    case CONNECT__CATALOG__CAT_TYPE_LIST_COLUMNS:
        return list_columns(session, arena, catalog->list_columns, error);
    case CONNECT__CATALOG__CAT_TYPE_DATABASE_EXISTS:
        return one_flag(arena, "value", is_default_database(catalog->database_exists->db_name));
    case CONNECT__CATALOG__CAT_TYPE_TABLE_EXISTS:
        return table_exists(session, arena, catalog->table_exists->table_name, error);
    case CONNECT__CATALOG__CAT_TYPE_FUNCTION_EXISTS:
        return one_flag(arena, "value", sql_function_exists(bytes_from_text(catalog->function_exists->function_name)));
    case CONNECT__CATALOG__CAT_TYPE_DROP_TEMP_VIEW:
        return drop_view(session, arena, catalog->drop_temp_view->view_name, false);
    case CONNECT__CATALOG__CAT_TYPE_DROP_GLOBAL_TEMP_VIEW:
        return drop_view(session, arena, catalog->drop_global_temp_view->view_name, true);
    case CONNECT__CATALOG__CAT_TYPE_IS_CACHED:
        return one_flag(arena, "value", false);
    default: {
        struct lower_context context;
        session_lower_context(session, arena, error, &context);
        return lower_refuse(&context, "catalog question", &catalog->base);
    }
    }
}
