/* Expressions with Spark's precedence, from loosest to tightest: OR, AND, NOT, predicates (BETWEEN, IN, LIKE, IS),
 * comparison, |, ^, &, shifts,
 * + - ||, * / % DIV, unary + - ~, then postfix . [] :: on a primary. */
#include "sql/parser.h"

#include "base/vector.h"

typedef const struct expression *(*operand_parser)(struct parser *parser);

static const struct expression *call(struct parser *parser, size_t mark, const char *name, size_t count,
    const struct expression *first, const struct expression *second) {
    const struct expression *node = function_call(parser->arena, name, count, first, second);
    parser_place(parser, &node->node, mark);
    return node;
}

static const struct expression *negate(
    struct parser *parser, size_t mark, bool negated, const struct expression *child) {
    return negated ? call(parser, mark, "not", 1, child, NULL) : child;
}

/* Chains of AND and OR become balanced trees, so that a thousand conditions do not nest a thousand deep. */
static const struct expression *balance(
    struct parser *parser, size_t mark, const char *name, const struct expression *const *items, size_t count) {
    if (count == 1)
        return items[0];
    const struct expression *left = balance(parser, mark, name, items, (count + 1) / 2);
    const struct expression *right = balance(parser, mark, name, items + (count + 1) / 2, count / 2);
    return call(parser, mark, name, 2, left, right);
}

static const struct expression *chain(
    struct parser *parser, const char *keyword, const char *name, operand_parser operand) {
    size_t mark = parser->index;
    const struct expression *first = operand(parser);
    if (!parser_is(parser, keyword))
        return first;
    VECTOR(const struct expression *) items = {0};
    VECTOR_PUSH(&items, first);
    while (parser_accept(parser, keyword))
        VECTOR_PUSH(&items, operand(parser));
    /* Up to 8 operands keep the written left-deep shape, which column names show. */
    const struct expression *tree = items.items[0];
    if (items.count <= 8) {
        for (size_t i = 1; i < items.count; i++)
            tree = call(parser, mark, name, 2, tree, items.items[i]);
    } else {
        tree = balance(parser, mark, name, items.items, items.count);
    }
    VECTOR_FREE(&items);
    return tree;
}

/* ---- Binary operators ---- */

struct operator_level {
    struct {
        const char *symbol, *name;
    } operators[10];
};
static const struct operator_level levels[] = {
    {{{"=", "="}, {"==", "="}, {"<=>", "<=>"}, {"<>", "!="}, {"!=", "!="}, {"<", "<"}, {"<=", "<="}, {">", ">"},
        {">=", ">="}}},
    {{{"|", "|"}}},
    {{{"^", "^"}}},
    {{{"&", "&"}}},
    {{{"<<", "<<"}, {">>", ">>"}, {">>>", ">>>"}}},
    {{{"+", "+"}, {"-", "-"}, {"||", "concat"}}},
    {{{"*", "*"}, {"/", "/"}, {"%", "%"}, {"DIV", "div"}}},
};

static const struct expression *unary(struct parser *parser);

static const char *accept_operator(struct parser *parser, const struct operator_level *level) {
    for (size_t i = 0; i < ARRAY_COUNT(level->operators) && level->operators[i].symbol != NULL; i++)
        if (parser_accept_symbol(parser, level->operators[i].symbol) ||
            parser_accept(parser, level->operators[i].symbol))
            return level->operators[i].name;
    return NULL;
}

static const struct expression *binary(struct parser *parser, size_t level) {
    if (level == ARRAY_COUNT(levels))
        return unary(parser);
    size_t mark = parser->index;
    const struct expression *left = binary(parser, level + 1);
    int length = 0;
    const char *name;
    while ((name = accept_operator(parser, &levels[level])) != NULL) {
        if (++length > PARSER_DEPTH_MAX) {
            raise_failed_to_parse_too_complex(parser->error);
            parser_failed(parser, mark);
            break;
        }
        left = call(parser, mark, name, 2, left, binary(parser, level + 1));
    }
    return left;
}

const struct expression *parser_value_expression(struct parser *parser) {
    return binary(parser, 0);
}

/* ---- Predicates ---- */

static const struct expression *function_of(
    struct parser *parser, size_t mark, const char *name, const struct expression *const *items, size_t count) {
    struct expression_function *function = expression_function_new(parser->arena);
    function->name = bytes_from_text(name);
    function->arguments = expressions_make(parser->arena, items, count);
    parser_place(parser, &function->base.node, mark);
    return &function->base;
}

