/* SQL text to tokens, by Spark's lexical rules: identifiers may contain any letter beyond ASCII, strings have C-like
 * escapes and doubled quotes, comments are "-- …" and nested slash-star. */
#include "sql/lexer.h"

#include "base/vector.h"

struct lexer {
    struct bytes text;
    size_t position;
    const struct origin_text *origin;
    struct sql_error *error;
};

static int peek(const struct lexer *lexer, size_t ahead) {
    return lexer->position + ahead < lexer->text.size ? lexer->text.data[lexer->position + ahead] : -1;
}
static bool is_digit(int byte) {
    return byte >= '0' && byte <= '9';
}
static bool is_word_start(int byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 0x80;
}
static bool is_word(int byte) {
    return is_word_start(byte) || is_digit(byte);
}

static bool fail(struct lexer *lexer, size_t start, const char *near) {
    raise_parse_syntax_error(lexer->error, near, "");
    return sql_error_at(lexer->error, (struct origin){lexer->origin, (int32_t)start, (int32_t)start});
}

static bool skip_block_comment(struct lexer *lexer) {
    size_t start = lexer->position;
    int depth = 0;
    do {
        if (peek(lexer, 0) == '/' && peek(lexer, 1) == '*') {
            depth++;
            lexer->position += 2;
        } else if (peek(lexer, 0) == '*' && peek(lexer, 1) == '/') {
            depth--;
            lexer->position += 2;
        } else if (peek(lexer, 0) < 0) {
            return fail(lexer, start, "'/*'");
        } else {
            lexer->position++;
        }
    } while (depth > 0);
    return true;
}

static bool skip_space(struct lexer *lexer) {
    for (;;) {
        int byte = peek(lexer, 0);
        if (byte == ' ' || (byte >= '\t' && byte <= '\r')) {
            lexer->position++;
        } else if (byte == 0xC2 && peek(lexer, 1) == 0xA0) {
            lexer->position += 2;
        } else if (byte == '-' && peek(lexer, 1) == '-') {
            while (peek(lexer, 0) >= 0 && peek(lexer, 0) != '\n')
                lexer->position++;
        } else if (byte == '/' && peek(lexer, 1) == '*') {
            if (!skip_block_comment(lexer))
                return false;
        } else {
            return true;
        }
    }
}

/* A string or quoted name from its opening quote to its closing one. */
static bool read_quoted(struct lexer *lexer, bool escapes) {
    size_t start = lexer->position;
    int quote = peek(lexer, 0);
    lexer->position++;
    for (;;) {
        int byte = peek(lexer, 0);
        if (byte < 0)
            return fail(lexer, start, quote == '`' ? "'`'" : quote == '"' ? "'\"'" : "'''");
        if (byte == '\\' && escapes && peek(lexer, 1) >= 0) {
            lexer->position += 2;
        } else if (byte == quote) {
            lexer->position++;
            if (peek(lexer, 0) != quote)
                return true;
            lexer->position++;
        } else {
            lexer->position++;
        }
    }
}

static void skip_digits(struct lexer *lexer) {
    while (is_digit(peek(lexer, 0)))
        lexer->position++;
}

/* A number; a digit sequence followed by letters is an identifier (2nd_column). */
static enum token_kind read_number(struct lexer *lexer) {
    enum token_kind kind = TOKEN_INTEGER;
    size_t start = lexer->position;
    skip_digits(lexer);
    if (peek(lexer, 0) == '.') {
        kind = TOKEN_DECIMAL;
        lexer->position++;
        skip_digits(lexer);
    }
    int byte = peek(lexer, 0);
    size_t sign = peek(lexer, 1) == '+' || peek(lexer, 1) == '-';
    if ((byte == 'e' || byte == 'E') && is_digit(peek(lexer, 1 + sign))) {
        kind = TOKEN_DOUBLE;
        lexer->position += 1 + sign;
        skip_digits(lexer);
    }
    byte = peek(lexer, 0) < 0 ? -1 : peek(lexer, 0) | 0x20;
    int second = peek(lexer, 1) < 0 ? -1 : peek(lexer, 1) | 0x20;
    if (byte == 'b' && second == 'd' && !is_word(peek(lexer, 2))) {
        lexer->position += 2;
        return TOKEN_DECIMAL;
    }
    if ((byte == 'd' || byte == 'f') && !is_word(peek(lexer, 1))) {
        lexer->position++;
        return TOKEN_DOUBLE;
    }
    if (kind == TOKEN_INTEGER && (byte == 'l' || byte == 's' || byte == 'y') && !is_word(peek(lexer, 1))) {
        lexer->position++;
        return TOKEN_INTEGER;
    }
    if (kind == TOKEN_INTEGER && is_word_start(peek(lexer, 0))) {
        while (is_word(peek(lexer, 0)))
            lexer->position++;
        return TOKEN_WORD;
    }
    ASSERT(lexer->position > start);
    return kind;
}

