/* Window expressions of a select list become one `windows` relation below it per nesting level; the engine sorts by
 * partition and order. */
#include "sql/analyze.h"

#include "base/vector.h"
#include "sql/pretty.h"

struct extraction {
    struct analyzer *analyzer;
    VECTOR(const struct expression *) functions;
    VECTOR(struct attribute) outputs;
};

static const struct node *extract_node(struct arena *arena, const struct node *node, void *context) {
    struct extraction *extraction = context;
    if (node_family(node) == NODE_RELATION)
        return node;
    if (node->tag != EXPRESSION_WINDOW)
        return node_map(arena, node, extract_node, context);
    const struct expression *window = (const struct expression *)node;
    for (size_t i = 0; i < extraction->functions.count; i++)
        if (node_equal(&extraction->functions.items[i]->node, node))
            return &column_of(arena, &extraction->outputs.items[i])->node;
    struct attribute output = {
        .id = analyzer_new_id(extraction->analyzer), .type = window->type, .nullable = window->nullable};
    output.name = bytes_from_text(pretty_name(arena, window));
    VECTOR_PUSH(&extraction->functions, window);
    VECTOR_PUSH(&extraction->outputs, output);
    return &column_of(arena, &output)->node;
}

bool extract_windows(struct analyzer *analyzer, const struct relation **input, struct expression_list *columns) {
    struct extraction extraction = {.analyzer = analyzer};
    const struct expression **items = expressions_make(analyzer->arena, columns->items, columns->count).items;
    for (size_t i = 0; i < columns->count; i++)
        if (has_tag(items[i], EXPRESSION_WINDOW))
            items[i] = (const struct expression *)extract_node(analyzer->arena, &items[i]->node, &extraction);
    if (extraction.functions.count > 0) {
        struct relation_windows *windows = relation_windows_new(analyzer->arena);
        size_t width = (*input)->output_count;
        struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, width + extraction.outputs.count);
        for (size_t i = 0; i < width; i++)
            output[i] = (*input)->output[i];
        for (size_t i = 0; i < extraction.outputs.count; i++)
            output[width + i] = extraction.outputs.items[i];
        windows->input = *input;
        windows->functions = expressions_make(analyzer->arena, extraction.functions.items, extraction.functions.count);
        windows->base.analyzed = true;
        windows->base.output = output;
        windows->base.output_count = width + extraction.outputs.count;
        *input = &windows->base;
        columns->items = items;
    }
    VECTOR_FREE(&extraction.functions);
    VECTOR_FREE(&extraction.outputs);
    return true;
}
