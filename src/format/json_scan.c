/* json_scan.c: see json_scan.h. Nesting is bounded by depth_max, so the recursion of json_skip is too. */
#include "format/json_scan.h"

#include <math.h>
#include <stdlib.h>
#include "base/assert.h"
#include "format/json.h"

void json_scan_init(struct json_scan *scan, struct bytes text, unsigned leniency, struct arena *arena) {
    *scan = (struct json_scan){text.data, text.data + text.size, leniency, 0, JSON_DEPTH_MAX, arena};
}

static bool skip_comment(struct json_scan *scan) {
    const uint8_t *at = scan->position + 1;
    if (at < scan->end && *at == '/') {
        while (at < scan->end && *at != '\n' && *at != '\r') {
            at++;
        }
        scan->position = at;
        return true;
    }
    if (at < scan->end && *at == '*') {
        for (at++; scan->end - at >= 2; at++) {
            if (at[0] == '*' && at[1] == '/') {
                scan->position = at + 2;
                return true;
            }
        }
    }
    return false;
}

bool json_space(struct json_scan *scan) {
    for (;;) {
        while (scan->position < scan->end && (*scan->position == ' ' || *scan->position == '\n' ||
                                                 *scan->position == '\r' || *scan->position == '\t')) {
            scan->position++;
        }
        if (scan->position == scan->end || *scan->position != '/' || !(scan->leniency & JSON_ALLOW_COMMENTS)) {
            return true;
        }
        if (!skip_comment(scan)) {
            return false;
        }
    }
}

enum json_token json_peek(struct json_scan *scan) {
    if (!json_space(scan)) {
        return JSON_TOKEN_BAD;
    }
    if (scan->position == scan->end) {
        return JSON_TOKEN_END;
    }
    switch (*scan->position) {
    case '{':
        return JSON_TOKEN_OBJECT;
    case '[':
        return JSON_TOKEN_ARRAY;
    case '"':
        return JSON_TOKEN_STRING;
    case '\'':
        return scan->leniency & JSON_ALLOW_SINGLE_QUOTES ? JSON_TOKEN_STRING : JSON_TOKEN_BAD;
    case 't':
        return JSON_TOKEN_TRUE;
    case 'f':
        return JSON_TOKEN_FALSE;
    case 'n':
        return JSON_TOKEN_NULL;
    case 'N':
    case 'I':
    case '+':
        return scan->leniency & JSON_ALLOW_NON_NUMERIC ? JSON_TOKEN_NUMBER : JSON_TOKEN_BAD;
    case '-':
    case '0' ... '9':
        return JSON_TOKEN_NUMBER;
    default:
        return JSON_TOKEN_BAD;
    }
}

/* Bytes that end the fast part of a string: quote, backslash, control characters, non-ASCII. */
static const uint8_t *plain_end(const uint8_t *at, const uint8_t *end, uint8_t quote) {
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        uint64_t quotes = word ^ ones * quote, slashes = word ^ ones * '\\';
        uint64_t special =
            ((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes) | ((word - ones * 0x20) & ~word) | word;
        if ((special & highs) != 0) {
            break;
        }
        at += 8;
    }
    while (at < end && *at != quote && *at != '\\' && *at >= 0x20 && *at < 0x80) {
        at++;
    }
    return at;
}

/* Size of the valid UTF-8 sequence at `at`, or 0. */
static size_t utf8_size(const uint8_t *at, const uint8_t *end) {
    size_t size = *at < 0xc2 ? 0 : *at < 0xe0 ? 2 : *at < 0xf0 ? 3 : *at < 0xf5 ? 4 : 0;
    return size != 0 && (size_t)(end - at) >= size && bytes_is_utf8(bytes_make(at, size)) ? size : 0;
}