static size_t symbol_size(const struct lexer *lexer) {
    static const char *const symbols[] = {
        ">>>", "<=>", "<=", ">=", "<>", "!=", "==", "<<", ">>", "||", "::", "->", "=>", "|>"};
    struct bytes rest = bytes_slice(lexer->text, lexer->position, lexer->text.size - lexer->position);
    for (size_t i = 0; i < ARRAY_COUNT(symbols); i++)
        if (bytes_starts_with(rest, symbols[i]))
            return strlen(symbols[i]);
    return strchr("()[]{},.;:?+-*/%=<>!~&|^@", rest.data[0]) != NULL && rest.data[0] != 0 ? 1 : 0;
}

static bool read_token(struct lexer *lexer, struct token *token) {
    int byte = peek(lexer, 0);
    size_t start = lexer->position;
    token->start = (int32_t)start;
    if (byte < 0) {
        token->kind = TOKEN_END;
    } else if (byte == '\'' || byte == '"') {
        token->kind = TOKEN_STRING;
        if (!read_quoted(lexer, true))
            return false;
    } else if ((byte == 'r' || byte == 'R') && (peek(lexer, 1) == '\'' || peek(lexer, 1) == '"')) {
        token->kind = TOKEN_RAW_STRING;
        lexer->position++;
        if (!read_quoted(lexer, false))
            return false;
    } else if (byte == '`') {
        token->kind = TOKEN_QUOTED;
        if (!read_quoted(lexer, false))
            return false;
    } else if (is_digit(byte) ||
               (byte == '.' && is_digit(peek(lexer, 1)) && (start == 0 || !is_word(lexer->text.data[start - 1])))) {
        token->kind = read_number(lexer);
    } else if (is_word_start(byte)) {
        token->kind = TOKEN_WORD;
        while (is_word(peek(lexer, 0)))
            lexer->position++;
    } else {
        token->kind = TOKEN_SYMBOL;
        size_t size = symbol_size(lexer);
        if (size == 0) {
            char near[8] = {'\'', (char)byte, '\'', 0};
            return fail(lexer, start, near);
        }
        lexer->position += size;
    }
    token->text = bytes_slice(lexer->text, start, lexer->position - start);
    return true;
}

struct token *lexer_run(
    struct arena *arena, struct bytes text, const struct origin_text *origin, size_t *count, struct sql_error *error) {
    struct lexer lexer = {.text = text, .origin = origin, .error = error};
    if (text.size > SQL_TEXT_SIZE_MAX) {
        fail(&lexer, 0, "text of more than 64 MiB");
        return NULL;
    }
    VECTOR(struct token) tokens = {0};
    bool done = false, good = true;
    while (good && !done) {
        struct token token = {0};
        good = skip_space(&lexer) && read_token(&lexer, &token);
        if (good)
            VECTOR_PUSH(&tokens, token);
        done = good && token.kind == TOKEN_END;
    }
    struct token *copy = NULL;
    if (good) {
        copy = arena_allocate(arena, tokens.count * sizeof *copy);
        memcpy(copy, tokens.items, tokens.count * sizeof *copy);
        *count = tokens.count;
    }
    VECTOR_FREE(&tokens);
    return copy;
}

