/* string_other.c: text functions with formats and encodings: concat, format_string, base64, character sets, URLs,
 * masks. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "column/builder.h"
#include "column/text.h"
#include "exec/functions/rows.h"

/* ---- Joining ---- */

static bool concat(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    size_t size = 0, count = evaluation->call->argument_count;
    for (size_t i = 0; i < count; i++)
        size += TEXT_AT(i).size;
    uint8_t *data = arena_allocate(evaluation->arena, size), *next = data;
    for (size_t i = 0; i < count; i++) {
        struct string_view part = TEXT_AT(i);
        if (part.size > 0)
            memcpy(next, part.data, part.size);
        next += part.size;
    }
    *(struct string_view *)out = (struct string_view){data, (uint32_t)size, 0};
    return true;
}
ROW_KERNEL(concat)

static void join_value(
    struct buffer *buffer, const struct column *column, size_t row, struct string_view separator, bool *first) {
    if (column_is_null(column, row))
        return;
    if (column->type->kind == TYPE_ARRAY) {
        size_t at = column->constant ? 0 : row;
        for (int32_t i = column->offsets[at]; i < column->offsets[at + 1]; i++)
            join_value(buffer, column->children[0], (size_t)i, separator, first);
        return;
    }
    if (!*first)
        buffer_append(buffer, separator.data, separator.size);
    *first = false;
    value_format(column, row, timezone_utc(), buffer);
}

/* Null only when the separator is; null values are left out, arrays are spread. */
static struct column *kernel_concat_ws(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result(evaluation);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        if (column_is_null(arguments[0], row)) {
            evaluation_set_null(evaluation, result, row);
            continue;
        }
        struct buffer buffer = {0};
        bool first = true;
        for (size_t i = 1; i < evaluation->call->argument_count; i++)
            join_value(&buffer, arguments[i], row, TEXT_AT(0), &first);
        rows_take_buffer(evaluation, &buffer, &COLUMN_VALUES(result, struct string_view)[row]);
    }
    return result;
}

static struct column *kernel_elt(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result(evaluation);
    size_t count = evaluation->call->argument_count;
    for (size_t row = 0; row < evaluation->row_count; row++) {
        int64_t index = column_is_null(arguments[0], row) ? 0 : INT_AT(0);
        bool inside = index >= 1 && index < (int64_t)count;
        if (!inside && !column_is_null(arguments[0], row) && evaluation->call->ansi) {
            struct arena *arena = evaluation->error->arena;
            evaluation_failed(
                evaluation, raise_invalid_array_index(evaluation->error, arena_printf(arena, "%lld", (long long)index),
                                arena_printf(arena, "%zu", count - 1)));
            return NULL;
        }
        if (!inside || column_is_null(arguments[index], row))
            evaluation_set_null(evaluation, result, row);
        else
            COLUMN_VALUES(result, struct string_view)[row] = TEXT_AT(index);
    }
    return result;
}

/* ---- printf ---- */

