/* op_project.c: computes the output columns of each batch. */
#include "exec/operator.h"

struct project {
    struct operator base;
    struct program *program;
};

static enum op_result project_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct project *project = (const struct project *)run->operator;
    *out = op_run_program(run, project->program, run->operator->schema, in);
    return *out == NULL ? OP_FAILED : OP_NEED_INPUT;
}

static void project_explain(const struct operator* operator, struct buffer * out) {
    type_format_ddl(operator->schema, out);
}

static const struct operator_class op_project_class = {
    .name = "Project",
    .step = project_step,
    .explain = project_explain,
};

struct operator* op_project_create(struct compile *compile, const struct relation *relation) {
    const struct relation_project *node = relation_project_of(relation);
    struct project *project = ARENA_NEW(compile->arena, struct project);
    project->program = program_compile(compile->arena, compile->settings, node->columns.items, node->columns.count,
        node->input->output_count, compile->error);
    if (project->program == NULL) {
        return NULL;
    }
    return operator_init(compile, &project->base, &op_project_class, relation);
}
