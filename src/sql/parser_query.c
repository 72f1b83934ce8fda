/* Queries: SELECT and its clauses, FROM with joins, set operations, WITH, VALUES, ORDER BY and LIMIT. */
#include "sql/parser.h"

#include "base/vector.h"

static const struct relation *relation(struct parser *parser);

static const struct relation *one_row(struct parser *parser) {
    return &relation_one_row_new(parser->arena)->base;
}

static const struct relation *placed(struct parser *parser, const struct relation *node, size_t mark) {
    parser_place(parser, &node->node, mark);
    return node;
}

static const struct relation *filter(
    struct parser *parser, const struct relation *input, const struct expression *condition, size_t mark) {
    struct relation_filter *node = relation_filter_new(parser->arena);
    node->input = input;
    node->condition = condition;
    return placed(parser, &node->base, mark);
}

bool parser_starts_query(const struct parser *parser, size_t ahead) {
    while (parser_is_symbol_ahead(parser, ahead, "("))
        ahead++;
    if (parser_is_ahead(parser, ahead, "VALUES") || parser_is_ahead(parser, ahead, "TABLE") ||
        parser_is_ahead(parser, ahead, "WITH"))
        return parser_token(parser, ahead + 1)->kind != TOKEN_SYMBOL || parser_is_symbol_ahead(parser, ahead + 1, "(");
    return parser_is_ahead(parser, ahead, "SELECT") ||
           (parser_is_ahead(parser, ahead, "FROM") && parser_is_identifier(parser, ahead + 1));
}

/* ---- FROM ---- */

/* [AS] alias [(columns)] around input; the input itself when there is none. */
static const struct relation *with_alias(struct parser *parser, const struct relation *input, size_t mark) {
    bool as = parser_accept(parser, "AS");
    if (!as && (!parser_is_identifier(parser, 0) || parser_is_reserved(parser, 0)))
        return input;
    struct relation_subquery_alias *node = relation_subquery_alias_new(parser->arena);
    node->input = input;
    node->alias = parser_identifier(parser);
    if (parser_is_symbol(parser, "("))
        node->columns = parser_identifier_list(parser);
    return placed(parser, &node->base, mark);
}

static const struct relation *values(struct parser *parser) {
    size_t mark = parser->index - 1;
    VECTOR(const struct expression *) cells = {0};
    int width = -1;
    do {
        size_t before = cells.count, row = parser->index;
        if (parser_is_symbol(parser, "(") && !parser_starts_query(parser, 1)) {
            parser->index++;
            do {
                VECTOR_PUSH(&cells, parser_expression(parser));
            } while (parser_accept_symbol(parser, ","));
            parser_expect_symbol(parser, ")");
        } else {
            VECTOR_PUSH(&cells, parser_expression(parser));
        }
        if (width >= 0 && cells.count - before != (size_t)width) {
            parser->index = parser->failed ? parser->index : row;
            parser_fail(parser);
        }
        width = (int)(cells.count - before);
    } while (parser_accept_symbol(parser, ","));
    struct relation_values *node = relation_values_new(parser->arena);
    node->cells = expressions_make(parser->arena, cells.items, cells.count);
    node->column_count = width;
    VECTOR_FREE(&cells);
    return placed(parser, &node->base, mark);
}

static const struct relation *table_function(struct parser *parser, size_t mark) {
    struct relation_table_function *node = relation_table_function_new(parser->arena);
    node->name = parser_identifier(parser);
    parser_expect_symbol(parser, "(");
    if (!parser_is_symbol(parser, ")"))
        node->arguments = parser_expressions(parser);
    parser_expect_symbol(parser, ")");
    return with_alias(parser, placed(parser, &node->base, mark), mark);
}

static const struct relation *sampled(struct parser *parser, const struct relation *input, size_t mark) {
    if (!parser_accept(parser, "TABLESAMPLE"))
        return input;
    parser_expect_symbol(parser, "(");
    const struct token *token = parser_token(parser, 0);
    double amount = 0;
    if (!bytes_to_double(token->text, &amount))
        parser_fail(parser);
    parser->index += !parser->failed;
    if (parser_accept(parser, "ROWS")) {
        struct relation_limit *limit = relation_limit_new(parser->arena);
        limit->input = input;
        limit->count = (int64_t)amount;
        input = &limit->base;
    } else {
        parser_expect(parser, "PERCENT");
        struct relation_sample *sample = relation_sample_new(parser->arena);
        sample->input = input;
        sample->upper = amount / 100;
        input = &sample->base;
    }
    parser_expect_symbol(parser, ")");
    return placed(parser, input, mark);
}

