/* Expressions with their own syntax: CASE, CAST, EXTRACT, TRIM, SUBSTRING … FROM, window specifications, aliases, sort
 * items. */
#include "sql/parser.h"

#include "base/vector.h"

static const struct expression *function_of(
    struct parser *parser, const char *name, const struct expression *const *items, size_t count) {
    struct expression_function *function = expression_function_new(parser->arena);
    function->name = bytes_from_text(name);
    function->arguments = expressions_make(parser->arena, items, count);
    return &function->base;
}

static const struct expression *case_expression(struct parser *parser) {
    VECTOR(const struct expression *) items = {0};
    const struct expression *operand = parser_is(parser, "WHEN") ? NULL : parser_expression(parser);
    while (parser_accept(parser, "WHEN")) {
        const struct expression *condition = parser_expression(parser);
        VECTOR_PUSH(
            &items, operand == NULL ? condition : function_call(parser->arena, "=", (size_t)2, operand, condition));
        parser_expect(parser, "THEN");
        VECTOR_PUSH(&items, parser_expression(parser));
    }
    if (items.count == 0)
        parser_fail(parser);
    if (parser_accept(parser, "ELSE"))
        VECTOR_PUSH(&items, parser_expression(parser));
    parser_expect(parser, "END");
    const struct expression *node = function_of(parser, "case_when", items.items, items.count);
    VECTOR_FREE(&items);
    return node;
}

static const struct expression *cast(struct parser *parser, enum cast_mode mode) {
    struct expression_cast *node = expression_cast_new(parser->arena);
    parser_expect_symbol(parser, "(");
    node->child = parser_expression(parser);
    parser_expect(parser, "AS");
    node->target = parser_type(parser);
    node->mode = mode;
    parser_expect_symbol(parser, ")");
    return &node->base;
}

static const struct expression *extract_field(struct parser *parser) {
    parser_expect_symbol(parser, "(");
    struct bytes field =
        parser_token(parser, 0)->kind == TOKEN_STRING ? parser_string(parser) : parser_identifier(parser);
    parser_expect(parser, "FROM");
    const struct expression *source = parser_value_expression(parser);
    parser_expect_symbol(parser, ")");
    return function_call(parser->arena, "extract", (size_t)2, literal_string(parser->arena, field), source);
}

/* TRIM([BOTH | LEADING | TRAILING] [characters] FROM text) */
static const struct expression *trim(struct parser *parser) {
    parser_expect_symbol(parser, "(");
    const char *name = parser_accept(parser, "LEADING")    ? "ltrim"
                       : parser_accept(parser, "TRAILING") ? "rtrim"
                                                           : "trim";
    parser_accept(parser, "BOTH");
    const struct expression *characters = parser_is(parser, "FROM") ? NULL : parser_expression(parser);
    if (parser_accept(parser, "FROM")) {
        const struct expression *text = parser_expression(parser);
        parser_expect_symbol(parser, ")");
        return characters == NULL ? function_call(parser->arena, name, (size_t)1, text)
                                  : function_call(parser->arena, name, (size_t)2, text, characters);
    }
    const struct expression *items[2] = {characters, NULL};
    size_t count = 1;
    if (parser_accept_symbol(parser, ","))
        items[count++] = parser_expression(parser);
    parser_expect_symbol(parser, ")");
    return function_of(parser, name, items, count);
}

/* name(a KEYWORD b [FOR c]) or name(a, b, …) */
static const struct expression *keyword_arguments(
    struct parser *parser, const char *name, const char *const *keywords, bool swapped) {
    VECTOR(const struct expression *) items = {0};
    parser_expect_symbol(parser, "(");
    VECTOR_PUSH(&items, parser_value_expression(parser));
    while (!parser->failed && !parser_is_symbol(parser, ")")) {
        bool keyword = parser_accept_symbol(parser, ",");
        for (size_t i = 0; !keyword && keywords[i] != NULL; i++) {
            keyword = parser_accept(parser, keywords[i]);
            if (keyword && swapped)
                name = "instr";
        }
        if (!keyword)
            parser_fail(parser);
        VECTOR_PUSH(&items, parser_value_expression(parser));
    }
    parser_expect_symbol(parser, ")");
    const struct expression *node;
    if (swapped && strcmp(name, "instr") == 0 && items.count == 2)
        node = function_call(
            parser->arena, "locate", (size_t)3, items.items[0], items.items[1], literal_int(parser->arena, 1));
    else
        node = function_of(parser, name, items.items, items.count);
    VECTOR_FREE(&items);
    return node;
}

