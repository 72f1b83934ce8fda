/* The parser's foundation: tokens, names, types, errors. */
#include "sql/parser.h"

#include "base/vector.h"
#include "sql/sql.h"

bool parser_init(struct parser *parser, struct arena *arena, struct bytes text, struct sql_error *error) {
    *parser = (struct parser){.arena = arena, .error = error};
    struct origin_text *origin = ARENA_NEW(arena, struct origin_text);
    origin->text = arena_copy(arena, text.data != NULL ? text : BYTES(""));
    parser->origin = origin;
    parser->tokens = lexer_run(arena, origin->text, origin, &parser->count, error);
    return parser->tokens != NULL;
}

const struct token *parser_token(const struct parser *parser, size_t ahead) {
    size_t index = parser->index + ahead;
    return &parser->tokens[index < parser->count ? index : parser->count - 1];
}

bool parser_is_ahead(const struct parser *parser, size_t ahead, const char *keyword) {
    const struct token *token = parser_token(parser, ahead);
    return token->kind == TOKEN_WORD && bytes_equal_ignore_case(token->text, bytes_from_text(keyword));
}

bool parser_is(const struct parser *parser, const char *keyword) {
    return parser_is_ahead(parser, 0, keyword);
}

bool parser_is_symbol_ahead(const struct parser *parser, size_t ahead, const char *symbol) {
    const struct token *token = parser_token(parser, ahead);
    return token->kind == TOKEN_SYMBOL && bytes_equal_text(token->text, symbol);
}

bool parser_is_symbol(const struct parser *parser, const char *symbol) {
    return parser_is_symbol_ahead(parser, 0, symbol);
}

bool parser_accept(struct parser *parser, const char *keyword) {
    if (!parser_is(parser, keyword))
        return false;
    parser->index++;
    return true;
}

bool parser_accept2(struct parser *parser, const char *first, const char *second) {
    if (!parser_is(parser, first) || !parser_is_ahead(parser, 1, second))
        return false;
    parser->index += 2;
    return true;
}

bool parser_accept_symbol(struct parser *parser, const char *symbol) {
    if (!parser_is_symbol(parser, symbol))
        return false;
    parser->index++;
    return true;
}

void parser_failed(struct parser *parser, size_t mark) {
    const struct token *token = &parser->tokens[mark < parser->count ? mark : parser->count - 1];
    int32_t size = token->text.size > 0 ? (int32_t)token->text.size : 1;
    sql_error_at(parser->error, (struct origin){parser->origin, token->start, token->start + size - 1});
    parser->failed = true;
    parser->index = parser->count - 1;
}

void parser_fail(struct parser *parser) {
    if (parser->failed)
        return;
    const struct token *token = parser_token(parser, 0);
    raise_parse_syntax_error(parser->error,
        token->kind == TOKEN_END ? "end of input" : arena_printf(parser->arena, "'%.*s'", BYTES_ARGS(token->text)), "");
    parser_failed(parser, parser->index);
}

void parser_expect(struct parser *parser, const char *keyword) {
    if (!parser_accept(parser, keyword))
        parser_fail(parser);
}

void parser_expect_symbol(struct parser *parser, const char *symbol) {
    if (!parser_accept_symbol(parser, symbol))
        parser_fail(parser);
}

bool parser_enter(struct parser *parser) {
    if (parser->failed)
        return false;
    if (parser->depth >= PARSER_DEPTH_MAX) {
        raise_failed_to_parse_too_complex(parser->error);
        parser_failed(parser, parser->index);
        return false;
    }
    parser->depth++;
    return true;
}

void parser_leave(struct parser *parser) {
    parser->depth--;
}

void parser_place(struct parser *parser, const struct node *node, size_t mark) {
    if (parser->failed || parser->index == 0 || mark >= parser->count)
        return;
    const struct token *last = &parser->tokens[parser->index - 1];
    struct node *place = (struct node *)(uintptr_t)node;
    place->origin = (struct origin){parser->origin, parser->tokens[mark].start,
        last->start + (int32_t)(last->text.size > 0 ? last->text.size : 1) - 1};
}