static int hex4(const uint8_t *at, const uint8_t *end) {
    if (end - at < 4) {
        return -1;
    }
    int value = 0;
    for (int i = 0; i < 4; i++) {
        uint8_t c = at[i], lower = c | 0x20;
        int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static uint8_t *put_utf8(uint8_t *out, uint32_t code) {
    if (code < 0x80) {
        *out++ = (uint8_t)code;
    } else if (code < 0x800) {
        *out++ = (uint8_t)(0xc0 | code >> 6);
        *out++ = (uint8_t)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (uint8_t)(0xe0 | code >> 12);
        *out++ = (uint8_t)(0x80 | (code >> 6 & 63));
        *out++ = (uint8_t)(0x80 | (code & 63));
    } else {
        *out++ = (uint8_t)(0xf0 | code >> 18);
        *out++ = (uint8_t)(0x80 | (code >> 12 & 63));
        *out++ = (uint8_t)(0x80 | (code >> 6 & 63));
        *out++ = (uint8_t)(0x80 | (code & 63));
    }
    return out;
}

/* A \u escape at `at` (behind the u); a lone surrogate becomes '?', as Java encodes it. */
static const uint8_t *unicode_escape(const uint8_t *at, const uint8_t *end, uint8_t **out) {
    int code = hex4(at, end);
    if (code < 0) {
        return NULL;
    }
    at += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        int low = hex4(at + 2, end);
        if (low >= 0xdc00 && low < 0xe000) {
            *out = put_utf8(*out, 0x10000u + ((uint32_t)(code - 0xd800) << 10) + (uint32_t)(low - 0xdc00));
            return at + 6;
        }
    }
    *out = put_utf8(*out, code >= 0xd800 && code < 0xe000 ? '?' : (uint32_t)code);
    return at;
}

static const uint8_t *escape(const uint8_t *at, const uint8_t *end, unsigned leniency, uint8_t **out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (at == end) {
        return NULL;
    }
    if (*at == 'u') {
        return unicode_escape(at + 1, end, out);
    }
    const char *found = *at == 0 ? NULL : strchr(from, *at);
    if (found != NULL) {
        *(*out)++ = (uint8_t)to[found - from];
        return at + 1;
    }
    if ((leniency & JSON_ALLOW_ANY_ESCAPE) || (*at == '\'' && (leniency & JSON_ALLOW_SINGLE_QUOTES))) {
        *(*out)++ = *at;
        return at + 1;
    }
    return NULL;
}

/* Decodes from `start` (behind the quote) where `at` is the first byte that is not plain ASCII. `out` has room for
 * three times the rest. */
static const uint8_t *decode(struct json_scan *scan, const uint8_t *at, uint8_t quote, uint8_t **out) {
    while (at < scan->end) {
        uint8_t c = *at;
        if (c == quote) {
            return at + 1;
        }
        if (c == '\\') {
            at = escape(at + 1, scan->end, scan->leniency, out);
            if (at == NULL) {
                return NULL;
            }
        } else if (c < 0x20) {
            if (!(scan->leniency & JSON_ALLOW_CONTROL)) {
                return NULL;
            }
            *(*out)++ = *at++;
        } else if (c < 0x80) {
            *(*out)++ = *at++;
        } else {
            size_t size = utf8_size(at, scan->end);
            if (size == 0) {
                if (!(scan->leniency & JSON_REPLACE_INVALID_UTF8)) {
                    return NULL;
                }
                *out = put_utf8(*out, 0xfffd);
                at++;
                continue;
            }
            memcpy(*out, at, size);
            *out += size;
            at += size;
        }
    }
    return NULL;
}

/* From the first non-plain byte on: the closing quote of a string without escapes and with valid UTF-8 only, or NULL.
 */
static const uint8_t *verbatim_end(const uint8_t *at, const uint8_t *end, uint8_t quote) {
    while (at < end) {
        if (*at == quote) {
            return at;
        }
        size_t size = *at < 0x80 ? 0 : utf8_size(at, end);
        if (size == 0) {
            return NULL;
        }
        at = plain_end(at + size, end, quote);
    }
    return NULL;
}

bool json_text(struct json_scan *scan, struct bytes *value) {
    uint8_t quote = *scan->position;
    const uint8_t *start = scan->position + 1;
    const uint8_t *at = plain_end(start, scan->end, quote);
    const uint8_t *close = verbatim_end(at, scan->end, quote);
    if (close != NULL) {
        *value = bytes_make(start, (size_t)(close - start));
        scan->position = close + 1;
        return true;
    }
    /* The string's end bounds what decoding needs; an escaped quote does not end it. */
    const uint8_t *limit = at;
    while (limit < scan->end && *limit != quote) {
        limit += *limit == '\\' && limit + 1 < scan->end ? 2 : 1;
    }
    uint8_t *memory = arena_allocate(scan->arena, (size_t)(at - start) + 3 * (size_t)(limit - at) + 8), *out = memory;
    memcpy(out, start, (size_t)(at - start));
    out += at - start;
    at = decode(scan, at, quote, &out);
    if (at == NULL) {
        return false;
    }
    *value = bytes_make(memory, (size_t)(out - memory));
    scan->position = at;
    return true;
}

bool json_string_skip(struct json_scan *scan) {
    uint8_t quote = *scan->position;
    const uint8_t *at = scan->position + 1;
    uint8_t scratch[8];
    for (;;) {
        at = plain_end(at, scan->end, quote);
        if (at == scan->end) {
            return false;
        }
        if (*at == quote) {
            scan->position = at + 1;
            return true;
        }
        uint8_t *out = scratch;
        if (*at == '\\') {
            at = escape(at + 1, scan->end, scan->leniency, &out);
            if (at == NULL) {
                return false;
            }
        } else if (*at < 0x20) {
            if (!(scan->leniency & JSON_ALLOW_CONTROL)) {
                return false;
            }
            at++;
        } else {
            size_t size = utf8_size(at, scan->end);
            if (size == 0 && !(scan->leniency & JSON_REPLACE_INVALID_UTF8)) {
                return false;
            }
            at += size == 0 ? 1 : size;
        }
    }
}

static bool is_name_byte(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           c == '-' || c >= 0x80;
}

bool json_name(struct json_scan *scan, struct bytes *name) {
    if (!json_space(scan) || scan->position == scan->end) {
        return false;
    }
    uint8_t c = *scan->position;
    if (c == '"' || (c == '\'' && (scan->leniency & JSON_ALLOW_SINGLE_QUOTES))) {
        if (!json_text(scan, name)) {
            return false;
        }
    } else if (scan->leniency & JSON_ALLOW_UNQUOTED_NAMES) {
        const uint8_t *start = scan->position;
        while (scan->position < scan->end && is_name_byte(*scan->position)) {
            scan->position++;
        }
        *name = bytes_make(start, (size_t)(scan->position - start));
        if (name->size == 0) {
            return false;
        }
    } else {
        return false;
    }
    if (!json_space(scan) || scan->position == scan->end || *scan->position != ':') {
        return false;
    }
    scan->position++;
    return true;
}

static bool is_digit(const uint8_t *at, const uint8_t *end) {
    return at < end && (uint8_t)(*at - '0') <= 9;
}

static bool non_numeric(struct json_scan *scan, struct json_number *number) {
    static const char *const names[] = {"NaN", "Infinity", "+Infinity", "-Infinity", "INF", "+INF", "-INF"};
    size_t rest = (size_t)(scan->end - scan->position);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        size_t size = strlen(names[i]);
        if (rest >= size && memcmp(scan->position, names[i], size) == 0 &&
            (rest == size || !is_name_byte(scan->position[size]))) {
            *number = (struct json_number){bytes_make(scan->position, size), true, true, false, 0};
            scan->position += size;
            return true;
        }
    }
    return false;
}