static void format_one(
    struct buffer *buffer, const char *directive, char kind, const struct column *column, size_t row) {
    char form[64], text[400];
    if (column == NULL || column_is_null(column, row)) {
        buffer_append_text(buffer, "null");
        return;
    }
    struct buffer value = {0};
    value_format(column, row, timezone_utc(), &value);
    int64_t number = 0;
    double real = 0;
    bool whole = bytes_to_int64(buffer_view(&value), &number);
    bytes_to_double(buffer_view(&value), &real);
    switch (kind) {
    case 'd':
    case 'x':
    case 'X':
    case 'o':
        snprintf(form, sizeof form, "%sll%c", directive, kind);
        snprintf(text, sizeof text, form, (long long)(whole ? number : (int64_t)real));
        buffer_append_text(buffer, text);
        break;
    case 'f':
    case 'e':
    case 'E':
    case 'g':
    case 'G':
        snprintf(form, sizeof form, "%s%c", directive, kind);
        snprintf(text, sizeof text, form, real);
        buffer_append_text(buffer, text);
        break;
    case 'c':
        buffer_append_byte(buffer, whole ? (uint8_t)number : value.size > 0 ? value.data[0] : ' ');
        break;
    default: { /* s, S, b */
        int width = 0, precision = -1;
        const char *digits = directive + 1 + (directive[1] == '-');
        if (sscanf(digits, "%d.%d", &width, &precision) < 1)
            sscanf(digits, ".%d", &precision);
        size_t size = precision >= 0 && (size_t)precision < value.size ? (size_t)precision : value.size;
        size_t padding = (size_t)width > size && width > 0 ? (size_t)width - size : 0;
        for (size_t i = 0; directive[1] != '-' && i < padding; i++)
            buffer_append_byte(buffer, ' ');
        for (size_t i = 0; i < size; i++)
            buffer_append_byte(buffer, kind == 'S' ? (uint8_t)toupper(value.data[i]) : value.data[i]);
        for (size_t i = 0; directive[1] == '-' && i < padding; i++)
            buffer_append_byte(buffer, ' ');
    }
    }
    buffer_free(&value);
}

/* Java's Formatter for the directives people use: %[index$][flags][width][.precision]kind. */
static struct column *kernel_format_string(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result(evaluation);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        if (column_is_null(arguments[0], row)) {
            evaluation_set_null(evaluation, result, row);
            continue;
        }
        struct string_view format = TEXT_AT(0);
        struct buffer buffer = {0};
        size_t next = 1;
        for (size_t i = 0; i < format.size; i++) {
            if (format.data[i] != '%' || i + 1 >= format.size) {
                buffer_append_byte(&buffer, format.data[i]);
                continue;
            }
            char directive[32] = "%";
            size_t size = 1, index = 0;
            for (i++; i < format.size && strchr("-+ 0,#(.$123456789", format.data[i]) != NULL && size < 20; i++) {
                if (format.data[i] == '$') {
                    index = (size_t)strtoul(directive + 1, NULL, 10);
                    size = 1;
                } else if (format.data[i] != ',' && format.data[i] != '(') {
                    directive[size++] = (char)format.data[i];
                }
                directive[size] = '\0';
            }
            char kind = i < format.size ? (char)format.data[i] : '%';
            if (kind == '%' || kind == 'n') {
                buffer_append_byte(&buffer, kind == 'n' ? '\n' : '%');
                continue;
            }
            size_t argument = index > 0 ? index : next++;
            format_one(&buffer, directive, kind,
                argument < evaluation->call->argument_count ? arguments[argument] : NULL, row);
        }
        rows_take_buffer(evaluation, &buffer, &COLUMN_VALUES(result, struct string_view)[row]);
    }
    return result;
}

/* format_number(12332.123456, 4): thousands separated, so many digits, half even. */
static bool format_number(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int32_t digits = INT_AT(1);
    if (digits < 0)
        return false;
    struct buffer value = {0}, text = {0};
    value_format(arguments[0], row, timezone_utc(), &value);
    double real = 0;
    char plain[512];
    bytes_to_double(buffer_view(&value), &real);
    bool integral = type_is_integral(arguments[0]->type);
    snprintf(plain, sizeof plain, "%.*f", digits > 100 ? 100 : digits, real);
    if (integral)
        snprintf(plain, sizeof plain, "%.*s%s%0*d", (int)value.size, (const char *)value.data, digits > 0 ? "." : "",
            digits, 0);
    if (integral && digits == 0)
        plain[value.size] = '\0';
    const char *start = plain + (plain[0] == '-');
    size_t whole = strcspn(start, ".");
    if (plain[0] == '-')
        buffer_append_byte(&text, '-');
    for (size_t i = 0; i < whole; i++) {
        if (i > 0 && (whole - i) % 3 == 0)
            buffer_append_byte(&text, ',');
        buffer_append_byte(&text, (uint8_t)start[i]);
    }
    buffer_append_text(&text, start + whole);
    buffer_free(&value);
    return rows_take_buffer(evaluation, &text, out);
}
ROW_KERNEL(format_number)

