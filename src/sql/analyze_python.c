/* analyze_python.c: calls of the program's own Python functions are taken out of expressions into `python_eval`
 * relations below, one on top of the other where functions take results of functions. The last step of analysis. */
#include "sql/analyze.h"

#include "base/vector.h"
#include "sql/pretty.h"

/* Relations whose expressions may call functions over their input, and whether the input's columns are (the beginning
 * of) their own output, so that the new columns must be cut off again above. */
static const struct {
    size_t input;
    bool passes_input;
} places[NODE_TAG_COUNT] = {
    [RELATION_PROJECT] = {offsetof(struct relation_project, input), false},
    [RELATION_AGGREGATE] = {offsetof(struct relation_aggregate, input), false},
    [RELATION_EXPAND] = {offsetof(struct relation_expand, input), false},
    [RELATION_FILTER] = {offsetof(struct relation_filter, input), true},
    [RELATION_SORT] = {offsetof(struct relation_sort, input), true},
    [RELATION_REPARTITION] = {offsetof(struct relation_repartition, input), true},
};

struct python_extraction {
    struct analyzer *analyzer;
    const struct relation *relation; /* whose expressions are looked at */
    VECTOR(const struct expression *) functions;
    VECTOR(struct attribute) outputs;
    bool failed;
};

static const struct node *extract(struct arena *arena, const struct node *node, void *context);

static bool has_python(const struct node *node) {
    return node_family(node) == NODE_EXPRESSION && has_tag((const struct expression *)node, EXPRESSION_PYTHON_UDF);
}

static enum walk find_unresolved_input(const struct node *node, void *context) {
    if (node->tag == EXPRESSION_LAMBDA_VARIABLE)
        *(bool *)context = true;
    return node_family(node) == NODE_RELATION ? WALK_PRUNE : WALK_CONTINUE;
}

static const struct node *refuse_place(struct python_extraction *extraction, const struct node *node) {
    const struct expression_python_udf *function = expression_python_udf_of((const struct expression *)node);
    struct arena *arena = extraction->analyzer->arena;
    extraction->failed = true;
    if (extraction->relation->node.tag == RELATION_JOIN)
        raise_unsupported_feature_python_udf_in_on_clause(extraction->analyzer->error, "INNER");
    else
        unsupported(extraction->analyzer, node->origin,
            arena_printf(arena, "The Python function `%.*s` in this place", BYTES_ARGS(function->name)),
            "Compute it with select() or withColumn() first.");
    return NULL;
}

/* A call without calls in its arguments becomes a column; others wait for the next turn. */
static const struct node *extract(struct arena *arena, const struct node *node, void *context) {
    struct python_extraction *extraction = context;
    if (node_family(node) == NODE_RELATION || !has_python(node))
        return node;
    if (node->tag != EXPRESSION_PYTHON_UDF)
        return node_map(arena, node, extract, context);
    const struct expression_python_udf *function = expression_python_udf_of((const struct expression *)node);
    bool in_lambda = false, nested = false;
    node_walk(node, find_unresolved_input, NULL, &in_lambda);
    if (in_lambda || places[extraction->relation->node.tag].input == 0)
        return refuse_place(extraction, node);
    for (size_t i = 0; i < function->arguments.count; i++)
        nested |= has_python(&function->arguments.items[i]->node);
    if (nested)
        return node_map(arena, node, extract, context);
    for (size_t i = 0; function->deterministic && i < extraction->functions.count; i++)
        if (node_equal(&extraction->functions.items[i]->node, node))
            return &column_of(arena, &extraction->outputs.items[i])->node;
    struct attribute output = {.id = analyzer_new_id(extraction->analyzer),
        .type = function->base.type,
        .nullable = true,
        .name = bytes_from_text(pretty_name(arena, &function->base))};
    VECTOR_PUSH(&extraction->functions, &function->base);
    VECTOR_PUSH(&extraction->outputs, output);
    return &column_of(arena, &output)->node;
}

static const struct relation *make_python_eval(struct python_extraction *extraction, const struct relation *input) {
    struct arena *arena = extraction->analyzer->arena;
    struct relation_python_eval *eval = relation_python_eval_new(arena);
    size_t width = input->output_count, count = extraction->functions.count;
    struct attribute *output = ARENA_ARRAY(arena, struct attribute, width + count);
    for (size_t i = 0; i < width; i++)
        output[i] = input->output[i];
    for (size_t i = 0; i < count; i++)
        output[width + i] = extraction->outputs.items[i];
    eval->input = input;
    eval->functions = expressions_make(arena, extraction->functions.items, count);
    eval->base.analyzed = true;
    eval->base.output = output;
    eval->base.output_count = width + count;
    return &eval->base;
}

/* Takes one layer of calls out of the relation's expressions; the same relation when there was none. */
static const struct relation *extract_layer(struct analyzer *analyzer, const struct relation *relation) {
    struct python_extraction extraction = {.analyzer = analyzer, .relation = relation};
    if (relation->node.tag == RELATION_PYTHON_MAP || relation->node.tag == RELATION_GROUPS_WITH_STATE)
        return relation;
    struct relation *changed =
        (struct relation *)(uintptr_t)node_map(analyzer->arena, &relation->node, extract, &extraction);
    if (changed != NULL && !extraction.failed && extraction.functions.count > 0) {
        changed = (struct relation *)node_clone(analyzer->arena, &changed->node);
        const struct relation **input = (const struct relation **)((char *)changed + places[relation->node.tag].input);
        *input = make_python_eval(&extraction, *input);
        if (places[relation->node.tag].passes_input)
            same_output(changed, *input);
    }
    VECTOR_FREE(&extraction.functions);
    VECTOR_FREE(&extraction.outputs);
    return extraction.failed ? NULL : changed;
}

static const struct node *extract_below(struct arena *arena, const struct node *node, void *context) {
    if (node_family(node) == NODE_RELATION)
        return (const struct node *)extract_python(context, (const struct relation *)node);
    return has_python(node) ? node : node_map(arena, node, extract_below, context);
}

const struct relation *extract_python(struct analyzer *analyzer, const struct relation *relation) {
    relation = (const struct relation *)node_map(analyzer->arena, &relation->node, extract_below, analyzer);
    if (relation == NULL)
        return NULL;
    const struct relation *before = relation;
    for (const struct relation *next = NULL; relation != NULL && next != relation;) {
        next = relation;
        relation = extract_layer(analyzer, relation);
    }
    if (relation == NULL || relation == before || !places[relation->node.tag].passes_input)
        return relation;
    return make_prefix(analyzer, relation, before->output_count);
}
