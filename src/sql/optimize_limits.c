/* Limits: nested ones become one, and a scan that only rows' projections stand above learns how many rows are wanted.
 */
#include "sql/optimize.h"

static const struct relation *tell_scan(struct optimizer *optimizer, const struct relation *relation, int64_t rows) {
    if (relation->node.tag == RELATION_SCAN) {
        struct relation_scan *scan = (struct relation_scan *)clone_relation(optimizer, relation);
        scan->limit = scan->limit < 0 || scan->limit > rows ? rows : scan->limit;
        return scan->streaming ? relation : &scan->base;
    }
    if (relation->node.tag != RELATION_PROJECT)
        return relation;
    struct relation_project *project = (struct relation_project *)clone_relation(optimizer, relation);
    for (size_t i = 0; i < project->columns.count; i++)
        if (is_volatile(project->columns.items[i]))
            return relation;
    project->input = tell_scan(optimizer, project->input, rows);
    return &project->base;
}

static const struct relation *push_limit(struct optimizer *optimizer, const struct relation *relation) {
    if (relation->node.tag != RELATION_LIMIT)
        return relation;
    struct relation_limit *limit = (struct relation_limit *)clone_relation(optimizer, relation);
    if (limit->input->node.tag == RELATION_LIMIT && limit->offset == 0 && limit->count >= 0) {
        const struct relation_limit *inner = relation_limit_of(limit->input);
        limit->offset = inner->offset;
        limit->count = inner->count >= 0 && inner->count < limit->count ? inner->count : limit->count;
        limit->input = inner->input;
    }
    int64_t rows;
    if (limit->count >= 0 && !__builtin_add_overflow(limit->count, limit->offset, &rows))
        limit->input = tell_scan(optimizer, limit->input, rows);
    return &limit->base;
}

const struct relation *optimize_push_limits(struct optimizer *optimizer, const struct relation *relation) {
    return map_relations(optimizer, relation, push_limit);
}