static const struct expression *in_predicate(struct parser *parser, size_t mark, const struct expression *value) {
    parser_expect_symbol(parser, "(");
    if (parser_starts_query(parser, 0)) {
        struct expression_subquery *subquery = expression_subquery_new(parser->arena);
        subquery->kind = SUBQUERY_IN;
        subquery->plan = parser_query(parser);
        subquery->values = expressions_of(parser->arena, 1, value);
        parser_expect_symbol(parser, ")");
        parser_place(parser, &subquery->base.node, mark);
        return &subquery->base;
    }
    if (parser_is_symbol(parser, ")")) {
        raise_invalid_sql_syntax_empty_in_predicate(parser->error);
        parser_failed(parser, parser->index);
        return value;
    }
    VECTOR(const struct expression *) items = {0};
    VECTOR_PUSH(&items, value);
    do {
        VECTOR_PUSH(&items, parser_expression(parser));
    } while (parser_accept_symbol(parser, ","));
    parser_expect_symbol(parser, ")");
    const struct expression *node = function_of(parser, mark, "in", items.items, items.count);
    VECTOR_FREE(&items);
    return node;
}

/* After LIKE or ILIKE: a pattern with an escape, or ANY | SOME | ALL (patterns). */
static const struct expression *like_predicate(
    struct parser *parser, size_t mark, const char *name, const struct expression *value, bool negated) {
    bool all = parser_accept(parser, "ALL");
    if (all || ((parser_is(parser, "ANY") || parser_is(parser, "SOME")) && parser_is_symbol_ahead(parser, 1, "("))) {
        parser->index += !all;
        parser_expect_symbol(parser, "(");
        const struct expression *result = NULL;
        do {
            const struct expression *one =
                negate(parser, mark, negated, call(parser, mark, name, 2, value, parser_expression(parser)));
            result = result == NULL ? one : call(parser, mark, all ? "and" : "or", 2, result, one);
        } while (parser_accept_symbol(parser, ","));
        parser_expect_symbol(parser, ")");
        return result;
    }
    const struct expression *items[3] = {value, parser_value_expression(parser), NULL};
    size_t count = 2;
    if (parser_accept(parser, "ESCAPE"))
        items[count++] = literal_string(parser->arena, parser_string(parser));
    return negate(parser, mark, negated, function_of(parser, mark, name, items, count));
}

static const struct expression *is_predicate(struct parser *parser, size_t mark, const struct expression *value) {
    bool negated = parser_accept(parser, "NOT");
    if (parser_accept(parser, "NULL"))
        return call(parser, mark, negated ? "isnotnull" : "isnull", 1, value, NULL);
    if (parser_accept(parser, "UNKNOWN"))
        return call(parser, mark, negated ? "isnotnull" : "isnull", 1, value, NULL);
    if (parser_accept(parser, "TRUE"))
        return negate(parser, mark, negated, call(parser, mark, "<=>", 2, value, literal_boolean(parser->arena, true)));
    if (parser_accept(parser, "FALSE"))
        return negate(
            parser, mark, negated, call(parser, mark, "<=>", 2, value, literal_boolean(parser->arena, false)));
    parser_expect(parser, "DISTINCT");
    parser_expect(parser, "FROM");
    return negate(parser, mark, !negated, call(parser, mark, "<=>", 2, value, parser_value_expression(parser)));
}

static const struct expression *predicate(struct parser *parser) {
    size_t mark = parser->index;
    const struct expression *value = parser_value_expression(parser);
    for (;;) {
        bool negated = parser_is(parser, "NOT") &&
                       (parser_is_ahead(parser, 1, "BETWEEN") || parser_is_ahead(parser, 1, "IN") ||
                           parser_is_ahead(parser, 1, "LIKE") || parser_is_ahead(parser, 1, "ILIKE") ||
                           parser_is_ahead(parser, 1, "RLIKE") || parser_is_ahead(parser, 1, "REGEXP"));
        parser->index += negated;
        if (parser_accept(parser, "BETWEEN")) {
            const struct expression *items[3] = {value, parser_value_expression(parser), NULL};
            parser_expect(parser, "AND");
            items[2] = parser_value_expression(parser);
            value = negate(parser, mark, negated, function_of(parser, mark, "between", items, 3));
        } else if (parser_accept(parser, "IN")) {
            value = negate(parser, mark, negated, in_predicate(parser, mark, value));
        } else if (parser_accept(parser, "LIKE")) {
            value = like_predicate(parser, mark, "like", value, negated);
        } else if (parser_accept(parser, "ILIKE")) {
            value = like_predicate(parser, mark, "ilike", value, negated);
        } else if (parser_accept(parser, "RLIKE") || parser_accept(parser, "REGEXP")) {
            value =
                negate(parser, mark, negated, call(parser, mark, "rlike", 2, value, parser_value_expression(parser)));
        } else if (parser_accept(parser, "IS")) {
            value = is_predicate(parser, mark, value);
        } else {
            return value;
        }
        if (parser->failed)
            return value;
    }
}

