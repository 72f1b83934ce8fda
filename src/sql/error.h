/* error.h: errors in the vocabulary of Spark's clients: condition (error class), SQLSTATE, message with its parameters
 * filled in, the Java classes by which PySpark chooses its exception, and where in the SQL text or program it happened.
 * The table is schema/errors.def.
 *
 *     struct sql_error error = {.arena = arena};
 *     return raise_divide_by_zero(&error, "\"spark.sql.ansi.enabled\"");   (always false)
 */
#ifndef SQL_ERROR_H
#define SQL_ERROR_H

#include "base/arena.h"
#include "base/error.h"
#include "sql/plan.h"

struct sql_error;
struct error_parameter {
    const char *name, *value;
};

/* One per query, request or task; zeroed except for arena, which holds everything that the error points to. The first
 * error raised is kept: later ones are dropped, so that the cause is what the user sees. */
struct sql_error {
    struct arena *arena;
    int condition; /* enum error_condition; 0: no error */
    const struct error_parameter *parameters;
    size_t parameter_count;
    const char *text;     /* the message without "[CONDITION]", SQLSTATE and context */
    struct origin origin; /* text NULL: unknown */
};

/* Fills condition and parameters (values in the table's order); false. Use the raise_ functions. */
bool sql_error_raise(struct sql_error *error, int condition, const char *const *values);

#include "sql/error_conditions.h"

/* Adds the place, if the error has none yet; false. */
bool sql_error_at(struct sql_error *error, struct origin origin);
/* An error of the lower layers: PATH_NOT_FOUND, INTERNAL_ERROR … by its code, with its message; false. */
bool sql_error_from(struct sql_error *error, const struct error *cause);
/* A copy into another arena: errors of tasks that end before the query does. */
void sql_error_copy(struct sql_error *to, const struct sql_error *from);

const char *sql_error_condition(const struct sql_error *error); /* "UNRESOLVED_COLUMN.WITH_SUGGESTION" */
const char *sql_error_state(const struct sql_error *error);     /* "42703" */
/* NULL-terminated: the Java class of the exception, then its parents. */
const char *const *sql_error_classes(const struct sql_error *error);
/* The whole message as Throwable.getMessage() gives it in Spark: "[CONDITION] text SQLSTATE: state" and the place.
 * NUL-terminated, in the error's arena. */
const char *sql_error_message(const struct sql_error *error);
/* Line (from 1) and column (from 0) of the origin's start; false when there is none. */
bool sql_error_position(const struct sql_error *error, int *line, int *column);
/* The piece of text the origin covers, BYTES_NULL when there is none. */
struct bytes sql_error_fragment(const struct sql_error *error);

/* Quotes for parameters: `a`.`b`, "INT", 'text', "expression". All in the arena. */
const char *quote_name(struct arena *arena, struct bytes name);
const char *quote_names(struct arena *arena, struct bytes_list parts);
const char *quote_type(struct arena *arena, const struct type *type);
const char *quote_text(struct arena *arena, struct bytes text);
const char *quote_expression(struct arena *arena, const struct expression *expression); /* "(a + 1)" in double quotes */
const char *quote_config(struct arena *arena, const char *name);

#endif
