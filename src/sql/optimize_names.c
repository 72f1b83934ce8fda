/* Aliases of relations have done their work once names are resolved. */
#include "sql/optimize.h"

static const struct relation *remove_name(struct optimizer *optimizer, const struct relation *relation) {
    (void)optimizer;
    if (relation->node.tag == RELATION_SUBQUERY_ALIAS)
        return relation_subquery_alias_of(relation)->input;
    if (relation->node.tag == RELATION_HINT)
        return relation_hint_of(relation)->input;
    return relation;
}

const struct relation *optimize_remove_names(struct optimizer *optimizer, const struct relation *relation) {
    return map_relations(optimizer, relation, remove_name);
}