static const uint8_t *scan_digits(const uint8_t *at, const uint8_t *end) {
    while (is_digit(at, end)) {
        at++;
    }
    return at;
}

bool json_number(struct json_scan *scan, struct json_number *number) {
    const uint8_t *at = scan->position, *end = scan->end;
    bool negative = at < end && *at == '-';
    at += negative;
    if (!is_digit(at, end)) {
        return (scan->leniency & JSON_ALLOW_NON_NUMERIC) && non_numeric(scan, number);
    }
    const uint8_t *digits = at;
    uint64_t value = 0;
    bool overflow = false;
    for (; is_digit(at, end); at++) {
        overflow |= __builtin_mul_overflow(value, 10, &value);
        overflow |= __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value);
    }
    if (*digits == '0' && at - digits > 1 && !(scan->leniency & JSON_ALLOW_LEADING_ZEROS)) {
        return false;
    }
    overflow |= value > (uint64_t)INT64_MAX + (negative ? 1 : 0);
    *number =
        (struct json_number){{scan->position, 0}, false, false, overflow, (int64_t)(negative ? 0 - value : value)};
    if (at < end && *at == '.') {
        number->is_float = true;
        if (!is_digit(++at, end)) {
            return false;
        }
        at = scan_digits(at, end);
    }
    if (at < end && (*at | 0x20) == 'e') {
        number->is_float = true;
        at++;
        at += at < end && (*at == '+' || *at == '-');
        if (!is_digit(at, end)) {
            return false;
        }
        at = scan_digits(at, end);
    }
    if (at < end && is_name_byte(*at) && *at != '-') {
        return false;
    }
    number->text.size = (size_t)(at - scan->position);
    scan->position = at;
    return number->text.size <= JSON_NUMBER_SIZE_MAX;
}