static const struct relation *relation_primary(struct parser *parser) {
    size_t mark = parser->index;
    if (parser_accept_symbol(parser, "(")) {
        bool query = parser_starts_query(parser, 0);
        const struct relation *inner = query ? parser_query(parser) : relation(parser);
        parser_expect_symbol(parser, ")");
        return with_alias(parser, sampled(parser, inner, mark), mark);
    }
    if (parser_is(parser, "VALUES") && parser_token(parser, 1)->kind != TOKEN_SYMBOL) {
        parser->index++;
        return with_alias(parser, values(parser), mark);
    }
    if (parser_is(parser, "VALUES") && parser_is_symbol_ahead(parser, 1, "(")) {
        parser->index++;
        return with_alias(parser, values(parser), mark);
    }
    if (parser_is_reserved(parser, 0) || !parser_is_identifier(parser, 0)) {
        parser_fail(parser);
        return one_row(parser);
    }
    if (parser_is_symbol_ahead(parser, 1, "("))
        return table_function(parser, mark);
    struct relation_table *table = relation_table_new(parser->arena);
    table->parts = parser_names(parser);
    return with_alias(parser, sampled(parser, placed(parser, &table->base, mark), mark), mark);
}

struct join_kind {
    enum join_type type;
    bool natural;
};

/* The words before JOIN, when a join starts here. */
static bool accept_join(struct parser *parser, struct join_kind *kind) {
    size_t mark = parser->index;
    *kind = (struct join_kind){JOIN_INNER, parser_accept(parser, "NATURAL")};
    if (parser_accept(parser, "CROSS"))
        kind->type = JOIN_CROSS;
    else if (parser_accept(parser, "INNER"))
        kind->type = JOIN_INNER;
    else if (parser_accept2(parser, "LEFT", "SEMI") || parser_accept(parser, "SEMI"))
        kind->type = JOIN_LEFT_SEMI;
    else if (parser_accept2(parser, "LEFT", "ANTI") || parser_accept(parser, "ANTI"))
        kind->type = JOIN_LEFT_ANTI;
    else if (parser_accept(parser, "LEFT"))
        kind->type = JOIN_LEFT;
    else if (parser_accept(parser, "RIGHT"))
        kind->type = JOIN_RIGHT;
    else if (parser_accept(parser, "FULL"))
        kind->type = JOIN_FULL;
    parser_accept(parser, "OUTER");
    if (parser_accept(parser, "JOIN"))
        return true;
    parser->index = mark;
    return false;
}

static const struct relation *relation(struct parser *parser) {
    size_t mark = parser->index;
    if (!parser_enter(parser))
        return one_row(parser);
    const struct relation *left = relation_primary(parser);
    struct join_kind kind;
    int length = 0;
    while (!parser->failed && accept_join(parser, &kind)) {
        struct relation_join *join = relation_join_new(parser->arena);
        join->left = left;
        join->lateral = parser_accept(parser, "LATERAL");
        join->right = relation_primary(parser);
        join->type = kind.type;
        join->natural = kind.natural;
        if (parser_accept(parser, "ON"))
            join->condition = parser_expression(parser);
        else if (parser_accept(parser, "USING"))
            join->using = parser_identifier_list(parser);
        left = placed(parser, &join->base, mark);
        if (++length > PARSER_DEPTH_MAX)
            parser_fail(parser);
    }
    parser_leave(parser);
    return left;
}

