/* A project over a project becomes one, unless that would compute something costly or volatile more than once. A
 * project that changes nothing goes. */
#include "sql/optimize.h"

struct usage {
    uint32_t id;
    int count;
};

static enum walk count_use(const struct node *node, void *context) {
    struct usage *usage = context;
    usage->count += node->tag == EXPRESSION_COLUMN && ((const struct expression_column *)node)->id == usage->id;
    return WALK_CONTINUE;
}

static bool is_cheap(const struct expression *expression) {
    const struct expression *child = expression_strip(expression);
    while (child->node.tag == EXPRESSION_FIELD)
        child = expression_field_of(child)->child;
    return child->node.tag == EXPRESSION_COLUMN || child->node.tag == EXPRESSION_LITERAL;
}

static bool can_merge(struct expression_list upper, struct expression_list lower) {
    for (size_t i = 0; i < lower.count; i++) {
        if (lower.items[i]->node.tag != EXPRESSION_ALIAS)
            continue;
        struct usage usage = {expression_alias_of(lower.items[i])->id, 0};
        for (size_t j = 0; j < upper.count; j++)
            node_walk(&upper.items[j]->node, count_use, NULL, &usage);
        if (usage.count > 0 && is_volatile(lower.items[i]))
            return false;
        if (usage.count > 1 && !is_cheap(lower.items[i]))
            return false;
    }
    return true;
}

static const struct expression *merged(
    struct optimizer *optimizer, const struct expression *named, struct expression_list lower) {
    if (named->node.tag == EXPRESSION_COLUMN) {
        uint32_t id = expression_column_of(named)->id;
        for (size_t i = 0; i < lower.count; i++)
            if (lower.items[i]->node.tag == EXPRESSION_ALIAS && expression_alias_of(lower.items[i])->id == id)
                return lower.items[i];
        return named;
    }
    struct expression_alias *alias = (struct expression_alias *)node_clone(optimizer->arena, &named->node);
    alias->child = expression_strip(substitute(optimizer, alias->child, lower));
    return &alias->base;
}

static bool is_identity(const struct relation_project *project) {
    if (project->columns.count != project->input->output_count)
        return false;
    for (size_t i = 0; i < project->columns.count; i++)
        if (project->columns.items[i]->node.tag != EXPRESSION_COLUMN ||
            expression_column_of(project->columns.items[i])->id != project->input->output[i].id)
            return false;
    return true;
}

static const struct relation *collapse(struct optimizer *optimizer, const struct relation *relation) {
    if (relation->node.tag != RELATION_PROJECT)
        return relation;
    const struct relation_project *upper = relation_project_of(relation);
    if (upper->input->node.tag == RELATION_PROJECT &&
        can_merge(upper->columns, relation_project_of(upper->input)->columns)) {
        const struct relation_project *lower = relation_project_of(upper->input);
        struct relation_project *copy = (struct relation_project *)clone_relation(optimizer, relation);
        const struct expression **columns = arena_allocate(optimizer->arena, upper->columns.count * sizeof *columns);
        for (size_t i = 0; i < upper->columns.count; i++)
            columns[i] = merged(optimizer, upper->columns.items[i], lower->columns);
        copy->columns.items = columns;
        copy->input = lower->input;
        return collapse(optimizer, &copy->base);
    }
    if (!is_identity(upper))
        return relation;
    /* Names, metadata and hidden columns are the upper one's. */
    struct relation *input = clone_relation(optimizer, upper->input);
    input->output = relation->output;
    return input;
}

const struct relation *optimize_collapse_projects(struct optimizer *optimizer, const struct relation *relation) {
    return map_relations(optimizer, relation, collapse);
}
