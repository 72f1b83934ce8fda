/* parser.h: what the parser's files share. Internal to sql/.
 *
 * A recursive-descent parser over the token array. The first error is raised, then the position jumps to the end, so
 * that every loop ends; functions then give a dummy node, never NULL, and only the entry points look at `failed`. */
#ifndef SQL_PARSER_H
#define SQL_PARSER_H

#include "sql/lexer.h"

struct parser {
    struct arena *arena;
    const struct origin_text *origin;
    struct token *tokens;
    size_t count, index;
    int depth;
    int parameter_count; /* of ? markers seen */
    bool failed;
    struct sql_error *error;
};

enum { PARSER_DEPTH_MAX = 400 };

bool parser_init(struct parser *parser, struct arena *arena, struct bytes text, struct sql_error *error);

/* Tokens. A keyword is compared without regard to case and never matches a quoted name. */
const struct token *parser_token(const struct parser *parser, size_t ahead);
bool parser_is(const struct parser *parser, const char *keyword);
bool parser_is_ahead(const struct parser *parser, size_t ahead, const char *keyword);
bool parser_is_symbol(const struct parser *parser, const char *symbol);
bool parser_is_symbol_ahead(const struct parser *parser, size_t ahead, const char *symbol);
bool parser_accept(struct parser *parser, const char *keyword);
bool parser_accept2(struct parser *parser, const char *first, const char *second);
bool parser_accept_symbol(struct parser *parser, const char *symbol);
void parser_expect(struct parser *parser, const char *keyword);
void parser_expect_symbol(struct parser *parser, const char *symbol);
/* PARSE_SYNTAX_ERROR at the current token. */
void parser_fail(struct parser *parser);
/* After a raise_ call: gives the error the place of the token at `mark` and stops. */
void parser_failed(struct parser *parser, size_t mark);
/* One level of nesting; false (and failed) when it is too deep. Pair with parser_leave. */
bool parser_enter(struct parser *parser);
void parser_leave(struct parser *parser);
/* Sets the origin of a node from the token at `mark` to the last one read. */
void parser_place(struct parser *parser, const struct node *node, size_t mark);

bool parser_is_identifier(const struct parser *parser, size_t ahead); /* any word or quoted name */
bool parser_is_reserved(const struct parser *parser, size_t ahead);   /* a word that ends an expression or an alias */
struct bytes parser_identifier(struct parser *parser);
struct bytes_list parser_names(struct parser *parser);           /* a.b.c */
struct bytes_list parser_identifier_list(struct parser *parser); /* (a, b, c) */
struct bytes parser_string(struct parser *parser);
int64_t parser_integer(struct parser *parser);
const struct type *parser_type(struct parser *parser);

const struct expression *parser_dummy(struct parser *parser);
const struct expression *parser_literal(struct parser *parser); /* NULL when no literal starts here */
const struct expression *parser_number(struct parser *parser, bool negative);
const struct expression *parser_interval(struct parser *parser, bool negative); /* after INTERVAL */
const struct expression *parser_expression(struct parser *parser);
const struct expression *parser_value_expression(struct parser *parser); /* without boolean operators */
const struct expression *parser_named_expression(struct parser *parser); /* with alias, or star */
struct expression_list parser_expressions(struct parser *parser);        /* a, b, c */
const struct expression *parser_sort_item(struct parser *parser);
struct expression_list parser_sort_items(struct parser *parser);
const struct expression *parser_special_call(
    struct parser *parser); /* CASE, CAST, EXTRACT, TRIM …; NULL when none starts here */
const struct expression *parser_window(struct parser *parser, const struct expression *function); /* after OVER */
void parser_window_clause(struct parser *parser);

const struct relation *parser_query(struct parser *parser);
bool parser_starts_query(const struct parser *parser, size_t ahead);
const struct node *parser_statement(struct parser *parser);

#endif