/* ---- Encodings ---- */

static bool base64(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct buffer buffer = {0};
    buffer_append_base64(&buffer, string_view_bytes(TEXT_AT(0)));
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(base64)

static bool unbase64(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct buffer buffer = {0};
    struct bytes text = string_view_bytes(TEXT_AT(0));
    if (!buffer_append_base64_decoded(&buffer, text)) {
        buffer_free(&buffer);
        struct arena *arena = evaluation->error->arena;
        return evaluation_failed(evaluation, raise_conversion_invalid_input(evaluation->error, quote_text(arena, text),
                                                 "'BASE64'", "\"BINARY\"", "`try_to_binary`"));
    }
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(unbase64)

enum charset {
    CHARSET_UTF8,
    CHARSET_ASCII,
    CHARSET_LATIN1,
    CHARSET_UTF16,
    CHARSET_UTF16BE,
    CHARSET_UTF16LE,
    CHARSET_UNKNOWN
};

static enum charset charset_named(struct string_view name) {
    static const char *const names[] = {"utf-8", "us-ascii", "iso-8859-1", "utf-16", "utf-16be", "utf-16le"};
    for (int i = 0; i < CHARSET_UNKNOWN; i++)
        if (bytes_equal_ignore_case(string_view_bytes(name), bytes_from_text(names[i])))
            return (enum charset)i;
    return CHARSET_UNKNOWN;
}

static bool bad_charset(struct evaluation *evaluation, struct string_view name) {
    struct arena *arena = evaluation->error->arena;
    return evaluation_failed(evaluation, raise_invalid_parameter_value_charset(evaluation->error, "`charset`",
                                             arena_printf(arena, "`%s`", evaluation->call->entry->name),
                                             "charsets 'ISO-8859-1', 'US-ASCII', 'UTF-16',"
                                             " 'UTF-16BE', 'UTF-16LE', 'UTF-32', 'UTF-8'",
                                             quote_text(arena, string_view_bytes(name))));
}

static void append_utf16(struct buffer *buffer, uint32_t unit, bool little) {
    buffer_append_byte(buffer, (uint8_t)(little ? unit : unit >> 8));
    buffer_append_byte(buffer, (uint8_t)(little ? unit >> 8 : unit));
}

static bool encode(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    enum charset charset = charset_named(TEXT_AT(1));
    struct buffer buffer = {0};
    if (charset == CHARSET_UNKNOWN)
        return bad_charset(evaluation, TEXT_AT(1));
    if (charset == CHARSET_UTF8)
        return rows_slice(text, 0, text.size, out);
    if (charset == CHARSET_UTF16)
        append_utf16(&buffer, 0xFEFF, false);
    for (size_t i = 0, width; i < text.size; i += width) {
        uint32_t code = utf8_decode(text, i, &width);
        bool little = charset == CHARSET_UTF16LE;
        if (charset == CHARSET_ASCII || charset == CHARSET_LATIN1)
            buffer_append_byte(&buffer, code < (charset == CHARSET_ASCII ? 0x80u : 0x100u) ? (uint8_t)code : '?');
        else if (code < 0x10000)
            append_utf16(&buffer, code, little);
        else {
            append_utf16(&buffer, 0xD800 + ((code - 0x10000) >> 10), little);
            append_utf16(&buffer, 0xDC00 + ((code - 0x10000) & 0x3FF), little);
        }
    }
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(encode)

static void decode_utf16(struct buffer *buffer, struct string_view data, bool little) {
    for (size_t i = 0; i + 1 < data.size; i += 2) {
        uint32_t unit = little ? (uint32_t)(data.data[i] | data.data[i + 1] << 8)
                               : (uint32_t)(data.data[i] << 8 | data.data[i + 1]);
        if (unit >= 0xD800 && unit < 0xDC00 && i + 3 < data.size) {
            uint32_t low = little ? (uint32_t)(data.data[i + 2] | data.data[i + 3] << 8)
                                  : (uint32_t)(data.data[i + 2] << 8 | data.data[i + 3]);
            unit = 0x10000 + ((unit - 0xD800) << 10) + (low & 0x3FF);
            i += 2;
        }
        utf8_append(buffer, unit);
    }
}

static bool decode(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view data = TEXT_AT(0);
    enum charset charset = charset_named(TEXT_AT(1));
    struct buffer buffer = {0};
    switch (charset) {
    case CHARSET_UNKNOWN:
        return bad_charset(evaluation, TEXT_AT(1));
    case CHARSET_UTF8:
        return rows_slice(data, 0, data.size, out);
    case CHARSET_ASCII:
    case CHARSET_LATIN1:
        for (size_t i = 0; i < data.size; i++)
            utf8_append(&buffer, charset == CHARSET_ASCII && data.data[i] >= 0x80 ? 0xFFFD : data.data[i]);
        break;
    default: {
        bool marked = charset == CHARSET_UTF16 && data.size >= 2;
        bool little = charset == CHARSET_UTF16LE || (marked && data.data[0] == 0xFF && data.data[1] == 0xFE);
        bool mark = marked && (little || (data.data[0] == 0xFE && data.data[1] == 0xFF));
        decode_utf16(&buffer, (struct string_view){data.data + 2 * mark, data.size - 2 * mark, 0}, little);
    }
    }
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(decode)

static bool is_valid_utf8(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(uint8_t *)out = bytes_is_utf8(string_view_bytes(TEXT_AT(0)));
    return true;
}
ROW_KERNEL(is_valid_utf8)

static bool make_valid_utf8(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    if (bytes_is_utf8(string_view_bytes(text)))
        return rows_slice(text, 0, text.size, out);
    struct buffer buffer = {0};
    for (size_t i = 0; i < text.size;) {
        size_t width = utf8_width(text.data[i]);
        bool good = i + width <= text.size && bytes_is_utf8(bytes_make(text.data + i, width));
        if (good)
            buffer_append(&buffer, text.data + i, width);
        else
            utf8_append(&buffer, 0xFFFD);
        i += good ? width : 1;
    }
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(make_valid_utf8)

/* ---- URLs ---- */

static bool url_encode(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    struct buffer buffer = {0};
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (isalnum(byte) || strchr(".-*_", byte) != NULL)
            buffer_append_byte(&buffer, byte);
        else if (byte == ' ')
            buffer_append_byte(&buffer, '+');
        else
            buffer_printf(&buffer, "%%%02X", byte);
    }
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(url_encode)

static bool url_decode(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    struct buffer buffer = {0};
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '%') {
            buffer_append_byte(&buffer, text.data[i] == '+' ? ' ' : text.data[i]);
            continue;
        }
        unsigned byte;
        char digits[3] = {0};
        if (i + 2 < text.size)
            memcpy(digits, text.data + i + 1, 2);
        if (i + 2 >= text.size || !isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]) ||
            sscanf(digits, "%2x", &byte) != 1) {
            buffer_free(&buffer);
            if (evaluation->call->entry->name[0] == 't')
                return false;
            return evaluation_failed(evaluation, raise_cannot_decode_url(evaluation->error,
                                                     arena_text(evaluation->error->arena, string_view_bytes(text))));
        }
        buffer_append_byte(&buffer, (uint8_t)byte);
        i += 2;
    }
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(url_decode)

/* scheme://[user@]host[:port]/path?query#ref */
struct url {
    struct bytes protocol, authority, user, host, path, query, reference;
};

static bool url_split(struct bytes text, struct url *url) {
    *url = (struct url){0};
    size_t hash = bytes_find(text, '#', 0);
    if (hash != SIZE_MAX) {
        url->reference = bytes_slice(text, hash + 1, text.size - hash - 1);
        text = bytes_slice(text, 0, hash);
    }
    size_t mark = bytes_find(text, '?', 0);
    if (mark != SIZE_MAX) {
        url->query = bytes_slice(text, mark + 1, text.size - mark - 1);
        text = bytes_slice(text, 0, mark);
    }
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= ' ' || strchr("<>\"{}|\\^`", text.data[i]) != NULL)
            return false;
    size_t colon = bytes_find(text, ':', 0);
    if (colon != SIZE_MAX && colon > 0) {
        url->protocol = bytes_slice(text, 0, colon);
        text = bytes_slice(text, colon + 1, text.size - colon - 1);
    }
    if (bytes_starts_with(text, "//")) {
        size_t slash = bytes_find(text, '/', 2);
        slash = slash == SIZE_MAX ? text.size : slash;
        url->authority = bytes_slice(text, 2, slash - 2);
        text = bytes_slice(text, slash, text.size - slash);
        size_t at = bytes_find(url->authority, '@', 0);
        url->host = url->authority;
        if (at != SIZE_MAX) {
            url->user = bytes_slice(url->authority, 0, at);
            url->host = bytes_slice(url->authority, at + 1, url->authority.size - at - 1);
        }
        size_t port = bytes_find(url->host, ':', 0);
        if (port != SIZE_MAX)
            url->host = bytes_slice(url->host, 0, port);
    }
    url->path = text;
    return true;
}

static bool parse_url(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0), part = TEXT_AT(1);
    struct url url;
    struct bytes found = BYTES_NULL, name = string_view_bytes(part);
    struct buffer file = {0};
    if (!url_split(string_view_bytes(text), &url)) {
        if (evaluation->call->entry->name[0] == 't' || !evaluation->call->ansi)
            return false;
        return evaluation_failed(evaluation,
            raise_invalid_url(evaluation->error, arena_text(evaluation->error->arena, string_view_bytes(text))));
    }
    if (bytes_equal_text(name, "HOST"))
        found = url.host;
    else if (bytes_equal_text(name, "PATH"))
        found = url.path;
    else if (bytes_equal_text(name, "QUERY"))
        found = url.query;
    else if (bytes_equal_text(name, "REF"))
        found = url.reference;
    else if (bytes_equal_text(name, "PROTOCOL"))
        found = url.protocol;
    else if (bytes_equal_text(name, "AUTHORITY"))
        found = url.authority;
    else if (bytes_equal_text(name, "USERINFO"))
        found = url.user;
    else if (bytes_equal_text(name, "FILE")) {
        buffer_append_bytes(&file, url.path);
        if (url.query.data != NULL)
            buffer_printf(&file, "?%.*s", BYTES_ARGS(url.query));
        return rows_take_buffer(evaluation, &file, out);
    }
    if (evaluation->call->argument_count == 3) {
        struct bytes key = string_view_bytes(TEXT_AT(2)), query = url.query;
        found = BYTES_NULL;
        for (size_t start = 0; bytes_equal_text(name, "QUERY") && query.data != NULL && start <= query.size;) {
            size_t end = bytes_find(query, '&', start);
            end = end == SIZE_MAX ? query.size : end;
            if (end - start > key.size && query.data[start + key.size] == '=' &&
                memcmp(query.data + start, key.data, key.size) == 0) {
                found = bytes_slice(query, start + key.size + 1, end - start - key.size - 1);
                break;
            }
            start = end + 1;
        }
    }
    if (found.data == NULL)
        return false;
    *(struct string_view *)out = (struct string_view){found.data, (uint32_t)found.size, 0};
    return true;
}
ROW_KERNEL(parse_url)

