/* Statements other than queries: views, SHOW, DESCRIBE, SET, EXPLAIN, USE, CACHE. Everything else that Spark knows is
 * refused by name. */
#include "sql/parser.h"

static const struct node *create_view(struct parser *parser) {
    struct command_create_view *command = command_create_view_new(parser->arena);
    command->replace = parser_accept2(parser, "OR", "REPLACE");
    command->global = parser_accept(parser, "GLOBAL");
    size_t mark = parser->index;
    bool temporary = parser_accept(parser, "TEMP") || parser_accept(parser, "TEMPORARY");
    if (!temporary || !parser_is(parser, "VIEW")) {
        raise_unsupported_feature_not_in_this_program(parser->error, "CREATE of anything but TEMPORARY VIEW",
            "There is no catalog of tables: write files and read them by path.");
        parser_failed(parser, mark);
        return &command->base.node;
    }
    parser_expect(parser, "VIEW");
    if (parser_accept2(parser, "IF", "NOT"))
        parser_fail(parser);
    command->parts = parser_names(parser);
    if (parser_is_symbol(parser, "("))
        command->columns = parser_identifier_list(parser);
    if (parser_accept(parser, "COMMENT"))
        parser_string(parser);
    parser_expect(parser, "AS");
    size_t start = parser->index;
    command->query = parser_query(parser);
    if (!parser->failed) {
        const struct token *last = &parser->tokens[parser->index - 1];
        size_t from = (size_t)parser->tokens[start].start;
        command->text = bytes_slice(parser->origin->text, from, (size_t)last->start + last->text.size - from);
    }
    return &command->base.node;
}

static const struct node *drop_view(struct parser *parser) {
    struct command_drop_view *command = command_drop_view_new(parser->arena);
    if (!parser_accept(parser, "VIEW")) {
        raise_unsupported_feature_not_in_this_program(
            parser->error, "DROP of anything but VIEW", "There is no catalog of tables.");
        parser_failed(parser, parser->index);
    }
    command->if_exists = parser_accept2(parser, "IF", "EXISTS");
    command->parts = parser_names(parser);
    return &command->base.node;
}

static const struct node *show(struct parser *parser) {
    static const struct {
        const char *word;
        enum show_kind kind;
    } kinds[] = {{"TABLES", SHOW_TABLES}, {"VIEWS", SHOW_VIEWS}, {"DATABASES", SHOW_DATABASES},
        {"SCHEMAS", SHOW_DATABASES}, {"NAMESPACES", SHOW_DATABASES}, {"COLUMNS", SHOW_COLUMNS},
        {"FUNCTIONS", SHOW_FUNCTIONS}, {"CATALOGS", SHOW_CATALOGS}};
    struct command_show *command = command_show_new(parser->arena);
    if (parser_is_ahead(parser, 1, "FUNCTIONS"))
        parser->index++; /* SHOW ALL | USER | SYSTEM FUNCTIONS */
    bool found = false;
    for (size_t i = 0; i < ARRAY_COUNT(kinds) && !found; i++) {
        found = parser_accept(parser, kinds[i].word);
        command->kind = kinds[i].kind;
    }
    if (!found)
        parser_fail(parser);
    if (parser_accept(parser, "IN") || parser_accept(parser, "FROM"))
        command->parts = parser_names(parser);
    if (parser_accept(parser, "IN") || parser_accept(parser, "FROM"))
        parser_names(parser);
    parser_accept(parser, "LIKE");
    if (parser_token(parser, 0)->kind == TOKEN_STRING)
        command->pattern = parser_string(parser);
    else if (command->kind == SHOW_FUNCTIONS && parser_is_identifier(parser, 0))
        command->pattern = parser_identifier(parser);
    return &command->base.node;
}

static const struct node *describe(struct parser *parser) {
    if (parser_accept(parser, "FUNCTION")) {
        struct command_describe_function *command = command_describe_function_new(parser->arena);
        command->extended = parser_accept(parser, "EXTENDED");
        const struct token *token = parser_token(parser, 0);
        if (token->kind == TOKEN_STRING) {
            command->name = parser_string(parser);
        } else if (token->kind == TOKEN_SYMBOL) {
            command->name = token->text;
            parser->index++;
        } else {
            struct bytes_list names = parser_names(parser);
            command->name = names.items[names.count - 1];
        }
        return &command->base.node;
    }
    bool query = parser_accept(parser, "QUERY");
    if (query || parser_starts_query(parser, 0)) {
        struct command_describe_query *command = command_describe_query_new(parser->arena);
        command->query = parser_query(parser);
        return &command->base.node;
    }
    struct command_describe_table *command = command_describe_table_new(parser->arena);
    parser_accept(parser, "TABLE");
    command->extended = parser_accept(parser, "EXTENDED") || parser_accept(parser, "FORMATTED");
    command->parts = parser_names(parser);
    return &command->base.node;
}

