/* json_scan.h: the lexical part of JSON (RFC 8259) with the leniences that Spark's options allow. Inside format/ only.
 *
 * A scan is a position in a text. Every function expects the position at the first byte of what it reads and leaves it
 * behind the last one; false means the text is malformed there. */
#ifndef FORMAT_JSON_SCAN_H
#define FORMAT_JSON_SCAN_H

#include "base/arena.h"
#include "base/bytes.h"

enum json_leniency {
    JSON_ALLOW_COMMENTS = 1,
    JSON_ALLOW_UNQUOTED_NAMES = 2,
    JSON_ALLOW_SINGLE_QUOTES = 4,
    JSON_ALLOW_LEADING_ZEROS = 8,
    JSON_ALLOW_NON_NUMERIC = 16, /* NaN, Infinity, +INF, … */
    JSON_ALLOW_ANY_ESCAPE = 32,
    JSON_ALLOW_CONTROL = 64,         /* control characters inside strings */
    JSON_REPLACE_INVALID_UTF8 = 128, /* U+FFFD instead of an error */
};
#define JSON_SPARK_DEFAULTS (JSON_ALLOW_SINGLE_QUOTES | JSON_ALLOW_NON_NUMERIC)

struct json_scan {
    const uint8_t *position, *end;
    unsigned leniency;
    int depth, depth_max;
    struct arena *arena; /* for strings that must be decoded */
};

enum json_token {
    JSON_TOKEN_END,
    JSON_TOKEN_OBJECT,
    JSON_TOKEN_ARRAY,
    JSON_TOKEN_STRING,
    JSON_TOKEN_NUMBER,
    JSON_TOKEN_TRUE,
    JSON_TOKEN_FALSE,
    JSON_TOKEN_NULL,
    JSON_TOKEN_BAD
};

enum { JSON_NUMBER_SIZE_MAX = 1000 };
struct json_number {
    struct bytes text;
    bool is_float; /* has a fraction or an exponent, or is one of the non-numeric ones */
    bool non_numeric;
    bool overflow; /* an integer beyond int64 */
    int64_t value; /* of an integer */
};

void json_scan_init(struct json_scan *scan, struct bytes text, unsigned leniency, struct arena *arena);
/* Steps over white space (and comments when allowed). */
bool json_space(struct json_scan *scan);
/* What begins at the position (white space stepped over). */
enum json_token json_peek(struct json_scan *scan);
/* A string or member name with its quotes. The result points into the text when nothing had to be decoded, else into
 * the arena. */
bool json_text(struct json_scan *scan, struct bytes *value);
/* The same without keeping it. */
bool json_string_skip(struct json_scan *scan);
/* A member name (quoted, or bare when allowed) and the colon behind it, up to the value. */
bool json_name(struct json_scan *scan, struct bytes *name);
bool json_number(struct json_scan *scan, struct json_number *number);
bool json_literal(struct json_scan *scan, const char *text); /* true, false, null: not followed by a letter or digit */
/* Any value, whatever it is. */
bool json_skip(struct json_scan *scan);
/* Enters the object or array whose bracket the position is at. *empty: it was closed at once. False at the depth limit
 * too. */
bool json_enter(struct json_scan *scan, uint8_t close, bool *empty);
/* After a member or element: steps over a comma (*more true) or the closing bracket. */
bool json_continue(struct json_scan *scan, uint8_t close, bool *more);

/* The double that a number's text stands for (also NaN and the infinities). */
double json_number_double(const struct json_number *number);

#endif