static const struct expression *not_expression(struct parser *parser) {
    size_t mark = parser->index;
    if (!parser_is(parser, "NOT") && !parser_is_symbol(parser, "!"))
        return predicate(parser);
    parser->index++;
    if (!parser_enter(parser))
        return parser_dummy(parser);
    const struct expression *child = not_expression(parser);
    parser_leave(parser);
    return call(parser, mark, "not", 1, child, NULL);
}

static const struct expression *and_expression(struct parser *parser) {
    return chain(parser, "AND", "and", not_expression);
}

/* name -> body, (a, b) -> body */
static bool is_lambda(const struct parser *parser) {
    if (parser_is_identifier(parser, 0))
        return parser_is_symbol_ahead(parser, 1, "->");
    if (!parser_is_symbol(parser, "("))
        return false;
    for (size_t i = 1;; i += 2) {
        if (!parser_is_identifier(parser, i))
            return false;
        if (parser_is_symbol_ahead(parser, i + 1, ")"))
            return parser_is_symbol_ahead(parser, i + 2, "->");
        if (!parser_is_symbol_ahead(parser, i + 1, ","))
            return false;
    }
}

static const struct expression *lambda(struct parser *parser) {
    size_t mark = parser->index;
    struct bytes_list names;
    if (parser_is_symbol(parser, "(")) {
        names = parser_identifier_list(parser);
    } else {
        struct bytes name = parser_identifier(parser);
        names = names_make(parser->arena, &name, 1);
    }
    parser_expect_symbol(parser, "->");
    const struct expression **parameters = arena_allocate(parser->arena, names.count * sizeof *parameters);
    for (size_t i = 0; i < names.count; i++) {
        struct expression_lambda_variable *variable = expression_lambda_variable_new(parser->arena);
        variable->name = names.items[i];
        parameters[i] = &variable->base;
    }
    struct expression_lambda *node = expression_lambda_new(parser->arena);
    node->parameters = (struct expression_list){parameters, names.count};
    node->body = parser_expression(parser);
    parser_place(parser, &node->base.node, mark);
    return &node->base;
}

const struct expression *parser_expression(struct parser *parser) {
    if (!parser_enter(parser))
        return parser_dummy(parser);
    const struct expression *expression =
        is_lambda(parser) ? lambda(parser) : chain(parser, "OR", "or", and_expression);
    parser_leave(parser);
    return expression;
}

struct expression_list parser_expressions(struct parser *parser) {
    VECTOR(const struct expression *) items = {0};
    do {
        VECTOR_PUSH(&items, parser_expression(parser));
    } while (parser_accept_symbol(parser, ","));
    struct expression_list list = expressions_make(parser->arena, items.items, items.count);
    VECTOR_FREE(&items);
    return list;
}

/* ---- Primaries ---- */

static const struct expression *star(struct parser *parser, size_t mark, struct bytes_list target) {
    struct expression_star *node = expression_star_new(parser->arena);
    node->target = target;
    node->plan_id = -1;
    parser_expect_symbol(parser, "*");
    if (parser_is(parser, "EXCEPT") && parser_is_symbol_ahead(parser, 1, "(")) {
        parser->index++;
        node->except = parser_identifier_list(parser);
    }
    parser_place(parser, &node->base.node, mark);
    return &node->base;
}

/* One argument: name => value, *, or an expression, which may have an alias (for struct). */
static const struct expression *argument(struct parser *parser) {
    size_t mark = parser->index;
    if (parser_is_symbol(parser, "*"))
        return star(parser, mark, (struct bytes_list){0});
    if (parser_is_identifier(parser, 0) && parser_is_symbol_ahead(parser, 1, "=>")) {
        struct expression_named_argument *named = expression_named_argument_new(parser->arena);
        named->name = parser_identifier(parser);
        parser->index++;
        named->value = parser_expression(parser);
        parser_place(parser, &named->base.node, mark);
        return &named->base;
    }
    const struct expression *value;
    if (parser_starts_query(parser, 0)) {
        struct expression_subquery *subquery = expression_subquery_new(parser->arena);
        subquery->kind = SUBQUERY_SCALAR;
        subquery->plan = parser_query(parser);
        parser_place(parser, &subquery->base.node, mark);
        value = &subquery->base;
    } else {
        value = parser_expression(parser);
    }
    if (parser_accept(parser, "AS")) {
        struct bytes name = parser_identifier(parser);
        struct expression_alias *alias = expression_alias_new(parser->arena);
        alias->child = value;
        alias->names = names_make(parser->arena, &name, 1);
        parser_place(parser, &alias->base.node, mark);
        value = &alias->base;
    }
    return value;
}