/* TIMESTAMPADD(unit, n, t), TIMESTAMPDIFF(unit, a, b) and their other names: the unit is a word. */
static const struct expression *unit_call(struct parser *parser) {
    static const struct {
        const char *word, *name;
    } calls[] = {{"TIMESTAMPADD", "timestampadd"}, {"DATEADD", "timestampadd"}, {"DATE_ADD", "timestampadd"},
        {"TIMESTAMPDIFF", "timestampdiff"}, {"DATEDIFF", "timestampdiff"}, {"DATE_DIFF", "timestampdiff"}};
    static const char *const units[] = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "DAYOFYEAR", "HOUR", "MINUTE",
        "SECOND", "MILLISECOND", "MICROSECOND"};
    for (size_t i = 0; i < ARRAY_COUNT(calls); i++) {
        if (!parser_is(parser, calls[i].word) || !parser_is_symbol_ahead(parser, 1, "(") ||
            !parser_is_symbol_ahead(parser, 3, ","))
            continue;
        for (size_t j = 0; j < ARRAY_COUNT(units); j++) {
            if (!parser_is_ahead(parser, 2, units[j]))
                continue;
            parser->index += 4;
            const struct expression *first = parser_expression(parser);
            parser_expect_symbol(parser, ",");
            const struct expression *second = parser_expression(parser);
            parser_expect_symbol(parser, ")");
            return function_call(parser->arena, calls[i].name, (size_t)3,
                literal_string(parser->arena, bytes_from_text(units[j])), first, second);
        }
    }
    return NULL;
}

const struct expression *parser_special_call(struct parser *parser) {
    static const char *const from_for[] = {"FROM", "FOR", NULL};
    static const char *const placing[] = {"PLACING", "FROM", "FOR", NULL};
    static const char *const in[] = {"IN", NULL};
    bool call = parser_is_symbol_ahead(parser, 1, "(");
    if (!parser_is_symbol_ahead(parser, 1, ".") && !parser_is_symbol_ahead(parser, 1, ",") &&
        parser_token(parser, 1)->kind != TOKEN_END && !call && parser_accept(parser, "CASE"))
        return case_expression(parser);
    if (call && parser_accept(parser, "CASE"))
        return case_expression(parser);
    enum token_kind next = parser_token(parser, 1)->kind;
    if (parser_is(parser, "INTERVAL") &&
        (next == TOKEN_STRING || next == TOKEN_INTEGER || next == TOKEN_DECIMAL || next == TOKEN_RAW_STRING ||
            parser_is_symbol_ahead(parser, 1, "-") || parser_is_symbol_ahead(parser, 1, "+"))) {
        parser->index++;
        return parser_interval(parser, false);
    }
    if (!call)
        return NULL;
    if (parser_is(parser, "EXISTS") && parser_starts_query(parser, 2)) {
        parser->index += 2;
        struct expression_subquery *subquery = expression_subquery_new(parser->arena);
        subquery->kind = SUBQUERY_EXISTS;
        subquery->plan = parser_query(parser);
        parser_expect_symbol(parser, ")");
        return &subquery->base;
    }
    if (parser_accept(parser, "CAST"))
        return cast(parser, CAST_UNSET);
    if (parser_accept(parser, "TRY_CAST"))
        return cast(parser, CAST_TRY);
    if (parser_is(parser, "EXTRACT") && parser_is_ahead(parser, 3, "FROM")) {
        parser->index++;
        return extract_field(parser);
    }
    if (parser_accept(parser, "TRIM"))
        return trim(parser);
    if (parser_accept(parser, "SUBSTRING"))
        return keyword_arguments(parser, "substring", from_for, false);
    if (parser_accept(parser, "SUBSTR"))
        return keyword_arguments(parser, "substr", from_for, false);
    if (parser_accept(parser, "OVERLAY"))
        return keyword_arguments(parser, "overlay", placing, false);
    if (parser_accept(parser, "POSITION"))
        return keyword_arguments(parser, "position", in, true);
    return unit_call(parser);
}

/* ---- Windows ---- */

static const struct expression *frame_bound(struct parser *parser, bool *unbounded) {
    *unbounded = false;
    if (parser_accept(parser, "UNBOUNDED")) {
        *unbounded = true;
        parser->index += parser_is(parser, "PRECEDING") || parser_is(parser, "FOLLOWING");
        return NULL;
    }
    if (parser_accept2(parser, "CURRENT", "ROW"))
        return literal_int(parser->arena, 0);
    const struct expression *value = parser_value_expression(parser);
    if (parser_accept(parser, "PRECEDING"))
        return function_call(parser->arena, "unary_minus", (size_t)1, value);
    parser_expect(parser, "FOLLOWING");
    return value;
}

static void window_frame(struct parser *parser, struct expression_window *window) {
    bool rows = parser_accept(parser, "ROWS"), unbounded;
    if (!rows && !parser_accept(parser, "RANGE"))
        return;
    window->frame = rows ? FRAME_ROWS : FRAME_RANGE;
    if (parser_accept(parser, "BETWEEN")) {
        window->lower = frame_bound(parser, &unbounded);
        parser_expect(parser, "AND");
        window->upper = frame_bound(parser, &unbounded);
    } else {
        window->lower = frame_bound(parser, &unbounded);
        window->upper = literal_int(parser->arena, 0);
    }
}