/* Words that cannot be a column or an alias without AS: they begin the next clause. */
bool parser_is_reserved(const struct parser *parser, size_t ahead) {
    static const char *const words[] = {"SELECT", "FROM", "WHERE", "GROUP", "HAVING", "ORDER", "SORT", "CLUSTER",
        "DISTRIBUTE", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT", "MINUS", "JOIN", "INNER", "LEFT", "RIGHT",
        "FULL", "CROSS", "NATURAL", "SEMI", "ANTI", "LATERAL", "ON", "USING", "WHEN", "THEN", "ELSE", "END", "AND",
        "OR", "AS", "WINDOW", "PIVOT", "UNPIVOT", "TABLESAMPLE", "BETWEEN", "IN", "IS", "LIKE", "ILIKE", "RLIKE",
        "REGEXP", "DIV", "OVER", "WITHIN", "WITH", "QUALIFY"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (parser_is_ahead(parser, ahead, words[i]))
            return true;
    return false;
}

bool parser_is_identifier(const struct parser *parser, size_t ahead) {
    enum token_kind kind = parser_token(parser, ahead)->kind;
    return kind == TOKEN_WORD || kind == TOKEN_QUOTED;
}

struct bytes parser_identifier(struct parser *parser) {
    if (!parser_is_identifier(parser, 0)) {
        parser_fail(parser);
        return BYTES("");
    }
    return lexer_name(parser->arena, &parser->tokens[parser->index++]);
}

struct bytes_list parser_names(struct parser *parser) {
    VECTOR(struct bytes) parts = {0};
    VECTOR_PUSH(&parts, parser_identifier(parser));
    while (!parser->failed && parser_is_symbol(parser, ".") && parser_is_identifier(parser, 1)) {
        parser->index++;
        VECTOR_PUSH(&parts, parser_identifier(parser));
    }
    struct bytes_list names = names_make(parser->arena, parts.items, parts.count);
    VECTOR_FREE(&parts);
    return names;
}

struct bytes_list parser_identifier_list(struct parser *parser) {
    VECTOR(struct bytes) parts = {0};
    parser_expect_symbol(parser, "(");
    do {
        VECTOR_PUSH(&parts, parser_identifier(parser));
    } while (parser_accept_symbol(parser, ","));
    parser_expect_symbol(parser, ")");
    struct bytes_list names = names_make(parser->arena, parts.items, parts.count);
    VECTOR_FREE(&parts);
    return names;
}

struct bytes parser_string(struct parser *parser) {
    const struct token *token = parser_token(parser, 0);
    if (token->kind != TOKEN_STRING && token->kind != TOKEN_RAW_STRING) {
        parser_fail(parser);
        return BYTES("");
    }
    parser->index++;
    return lexer_string_value(parser->arena, token);
}

int64_t parser_integer(struct parser *parser) {
    int64_t value = 0;
    const struct token *token = parser_token(parser, 0);
    if (token->kind != TOKEN_INTEGER || !bytes_to_int64(token->text, &value))
        parser_fail(parser);
    else
        parser->index++;
    return value;
}

/* Reads up to the ">" that ends the "<" at the current token; ">>" ends two. */
static void skip_angles(struct parser *parser) {
    int depth = 0;
    do {
        const struct token *token = parser_token(parser, 0);
        if (token->kind == TOKEN_END)
            break;
        if (token->kind == TOKEN_SYMBOL && token->text.data[0] == '<' && token->text.size == 1)
            depth++;
        else if (token->kind == TOKEN_SYMBOL && token->text.data[0] == '>' &&
                 token->text.data[token->text.size - 1] == '>')
            depth -= (int)token->text.size;
        parser->index++;
    } while (depth > 0);
    if (depth != 0)
        parser_fail(parser);
}

const struct type *parser_type(struct parser *parser) {
    size_t mark = parser->index;
    const struct type *none = type_simple(TYPE_NULL);
    bool interval = parser_is(parser, "INTERVAL");
    parser_identifier(parser);
    static const char *const units[] = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"};
    for (size_t i = 0; interval && i < ARRAY_COUNT(units); i++) {
        if (parser_accept(parser, units[i])) {
            if (parser_accept(parser, "TO"))
                parser_identifier(parser);
            break;
        }
    }
    if (parser_accept2(parser, "WITHOUT", "TIME") || parser_accept2(parser, "WITH", "TIME"))
        parser_expect(parser, "ZONE");
    if (parser_is_symbol(parser, "<")) {
        skip_angles(parser);
    } else if (parser_is_symbol(parser, "<>")) {
        parser->index++;
    } else if (parser_accept_symbol(parser, "(")) {
        while (!parser->failed && !parser_accept_symbol(parser, ")")) {
            if (parser_token(parser, 0)->kind != TOKEN_INTEGER && !parser_is_symbol(parser, ",") &&
                !parser_is_symbol(parser, "-"))
                parser_fail(parser);
            parser->index += !parser->failed;
        }
    }
    if (parser->failed)
        return none;
    const struct token *first = &parser->tokens[mark], *last = &parser->tokens[parser->index - 1];
    struct bytes text =
        bytes_slice(parser->origin->text, (size_t)first->start, (size_t)(last->start - first->start) + last->text.size);
    struct error cause = {0};
    const struct type *type = type_parse_name(parser->arena, text, &cause);
    if (type != NULL)
        return type;
    char *name = arena_text(parser->arena, text);
    for (char *byte = name; *byte != '\0'; byte++)
        *byte = *byte >= 'a' && *byte <= 'z' ? (char)(*byte - 32) : *byte;
    raise_unsupported_datatype(parser->error, arena_printf(parser->arena, "\"%s\"", name));
    parser_failed(parser, mark);
    return none;
}

const struct expression *parser_dummy(struct parser *parser) {
    return literal_null(parser->arena, type_simple(TYPE_NULL));
}

/* The end of the text after an optional ';'. */
static bool finish(struct parser *parser, bool semicolon) {
    while (semicolon && parser_accept_symbol(parser, ";"))
        ;
    if (!parser->failed && parser_token(parser, 0)->kind != TOKEN_END)
        parser_fail(parser);
    return !parser->failed;
}

const struct node *sql_parse_statement(struct arena *arena, struct bytes text, struct sql_error *error) {
    struct parser parser;
    if (!parser_init(&parser, arena, text, error))
        return NULL;
    if (parser.count == 1) {
        raise_parse_empty_statement(error);
        parser_failed(&parser, 0);
        return NULL;
    }
    const struct node *statement = parser_statement(&parser);
    return finish(&parser, true) ? statement : NULL;
}

const struct expression *sql_parse_expression(struct arena *arena, struct bytes text, struct sql_error *error) {
    struct parser parser;
    if (!parser_init(&parser, arena, text, error))
        return NULL;
    const struct expression *expression = parser_named_expression(&parser);
    return finish(&parser, false) ? expression : NULL;
}

bool sql_parse_name(struct arena *arena, struct bytes text, struct bytes_list *parts, struct sql_error *error) {
    struct parser parser;
    if (!parser_init(&parser, arena, text, error))
        return false;
    *parts = parser_names(&parser);
    return finish(&parser, false);
}

const struct type *sql_parse_schema(struct arena *arena, struct bytes text, struct sql_error *error) {
    struct error cause = {0};
    struct bytes trimmed = bytes_trim(text);
    const struct type *type = trimmed.size > 0 && (trimmed.data[0] == '{' || trimmed.data[0] == '"')
                                  ? type_parse_json(arena, trimmed, &cause)
                                  : type_parse_ddl(arena, trimmed, &cause);
    if (type == NULL)
        raise_invalid_schema_parse_error(error, quote_text(arena, text), cause.message);
    return type;
}
