/* The last step: every column reference gets its position in the operator's input (of a join: left, then right; of a
 * scan's filters: its own output). */
#include "sql/optimize.h"

struct frame {
    struct optimizer *optimizer;
    const struct relation *inputs[2];
    size_t input_count;
};

static enum walk find_inputs(const struct node *node, void *context) {
    struct frame *frame = context;
    if (node_family(node) != NODE_RELATION)
        return WALK_PRUNE;
    if (frame->inputs[0] == NULL && frame->input_count == 0) {
        frame->input_count = 1; /* the relation itself */
        return WALK_CONTINUE;
    }
    if (frame->input_count <= 2)
        frame->inputs[frame->input_count - 1] = (const struct relation *)node;
    frame->input_count++;
    return WALK_PRUNE;
}

static const struct node *bind(struct arena *arena, const struct node *node, void *context);

static const struct relation *bind_relation(struct optimizer *optimizer, const struct relation *relation) {
    struct frame frame = {.optimizer = optimizer};
    node_walk(&relation->node, find_inputs, NULL, &frame);
    if (relation->node.tag == RELATION_SCAN)
        frame.inputs[0] = relation;
    return (const struct relation *)node_map(optimizer->arena, &relation->node, bind, &frame);
}

static const struct node *bind(struct arena *arena, const struct node *node, void *context) {
    struct frame *frame = context;
    if (node_family(node) == NODE_RELATION)
        return (const struct node *)bind_relation(frame->optimizer, (const struct relation *)node);
    if (node->tag != EXPRESSION_COLUMN)
        return node_map(arena, node, bind, context);
    struct expression_column *column = (struct expression_column *)node_clone(arena, node);
    int32_t ordinal = 0;
    for (size_t side = 0; side < 2 && frame->inputs[side] != NULL; side++) {
        for (size_t i = 0; i < frame->inputs[side]->output_count; i++, ordinal++) {
            if (frame->inputs[side]->output[i].id != column->id)
                continue;
            column->ordinal = ordinal;
            return &column->base.node;
        }
    }
    raise_internal_error(frame->optimizer->error,
        arena_printf(arena, "Column %.*s#%u is not in its operator's input.", BYTES_ARGS(column->name), column->id));
    frame->optimizer->failed = true;
    return NULL;
}

const struct relation *optimize_bind(struct optimizer *optimizer, const struct relation *relation) {
    return bind_relation(optimizer, relation);
}
