/* topic_pattern.c: the syntax of RE2 (https://github.com/google/re2/wiki/Syntax) is read here and written anew for
 * PCRE2's DFA matcher, which needs no backtracking. What RE2 leaves out (look-around, back references, possessive and
 * atomic groups, conditions, comments) never reaches it. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "kafka/topic_pattern.h"

#include <pcre2.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/vector.h"

#define REPEAT_MAX 1000
#define DEPTH_MAX 200
#define WORKSPACE 4096

struct topic_pattern {
    pcre2_code *code;
    pcre2_match_data *match;
};

/* An open group: what repetitions inside it multiply to. */
struct frame {
    int deepest;
};
struct scanner {
    struct bytes text;
    size_t at;
    struct buffer out;
    VECTOR(struct frame) frames; /* the first is the whole expression */
    bool has_atom, is_repeated;  /* something stands before that can be repeated; it is repeated already */
    int atom_depth;              /* of the last atom */
    struct error *error;
};

static bool refuse(struct scanner *scanner, const char *what, size_t from) {
    struct bytes part = bytes_slice(scanner->text, from, scanner->at - from);
    return error_set(scanner->error, ERROR_INVALID, "%s: `%.*s`", what, BYTES_ARGS(part));
}

static int peek(const struct scanner *scanner, size_t ahead) {
    return scanner->at + ahead < scanner->text.size ? scanner->text.data[scanner->at + ahead] : -1;
}

