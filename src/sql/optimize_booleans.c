/* TRUE AND x is x, FALSE AND x is FALSE, NOT NOT x is x, and so on; a filter that is always true goes away. */
#include "sql/optimize.h"

static bool is_constant(const struct expression *expression, bool wanted) {
    if (!expression_is_literal(expression) || expression_is_null_literal(expression) ||
        expression->type->kind != TYPE_BOOLEAN)
        return false;
    return *(const uint8_t *)expression_literal_of(expression)->value->values == wanted;
}

static const struct expression *simplify(struct optimizer *optimizer, const struct expression *expression) {
    if (expression->node.tag != EXPRESSION_CALL)
        return expression;
    const struct expression_call *call = expression_call_of(expression);
    const struct expression *const *arguments = call->arguments.items;
    switch (call->function->id) {
    case FUNCTION_AND:
    case FUNCTION_OR: {
        bool neutral = call->function->id == FUNCTION_AND;
        for (size_t i = 0; i < 2; i++) {
            if (is_constant(arguments[i], neutral))
                return arguments[1 - i];
            if (is_constant(arguments[i], !neutral) && !is_volatile(arguments[1 - i]))
                return arguments[i];
        }
        return node_equal(&arguments[0]->node, &arguments[1]->node) && !is_volatile(arguments[0]) ? arguments[0]
                                                                                                  : expression;
    }
    case FUNCTION_NOT:
        if (is_constant(arguments[0], true) || is_constant(arguments[0], false))
            return literal_boolean(optimizer->arena, is_constant(arguments[0], false));
        return is_call_of(arguments[0], FUNCTION_NOT) ? expression_call_of(arguments[0])->arguments.items[0]
                                                      : expression;
    case FUNCTION_ISNULL:
        return arguments[0]->nullable ? expression : literal_boolean(optimizer->arena, false);
    case FUNCTION_ISNOTNULL:
        return arguments[0]->nullable ? expression : literal_boolean(optimizer->arena, true);
    case FUNCTION_IF:
        return is_constant(arguments[0], true)    ? arguments[1]
               : is_constant(arguments[0], false) ? arguments[2]
                                                  : expression;
    default:
        return expression;
    }
}

static const struct relation *remove_true_filter(struct optimizer *optimizer, const struct relation *relation) {
    (void)optimizer;
    if (relation->node.tag == RELATION_FILTER && is_constant(relation_filter_of(relation)->condition, true))
        return relation_filter_of(relation)->input;
    return relation;
}

const struct relation *optimize_simplify_booleans(struct optimizer *optimizer, const struct relation *relation) {
    relation = map_expressions(optimizer, relation, simplify);
    return relation == NULL ? NULL : map_relations(optimizer, relation, remove_true_filter);
}
