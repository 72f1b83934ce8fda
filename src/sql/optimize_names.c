/* Aliases of relations, and texts kept for column names, have done their work once names are resolved. */
#include "sql/optimize.h"

static const struct relation *remove_name(struct optimizer *optimizer, const struct relation *relation) {
    (void)optimizer;
    if (relation->node.tag == RELATION_SUBQUERY_ALIAS)
        return relation_subquery_alias_of(relation)->input;
    if (relation->node.tag == RELATION_HINT)
        return relation_hint_of(relation)->input;
    return relation;
}

static const struct expression *remove_text(struct optimizer *optimizer, const struct expression *expression) {
    (void)optimizer;
    return expression->node.tag == EXPRESSION_SHOWN ? expression_shown_of(expression)->child : expression;
}

const struct relation *optimize_remove_names(struct optimizer *optimizer, const struct relation *relation) {
    relation = map_relations(optimizer, relation, remove_name);
    return relation == NULL ? NULL : map_expressions(optimizer, relation, remove_text);
}