static void window_specification(struct parser *parser, struct expression_window *window) {
    parser_expect_symbol(parser, "(");
    if (parser_accept2(parser, "PARTITION", "BY") || parser_accept2(parser, "DISTRIBUTE", "BY"))
        window->partition = parser_expressions(parser);
    if (parser_accept2(parser, "ORDER", "BY") || parser_accept2(parser, "SORT", "BY"))
        window->order = parser_sort_items(parser);
    window_frame(parser, window);
    parser_expect_symbol(parser, ")");
}

/* OVER name: the WINDOW clause comes after the select list, so its tokens are looked for from here on, at this level of
 * parentheses. */
static bool seek_window(struct parser *parser, struct bytes name) {
    int depth = 0;
    bool seen = false;
    for (size_t i = parser->index; i + 2 < parser->count && depth >= 0; i++) {
        parser->index = i;
        depth += parser_is_symbol(parser, "(") ? 1 : parser_is_symbol(parser, ")") ? -1 : 0;
        seen = seen || (depth == 0 && parser_is(parser, "WINDOW"));
        if (seen && depth == 0 && parser_is_identifier(parser, 0) && parser_is_ahead(parser, 1, "AS") &&
            parser_is_symbol_ahead(parser, 2, "(") &&
            bytes_equal_ignore_case(lexer_name(parser->arena, parser_token(parser, 0)), name)) {
            parser->index += 2;
            return true;
        }
    }
    return false;
}

const struct expression *parser_window(struct parser *parser, const struct expression *function) {
    struct expression_window *window = expression_window_new(parser->arena);
    size_t mark = parser->index;
    if (parser_is_symbol(parser, "(")) {
        window_specification(parser, window);
    } else {
        struct bytes name = parser_identifier(parser);
        size_t after = parser->index;
        if (!parser->failed && seek_window(parser, name)) {
            window_specification(parser, window);
            parser->index = parser->failed ? parser->index : after;
        } else if (!parser->failed) {
            raise_invalid_sql_syntax_invalid_window_reference(parser->error, quote_name(parser->arena, name));
            parser_failed(parser, mark);
        }
    }
    window->function = function;
    parser_place(parser, &window->base.node, mark);
    return &window->base;
}

/* Definitions that no OVER named are read for their syntax only. */
void parser_window_clause(struct parser *parser) {
    do {
        parser_identifier(parser);
        parser_expect(parser, "AS");
        struct expression_window *window = expression_window_new(parser->arena);
        window_specification(parser, window);
    } while (parser_accept_symbol(parser, ","));
}

/* ---- Select items and sort items ---- */

const struct expression *parser_named_expression(struct parser *parser) {
    size_t mark = parser->index;
    const struct expression *child = parser_expression(parser);
    struct bytes_list names = {0};
    if (parser_accept(parser, "AS")) {
        if (parser_is_symbol(parser, "(")) {
            names = parser_identifier_list(parser);
        } else {
            struct bytes name = parser_identifier(parser);
            names = names_make(parser->arena, &name, 1);
        }
    } else if (parser_is_identifier(parser, 0) && !parser_is_reserved(parser, 0)) {
        struct bytes name = parser_identifier(parser);
        names = names_make(parser->arena, &name, 1);
    }
    if (names.count == 0)
        return child;
    struct expression_alias *alias = expression_alias_new(parser->arena);
    alias->child = child;
    alias->names = names;
    parser_place(parser, &alias->base.node, mark);
    return &alias->base;
}

const struct expression *parser_sort_item(struct parser *parser) {
    size_t mark = parser->index;
    struct expression_sort_order *order = expression_sort_order_new(parser->arena);
    order->child = parser_expression(parser);
    order->descending = parser_accept(parser, "DESC");
    if (!order->descending)
        parser_accept(parser, "ASC");
    order->nulls_last = order->descending;
    if (parser_accept(parser, "NULLS")) {
        order->nulls_last = parser_is(parser, "LAST");
        if (!parser_accept(parser, "LAST"))
            parser_expect(parser, "FIRST");
    }
    parser_place(parser, &order->base.node, mark);
    return &order->base;
}

struct expression_list parser_sort_items(struct parser *parser) {
    VECTOR(const struct expression *) items = {0};
    do {
        VECTOR_PUSH(&items, parser_sort_item(parser));
    } while (parser_accept_symbol(parser, ","));
    struct expression_list list = expressions_make(parser->arena, items.items, items.count);
    VECTOR_FREE(&items);
    return list;
}
