/* Expressions without columns are computed once. An expression that fails stays: it may stand in a branch that no row
 * takes, so its error belongs to the run. */
#include "sql/optimize.h"

static bool all_literals(struct expression_list list) {
    for (size_t i = 0; i < list.count; i++)
        if (!expression_is_literal(list.items[i]))
            return false;
    return true;
}

static bool can_fold(const struct expression *expression) {
    switch (expression->node.tag) {
    case EXPRESSION_CAST:
        return expression_is_literal(expression_cast_of(expression)->child);
    case EXPRESSION_FIELD:
        return expression_is_literal(expression_field_of(expression)->child);
    case EXPRESSION_CALL: {
        const struct expression_call *call = expression_call_of(expression);
        return call->function->kind == FUNCTION_SCALAR && call->function->volatility == VOLATILITY_IMMUTABLE &&
               all_literals(call->arguments) && call->function->id != FUNCTION_RAISE_ERROR;
    }
    default:
        return false;
    }
}

static const struct expression *fold(struct optimizer *optimizer, const struct expression *expression) {
    const struct sql_environment *environment = &optimizer->session->environment;
    if (!can_fold(expression) || environment->evaluate == NULL)
        return expression;
    const struct column *value = NULL;
    struct sql_error ignored = {.arena = optimizer->arena};
    if (!environment->evaluate(environment->context, optimizer->arena, expression, &value, &ignored) || value == NULL)
        return expression;
    struct column *constant = ARENA_NEW(optimizer->arena, struct column);
    *constant = *value;
    constant->constant = true;
    constant->type = expression->type;
    return literal_column(optimizer->arena, constant);
}

const struct relation *optimize_fold_constants(struct optimizer *optimizer, const struct relation *relation) {
    return map_expressions(optimizer, relation, fold);
}