/* ---- Others ---- */

/* Not a function over rows: its result, of type VOID, would be null without one being looked at. */
static struct column *kernel_raise_text(struct evaluation *evaluation, struct column *const *arguments) {
    if (evaluation->row_count == 0)
        return column_create_nulls(evaluation->arena, evaluation->call->result_type, 0);
    bool given = !column_is_null(arguments[0], 0);
    evaluation_failed(evaluation, raise_user_raised_exception(evaluation->error,
                                      given ? arena_text(evaluation->error->arena,
                                                  string_view_bytes(COLUMN_AT(arguments[0], struct string_view, 0)))
                                            : "null"));
    return NULL;
}

static bool validate_utf8(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    if (bytes_is_utf8(string_view_bytes(text)))
        return rows_slice(text, 0, text.size, out);
    struct buffer hex = {0};
    for (size_t i = 0; i < text.size && i < 64; i++)
        buffer_printf(&hex, "\\x%02X", text.data[i]);
    const char *shown = arena_text(evaluation->error->arena, buffer_view(&hex));
    buffer_free(&hex);
    return evaluation_failed(evaluation, raise_invalid_utf8_string(evaluation->error, shown));
}
ROW_KERNEL(validate_utf8)

/* to_binary(text, 'hex' | 'utf-8' | 'base64') */
static bool to_binary(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct bytes text = string_view_bytes(TEXT_AT(0)), format = string_view_bytes(TEXT_AT(1));
    struct buffer buffer = {0};
    bool good = true;
    if (bytes_equal_ignore_case(format, BYTES("utf-8")) || bytes_equal_ignore_case(format, BYTES("utf8"))) {
        buffer_append_bytes(&buffer, text);
    } else if (bytes_equal_ignore_case(format, BYTES("base64"))) {
        good = buffer_append_base64_decoded(&buffer, text);
    } else {
        for (size_t i = 0; i < text.size && good; i++) {
            good = isxdigit(text.data[i]);
            int digit = isdigit(text.data[i]) ? text.data[i] - '0' : (text.data[i] | 0x20) - 'a' + 10;
            if (i == 0 || (text.size - i) % 2 == 0)
                buffer_append_byte(&buffer, (uint8_t)digit);
            else
                buffer.data[buffer.size - 1] = (uint8_t)(buffer.data[buffer.size - 1] << 4 | digit);
        }
    }
    if (good)
        return rows_take_buffer(evaluation, &buffer, out);
    buffer_free(&buffer);
    struct arena *arena = evaluation->error->arena;
    if (evaluation->call->entry->name[1] == 'r')
        return false;
    return evaluation_failed(evaluation, raise_conversion_invalid_input(evaluation->error, quote_text(arena, text),
                                             quote_text(arena, format), "\"BINARY\"", "`try_to_binary`"));
}
ROW_KERNEL(to_binary)

