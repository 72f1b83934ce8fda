/* lexer.h: SQL text to tokens. Internal to sql/. */
#ifndef SQL_LEXER_H
#define SQL_LEXER_H

#include "sql/error.h"

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,       /* identifier or keyword */
    TOKEN_QUOTED,     /* `identifier` */
    TOKEN_STRING,     /* 'x' "x" */
    TOKEN_RAW_STRING, /* r'x' */
    TOKEN_INTEGER,    /* 12, with suffix: 12L 12S 12Y */
    TOKEN_DECIMAL,    /* 1.5, .5, 1.5BD */
    TOKEN_DOUBLE,     /* 1e3, 1.5D, 1F */
    TOKEN_SYMBOL,
};

struct token {
    enum token_kind kind;
    struct bytes text; /* as written, quotes and suffix included */
    int32_t start;
};

enum { SQL_TEXT_SIZE_MAX = 64 << 20 };

/* All tokens, TOKEN_END last; NULL with the error. */
struct token *lexer_run(
    struct arena *arena, struct bytes text, const struct origin_text *origin, size_t *count, struct sql_error *error);
/* The value of a string token or the name in a quoted identifier. */
struct bytes lexer_string_value(struct arena *arena, const struct token *token);
struct bytes lexer_name(struct arena *arena, const struct token *token);

#endif