/* SET, SET -v, SET key, SET key = value, SET TIME ZONE zone: keys and values are raw text. */
static const struct node *set(struct parser *parser) {
    struct command_set *command = command_set_new(parser->arena);
    size_t from = (size_t)parser_token(parser, 0)->start, end = parser->origin->text.size;
    if (parser_accept2(parser, "TIME", "ZONE")) {
        command->key = BYTES("spark.sql.session.timeZone");
        command->value = parser_accept(parser, "LOCAL") ? BYTES("UTC") : parser_string(parser);
        return &command->base.node;
    }
    while (parser_token(parser, 0)->kind != TOKEN_END && !parser_is_symbol(parser, ";"))
        parser->index++;
    if (parser_is_symbol(parser, ";"))
        end = (size_t)parser_token(parser, 0)->start;
    struct bytes text =
        bytes_trim(bytes_slice(parser->origin->text, from < end ? from : end, end - (from < end ? from : end)));
    size_t equal = bytes_find(text, '=', 0);
    command->key = bytes_trim(bytes_slice(text, 0, equal == SIZE_MAX ? text.size : equal));
    command->value = equal == SIZE_MAX ? BYTES_NULL : bytes_trim(bytes_slice(text, equal + 1, text.size - equal - 1));
    struct bytes key = command->key;
    if (key.size >= 2 && key.data[0] == '`' && key.data[key.size - 1] == '`')
        command->key = bytes_slice(key, 1, key.size - 2);
    return &command->base.node;
}

static const struct node *reset(struct parser *parser) {
    struct command_reset *command = command_reset_new(parser->arena);
    size_t mark = parser->index;
    if (parser_is_identifier(parser, 0)) {
        parser_names(parser);
        const struct token *first = &parser->tokens[mark], *last = &parser->tokens[parser->index - 1];
        command->key = bytes_slice(
            parser->origin->text, (size_t)first->start, (size_t)(last->start - first->start) + last->text.size);
    }
    return &command->base.node;
}

static const struct node *explain(struct parser *parser) {
    static const struct {
        const char *word;
        enum explain_mode mode;
    } modes[] = {{"EXTENDED", EXPLAIN_EXTENDED}, {"FORMATTED", EXPLAIN_FORMATTED}, {"CODEGEN", EXPLAIN_CODEGEN},
        {"COST", EXPLAIN_COST}, {"LOGICAL", EXPLAIN_EXTENDED}};
    struct command_explain *command = command_explain_new(parser->arena);
    for (size_t i = 0; i < ARRAY_COUNT(modes); i++)
        if (parser_accept(parser, modes[i].word))
            command->mode = modes[i].mode;
    command->query = parser_query(parser);
    return &command->base.node;
}

static const struct node *cache(struct parser *parser, const char *action) {
    struct command_cache *command = command_cache_new(parser->arena);
    command->action = bytes_from_text(action);
    if (strcmp(action, "CLEAR CACHE") == 0)
        return &command->base.node;
    parser_accept(parser, "LAZY");
    parser_accept(parser, "TABLE");
    parser_accept2(parser, "IF", "EXISTS");
    command->parts = parser_names(parser);
    if (parser_accept(parser, "AS") || parser_starts_query(parser, 0))
        command->query = parser_query(parser);
    return &command->base.node;
}

static const struct node *use(struct parser *parser) {
    struct command_use *command = command_use_new(parser->arena);
    if (!parser_accept(parser, "DATABASE") && !parser_accept(parser, "SCHEMA"))
        parser_accept(parser, "NAMESPACE");
    command->parts = parser_names(parser);
    return &command->base.node;
}

static const struct node *refused(struct parser *parser, const char *name) {
    raise_unsupported_feature_not_in_this_program(
        parser->error, name, "Use the DataFrame reader and writer with paths.");
    parser_failed(parser, parser->index);
    return &relation_one_row_new(parser->arena)->base.node;
}

const struct node *parser_statement(struct parser *parser) {
    static const char *const known[] = {"INSERT", "MERGE", "UPDATE", "DELETE", "ALTER", "TRUNCATE", "LOAD", "MSCK",
        "ANALYZE", "GRANT", "REVOKE", "CALL", "DECLARE", "EXECUTE", "BEGIN", "ADD", "LIST", "COMMENT", "REPAIR"};
    if (parser_accept(parser, "CREATE"))
        return create_view(parser);
    if (parser_accept(parser, "DROP"))
        return drop_view(parser);
    if (parser_accept(parser, "SHOW"))
        return show(parser);
    if (parser_accept(parser, "DESCRIBE") || parser_accept(parser, "DESC"))
        return describe(parser);
    if (parser_accept(parser, "SET"))
        return set(parser);
    if (parser_accept(parser, "RESET"))
        return reset(parser);
    if (parser_accept(parser, "EXPLAIN"))
        return explain(parser);
    if (parser_accept(parser, "USE"))
        return use(parser);
    if (parser_accept(parser, "CACHE"))
        return cache(parser, "CACHE");
    if (parser_accept(parser, "UNCACHE"))
        return cache(parser, "UNCACHE");
    if (parser_accept(parser, "REFRESH"))
        return cache(parser, "REFRESH");
    if (parser_accept2(parser, "CLEAR", "CACHE"))
        return cache(parser, "CLEAR CACHE");
    for (size_t i = 0; i < ARRAY_COUNT(known); i++)
        if (parser_is(parser, known[i]))
            return refused(parser, known[i]);
    if (!parser_starts_query(parser, 0) && !parser_is_symbol(parser, "("))
        parser_fail(parser);
    return &parser_query(parser)->node;
}
