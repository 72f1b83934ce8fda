/* program_internal.h: the steps of a program; shared by program*.c only. */
#ifndef EXEC_PROGRAM_INTERNAL_H
#define EXEC_PROGRAM_INTERNAL_H

#include "exec/program.h"

enum step_kind {
    STEP_INPUT,    /* input slot */
    STEP_CONSTANT, /* value */
    STEP_CALL,     /* kernel over argument registers; casts too */
    STEP_FIELD,    /* field `slot` of the struct in arguments[0] */
    STEP_AND,      /* arguments[0] and branches[0], which runs where the argument is not false */
    STEP_OR,       /* the same for or */
    STEP_CASE,     /* branches: condition, value, condition, value, …, [else]: each runs on the rows left over */
    STEP_COALESCE, /* branches: each runs on the rows that are still null */
    STEP_LAMBDA,   /* a higher-order function: arguments[], branches are the lambdas' bodies */
};

struct step;
struct program_lambda;
typedef struct column *lambda_function(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments);

struct program_lambda {
    const struct step *step;
    lambda_function *function;
    uint32_t slots[2][3]; /* per branch: where its variables are in the inputs */
    size_t variable_counts[2];
};

struct step {
    enum step_kind kind;
    uint32_t slot;
    uint32_t *arguments; /* registers, all smaller than this step's */
    size_t argument_count;
    struct program **branches;
    size_t branch_count;
    struct column *value;
    struct kernel_call call;
    const struct program_lambda *lambda;
    const struct type *type;
    const struct expression *expression;
};

struct program {
    struct arena *arena;
    const struct exec_settings *settings;
    struct step *steps; /* step i writes register i */
    size_t step_count, step_capacity;
    uint32_t *outputs;
    size_t output_count;
    size_t slot_count; /* inputs and the variables of lambdas around and inside */
    bool *slots_used;  /* by this program and its branches; slot_count long */
    bool never_fails;
};

/* Runs a one-output program over the rows `indexes` of the frame (NULL: all rows). NULL on error. */
struct column *program_run_rows(
    const struct program *program, const struct frame *frame, const uint32_t *indexes, size_t count);
/* The same with variables: `variables[i]` (as long as indexes) stands in slot slots[i]. */
struct column *program_run_lambda(const struct program *program, const struct frame *frame, const uint32_t *indexes,
    size_t count, struct column *const *variables, const uint32_t *slots, size_t variable_count);

struct column *branch_and_or(const struct step *step, const struct frame *frame, struct column *left);
struct column *branch_case(const struct step *step, const struct frame *frame);
struct column *branch_coalesce(const struct step *step, const struct frame *frame);

/* The higher-order function with that kernel name, or NULL. */
lambda_function *lambda_find(const char *kernel);

/* The map without later entries of equal keys (LAST_WIN), or NULL with DUPLICATED_MAP_KEY or NULL_MAP_KEY raised. */
struct column *map_check_keys(
    struct arena *arena, const struct exec_settings *settings, struct sql_error *error, struct column *map);

#endif