static bool accept_nulls(struct parser *parser, bool *ignore) {
    if (parser_accept2(parser, "IGNORE", "NULLS"))
        return *ignore = true;
    return parser_accept2(parser, "RESPECT", "NULLS");
}

static void function_suffix(struct parser *parser, struct expression_function *function) {
    if (parser_accept2(parser, "WITHIN", "GROUP")) {
        parser_expect_symbol(parser, "(");
        parser_expect(parser, "ORDER");
        parser_expect(parser, "BY");
        function->order = parser_sort_items(parser);
        parser_expect_symbol(parser, ")");
    }
    if (parser_is(parser, "FILTER") && parser_is_symbol_ahead(parser, 1, "(")) {
        parser->index += 2;
        parser_expect(parser, "WHERE");
        function->filter = parser_expression(parser);
        parser_expect_symbol(parser, ")");
    }
    accept_nulls(parser, &function->ignore_nulls);
}

static const struct expression *function_tail(struct parser *parser, size_t mark, struct bytes name) {
    struct expression_function *function = expression_function_new(parser->arena);
    VECTOR(const struct expression *) items = {0};
    function->name = name;
    parser_expect_symbol(parser, "(");
    if (parser_accept(parser, "DISTINCT"))
        function->distinct = true;
    else if (parser_is(parser, "ALL") && !parser_is_symbol_ahead(parser, 1, ")") &&
             !parser_is_symbol_ahead(parser, 1, ","))
        parser->index++;
    if (!parser_is_symbol(parser, ")")) {
        do {
            VECTOR_PUSH(&items, argument(parser));
        } while (parser_accept_symbol(parser, ","));
    }
    accept_nulls(parser, &function->ignore_nulls);
    parser_expect_symbol(parser, ")");
    function->arguments = expressions_make(parser->arena, items.items, items.count);
    VECTOR_FREE(&items);
    function_suffix(parser, function);
    parser_place(parser, &function->base.node, mark);
    return parser_accept(parser, "OVER") ? parser_window(parser, &function->base) : &function->base;
}

static struct bytes join_names(struct parser *parser, struct bytes_list names) {
    const char *text = "";
    for (size_t i = 0; i < names.count; i++)
        text = arena_printf(parser->arena, "%s%s%.*s", text, i > 0 ? "." : "", BYTES_ARGS(names.items[i]));
    return bytes_from_text(text);
}