static const struct relation *lateral_views(struct parser *parser, const struct relation *input) {
    while (!parser->failed && parser_is(parser, "LATERAL") && parser_is_ahead(parser, 1, "VIEW")) {
        size_t mark = parser->index;
        parser->index += 2;
        struct relation_generate *node = relation_generate_new(parser->arena);
        node->input = input;
        node->outer = parser_accept(parser, "OUTER");
        struct expression_function *function = expression_function_new(parser->arena);
        size_t start = parser->index;
        function->name = parser_identifier(parser);
        parser_expect_symbol(parser, "(");
        if (!parser_is_symbol(parser, ")"))
            function->arguments = parser_expressions(parser);
        parser_expect_symbol(parser, ")");
        parser_place(parser, &function->base.node, start);
        node->generator = &function->base;
        if (parser_is_identifier(parser, 0) && !parser_is_reserved(parser, 0))
            node->alias = parser_identifier(parser);
        if (parser_accept(parser, "AS") || (parser_is_identifier(parser, 0) && !parser_is_reserved(parser, 0))) {
            VECTOR(struct bytes) names = {0};
            do {
                VECTOR_PUSH(&names, parser_identifier(parser));
            } while (parser_accept_symbol(parser, ","));
            node->columns = names_make(parser->arena, names.items, names.count);
            VECTOR_FREE(&names);
        }
        input = placed(parser, &node->base, mark);
    }
    return input;
}

static const struct relation *from_clause(struct parser *parser) {
    size_t mark = parser->index;
    const struct relation *result = NULL;
    do {
        bool lateral =
            parser_is(parser, "LATERAL") && !parser_is_ahead(parser, 1, "VIEW") && parser_accept(parser, "LATERAL");
        const struct relation *next = relation(parser);
        if (result == NULL) {
            result = next;
            continue;
        }
        struct relation_join *join = relation_join_new(parser->arena);
        join->left = result;
        join->right = next;
        join->type = JOIN_INNER;
        join->lateral = lateral;
        result = placed(parser, &join->base, mark);
    } while (parser_accept_symbol(parser, ","));
    return lateral_views(parser, result);
}

/* ---- GROUP BY ---- */

/* GROUPING SETS ((a, b), a, ()) into one list of members and the size of each set. */
static void grouping_sets(struct parser *parser, struct relation_group_by *node) {
    VECTOR(const struct expression *) items = {0};
    VECTOR(struct bytes) sizes = {0};
    parser_expect_symbol(parser, "(");
    do {
        size_t before = items.count;
        if (parser_accept_symbol(parser, "(")) {
            while (!parser->failed && !parser_is_symbol(parser, ")")) {
                VECTOR_PUSH(&items, parser_expression(parser));
                if (!parser_accept_symbol(parser, ","))
                    break;
            }
            parser_expect_symbol(parser, ")");
        } else {
            VECTOR_PUSH(&items, parser_expression(parser));
        }
        VECTOR_PUSH(&sizes, bytes_from_text(arena_printf(parser->arena, "%zu", items.count - before)));
    } while (parser_accept_symbol(parser, ","));
    parser_expect_symbol(parser, ")");
    node->type = GROUP_SETS;
    node->set_items = expressions_make(parser->arena, items.items, items.count);
    node->set_sizes = names_make(parser->arena, sizes.items, sizes.count);
    VECTOR_FREE(&items);
    VECTOR_FREE(&sizes);
}

static void group_clause(struct parser *parser, struct relation_group_by *node) {
    if (parser_is(parser, "ALL") && !parser_is_symbol_ahead(parser, 1, ".") &&
        !parser_is_symbol_ahead(parser, 1, "(")) {
        parser->index++;
        node->all = true;
        return;
    }
    bool rollup = parser_is(parser, "ROLLUP") && parser_is_symbol_ahead(parser, 1, "(");
    bool cube = parser_is(parser, "CUBE") && parser_is_symbol_ahead(parser, 1, "(");
    if (rollup || cube) {
        parser->index += 2;
        node->groupings = parser_expressions(parser);
        parser_expect_symbol(parser, ")");
        node->type = rollup ? GROUP_ROLLUP : GROUP_CUBE;
        return;
    }
    if (parser_accept2(parser, "GROUPING", "SETS")) {
        grouping_sets(parser, node);
        return;
    }
    node->groupings = parser_expressions(parser);
    if (parser_accept2(parser, "WITH", "ROLLUP"))
        node->type = GROUP_ROLLUP;
    else if (parser_accept2(parser, "WITH", "CUBE"))
        node->type = GROUP_CUBE;
    else if (parser_accept2(parser, "GROUPING", "SETS"))
        grouping_sets(parser, node);
}

/* ---- SELECT ---- */