static void append_code_point(struct buffer *out, uint32_t code) {
    if (code < 0x80) {
        buffer_append_byte(out, (uint8_t)code);
    } else if (code < 0x800) {
        buffer_append_byte(out, (uint8_t)(0xC0 | code >> 6));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 63)));
    } else if (code < 0x10000) {
        buffer_append_byte(out, (uint8_t)(0xE0 | code >> 12));
        buffer_append_byte(out, (uint8_t)(0x80 | (code >> 6 & 63)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 63)));
    } else {
        buffer_append_byte(out, (uint8_t)(0xF0 | (code >> 18 & 7)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code >> 12 & 63)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code >> 6 & 63)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 63)));
    }
}

/* `digits` digits of `base` at text[from]; false when there are fewer. */
static bool read_code(struct bytes text, size_t from, size_t digits, uint32_t base, uint32_t *code) {
    *code = 0;
    for (size_t i = 0; i < digits; i++) {
        int byte = from + i < text.size ? text.data[from + i] : -1;
        uint32_t digit = is_digit(byte)                 ? (uint32_t)(byte - '0')
                         : (byte >= 'a' && byte <= 'f') ? (uint32_t)(byte - 'a' + 10)
                         : (byte >= 'A' && byte <= 'F') ? (uint32_t)(byte - 'A' + 10)
                                                        : 99;
        if (digit >= base)
            return false;
        *code = *code * base + digit;
    }
    return true;
}

/* One escape after the backslash at text[i - 1]; returns how many bytes after it were used. */
static size_t append_escape(struct bytes text, size_t i, struct buffer *out) {
    uint32_t code;
    int byte = text.data[i];
    if (byte == 'u' && read_code(text, i + 1, 4, 16, &code)) {
        uint32_t low;
        if (code >= 0xD800 && code < 0xDC00 && i + 6 < text.size && text.data[i + 5] == '\\' &&
            text.data[i + 6] == 'u' && read_code(text, i + 7, 4, 16, &low)) {
            append_code_point(out, 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
            return 11;
        }
        append_code_point(out, code);
        return 5;
    }
    if (byte == 'U' && read_code(text, i + 1, 8, 16, &code)) {
        append_code_point(out, code);
        return 9;
    }
    if (byte >= '0' && byte <= '1' && read_code(text, i, 3, 8, &code)) {
        append_code_point(out, code);
        return 3;
    }
    static const char from[] = "0bnrtZ", to[] = "\0\b\n\r\t\x1A";
    const char *found = memchr(from, byte, sizeof from - 1);
    if (found != NULL) {
        buffer_append_byte(out, (uint8_t)to[found - from]);
        return 1;
    }
    if (byte == '%' || byte == '_')
        buffer_append_byte(out, '\\');
    buffer_append_byte(out, (uint8_t)byte);
    return 1;
}

struct bytes lexer_string_value(struct arena *arena, const struct token *token) {
    bool raw = token->kind == TOKEN_RAW_STRING;
    size_t skip = raw ? 2 : 1;
    uint8_t quote = token->text.data[skip - 1];
    struct bytes text = bytes_slice(token->text, skip, token->text.size - skip - 1);
    struct buffer out = {0};
    for (size_t i = 0; i < text.size;) {
        if (text.data[i] == quote) {
            buffer_append_byte(&out, quote);
            i += 2;
        } else if (text.data[i] == '\\' && !raw && i + 1 < text.size) {
            i += 1 + append_escape(text, i + 1, &out);
        } else {
            buffer_append_byte(&out, text.data[i++]);
        }
    }
    struct bytes value = arena_copy(arena, out.data != NULL ? buffer_view(&out) : BYTES(""));
    buffer_free(&out);
    return value;
}

struct bytes lexer_name(struct arena *arena, const struct token *token) {
    if (token->kind != TOKEN_QUOTED)
        return token->text;
    struct bytes text = bytes_slice(token->text, 1, token->text.size - 2);
    uint8_t *copy = arena_allocate(arena, text.size);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        copy[size++] = text.data[i];
        i += text.data[i] == '`';
    }
    return bytes_make(copy, size);
}
