/* sql.h: from SQL text or unresolved plans to plans that the engine runs.
 *
 *     text ─sql_parse_statement→ relation or command ─sql_analyze→ resolved relation ─sql_optimize→ bound relation
 * ─exec
 *
 * A session holds temporary views and gives out column ids. It is used by one thread at a time. Everything that a call
 * returns lives in the arena that it was given. */
#ifndef SQL_SQL_H
#define SQL_SQL_H

#include "sql/error.h"
#include "sql/plan.h"

struct world;

/* What a source says of itself when it is analyzed. */
struct source_description {
    const struct type *schema; /* STRUCT */
    const void *source;        /* kept in relation_scan.source for the engine */
    struct bytes_list paths;   /* the files or topics, for EXPLAIN and inputFiles; may be empty */
};

/* What the layers above provide. Functions may be NULL where said. */
struct sql_environment {
    struct world *world;
    void *context;
    /* Text of a session setting, NULL when it is not set (sql knows Spark's defaults). */
    const char *(*setting)(void *context, const char *name);
    /* Schema of a source: from read->schema when given, else from the source. NULL: every read fails with
     * DATA_SOURCE_NOT_FOUND. */
    bool (*describe_source)(void *context, struct arena *arena, const struct relation_read *read,
        struct source_description *description, struct sql_error *error);
    /* The value of an expression without columns (one row, in the arena); used for constant folding. NULL: nothing is
     * folded. */
    bool (*evaluate)(void *context, struct arena *arena, const struct expression *expression,
        const struct column **value, struct sql_error *error);
    /* Called for SET key=value, RESET key (value NULL). NULL: refused. */
    bool (*set_setting)(void *context, const char *name, const char *value, struct sql_error *error);
    /* A function that the program registered under a name, without arguments, in the arena; NULL: there is none of that
     * name. May be NULL. */
    const struct expression_python_udf *(*find_function)(void *context, struct arena *arena, struct bytes name);
    const char *user;
};

struct sql_session;
/* The environment is copied; its context must outlive the session. */
struct sql_session *sql_session_create(const struct sql_environment *environment);
/* Views are copied, ids go on, settings are the new environment's: CloneSession. */
struct sql_session *sql_session_clone(const struct sql_session *session, const struct sql_environment *environment);
void sql_session_destroy(struct sql_session *session); /* NULL is fine */
const struct sql_environment *sql_session_environment(const struct sql_session *session);
/* A setting or Spark's default for it; NULL for a name without either. */
const char *sql_setting(const struct sql_session *session, const char *name);
bool sql_setting_is_true(const struct sql_session *session, const char *name);

/* ---- Text ---- */

/* One statement (a final ';' is allowed): a relation or a command. NULL with PARSE_SYNTAX_ERROR and its place. */
const struct node *sql_parse_statement(struct arena *arena, struct bytes text, struct sql_error *error);
/* An expression with optional alias or star, as selectExpr and expr() take it. */
const struct expression *sql_parse_expression(struct arena *arena, struct bytes text, struct sql_error *error);
/* "a.b.`c d`" */
bool sql_parse_name(struct arena *arena, struct bytes text, struct bytes_list *parts, struct sql_error *error);
/* Values for :name and ? markers: named (names.count == values.count) or positional (names.count == 0). */
const struct node *sql_bind_parameters(struct arena *arena, const struct node *statement, struct bytes_list names,
    struct expression_list values, struct sql_error *error);
/* DDL or JSON schema text to a type. */
const struct type *sql_parse_schema(struct arena *arena, struct bytes text, struct sql_error *error);

/* ---- Plans ---- */

/* Names, types and casts resolved; NULL with the error. The result may be analyzed again (it is returned as it is, with
 * fresh ids where two sides of a join would share them). */
const struct relation *sql_analyze(
    struct sql_session *session, struct arena *arena, const struct relation *relation, struct sql_error *error);
/* The plan for the engine: optimized, ordinals bound. `relation` is analyzed. */
const struct relation *sql_optimize(
    struct sql_session *session, struct arena *arena, const struct relation *relation, struct sql_error *error);
/* The output as a STRUCT type; field names as users see them. `relation` is analyzed. */
const struct type *relation_schema(struct arena *arena, const struct relation *relation);
/* Whether a function of the program makes one value of many rows (pandas_udf of a scalar from series). */
bool python_is_aggregate(const struct expression_python_udf *function);
bool relation_is_streaming(const struct relation *relation);
/* What withWatermark left on a column, or on a window made of it; false: nothing. */
bool attribute_event_time(const struct attribute *attribute, int64_t *delay_ms);
/* A column made by window(). */
bool attribute_is_time_window(const struct attribute *attribute);
bool attribute_is_session_window(const struct attribute *attribute);
/* "1 hour 30 minutes" as months and microseconds; false when it is no interval. */
bool sql_parse_interval(struct bytes text, int64_t *months, int64_t *microseconds);
/* A plan made from one expression over given columns, for tests and single values: analyzed and bound to `input`'s
 * output. */
const struct expression *sql_analyze_expression(struct sql_session *session, struct arena *arena,
    const struct expression *expression, const struct relation *input, struct sql_error *error);
/* EXPLAIN's text, ends with a newline. `relation` is not analyzed. */
bool sql_explain(struct sql_session *session, struct arena *arena, const struct relation *relation,
    enum explain_mode mode, struct buffer *out, struct sql_error *error);
/* The text of an already optimized plan: the physical half. */
/* An analyzed or optimized plan as lines. */
void sql_explain_logical(const struct relation *relation, struct buffer *out);
void sql_explain_physical(const struct relation *relation, struct buffer *out);

/* ---- Commands and catalog ---- */

/* Runs a command of sql_parse_statement; the result is an analyzed local relation (maybe without rows). */
const struct relation *sql_run_command(
    struct sql_session *session, struct arena *arena, const struct command *command, struct sql_error *error);
/* createTempView and friends; `query` need not be analyzed. text may be null. */
bool sql_create_view(struct sql_session *session, struct bytes name, const struct relation *query, struct bytes text,
    bool replace, bool global, struct sql_error *error);
/* True when it existed. */
bool sql_drop_view(struct sql_session *session, struct bytes name, bool global);
bool sql_view_exists(struct sql_session *session, struct bytes_list parts);
/* Catalog listings in the layout of pyspark.sql.Catalog, as analyzed local relations. pattern may be null. */
const struct relation *sql_list_tables(struct sql_session *session, struct arena *arena, struct bytes pattern);
const struct relation *sql_list_functions(struct sql_session *session, struct arena *arena, struct bytes pattern);
const struct relation *sql_list_databases(struct sql_session *session, struct arena *arena, struct bytes pattern);
const struct relation *sql_list_columns(
    struct sql_session *session, struct arena *arena, struct bytes_list table, struct sql_error *error);
/* True for a built-in function (functionExists). */
bool sql_function_exists(struct bytes name);

#endif