static struct expression_list select_list(struct parser *parser) {
    VECTOR(const struct expression *) items = {0};
    do {
        VECTOR_PUSH(&items, parser_named_expression(parser));
    } while (parser_accept_symbol(parser, ","));
    struct expression_list list = expressions_make(parser->arena, items.items, items.count);
    VECTOR_FREE(&items);
    return list;
}

static const struct relation *distinct(struct parser *parser, const struct relation *input, size_t mark) {
    struct relation_deduplicate *node = relation_deduplicate_new(parser->arena);
    node->input = input;
    return placed(parser, &node->base, mark);
}

static const struct relation *select(struct parser *parser) {
    size_t mark = parser->index;
    const struct relation *input = NULL;
    if (parser_accept(parser, "FROM"))
        input = from_clause(parser);
    if (input != NULL && !parser_is(parser, "SELECT"))
        return input;
    parser_expect(parser, "SELECT");
    bool is_distinct = parser_accept(parser, "DISTINCT");
    if (!is_distinct && parser_is(parser, "ALL") && !parser_is_symbol_ahead(parser, 1, ","))
        parser->index++;
    struct expression_list columns = select_list(parser);
    if (input == NULL && parser_accept(parser, "FROM"))
        input = from_clause(parser);
    if (input != NULL)
        input = lateral_views(parser, input);
    if (parser_accept(parser, "WHERE"))
        input = filter(parser, input != NULL ? input : one_row(parser), parser_expression(parser), mark);
    bool grouped = parser_accept2(parser, "GROUP", "BY");
    const struct relation *result;
    if (grouped || parser_is(parser, "HAVING")) {
        struct relation_group_by *node = relation_group_by_new(parser->arena);
        node->input = input != NULL ? input : one_row(parser);
        node->aggregates = columns;
        node->sql = true;
        if (grouped)
            group_clause(parser, node);
        if (parser_accept(parser, "HAVING"))
            node->having = parser_expression(parser);
        result = placed(parser, &node->base, mark);
    } else {
        struct relation_project *node = relation_project_new(parser->arena);
        node->input = input;
        node->columns = columns;
        result = placed(parser, &node->base, mark);
    }
    if (parser_is(parser, "QUALIFY") || parser_is(parser, "PIVOT") || parser_is(parser, "UNPIVOT"))
        parser_fail(parser);
    if (parser_accept(parser, "WINDOW"))
        parser_window_clause(parser);
    return is_distinct ? distinct(parser, result, mark) : result;
}

static const struct relation *query_primary(struct parser *parser) {
    size_t mark = parser->index;
    if (parser_accept_symbol(parser, "(")) {
        const struct relation *inner = parser_query(parser);
        parser_expect_symbol(parser, ")");
        return inner;
    }
    if (parser_accept(parser, "VALUES"))
        return with_alias(parser, values(parser), mark);
    if (parser_is(parser, "TABLE") && parser_is_identifier(parser, 1)) {
        parser->index++;
        struct relation_table *table = relation_table_new(parser->arena);
        table->parts = parser_names(parser);
        return placed(parser, &table->base, mark);
    }
    return select(parser);
}

static const struct relation *set_operation(struct parser *parser, const struct relation *left, enum set_kind kind,
    const struct relation *(*operand)(struct parser *), size_t mark) {
    struct relation_set_operation *node = relation_set_operation_new(parser->arena);
    node->left = left;
    node->kind = kind;
    node->all = parser_accept(parser, "ALL");
    if (!node->all)
        parser_accept(parser, "DISTINCT");
    node->by_name = parser_accept2(parser, "BY", "NAME");
    node->right = operand(parser);
    return placed(parser, &node->base, mark);
}

static const struct relation *intersection(struct parser *parser) {
    size_t mark = parser->index;
    const struct relation *left = query_primary(parser);
    while (!parser->failed && parser_accept(parser, "INTERSECT"))
        left = set_operation(parser, left, SET_INTERSECT, query_primary, mark);
    return left;
}

static const struct relation *set_operations(struct parser *parser) {
    size_t mark = parser->index;
    const struct relation *left = intersection(parser);
    int length = 0;
    while (!parser->failed && ++length < PARSER_DEPTH_MAX) {
        if (parser_accept(parser, "UNION"))
            left = set_operation(parser, left, SET_UNION, intersection, mark);
        else if (parser_accept(parser, "EXCEPT") || parser_accept(parser, "MINUS"))
            left = set_operation(parser, left, SET_EXCEPT, intersection, mark);
        else
            break;
    }
    return left;
}

