/* function.h: how a SQL function is computed over columns.
 *
 * A function is a row of a family's table (struct kernel_entry): its name, the kinds of arguments the row serves, and
 * a kernel that turns argument columns into a result column. Families live in exec/functions/; exec/function.c lists
 * them. The analyzer has chosen the function and inserted all coercions before: a kernel sees exactly the types that
 * its row names, and the result type that the plan gives.
 *
 * Most kernels are made by the include-templates exec/kernel1.inc, kernel2.inc and kernel3.inc from a function over
 * single values. The templates hold the null rule (a null argument gives null), the loop without nulls, the loop over
 * the bitmap, and the constant operand:
 *
 *     static inline bool add_long(struct evaluation *evaluation, int64_t left, int64_t right, int64_t *result) {
 *         return !__builtin_add_overflow(left, right, result) || evaluation_overflow(evaluation, "long", "try_add");
 *     }
 *     #define KERNEL kernel_add_long
 *     #define LEFT int64_t
 *     #define RIGHT int64_t
 *     #define RESULT int64_t
 *     #define COMPUTE add_long
 *     #include "exec/kernel2.inc"
 *
 * COMPUTE answers false for "null"; when it also called evaluation_fail the query ends with that error. A function with
 * its own null rule (coalesce, concat_ws, array) writes the kernel by hand.
 *
 * Strings: struct string_view values may point into the argument's memory (the engine keeps it), into a literal, or
 * into evaluation->arena. Kernels may run on many threads at once: everything that changes is in `evaluation`. */
#ifndef EXEC_FUNCTION_H
#define EXEC_FUNCTION_H

#include "base/arena.h"
#include "column/column.h"
#include "exec/settings.h"
#include "sql/error.h"

struct kernel_call;

/* One run of a kernel over the rows of one batch, on one thread. */
struct evaluation {
    struct arena *arena; /* of the result batch: results and their string bytes go here */
    size_t row_count;    /* length of every argument that is not constant, and of the result */
    const struct kernel_call *call;
    const struct exec_settings *settings;
    struct sql_error *error; /* filled by evaluation_fail; the first one counts */
    bool failed;
    int32_t partition; /* spark_partition_id() */
    int64_t first_row; /* rows of the partition before this batch: monotonically_increasing_id(), rand() */
};

/* The arguments are the batch's own columns or constants (column->constant). The result is a new column in
 * evaluation->arena of type call->result_type with evaluation->row_count rows, or a constant one, or one of the
 * arguments. After evaluation_fail the result is ignored (NULL is fine). */
typedef struct column *kernel_function(struct evaluation *evaluation, struct column *const *arguments);

enum { KERNEL_ANY = TYPE_KIND_COUNT, KERNEL_KINDS_MAX = 5 };

enum kernel_flags {
    KERNEL_VARIADIC = 1, /* the last kind repeats, none included */
    /* a call with only constant arguments is still computed for every batch: rand, uuid, raise_error */
    KERNEL_NOT_FOLDED = 2,
    AGGREGATE_ORDERED = 8,  /* an aggregate whose result depends on the order of rows */
    KERNEL_NEVER_FAILS = 4, /* may be computed on rows that do not matter (no short-circuit is needed) */
};

struct kernel_entry {
    const char *name;                /* the canonical name, as in schema/functions */
    uint8_t kinds[KERNEL_KINDS_MAX]; /* enum type_kind or KERNEL_ANY per argument */
    uint8_t kind_count;
    uint8_t flags;
    kernel_function *kernel;
    /* Optional, once per query: compiles constant arguments (a regular expression, a format) into call->state. false
     * with *error filled. */
    bool (*prepare)(struct kernel_call *call, struct arena *arena, struct sql_error *error);
};

/* A function as one place of one plan calls it. Constant while the query runs. */
struct kernel_call {
    const struct kernel_entry *entry;
    const struct type *result_type;
    const struct type *const *argument_types;
    size_t argument_count;
    struct column *const *constants; /* per argument its value as a constant column, or NULL when it is not constant */
    const struct exec_settings *settings;
    bool ansi;                                         /* errors instead of nulls or wrapped values */
    bool try;                                          /* nulls instead of errors: try_add …; then ansi is false */
    const struct expression_call *expression;          /* the plan's node: extra, origin; NULL for an aggregate */
    const struct expression_aggregate_call *aggregate; /* the plan's node of an aggregate */
    void *state;                                       /* what prepare made */
};

