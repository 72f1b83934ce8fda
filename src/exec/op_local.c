/* op_local.c: rows that came with the query: local relations, and the single empty row of SELECT without FROM. */
#include "exec/operator.h"

struct local {
    struct operator base;
    struct batch_list batches;
    struct program *program; /* SELECT without FROM: its columns */
};

struct local_local {
    size_t next;
};

static size_t local_partition_count(const struct operator* operator, void * shared) {
    return 1;
}

static bool local_begin_partition(struct op_run *run) {
    ((struct local_local *)run->local)->next = 0;
    return true;
}

/* The query's own type objects in place of those that the batches came with. */
static struct batch *with_schema(struct batch *batch, const struct type *schema) {
    struct batch *out = batch_create(schema);
    ASSERT(out->column_count == batch->column_count);
    out->row_count = batch->row_count;
    memcpy(out->columns, batch->columns, batch->column_count * sizeof *batch->columns);
    batch_keep(out, batch);
    return out;
}

static struct batch *one_row(struct op_run *run) {
    const struct local *local = (const struct local *)run->operator;
    struct batch *batch = batch_create(run->operator->schema);
    batch->row_count = 1;
    if (local->program != NULL) {
        struct frame frame = {
            .arena = &batch->arena, .settings = run->operator->settings, .error = run->error, .row_count = 1};
        if (!program_run(local->program, &frame, batch->columns)) {
            batch_release(batch);
            return NULL;
        }
    }
    return batch;
}

static enum op_result local_read(struct op_run *run, struct batch **out) {
    const struct local *local = (const struct local *)run->operator;
    struct local_local *state = run->local;
    if (run->operator->relation->node.tag != RELATION_LOCAL) {
        if (state->next++ > 0) {
            return OP_NEED_INPUT;
        }
        *out = one_row(run);
        return *out == NULL ? OP_FAILED : OP_HAVE_OUTPUT;
    }
    if (state->next == local->batches.count) {
        return OP_NEED_INPUT;
    }
    *out = with_schema(local->batches.items[state->next++], run->operator->schema);
    return OP_HAVE_OUTPUT;
}

static void local_explain(const struct operator* operator, struct buffer * out) {
    type_format_ddl(operator->schema, out);
}

static const struct operator_class op_local_class = {
    .name = "LocalTableScan",
    .local_size = sizeof(struct local_local),
    .partition_count = local_partition_count,
    .begin_partition = local_begin_partition,
    .read = local_read,
    .explain = local_explain,
};

struct operator* op_local_create(struct compile *compile, const struct relation *relation) {
    struct local *local = ARENA_NEW(compile->arena, struct local);
    if (relation->node.tag == RELATION_LOCAL) {
        local->batches = relation_local_of(relation)->batches;
    } else if (relation->node.tag == RELATION_PROJECT) {
        struct expression_list columns = relation_project_of(relation)->columns;
        local->program =
            program_compile(compile->arena, compile->settings, columns.items, columns.count, 0, compile->error);
        if (local->program == NULL) {
            return NULL;
        }
    }
    return operator_init(compile, &local->base, &op_local_class, relation);
}
