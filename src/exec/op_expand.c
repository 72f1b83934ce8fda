/* op_expand.c: each input row once per projection (ROLLUP, CUBE, GROUPING SETS, unpivot). */
#include "exec/operator.h"

struct expand {
    struct operator base;
    struct program **programs;
    size_t program_count;
};

struct expand_local {
    struct batch *in;
    size_t next;
};

static enum op_result expand_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct expand *expand = (const struct expand *)run->operator;
    struct expand_local *local = run->local;
    if (in != NULL) {
        local->in = batch_retain(in);
        local->next = 0;
    }
    *out = op_run_program(run, expand->programs[local->next++], run->operator->schema, local->in);
    if (*out == NULL) {
        return OP_FAILED;
    }
    if (local->next < expand->program_count) {
        return OP_HAVE_OUTPUT;
    }
    batch_release(local->in);
    local->in = NULL;
    return OP_NEED_INPUT;
}

static void expand_local_end(struct op_run *run) {
    batch_release(((struct expand_local *)run->local)->in);
}

static const struct operator_class op_expand_class = {
    .name = "Expand",
    .local_size = sizeof(struct expand_local),
    .local_end = expand_local_end,
    .step = expand_step,
};

struct operator* op_expand_create(struct compile *compile, const struct relation *relation) {
    const struct relation_expand *node = relation_expand_of(relation);
    struct expand *expand = ARENA_NEW(compile->arena, struct expand);
    size_t width = relation->output_count;
    ASSERT(width > 0 && node->columns.count % width == 0);
    expand->program_count = node->columns.count / width;
    expand->programs = ARENA_ARRAY(compile->arena, struct program *, expand->program_count);
    for (size_t i = 0; i < expand->program_count; i++) {
        expand->programs[i] = program_compile(compile->arena, compile->settings, node->columns.items + i * width, width,
            node->input->output_count, compile->error);
        if (expand->programs[i] == NULL) {
            return NULL;
        }
    }
    return operator_init(compile, &expand->base, &op_expand_class, relation);
}
