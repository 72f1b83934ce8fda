/* The engine builds its hash table from the right side: an inner join whose left side is known to be the smaller one is
 * turned round. */
#include "sql/optimize.h"

/* Rows at most, or -1 when nothing is known. */
static int64_t row_estimate(const struct relation *relation) {
    switch (relation->node.tag) {
    case RELATION_LOCAL: {
        int64_t rows = 0;
        struct batch_list batches = relation_local_of(relation)->batches;
        for (size_t i = 0; i < batches.count; i++)
            rows += (int64_t)batches.items[i]->row_count;
        return rows;
    }
    case RELATION_RANGE: {
        const struct relation_range *range = relation_range_of(relation);
        int64_t distance;
        if (range->step == 0 || __builtin_sub_overflow(range->end, range->start, &distance))
            return -1;
        return distance / range->step;
    }
    case RELATION_PROJECT:
        return row_estimate(relation_project_of(relation)->input);
    case RELATION_FILTER:
        return row_estimate(relation_filter_of(relation)->input);
    case RELATION_SORT:
        return row_estimate(relation_sort_of(relation)->input);
    case RELATION_AGGREGATE:
        return relation_aggregate_of(relation)->groupings.count == 0
                   ? 1
                   : row_estimate(relation_aggregate_of(relation)->input);
    case RELATION_LIMIT:
        return relation_limit_of(relation)->count;
    default:
        return -1;
    }
}

static const struct relation *choose_side(struct optimizer *optimizer, const struct relation *relation) {
    if (relation->node.tag != RELATION_JOIN)
        return relation;
    const struct relation_join *join = relation_join_of(relation);
    int64_t left = row_estimate(join->left), right = row_estimate(join->right);
    bool smaller_left = left >= 0 && (right < 0 || left < right / 2);
    if (join->type != JOIN_INNER || join->condition == NULL || !smaller_left || left > 1000000)
        return relation;
    struct relation_join *turned = (struct relation_join *)clone_relation(optimizer, relation);
    struct relation_project *project = relation_project_new(optimizer->arena);
    struct attribute *output = ARENA_ARRAY(optimizer->arena, struct attribute, relation->output_count);
    const struct expression **columns = arena_allocate(optimizer->arena, relation->output_count * sizeof *columns);
    size_t lefts = join->left->output_count, rights = join->right->output_count;
    for (size_t i = 0; i < relation->output_count; i++) {
        output[i < lefts ? rights + i : i - lefts] = relation->output[i];
        struct expression_column *column = expression_column_new(optimizer->arena);
        column->id = relation->output[i].id;
        column->name = relation->output[i].name;
        column->ordinal = -1;
        column->base.type = relation->output[i].type;
        column->base.nullable = relation->output[i].nullable;
        columns[i] = &column->base;
    }
    turned->left = join->right;
    turned->right = join->left;
    turned->base.output = output;
    project->input = &turned->base;
    project->columns = (struct expression_list){columns, relation->output_count};
    project->base.analyzed = true;
    project->base.output = relation->output;
    project->base.output_count = relation->output_count;
    return &project->base;
}

const struct relation *optimize_join_sides(struct optimizer *optimizer, const struct relation *relation) {
    return map_relations(optimizer, relation, choose_side);
}
