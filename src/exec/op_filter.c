/* op_filter.c: keeps the rows for which the condition is true. */
#include "exec/operator.h"

struct filter {
    struct operator base;
    struct program *program;
};

static enum op_result filter_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct filter *filter = (const struct filter *)run->operator;
    struct arena scratch = {0};
    struct column *condition;
    if (!op_run_columns(run, filter->program, in, &scratch, &condition)) {
        arena_destroy(&scratch);
        return OP_FAILED;
    }
    uint32_t *indexes = arena_allocate(&scratch, (in->row_count + 1) * sizeof *indexes);
    size_t count = program_select(condition, in->row_count, indexes);
    if (count == in->row_count) {
        *out = batch_retain(in);
    } else if (count > 0) {
        *out = batch_take(in, indexes, count);
    }
    arena_destroy(&scratch);
    return OP_NEED_INPUT;
}

static const struct operator_class op_filter_class = {
    .name = "Filter",
    .step = filter_step,
};

struct operator* op_filter_create(struct compile *compile, const struct relation *relation) {
    const struct relation_filter *node = relation_filter_of(relation);
    struct filter *filter = ARENA_NEW(compile->arena, struct filter);
    filter->program = program_compile(
        compile->arena, compile->settings, &node->condition, 1, node->input->output_count, compile->error);
    if (filter->program == NULL) {
        return NULL;
    }
    return operator_init(compile, &filter->base, &op_filter_class, relation);
}