static bool quote(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    struct buffer buffer = {0};
    buffer_append_byte(&buffer, '\'');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\'')
            buffer_append_byte(&buffer, '\\');
        buffer_append_byte(&buffer, text.data[i]);
    }
    buffer_append_byte(&buffer, '\'');
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(quote)

/* What na.drop keeps rows by: at least so many values that are neither null nor NaN. */
static struct column *kernel_at_least_n(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result(evaluation);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        int32_t count = 0;
        for (size_t i = 1; i < evaluation->call->argument_count; i++) {
            const struct column *column = arguments[i];
            bool nan =
                (column->type->kind == TYPE_DOUBLE &&
                    COLUMN_AT(column, double, row) != COLUMN_AT(column, double, row)) ||
                (column->type->kind == TYPE_FLOAT && COLUMN_AT(column, float, row) != COLUMN_AT(column, float, row));
            count += !column_is_null(column, row) && !nan;
        }
        COLUMN_VALUES(result, uint8_t)[row] = count >= INT_AT(0);
    }
    return result;
}

/* mask(text, upper, lower, digit, other): a null replacement keeps the character. */
static struct column *kernel_mask(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result(evaluation);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        if (column_is_null(arguments[0], row)) {
            evaluation_set_null(evaluation, result, row);
            continue;
        }
        struct string_view text = TEXT_AT(0);
        struct buffer buffer = {0};
        for (size_t i = 0, width; i < text.size; i += width) {
            uint32_t code = utf8_decode(text, i, &width);
            size_t kind = code >= 'A' && code <= 'Z'   ? 1
                          : code >= 'a' && code <= 'z' ? 2
                          : code >= '0' && code <= '9' ? 3
                                                       : 4;
            if (column_is_null(arguments[kind], row))
                buffer_append(&buffer, text.data + i, width);
            else
                buffer_append(&buffer, TEXT_AT(kind).data, TEXT_AT(kind).size);
        }
        rows_take_buffer(evaluation, &buffer, &COLUMN_VALUES(result, struct string_view)[row]);
    }
    return result;
}

