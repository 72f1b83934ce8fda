/* Values for :name and ? markers of SQL text. */
#include "sql/sql.h"

struct binding {
    struct bytes_list names;
    struct expression_list values;
    struct sql_error *error;
};

static const struct node *bind(struct arena *arena, const struct node *node, void *context) {
    struct binding *binding = context;
    if (node->tag != EXPRESSION_PARAMETER)
        return node_map(arena, node, bind, context);
    const struct expression_parameter *parameter = (const struct expression_parameter *)node;
    for (size_t i = 0; i < binding->values.count; i++) {
        bool same = binding->names.count == 0 ? parameter->name.data == NULL && (size_t)parameter->position == i
                                              : bytes_equal(parameter->name, binding->names.items[i]);
        if (same)
            return &binding->values.items[i]->node;
    }
    raise_unbound_sql_parameter(binding->error, parameter->name.data != NULL
                                                    ? arena_text(arena, parameter->name)
                                                    : arena_printf(arena, "_%d", node->origin.start));
    sql_error_at(binding->error, node->origin);
    return NULL;
}

const struct node *sql_bind_parameters(struct arena *arena, const struct node *statement, struct bytes_list names,
    struct expression_list values, struct sql_error *error) {
    struct binding binding = {names, values, error};
    if (values.count == 0)
        return statement;
    return bind(arena, statement, &binding);
}
