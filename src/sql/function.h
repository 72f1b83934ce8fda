/* function.h: the table of functions and operators, made from schema/functions. The analyzer picks a row by name and
 * casts the arguments to what the row asks for; the engine finds the kernel by the row's id (or kernel name) and the
 * types of arguments and result.
 *
 * Operators are functions too: "+", "=", "<=>", "and", "not", "isnull", "in", "like", "case_when" (when, then, …,
 * [else]) and so on. */
#ifndef SQL_FUNCTION_H
#define SQL_FUNCTION_H

#include "base/bytes.h"

/* FUNCTION(ID, kernel, KIND) for each row, e.g. FUNCTION(UPPER, upper, SCALAR): for tables of kernels. */
#define FUNCTION(ID, kernel, KIND) FUNCTION_##ID,
enum function_id {
#include "sql/function_list.inc"
    FUNCTION_COUNT_OF_ALL,
};
#undef FUNCTION

enum function_kind {
    FUNCTION_SCALAR,
    FUNCTION_AGGREGATE,
    FUNCTION_WINDOW,    /* only with OVER: row_number, lag, … */
    FUNCTION_GENERATOR, /* explode, …: several rows and columns per input row */
    FUNCTION_TABLE,     /* in FROM: range */
    FUNCTION_REWRITTEN, /* the analyzer replaces it by other expressions: no kernel */
};

enum null_rule {
    NULLS_STRICT,          /* null when an argument is null, else never null; kernels need not look at nulls */
    NULLS_STRICT_NULLABLE, /* null when an argument is null, may be null otherwise */
    NULLS_NEVER,           /* never null; the kernel sees nulls */
    NULLS_CUSTOM,          /* the kernel sees nulls and may answer null */
};

enum volatility {
    VOLATILITY_IMMUTABLE,
    VOLATILITY_STABLE,   /* one value per query: current_timestamp() */
    VOLATILITY_VOLATILE, /* a new value per row: rand(), uuid() */
};

enum display {
    DISPLAY_CALL,    /* upper(a) */
    DISPLAY_INFIX,   /* (a + b), symbol in `symbol` */
    DISPLAY_PREFIX,  /* (- a), (NOT a) */
    DISPLAY_POSTFIX, /* (a IS NULL) */
    DISPLAY_SPECIAL, /* CASE, IN, LIKE, …: sql/pretty.c */
};

struct function {
    int id; /* enum function_id */
    const char *name;
    const char *const *aliases; /* NULL-terminated */
    const char *family;
    const char *kernel; /* name of the kernel; "" for rewritten ones */
    enum function_kind kind;
    const char *arguments; /* see schema/functions/README.md */
    const char *result;
    enum null_rule nulls;
    enum volatility volatility;
    enum display display;
    const char *symbol; /* what column names show: operator, or name in its published case */
    const char *text;
    const char *example,
        *expected; /* SQL text, and its rows as show() prints values, tab and newline separated; "" for none */
};

extern const struct function function_table[FUNCTION_COUNT_OF_ALL];
static inline const struct function *function_get(enum function_id id) {
    return &function_table[id];
}
/* By name or alias without regard to case; NULL when there is none. */
const struct function *function_find(struct bytes name);

#endif