/* ---- ORDER BY, LIMIT and the whole ---- */

static const struct relation *sorted(
    struct parser *parser, const struct relation *input, struct expression_list orders, bool global, size_t mark) {
    struct relation_sort *node = relation_sort_new(parser->arena);
    node->input = input;
    node->orders = orders;
    node->global = global;
    return placed(parser, &node->base, mark);
}

static const struct relation *distributed(
    struct parser *parser, const struct relation *input, struct expression_list by, size_t mark) {
    struct relation_repartition *node = relation_repartition_new(parser->arena);
    node->input = input;
    node->expressions = by;
    node->partitions = -1;
    node->shuffle = true;
    return placed(parser, &node->base, mark);
}

static struct expression_list ascending(struct parser *parser, struct expression_list by) {
    const struct expression **items = arena_allocate(parser->arena, by.count * sizeof *items);
    for (size_t i = 0; i < by.count; i++) {
        struct expression_sort_order *order = expression_sort_order_new(parser->arena);
        order->child = by.items[i];
        items[i] = &order->base;
    }
    return (struct expression_list){items, by.count};
}

static const struct relation *organized(struct parser *parser, const struct relation *result, size_t mark) {
    if (parser_accept2(parser, "ORDER", "BY"))
        result = sorted(parser, result, parser_sort_items(parser), true, mark);
    if (parser_accept2(parser, "DISTRIBUTE", "BY"))
        result = distributed(parser, result, parser_expressions(parser), mark);
    if (parser_accept2(parser, "CLUSTER", "BY")) {
        struct expression_list by = parser_expressions(parser);
        result = sorted(parser, distributed(parser, result, by, mark), ascending(parser, by), false, mark);
    }
    if (parser_accept2(parser, "SORT", "BY"))
        result = sorted(parser, result, parser_sort_items(parser), false, mark);
    if (parser_accept(parser, "WINDOW"))
        parser_window_clause(parser);
    bool limit = parser_accept(parser, "LIMIT");
    if (!limit && !parser_is(parser, "OFFSET"))
        return result;
    struct relation_limit *node = relation_limit_new(parser->arena);
    node->input = result;
    node->count = -1;
    if (limit && !(parser_is(parser, "ALL") && parser_accept(parser, "ALL")))
        node->count_expression = parser_expression(parser);
    if (parser_accept(parser, "OFFSET"))
        node->offset_expression = parser_expression(parser);
    return placed(parser, &node->base, mark);
}

const struct relation *parser_query(struct parser *parser) {
    size_t mark = parser->index;
    if (!parser_enter(parser))
        return one_row(parser);
    struct relation_with *with = NULL;
    if (parser_accept(parser, "WITH")) {
        VECTOR(struct bytes) names = {0};
        VECTOR(const struct relation *) plans = {0};
        with = relation_with_new(parser->arena);
        if (parser_is(parser, "RECURSIVE") && parser_is_identifier(parser, 1)) {
            raise_unsupported_feature_not_in_this_program(
                parser->error, "WITH RECURSIVE", "Write the steps as separate queries.");
            parser_failed(parser, parser->index);
        }
        do {
            size_t start = parser->index;
            struct bytes name = parser_identifier(parser);
            struct bytes_list columns =
                parser_is_symbol(parser, "(") ? parser_identifier_list(parser) : (struct bytes_list){0};
            parser_accept(parser, "AS");
            parser_expect_symbol(parser, "(");
            struct relation_subquery_alias *alias = relation_subquery_alias_new(parser->arena);
            alias->input = parser_query(parser);
            alias->alias = name;
            alias->columns = columns;
            parser_expect_symbol(parser, ")");
            VECTOR_PUSH(&names, name);
            VECTOR_PUSH(&plans, placed(parser, &alias->base, start));
        } while (parser_accept_symbol(parser, ","));
        with->names = names_make(parser->arena, names.items, names.count);
        with->plans = relations_make(parser->arena, plans.items, plans.count);
        VECTOR_FREE(&names);
        VECTOR_FREE(&plans);
    }
    const struct relation *result = organized(parser, set_operations(parser), mark);
    parser_leave(parser);
    if (with == NULL)
        return result;
    with->body = result;
    return placed(parser, &with->base, mark);
}
