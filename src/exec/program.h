/* program.h: expressions compiled for a run over batches. Each list of expressions (a projection, a condition, the
 * arguments of the aggregates) becomes one flat array of steps over column registers; equal subexpressions share a
 * register; calls with only constant arguments are computed once. What must not be computed for every row (the branches
 * of CASE, the right side of AND when it may fail, the body of a lambda) is a program of its own that runs over the
 * rows it is wanted for, gathered. */
#ifndef EXEC_PROGRAM_H
#define EXEC_PROGRAM_H

#include "exec/function.h"
#include "sql/plan.h"

struct program;

/* What one run over one batch works with. */
struct frame {
    struct arena *arena; /* results and everything between */
    const struct exec_settings *settings;
    struct sql_error *error;
    struct column *const *inputs; /* the input's columns, then lambda variables; those that no step uses may be NULL */
    size_t row_count;
    int32_t partition;
    int64_t first_row;
};

/* Compiles expressions whose columns are bound to an input of `input_count` columns. Lives in arena, which must outlive
 * it, as must the expressions and settings. NULL with *error filled: a function or cast that the engine does not have.
 * Any thread. */
struct program *program_compile(struct arena *arena, const struct exec_settings *settings,
    const struct expression *const *expressions, size_t count, size_t input_count, struct sql_error *error);
size_t program_output_count(const struct program *program);
const struct type *program_output_type(const struct program *program, size_t index);
/* Computes all outputs; constant ones stay constant columns. false when a row's error was raised in frame->error. Any
 * thread; a program is run by many at once. */
bool program_run(const struct program *program, const struct frame *frame, struct column **outputs);
/* True when no step can raise an error. */
bool program_never_fails(const struct program *program);

/* A condition's result as the list of rows where it is true; returns their number. indexes has room for row_count + 1.
 * */
size_t program_select(const struct column *condition, size_t row_count, uint32_t *indexes);

/* The value of an expression without columns: one row, constant, in arena (string bytes included). For the analyzer's
 * constant folding. */
bool program_evaluate_constant(struct arena *arena, const struct exec_settings *settings,
    const struct expression *expression, const struct column **value, struct sql_error *error);

/* The kernel of a cast; NULL when there is none. Fills call->entry and call->state. */
bool cast_prepare(
    struct kernel_call *call, struct arena *arena, const struct type *from, const struct type *to, enum cast_mode mode);

#endif