/* Words that begin a clause after an expression and are names where an expression begins: Kafka's column `offset`. */
static bool may_be_column(const struct parser *parser) {
    static const char *const words[] = {"OFFSET", "WINDOW", "SORT", "CLUSTER", "DISTRIBUTE", "PIVOT", "UNPIVOT",
        "TABLESAMPLE", "WITHIN", "OVER", "QUALIFY", "LIMIT", "MINUS", "SEMI", "ANTI", "LATERAL", "DIV", "REGEXP"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (parser_is(parser, words[i]))
            return true;
    return false;
}

static const struct expression *name_or_call(struct parser *parser) {
    static const char *const without_parentheses[] = {
        "CURRENT_DATE", "CURRENT_TIMESTAMP", "CURRENT_USER", "CURRENT_TIME", "USER", "SESSION_USER", "LOCALTIMESTAMP"};
    size_t mark = parser->index;
    if (parser_is_reserved(parser, 0) && !may_be_column(parser) && !parser_is_symbol_ahead(parser, 1, "(") &&
        !parser_is_symbol_ahead(parser, 1, ".")) {
        parser_fail(parser);
        return parser_dummy(parser);
    }
    for (size_t i = 0; i < ARRAY_COUNT(without_parentheses); i++) {
        if (!parser_is_symbol_ahead(parser, 1, "(") && !parser_is_symbol_ahead(parser, 1, ".") &&
            parser_accept(parser, without_parentheses[i]))
            return function_of(parser, mark, without_parentheses[i], NULL, 0);
    }
    struct bytes_list names = parser_names(parser);
    if (parser_is_symbol(parser, "("))
        return function_tail(parser, mark, join_names(parser, names));
    if (parser_is_symbol(parser, ".") && parser_is_symbol_ahead(parser, 1, "*")) {
        parser->index++;
        return star(parser, mark, names);
    }
    struct expression_attribute *attribute = expression_attribute_new(parser->arena);
    attribute->parts = names;
    attribute->plan_id = -1;
    parser_place(parser, &attribute->base.node, mark);
    return &attribute->base;
}

static const struct expression *parenthesized(struct parser *parser) {
    size_t mark = parser->index;
    parser_expect_symbol(parser, "(");
    const struct expression *result;
    if (parser_starts_query(parser, 0)) {
        struct expression_subquery *subquery = expression_subquery_new(parser->arena);
        subquery->kind = SUBQUERY_SCALAR;
        subquery->plan = parser_query(parser);
        result = &subquery->base;
        parser_expect_symbol(parser, ")");
        parser_place(parser, &result->node, mark);
        return result;
    }
    VECTOR(const struct expression *) items = {0};
    do {
        VECTOR_PUSH(&items, argument(parser));
    } while (parser_accept_symbol(parser, ","));
    parser_expect_symbol(parser, ")");
    result = items.count == 1 && items.items[0]->node.tag != EXPRESSION_ALIAS
                 ? items.items[0]
                 : function_of(parser, mark, "struct", items.items, items.count);
    VECTOR_FREE(&items);
    return result;
}

static const struct expression *parameter(struct parser *parser) {
    size_t mark = parser->index;
    struct expression_parameter *node = expression_parameter_new(parser->arena);
    if (parser_accept_symbol(parser, "?")) {
        node->position = parser->parameter_count++;
    } else {
        parser_expect_symbol(parser, ":");
        node->name = parser_identifier(parser);
    }
    parser_place(parser, &node->base.node, mark);
    return &node->base;
}

static const struct expression *primary(struct parser *parser) {
    const struct expression *node = parser_literal(parser);
    if (node != NULL || parser->failed)
        return node != NULL ? node : parser_dummy(parser);
    size_t mark = parser->index;
    if (parser_is_symbol(parser, "("))
        return parenthesized(parser);
    if (parser_is_symbol(parser, "?") || parser_is_symbol(parser, ":"))
        return parameter(parser);
    if (parser_is_symbol(parser, "*"))
        return star(parser, mark, (struct bytes_list){0});
    if (!parser_is_identifier(parser, 0)) {
        parser_fail(parser);
        return parser_dummy(parser);
    }
    node = parser_special_call(parser);
    if (node != NULL) {
        parser_place(parser, &node->node, mark);
        return node;
    }
    return name_or_call(parser);
}

static const struct expression *extract(
    struct parser *parser, size_t mark, const struct expression *child, const struct expression *key) {
    struct expression_extract *node = expression_extract_new(parser->arena);
    node->child = child;
    node->key = key;
    parser_place(parser, &node->base.node, mark);
    return &node->base;
}

static const struct expression *postfix(struct parser *parser) {
    size_t mark = parser->index;
    const struct expression *node = primary(parser);
    int length = 0;
    while (!parser->failed && ++length < PARSER_DEPTH_MAX) {
        if (parser_is_symbol(parser, ".") && parser_is_identifier(parser, 1)) {
            parser->index++;
            node = extract(parser, mark, node, literal_string(parser->arena, parser_identifier(parser)));
        } else if (parser_is_symbol(parser, ".") && parser_is_symbol_ahead(parser, 1, "*")) {
            parser->index++;
            parser_fail(parser);
        } else if (parser_accept_symbol(parser, "[")) {
            const struct expression *key = parser_value_expression(parser);
            parser_expect_symbol(parser, "]");
            node = extract(parser, mark, node, key);
        } else if (parser_accept_symbol(parser, "::")) {
            struct expression_cast *cast = expression_cast_new(parser->arena);
            cast->child = node;
            cast->target = parser_type(parser);
            cast->mode = CAST_UNSET;
            parser_place(parser, &cast->base.node, mark);
            node = &cast->base;
        } else {
            break;
        }
    }
    return node;
}

static const struct expression *unary(struct parser *parser) {
    static const struct {
        const char *symbol, *name;
    } operators[] = {{"-", "unary_minus"}, {"+", "unary_plus"}, {"~", "~"}};
    size_t mark = parser->index;
    for (size_t i = 0; i < ARRAY_COUNT(operators); i++) {
        if (!parser_is_symbol(parser, operators[i].symbol))
            continue;
        parser->index++;
        if (i == 0) {
            const struct expression *literal = parser_number(parser, true);
            if (literal != NULL) {
                parser_place(parser, &literal->node, mark);
                return literal;
            }
        }
        if (!parser_enter(parser))
            return parser_dummy(parser);
        const struct expression *child = unary(parser);
        parser_leave(parser);
        return call(parser, mark, operators[i].name, 1, child, NULL);
    }
    return postfix(parser);
}
