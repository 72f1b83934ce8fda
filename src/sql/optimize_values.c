/* VALUES whose cells are literals become one local relation; so does SELECT of literals without FROM. */
#include "sql/optimize.h"

static bool is_one_row(const struct relation *relation) {
    if (relation->node.tag != RELATION_LOCAL || relation->output_count != 0)
        return false;
    const struct relation_local *local = relation_local_of(relation);
    return local->batches.count == 1 && local->batches.items[0]->row_count == 1;
}

static bool is_literal_row(const struct relation *relation) {
    if (relation->node.tag != RELATION_PROJECT || !is_one_row(relation_project_of(relation)->input))
        return false;
    struct expression_list columns = relation_project_of(relation)->columns;
    for (size_t i = 0; i < columns.count; i++)
        if (!expression_is_literal(expression_strip(columns.items[i])))
            return false;
    return true;
}

static const struct relation *local_of_rows(
    struct optimizer *optimizer, const struct relation *shape, const struct relation *const *rows, size_t row_count) {
    struct relation_local *local = relation_local_new(optimizer->arena);
    const struct type *schema = relation_schema(optimizer->arena, shape);
    struct batch *batch = batch_create(schema);
    batch->row_count = row_count;
    struct column **cells = arena_allocate(optimizer->arena, row_count * sizeof *cells);
    size_t *counts = arena_allocate(optimizer->arena, row_count * sizeof *counts);
    for (size_t i = 0; i < shape->output_count; i++) {
        for (size_t row = 0; row < row_count; row++) {
            const struct expression *literal = expression_strip(relation_project_of(rows[row])->columns.items[i]);
            struct column *cell = ARENA_NEW(optimizer->arena, struct column);
            *cell = *expression_literal_of(literal)->value;
            cell->constant = false;
            cell->type = schema->fields[i].type;
            cells[row] = cell;
            counts[row] = 1;
        }
        batch->columns[i] = column_copy(&batch->arena, column_concat(optimizer->arena, cells, counts, row_count));
        batch->columns[i]->type = schema->fields[i].type;
    }
    local->batches = plan_batches(optimizer->arena, &batch, 1);
    batch_release(batch);
    local->schema = schema;
    local->base.analyzed = true;
    local->base.output = shape->output;
    local->base.output_count = shape->output_count;
    return &local->base;
}

static const struct relation *fold_values(struct optimizer *optimizer, const struct relation *relation) {
    if (relation->output_count == 0)
        return relation;
    if (is_literal_row(relation))
        return local_of_rows(optimizer, relation, &relation, 1);
    if (relation->node.tag != RELATION_UNION)
        return relation;
    struct relation_list inputs = relation_union_of(relation)->inputs;
    for (size_t i = 0; i < inputs.count; i++)
        if (inputs.items[i]->node.tag != RELATION_LOCAL)
            return relation;
    return relation;
}

/* Unions first: their rows are still projections. */
static const struct relation *fold_union(struct optimizer *optimizer, const struct relation *relation) {
    if (relation->node.tag != RELATION_UNION || relation->output_count == 0)
        return relation;
    struct relation_list inputs = relation_union_of(relation)->inputs;
    for (size_t i = 0; i < inputs.count; i++)
        if (!is_literal_row(inputs.items[i]) || inputs.items[i]->output_count != relation->output_count)
            return relation;
    return local_of_rows(optimizer, relation, inputs.items, inputs.count);
}

const struct relation *optimize_fold_values(struct optimizer *optimizer, const struct relation *relation) {
    return map_relations(optimizer, map_relations(optimizer, relation, fold_union), fold_values);
}