#define S TYPE_STRING
#define B TYPE_BINARY
#define SAFE KERNEL_NEVER_FAILS
#define NUMBER(kind)                                                                                                   \
    { "format_number", {kind, TYPE_INTEGER}, 2, SAFE, kernel_format_number }
static const struct kernel_entry entries[] = {
    {"concat", {S}, 1, KERNEL_VARIADIC | SAFE, kernel_concat},
    {"concat", {B}, 1, KERNEL_VARIADIC | SAFE, kernel_concat},
    {"concat_ws", {S, KERNEL_ANY}, 2, KERNEL_VARIADIC | SAFE, kernel_concat_ws},
    {"elt", {TYPE_INTEGER, KERNEL_ANY}, 2, KERNEL_VARIADIC, kernel_elt},
    {"format_string", {S, KERNEL_ANY}, 2, KERNEL_VARIADIC | SAFE, kernel_format_string},
    NUMBER(TYPE_BYTE),
    NUMBER(TYPE_SHORT),
    NUMBER(TYPE_INTEGER),
    NUMBER(TYPE_LONG),
    NUMBER(TYPE_FLOAT),
    NUMBER(TYPE_DOUBLE),
    NUMBER(TYPE_DECIMAL),
    {"base64", {B}, 1, SAFE, kernel_base64},
    {"unbase64", {S}, 1, 0, kernel_unbase64},
    {"encode", {S, S}, 2, 0, kernel_encode},
    {"decode", {B, S}, 2, 0, kernel_decode},
    {"is_valid_utf8", {S}, 1, SAFE, kernel_is_valid_utf8},
    {"is_valid_utf8", {B}, 1, SAFE, kernel_is_valid_utf8},
    {"make_valid_utf8", {S}, 1, SAFE, kernel_make_valid_utf8},
    {"url_encode", {S}, 1, SAFE, kernel_url_encode},
    {"url_decode", {S}, 1, 0, kernel_url_decode},
    {"try_url_decode", {S}, 1, SAFE, kernel_url_decode},
    {"parse_url", {S, S, S}, 3, KERNEL_VARIADIC, kernel_parse_url},
    {"try_parse_url", {S, S, S}, 3, KERNEL_VARIADIC | SAFE, kernel_parse_url},
    {"raise_error", {S}, 1, KERNEL_NOT_FOLDED, kernel_raise_text},
    {"validate_utf8", {S}, 1, 0, kernel_validate_utf8},
    {"to_binary", {S, S}, 2, 0, kernel_to_binary},
    {"try_to_binary", {S, S}, 2, KERNEL_NEVER_FAILS, kernel_to_binary},
    {"at_least_n_non_nulls", {TYPE_INTEGER, KERNEL_ANY}, 2, KERNEL_VARIADIC | SAFE, kernel_at_least_n},
    {"quote", {S}, 1, SAFE, kernel_quote},
    {"mask", {S, S, S, S, S}, 5, SAFE, kernel_mask},
};
const struct kernel_family kernel_family_text = KERNEL_FAMILY(entries);