bool json_literal(struct json_scan *scan, const char *text) {
    size_t size = strlen(text), rest = (size_t)(scan->end - scan->position);
    if (rest < size || memcmp(scan->position, text, size) != 0 || (rest > size && is_name_byte(scan->position[size]))) {
        return false;
    }
    scan->position += size;
    return true;
}

bool json_enter(struct json_scan *scan, uint8_t close, bool *empty) {
    scan->position++;
    if (++scan->depth > scan->depth_max || !json_space(scan) || scan->position == scan->end) {
        return false;
    }
    *empty = *scan->position == close;
    if (*empty) {
        scan->position++;
        scan->depth--;
    }
    return true;
}

bool json_continue(struct json_scan *scan, uint8_t close, bool *more) {
    if (!json_space(scan) || scan->position == scan->end) {
        return false;
    }
    uint8_t c = *scan->position++;
    *more = c == ',';
    scan->depth -= c == close;
    return c == ',' || c == close;
}

static bool skip_container(struct json_scan *scan, bool object) {
    uint8_t close = object ? '}' : ']';
    bool more;
    if (!json_enter(scan, close, &more)) {
        return false;
    }
    more = !more;
    while (more) {
        struct bytes name;
        if ((object && !json_name(scan, &name)) || !json_skip(scan) || !json_continue(scan, close, &more)) {
            return false;
        }
    }
    return true;
}

bool json_skip(struct json_scan *scan) {
    struct json_number number;
    switch (json_peek(scan)) {
    case JSON_TOKEN_OBJECT:
        return skip_container(scan, true);
    case JSON_TOKEN_ARRAY:
        return skip_container(scan, false);
    case JSON_TOKEN_STRING:
        return json_string_skip(scan);
    case JSON_TOKEN_NUMBER:
        return json_number(scan, &number);
    case JSON_TOKEN_TRUE:
        return json_literal(scan, "true");
    case JSON_TOKEN_FALSE:
        return json_literal(scan, "false");
    case JSON_TOKEN_NULL:
        return json_literal(scan, "null");
    case JSON_TOKEN_END:
    case JSON_TOKEN_BAD:
        break;
    }
    return false;
}

double json_number_double(const struct json_number *number) {
    if (number->non_numeric) {
        uint8_t first = number->text.data[0];
        return first == 'N' ? (double)NAN : first == '-' ? -(double)INFINITY : (double)INFINITY;
    }
    if (!number->is_float && !number->overflow) {
        return number->value == 0 && number->text.data[0] == '-' ? -0.0 : (double)number->value;
    }
    char text[JSON_NUMBER_SIZE_MAX + 1];
    memcpy(text, number->text.data, number->text.size);
    text[number->text.size] = 0;
    return strtod(text, NULL); /* the program never leaves the C numeric locale */
}