static bool is_letter_or_digit(int c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_value(int c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void add_atom(struct scanner *scanner, int depth) {
    scanner->has_atom = true;
    scanner->is_repeated = false;
    scanner->atom_depth = depth;
    struct frame *frame = &scanner->frames.items[scanner->frames.count - 1];
    if (depth > frame->deepest)
        frame->deepest = depth;
}

/* ---- escapes ---- */

static void write_code_point(struct scanner *scanner, unsigned value) {
    buffer_printf(&scanner->out, "\\x{%x}", value);
}

static bool scan_number_escape(struct scanner *scanner, size_t from) {
    unsigned value = 0;
    int c = peek(scanner, 0);
    if (c == 'x') {
        bool braces = peek(scanner, 1) == '{';
        int digits = 0;
        scanner->at += braces ? 2 : 1;
        for (; digits < (braces ? 6 : 2) && hex_value(peek(scanner, 0)) >= 0; digits++, scanner->at++)
            value = value * 16 + (unsigned)hex_value(peek(scanner, 0));
        if (braces ? digits == 0 || peek(scanner, 0) != '}' : digits < 2)
            return refuse(scanner, "invalid escape sequence", from);
        scanner->at += braces;
    } else {
        /* One digit that is not 0 would be a back reference. */
        if (c > '7' || (c != '0' && (peek(scanner, 1) < '0' || peek(scanner, 1) > '7'))) {
            scanner->at++;
            return refuse(scanner, "invalid escape sequence", from);
        }
        for (int digits = 0; digits < 3 && peek(scanner, 0) >= '0' && peek(scanner, 0) <= '7'; digits++, scanner->at++)
            value = value * 8 + (unsigned)(peek(scanner, 0) - '0');
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return refuse(scanner, "invalid escape sequence", from);
    write_code_point(scanner, value);
    return true;
}

static bool scan_unicode_class(struct scanner *scanner, size_t from) {
    scanner->at++;
    if (peek(scanner, 0) == '{')
        while (peek(scanner, 0) != '}' && peek(scanner, 0) != -1)
            scanner->at++;
    if (peek(scanner, 0) == -1)
        return refuse(scanner, "invalid character class range", from);
    scanner->at++;
    buffer_append_bytes(&scanner->out, bytes_slice(scanner->text, from, scanner->at - from));
    return true;
}

/* At the character behind a backslash. */
static bool scan_escape(struct scanner *scanner, bool in_class) {
    size_t from = scanner->at - 1;
    int c = peek(scanner, 0);
    if (c == -1)
        return refuse(scanner, "trailing backslash at end of expression", scanner->at);
    if (c == 'x' || (c >= '0' && c <= '9'))
        return scan_number_escape(scanner, from);
    if (c == 'p' || c == 'P')
        return scan_unicode_class(scanner, from);
    scanner->at++;
    if (c == 'v') {
        write_code_point(scanner, 0x0b);
        return true;
    }
    bool known = strchr("afnrtdDsSwW", c) || (!in_class && strchr("AbBz", c));
    if (!known && (c >= 0x80 || is_letter_or_digit(c)))
        return refuse(scanner, "invalid escape sequence", from);
    buffer_append_byte(&scanner->out, '\\');
    buffer_append_byte(&scanner->out, (uint8_t)c);
    return true;
}

static void scan_quoted(struct scanner *scanner) {
    /* \Q … \E, or to the end. */
    while (scanner->at < scanner->text.size && !(peek(scanner, 0) == '\\' && peek(scanner, 1) == 'E')) {
        int c = peek(scanner, 0);
        if (c < 0x80 && !is_letter_or_digit(c))
            buffer_append_byte(&scanner->out, '\\');
        buffer_append_byte(&scanner->out, (uint8_t)c);
        scanner->at++;
        add_atom(scanner, 1);
    }
    scanner->at += scanner->at < scanner->text.size ? 2 : 0;
}

/* ---- classes ---- */

static bool scan_posix_class(struct scanner *scanner) {
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print",
        "punct", "space", "upper", "word", "xdigit"};
    size_t from = scanner->at, name_at = from + 2;
    struct bytes rest = bytes_slice(scanner->text, from, scanner->text.size - from);
    const uint8_t *end = memmem(rest.data, rest.size, ":]", 2);
    if (!end || end == rest.data + 1) {
        buffer_append_text(&scanner->out, "\\[");
        scanner->at++;
        return true;
    }
    size_t end_at = from + (size_t)(end - rest.data);
    bool negated = scanner->text.data[name_at] == '^';
    struct bytes name = bytes_slice(scanner->text, name_at + negated, end_at - name_at - negated);
    scanner->at = end_at + 2;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (bytes_equal_text(name, names[i])) {
            buffer_append_bytes(&scanner->out, bytes_slice(scanner->text, from, scanner->at - from));
            return true;
        }
    return refuse(scanner, "invalid character class range", from);
}

static bool scan_class(struct scanner *scanner) {
    size_t from = scanner->at++;
    buffer_append_byte(&scanner->out, '[');
    if (peek(scanner, 0) == '^') {
        buffer_append_byte(&scanner->out, '^');
        scanner->at++;
    }
    for (bool first = true;; first = false) {
        int c = peek(scanner, 0);
        if (c == -1)
            return refuse(scanner, "missing closing ]", from);
        if (c == ']' && !first)
            break;
        if (c == '[' && peek(scanner, 1) == ':') {
            if (!scan_posix_class(scanner))
                return false;
            continue;
        }
        scanner->at++;
        if (c == '\\') {
            if (!scan_escape(scanner, true))
                return false;
            continue;
        }
        if (c == '[' || c == ']')
            buffer_append_byte(&scanner->out, '\\');
        buffer_append_byte(&scanner->out, (uint8_t)c);
    }
    scanner->at++;
    buffer_append_byte(&scanner->out, ']');
    add_atom(scanner, 1);
    return true;
}

/* ---- groups ---- */

static bool push_group(struct scanner *scanner, size_t from) {
    if (scanner->frames.count > DEPTH_MAX)
        return refuse(scanner, "expression nests too deeply", from);
    VECTOR_PUSH(&scanner->frames, ((struct frame){1}));
    scanner->has_atom = scanner->is_repeated = false;
    return true;
}

static bool scan_name(struct scanner *scanner, size_t from) {
    size_t name_at = scanner->at;
    while (is_letter_or_digit(peek(scanner, 0)) || peek(scanner, 0) == '_')
        scanner->at++;
    bool empty = scanner->at == name_at;
    if (peek(scanner, 0) == '>')
        scanner->at++;
    else
        empty = true;
    if (empty)
        return refuse(scanner, "invalid named capture", from);
    buffer_append_byte(&scanner->out, '('); /* a name has no use here */
    return push_group(scanner, from);
}

/* Behind "(?". */
static bool scan_flags(struct scanner *scanner, size_t from) {
    bool minus = false, seen = false;
    size_t flags_at = scanner->at;
    if ((peek(scanner, 0) == 'P' && peek(scanner, 1) == '<') ||
        (peek(scanner, 0) == '<' && peek(scanner, 1) != '=' && peek(scanner, 1) != '!')) {
        scanner->at += peek(scanner, 0) == 'P' ? 2 : 1;
        return scan_name(scanner, from);
    }
    for (;;) {
        int c = peek(scanner, 0);
        scanner->at += c != -1;
        if (c == 'i' || c == 'm' || c == 's' || c == 'U') {
            seen = true;
        } else if (c == '-' && !minus) {
            minus = true;
            seen = false;
        } else if ((c == ':' || c == ')') && (!minus || seen)) {
            buffer_append_text(&scanner->out, "(?");
            for (size_t i = flags_at; i < scanner->at; i++)
                if (scanner->text.data[i] != 'U') /* which of several ways to match is of no matter */
                    buffer_append_byte(&scanner->out, scanner->text.data[i]);
            return c == ')' || push_group(scanner, from);
        } else {
            return refuse(scanner, c == -1 ? "missing closing )" : "invalid or unsupported Perl syntax", from);
        }
    }
}

static bool scan_open(struct scanner *scanner) {
    size_t from = scanner->at++;
    if (peek(scanner, 0) == '?') {
        scanner->at++;
        return scan_flags(scanner, from);
    }
    buffer_append_byte(&scanner->out, '(');
    return push_group(scanner, from);
}

static bool scan_close(struct scanner *scanner) {
    scanner->at++;
    if (scanner->frames.count == 1)
        return refuse(scanner, "unexpected )", 0);
    struct frame frame = VECTOR_POP(&scanner->frames);
    buffer_append_byte(&scanner->out, ')');
    add_atom(scanner, frame.deepest);
    return true;
}

/* ---- repetition ---- */

/* "{2}", "{2,}" or "{2,5}"; -1 for no upper bound. Anything else is a brace like any other character. */
static bool scan_counts(struct scanner *scanner, int *least, int *most) {
    size_t at = scanner->at + 1;
    int values[2] = {0, 0}, part = 0, digits = 0;
    bool comma = false;
    for (; at < scanner->text.size && scanner->text.data[at] != '}'; at++) {
        int c = scanner->text.data[at];
        if (c == ',' && !comma && digits > 0) {
            comma = true;
            part = 1;
            digits = 0;
        } else if (c >= '0' && c <= '9') {
            digits++;
            if (values[part] <= REPEAT_MAX)
                values[part] = values[part] * 10 + (c - '0');
        } else {
            return false;
        }
    }
    if (at >= scanner->text.size || (digits == 0 && !comma))
        return false;
    *least = values[0];
    *most = comma ? (digits > 0 ? values[1] : -1) : values[0];
    scanner->at = at + 1;
    return true;
}

static bool scan_repeat(struct scanner *scanner, size_t from) {
    int least = 0, most = -1;
    bool counted = peek(scanner, 0) == '{';
    if (counted && !scan_counts(scanner, &least, &most)) {
        buffer_append_text(&scanner->out, "\\{");
        scanner->at++;
        add_atom(scanner, 1);
        return true;
    }
    scanner->at += !counted;
    if (!scanner->has_atom)
        return refuse(scanner, "missing argument to repetition operator", from);
    if (scanner->is_repeated)
        return refuse(scanner, "invalid nested repetition operator", from);
    int count = counted ? (most >= 0 ? most : least) : 1;
    if (least > REPEAT_MAX || most > REPEAT_MAX || (most >= 0 && counted && least > most) ||
        (count > 0 && scanner->atom_depth > REPEAT_MAX / count))
        return refuse(scanner, "invalid repeat count", from);
    buffer_append_bytes(&scanner->out, bytes_slice(scanner->text, from, scanner->at - from));
    if (peek(scanner, 0) == '?')
        scanner->at++; /* lazy: of no matter here */
    add_atom(scanner, count > 1 ? scanner->atom_depth * count : scanner->atom_depth);
    scanner->is_repeated = true;
    return true;
}

/* ---- the whole ---- */

static bool scan_one(struct scanner *scanner) {
    int c = peek(scanner, 0);
    switch (c) {
    case '\\':
        scanner->at++;
        if (peek(scanner, 0) == 'Q') {
            scanner->at++;
            scan_quoted(scanner);
            return true;
        }
        if (!scan_escape(scanner, false))
            return false;
        break;
    case '[':
        return scan_class(scanner);
    case '(':
        return scan_open(scanner);
    case ')':
        return scan_close(scanner);
    case '*':
    case '+':
    case '?':
    case '{':
        return scan_repeat(scanner, scanner->at);
    case '|':
        scanner->at++;
        buffer_append_byte(&scanner->out, '|');
        scanner->has_atom = scanner->is_repeated = false;
        return true;
    default:
        scanner->at++;
        buffer_append_byte(&scanner->out, (uint8_t)c);
        while (c >= 0x80 && peek(scanner, 0) >= 0x80 && peek(scanner, 0) < 0xc0)
            buffer_append_byte(&scanner->out, scanner->text.data[scanner->at++]);
    }
    add_atom(scanner, 1);
    return true;
}

static bool scan_all(struct scanner *scanner) {
    VECTOR_PUSH(&scanner->frames, ((struct frame){1}));
    if (!bytes_is_utf8(scanner->text))
        return error_set(scanner->error, ERROR_INVALID, "invalid UTF-8");
    while (scanner->at < scanner->text.size)
        if (!scan_one(scanner))
            return false;
    return scanner->frames.count == 1 || refuse(scanner, "missing closing )", 0);
}

static pcre2_code *compile_scanned(struct scanner *scanner) {
    int code;
    PCRE2_SIZE place;
    uint32_t options = PCRE2_UTF | PCRE2_ANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
                       PCRE2_NO_AUTO_CAPTURE | PCRE2_NO_AUTO_POSSESS;
    struct bytes text = buffer_view(&scanner->out);
    pcre2_code *compiled =
        pcre2_compile(text.data ? text.data : (const uint8_t *)"", text.size, options, &code, &place, NULL);
    if (!compiled) {
        PCRE2_UCHAR message[200];
        pcre2_get_error_message(code, message, sizeof message);
        error_set(scanner->error, ERROR_INVALID, "%s: `%.*s`", (const char *)message, BYTES_ARGS(scanner->text));
    }
    return compiled;
}

struct topic_pattern *topic_pattern_compile(struct bytes text, struct error *error) {
    struct scanner scanner = {.text = text, .error = error};
    pcre2_code *code = scan_all(&scanner) ? compile_scanned(&scanner) : NULL;
    struct topic_pattern *pattern = NULL;
    if (code) {
        pattern = calloc(1, sizeof *pattern);
        ASSERT(pattern);
        pattern->code = code;
        pattern->match = pcre2_match_data_create(1, NULL);
        ASSERT(pattern->match);
    }
    buffer_free(&scanner.out);
    VECTOR_FREE(&scanner.frames);
    return pattern;
}

void topic_pattern_free(struct topic_pattern *pattern) {
    if (!pattern)
        return;
    pcre2_match_data_free(pattern->match);
    pcre2_code_free(pattern->code);
    free(pattern);
}

bool topic_pattern_matches(const struct topic_pattern *pattern, struct bytes name) {
    int workspace[WORKSPACE];
    size_t size = WORKSPACE;
    int *large = NULL;
    int result = pcre2_dfa_match(pattern->code, name.data, name.size, 0, 0, pattern->match, NULL, workspace, size);
    while (result == PCRE2_ERROR_DFA_WSSIZE && size < ((size_t)1 << 20)) {
        size *= 8;
        large = realloc(large, size * sizeof *large);
        ASSERT(large);
        result = pcre2_dfa_match(pattern->code, name.data, name.size, 0, 0, pattern->match, NULL, large, size);
    }
    free(large);
    /* The longest match comes first: if it ends before the name does, no other reaches the end. */
    return result >= 0 && pcre2_get_ovector_pointer(pattern->match)[1] == name.size;
}