/* The entry for a kernel name (the `kernel` of sql/function.h) and argument types, or NULL. Any thread. */
const struct kernel_entry *kernel_find(const char *name, const struct type *const *types, size_t count);
/* A family defines `const struct kernel_family kernel_family_NAME = KERNEL_FAMILY(table);` and has a line in
 * functions/families.def. */
struct kernel_family {
    const struct kernel_entry *entries;
    size_t count;
};
#define KERNEL_FAMILY(table)                                                                                           \
    { (table), ARRAY_COUNT(table) }

/* ---- for kernels ---- */

/* A result column for this evaluation: values zeroed, no validity yet. */
struct column *evaluation_result(struct evaluation *evaluation);
struct column *evaluation_result_constant(struct evaluation *evaluation); /* one row that stands for all */
struct column *evaluation_result_null(struct evaluation *evaluation);     /* constant null */
/* The bitmap that says in which rows no argument is null, in the arena; NULL when none is null anywhere. The caller may
 * change it. */
uint8_t *evaluation_strict_validity(struct evaluation *evaluation, struct column *const *arguments, size_t count);
/* Memory for string bytes of one value. */
static inline struct string_view evaluation_string(struct evaluation *evaluation, const void *data, size_t size) {
    uint8_t *copy = arena_allocate(evaluation->arena, size);
    memcpy(copy, data, size);
    return (struct string_view){copy, (uint32_t)size, 0};
}

/* Errors of a row: call one of sql/error.h's raise_ functions with evaluation->error and give its answer to
 * evaluation_failed, which returns false so that COMPUTE can return it: `return evaluation_failed(evaluation,
 * raise_…(evaluation->error, …));` The query ends with the first error. Texts for the parameters go to
 * evaluation->error->arena. */
static inline bool evaluation_failed(struct evaluation *evaluation, bool raised) {
    evaluation->failed = true;
    return raised;
}
/* ARITHMETIC_OVERFLOW ("long overflow"); alternative is the function to use instead ("try_add") or NULL. When the call
 * is not ANSI it answers false without an error: null. */
bool evaluation_overflow(struct evaluation *evaluation, const char *what, const char *alternative);
/* DIVIDE_BY_ZERO, or null when the call is not ANSI. */
bool evaluation_divide_by_zero(struct evaluation *evaluation);
/* For the templates: the result of a strict kernel, its validity the arguments' together; constant when all arguments
 * are; NULL when it is null in all rows (then *result is that column). */
struct column *evaluation_strict_result(
    struct evaluation *evaluation, struct column *const *arguments, size_t count, bool *all_null);
/* Makes one row of a result null. */
void evaluation_set_null(struct evaluation *evaluation, struct column *result, size_t row);

/* ---- aggregates ---- */

/* States are kept in one array per aggregate, `state_size` bytes each, zeroed at first (that must be a valid empty
 * state); groups are numbered densely. What does not fit a fixed size (lists, sketches) goes to `arena`, which lives as
 * long as the states. */
struct aggregate_run {
    struct evaluation *evaluation;
    const struct kernel_call *call;
    struct arena *arena;
    uint8_t *states;
    size_t group_count;
};

struct aggregate_entry {
    const char *name;
    uint8_t kinds[KERNEL_KINDS_MAX];
    uint8_t kind_count;
    uint8_t flags;
    uint32_t state_size;
    /* Adds row i of the arguments to the state groups[i]; groups NULL: everything to state 0. Rows with `skip` bit
     * clear do not exist in the arguments any more: filtering was done before. */
    void (*update)(
        struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups);
    /* The states as a column of call's state type (what partial aggregation, spilling and checkpoints move), and back:
     * adds row i of a column that `save` made to the state groups[i]. */
    const struct type *(*state_type)(const struct kernel_call *call, struct arena *arena);
    struct column *(*save)(struct aggregate_run *run);
    void (*merge)(struct aggregate_run *run, const struct column *saved, const uint32_t *groups);
    /* The results, one row per group. */
    struct column *(*finish)(struct aggregate_run *run);
    /* Bytes that the states own outside the arena, given back; NULL when there are none. */
    void (*destroy)(struct aggregate_run *run);
    bool (*prepare)(struct kernel_call *call, struct arena *arena, struct sql_error *error);
};

struct aggregate_family {
    const struct aggregate_entry *entries;
    size_t count;
};
#define AGGREGATE_FAMILY(table)                                                                                        \
    { (table), ARRAY_COUNT(table) }
const struct aggregate_entry *aggregate_find(const char *name, const struct type *const *types, size_t count);

#endif
