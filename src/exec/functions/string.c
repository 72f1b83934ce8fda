/* string.c: text functions that work on characters: case, padding, trimming, parts, positions. Positions count
 * characters (UTF-8), from 1. */
#include <ctype.h>
#include <limits.h>

#include "exec/functions/rows.h"

/* ---- Case ---- */

/* Simple case pairs beyond ASCII: Latin-1, Latin Extended-A, Greek, Cyrillic, Armenian. */
static uint32_t to_upper(uint32_t c) {
    if (c < 0x80)
        return c >= 'a' && c <= 'z' ? c - 32 : c;
    if ((c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2) || (c >= 0x430 && c <= 0x44F))
        return c - 32;
    if (c == 0xFF)
        return 0x178;
    if (c == 0x3C2)
        return 0x3A3;
    if (c >= 0x450 && c <= 0x45F)
        return c - 80;
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177) || (c >= 0x460 && c <= 0x481) ||
        (c >= 0x48A && c <= 0x4BF))
        return c & 1 ? c - 1 : c;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E))
        return c & 1 ? c : c - 1;
    return c >= 0x561 && c <= 0x586 ? c - 48 : c;
}

static uint32_t to_lower(uint32_t c) {
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) || (c >= 0x410 && c <= 0x42F))
        return c + 32;
    if (c == 0x178)
        return 0xFF;
    if (c >= 0x400 && c <= 0x40F)
        return c + 80;
    if ((c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177) || (c >= 0x460 && c <= 0x481) ||
        (c >= 0x48A && c <= 0x4BF))
        return c & 1 ? c : c + 1;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E))
        return c & 1 ? c + 1 : c;
    return c >= 0x531 && c <= 0x556 ? c + 48 : c;
}

static bool change_case(
    struct evaluation *evaluation, struct string_view text, uint32_t (*change)(uint32_t), void *out) {
    uint8_t *copy = arena_allocate(evaluation->arena, text.size);
    bool ascii = true;
    for (size_t i = 0; i < text.size; i++) {
        ascii &= text.data[i] < 0x80;
        copy[i] = (uint8_t)change(text.data[i] < 0x80 ? text.data[i] : 0);
    }
    if (ascii) {
        *(struct string_view *)out = (struct string_view){copy, text.size, 0};
        return true;
    }
    struct buffer buffer = {0};
    for (size_t i = 0, width; i < text.size; i += width) {
        uint32_t code = utf8_decode(text, i, &width);
        if (code == 0xDF && change == to_upper) /* ß */
            buffer_append_text(&buffer, "SS");
        else
            utf8_append(&buffer, change(code));
    }
    return rows_take_buffer(evaluation, &buffer, out);
}

static bool upper(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return change_case(evaluation, TEXT_AT(0), to_upper, out);
}
ROW_KERNEL(upper)

static bool lower(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return change_case(evaluation, TEXT_AT(0), to_lower, out);
}
ROW_KERNEL(lower)

/* Words are separated by spaces. */
static bool initcap(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    struct buffer buffer = {0};
    bool first = true;
    for (size_t i = 0, width; i < text.size; i += width) {
        uint32_t code = utf8_decode(text, i, &width);
        utf8_append(&buffer, first ? to_upper(code) : to_lower(code));
        first = code == ' ';
    }
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(initcap)

/* ---- Sizes ---- */

static bool length(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    *(int32_t *)out = (int32_t)(arguments[0]->type->kind == TYPE_BINARY ? text.size : utf8_length(text));
    return true;
}
ROW_KERNEL(length)

static bool octet_length(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(int32_t *)out = (int32_t)TEXT_AT(0).size;
    return true;
}
ROW_KERNEL(octet_length)

static bool bit_length(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(int32_t *)out = (int32_t)(TEXT_AT(0).size * 8);
    return true;
}
ROW_KERNEL(bit_length)

static bool ascii(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    size_t width;
    *(int32_t *)out = text.size == 0 ? 0 : (int32_t)utf8_decode(text, 0, &width);
    return true;
}
ROW_KERNEL(ascii)

static bool character(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int64_t code = LONG_AT(0);
    struct buffer buffer = {0};
    if (code >= 0)
        utf8_append(&buffer, (uint32_t)(code & 0xFF));
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(character)

/* ---- Parts ---- */

/* Characters [start, start + length) where start counts from 1, or from the end when negative. */
static bool slice(struct string_view text, bool binary, int64_t start, int64_t size, void *out) {
    int64_t length = (int64_t)(binary ? text.size : utf8_length(text));
    int64_t from = start > 0 ? start - 1 : start < 0 ? length + start : 0;
    int64_t until = size > INT_MAX / 2 ? length : from + size;
    from = from < 0 ? 0 : from > length ? length : from;
    until = until < from ? from : until > length ? length : until;
    size_t first = binary ? (size_t)from : utf8_offset(text, (size_t)from);
    struct string_view rest = {text.data + first, text.size - (uint32_t)first, 0};
    size_t bytes = binary ? (size_t)(until - from) : utf8_offset(rest, (size_t)(until - from));
    return rows_slice(text, first, bytes, out);
}

static bool substring(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return slice(TEXT_AT(0), arguments[0]->type->kind == TYPE_BINARY, INT_AT(1), INT_AT(2), out);
}
ROW_KERNEL(substring)

static bool left(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int32_t size = INT_AT(1);
    return slice(TEXT_AT(0), false, 1, size < 0 ? 0 : size, out);
}
ROW_KERNEL(left)

static bool right(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int32_t size = INT_AT(1);
    if (size <= 0)
        return rows_slice(TEXT_AT(0), 0, 0, out);
    struct string_view text = TEXT_AT(0);
    int64_t length = (int64_t)utf8_length(text);
    return slice(text, false, size >= length ? 1 : -(int64_t)size, size, out);
}
ROW_KERNEL(right)

static bool reverse_text(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    uint8_t *copy = arena_allocate(evaluation->arena, text.size);
    for (size_t i = 0; i < text.size;) {
        size_t width = utf8_width(text.data[i]);
        width = i + width > text.size ? text.size - i : width;
        memcpy(copy + text.size - i - width, text.data + i, width);
        i += width;
    }
    *(struct string_view *)out = (struct string_view){copy, text.size, 0};
    return true;
}
ROW_KERNEL(reverse_text)

static bool repeat(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    int64_t count = INT_AT(1) < 0 ? 0 : INT_AT(1);
    if (count * (int64_t)text.size > INT32_MAX)
        return evaluation_failed(
            evaluation, raise_internal_error(evaluation->error, "repeat() would make a text of more than 2 GiB."));
    struct buffer buffer = {0};
    for (int64_t i = 0; i < count; i++)
        buffer_append(&buffer, text.data, text.size);
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(repeat)

static bool space(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    size_t size = INT_AT(0) < 0 ? 0 : (size_t)INT_AT(0);
    uint8_t *data = arena_allocate(evaluation->arena, size);
    memset(data, ' ', size);
    *(struct string_view *)out = (struct string_view){data, (uint32_t)size, 0};
    return true;
}
ROW_KERNEL(space)

static bool pad(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out, bool before) {
    struct string_view text = TEXT_AT(0), filler = TEXT_AT(2);
    size_t wanted = INT_AT(1) < 0 ? 0 : (size_t)INT_AT(1), length = utf8_length(text),
           filler_length = utf8_length(filler);
    if (length >= wanted)
        return rows_slice(text, 0, utf8_offset(text, wanted), out);
    if (filler_length == 0)
        return rows_slice(text, 0, text.size, out);
    struct buffer buffer = {0};
    if (!before)
        buffer_append(&buffer, text.data, text.size);
    for (size_t missing = wanted - length; missing > 0;) {
        size_t take = missing < filler_length ? missing : filler_length;
        buffer_append(&buffer, filler.data, utf8_offset(filler, take));
        missing -= take;
    }
    if (before)
        buffer_append(&buffer, text.data, text.size);
    return rows_take_buffer(evaluation, &buffer, out);
}

static bool lpad(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return pad(evaluation, arguments, row, out, true);
}
ROW_KERNEL(lpad)

static bool rpad(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return pad(evaluation, arguments, row, out, false);
}
ROW_KERNEL(rpad)

/* ---- Trimming ---- */

static bool is_in(struct string_view set, uint32_t code) {
    for (size_t i = 0, width; i < set.size; i += width)
        if (utf8_decode(set, i, &width) == code)
            return true;
    return false;
}

static bool trim_sides(
    struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out, bool front, bool back) {
    static const struct string_view blank = {(const uint8_t *)" ", 1, 0};
    struct string_view text = TEXT_AT(0), set = evaluation->call->argument_count > 1 ? TEXT_AT(1) : blank;
    size_t from = 0, until = text.size, width;
    while (front && from < until && is_in(set, utf8_decode(text, from, &width)))
        from += width;
    while (back && until > from) {
        size_t last = until - 1;
        while (last > from && (text.data[last] & 0xC0) == 0x80)
            last--;
        if (!is_in(set, utf8_decode(text, last, &width)))
            break;
        until = last;
    }
    return rows_slice(text, from, until - from, out);
}

static bool trim(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return trim_sides(evaluation, arguments, row, out, true, true);
}
ROW_KERNEL(trim)

static bool ltrim(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return trim_sides(evaluation, arguments, row, out, true, false);
}
ROW_KERNEL(ltrim)

static bool rtrim(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return trim_sides(evaluation, arguments, row, out, false, true);
}
ROW_KERNEL(rtrim)

/* ---- Positions ---- */

/* Byte position of needle in text at or after `from`, or SIZE_MAX. */
static size_t find(struct string_view text, struct string_view needle, size_t from) {
    if (from > text.size || needle.size > text.size - from)
        return SIZE_MAX;
    if (needle.size == 0)
        return from;
    const uint8_t *found = memmem(text.data + from, text.size - from, needle.data, needle.size);
    return found == NULL ? SIZE_MAX : (size_t)(found - text.data);
}

static int32_t character_position(struct string_view text, size_t at) {
    return at == SIZE_MAX ? 0 : (int32_t)utf8_length((struct string_view){text.data, (uint32_t)at, 0}) + 1;
}

static bool instr(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(int32_t *)out = character_position(TEXT_AT(0), find(TEXT_AT(0), TEXT_AT(1), 0));
    return true;
}
ROW_KERNEL(instr)

static bool locate(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view needle = TEXT_AT(0), text = TEXT_AT(1);
    int32_t start = INT_AT(2);
    *(int32_t *)out =
        start < 1 ? 0 : character_position(text, find(text, needle, utf8_offset(text, (size_t)start - 1)));
    return true;
}
ROW_KERNEL(locate)

static bool contains(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(uint8_t *)out = find(TEXT_AT(0), TEXT_AT(1), 0) != SIZE_MAX;
    return true;
}
ROW_KERNEL(contains)

static bool starts_with(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0), part = TEXT_AT(1);
    *(uint8_t *)out = text.size >= part.size && memcmp(text.data, part.data, part.size) == 0;
    return true;
}
ROW_KERNEL(starts_with)

static bool ends_with(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0), part = TEXT_AT(1);
    *(uint8_t *)out = text.size >= part.size && memcmp(text.data + text.size - part.size, part.data, part.size) == 0;
    return true;
}
ROW_KERNEL(ends_with)

static bool find_in_set(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view word = TEXT_AT(0), list = TEXT_AT(1);
    int32_t position = 1;
    *(int32_t *)out = 0;
    if (memchr(word.data, ',', word.size) != NULL)
        return true;
    for (size_t start = 0; start <= list.size; position++) {
        const uint8_t *comma = memchr(list.data + start, ',', list.size - start);
        size_t end = comma == NULL ? list.size : (size_t)(comma - list.data);
        if (end - start == word.size && memcmp(list.data + start, word.data, word.size) == 0) {
            *(int32_t *)out = position;
            return true;
        }
        start = end + 1;
    }
    return true;
}
ROW_KERNEL(find_in_set)

/* ---- Replacing ---- */

static bool replace(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0), search = TEXT_AT(1), by = TEXT_AT(2);
    size_t at = search.size == 0 ? SIZE_MAX : find(text, search, 0), from = 0;
    if (at == SIZE_MAX)
        return rows_slice(text, 0, text.size, out);
    struct buffer buffer = {0};
    for (; at != SIZE_MAX; at = find(text, search, from)) {
        buffer_append(&buffer, text.data + from, at - from);
        buffer_append(&buffer, by.data, by.size);
        from = at + search.size;
    }
    buffer_append(&buffer, text.data + from, text.size - from);
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(replace)

static bool translate(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0), from = TEXT_AT(1), to = TEXT_AT(2);
    struct buffer buffer = {0};
    for (size_t i = 0, width; i < text.size; i += width) {
        uint32_t code = utf8_decode(text, i, &width);
        size_t index = 0, at = 0, step;
        while (at < from.size && utf8_decode(from, at, &step) != code) {
            at += step;
            index++;
        }
        if (at >= from.size) {
            buffer_append(&buffer, text.data + i, width);
        } else {
            size_t place = utf8_offset(to, index);
            if (place < to.size)
                utf8_append(&buffer, utf8_decode(to, place, &step));
        }
    }
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(translate)

static bool overlay(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0), by = TEXT_AT(1), head, tail;
    bool binary = arguments[0]->type->kind == TYPE_BINARY;
    int64_t position = INT_AT(2), size = INT_AT(3);
    size = size >= 0 ? size : (int64_t)(binary ? by.size : utf8_length(by));
    slice(text, binary, 1, position - 1, &head);
    slice(text, binary, position + size, INT_MAX, &tail);
    struct buffer buffer = {0};
    buffer_append(&buffer, head.data, head.size);
    buffer_append(&buffer, by.data, by.size);
    buffer_append(&buffer, tail.data, tail.size);
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(overlay)

static bool substring_index(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0), separator = TEXT_AT(1);
    int32_t count = INT_AT(2);
    if (count == 0 || separator.size == 0)
        return rows_slice(text, 0, 0, out);
    if (count > 0) {
        size_t at = 0;
        for (size_t from = 0; count > 0; count--, from = at + separator.size)
            if ((at = find(text, separator, from)) == SIZE_MAX)
                return rows_slice(text, 0, text.size, out);
        return rows_slice(text, 0, at, out);
    }
    for (size_t at = text.size + 1; at-- > 0;) {
        if (at + separator.size > text.size || memcmp(text.data + at, separator.data, separator.size) != 0)
            continue;
        if (++count == 0)
            return rows_slice(text, at + separator.size, text.size - at - separator.size, out);
        at = at >= separator.size ? at - separator.size + 1 : 0;
    }
    return rows_slice(text, 0, text.size, out);
}
ROW_KERNEL(substring_index)

static bool split_part(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0), separator = TEXT_AT(1);
    int32_t wanted = INT_AT(2);
    if (wanted == 0)
        return evaluation_failed(evaluation, raise_invalid_index_of_zero(evaluation->error));
    int32_t parts = 1;
    for (size_t at = 0; separator.size > 0 && (at = find(text, separator, at)) != SIZE_MAX; at += separator.size)
        parts++;
    int32_t index = wanted > 0 ? wanted - 1 : parts + wanted;
    if (index < 0 || index >= parts)
        return rows_slice(text, 0, 0, out);
    size_t from = 0;
    for (; index > 0; index--)
        from = find(text, separator, from) + separator.size;
    size_t end = separator.size == 0 ? SIZE_MAX : find(text, separator, from);
    return rows_slice(text, from, (end == SIZE_MAX ? text.size : end) - from, out);
}
ROW_KERNEL(split_part)

/* ---- Comparing ---- */

static bool levenshtein(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view a = TEXT_AT(0), b = TEXT_AT(1);
    size_t columns = utf8_length(b), width;
    struct arena scratch = {0};
    int32_t *line = ARENA_ARRAY(&scratch, int32_t, columns + 1);
    for (size_t j = 0; j <= columns; j++)
        line[j] = (int32_t)j;
    int32_t number = 1;
    for (size_t i = 0; i < a.size; i += width, number++) {
        uint32_t code = utf8_decode(a, i, &width);
        int32_t diagonal = line[0];
        line[0] = number;
        size_t at = 0, step;
        for (size_t j = 1; j <= columns; j++, at += step) {
            int32_t above = line[j], cost = diagonal + (utf8_decode(b, at, &step) != code);
            int32_t least = above < line[j - 1] ? above + 1 : line[j - 1] + 1;
            line[j] = cost < least ? cost : least;
            diagonal = above;
        }
    }
    int32_t result = line[columns];
    arena_destroy(&scratch);
    if (evaluation->call->argument_count == 3 && result > INT_AT(2))
        result = -1;
    *(int32_t *)out = result;
    return true;
}
ROW_KERNEL(levenshtein)

static bool soundex(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    static const char codes[] = "01230127022455012623017202";
    struct string_view text = TEXT_AT(0);
    if (text.size == 0 || !isalpha(text.data[0]) || text.data[0] >= 0x80)
        return rows_slice(text, 0, text.size, out);
    char result[4] = {(char)toupper(text.data[0]), '0', '0', '0'};
    char last = codes[result[0] - 'A'];
    size_t count = 1;
    for (size_t i = 1; i < text.size && count < 4; i++) {
        if (text.data[i] >= 0x80 || !isalpha(text.data[i])) {
            last = '0';
            continue;
        }
        char code = codes[toupper(text.data[i]) - 'A'];
        if (code == '7') /* h and w do not separate */
            continue;
        if (code != '0' && code != last)
            result[count++] = code;
        last = code;
    }
    *(struct string_view *)out = evaluation_string(evaluation, result, 4);
    return true;
}
ROW_KERNEL(soundex)

static bool luhn_check(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    int sum = 0;
    *(uint8_t *)out = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[text.size - 1 - i];
        if (!isdigit(byte))
            return true;
        int digit = (byte - '0') * (i % 2 == 1 ? 2 : 1);
        sum += digit > 9 ? digit - 9 : digit;
    }
    *(uint8_t *)out = text.size > 0 && sum % 10 == 0;
    return true;
}
ROW_KERNEL(luhn_check)

/* ---- LIKE ---- */

/* Matches with % and _; escape is a character or 0. */
static bool like_matches(struct string_view text, struct string_view pattern, uint32_t escape, bool fold) {
    size_t t = 0, p = 0, star_p = SIZE_MAX, star_t = 0, width, step;
    while (t < text.size) {
        uint32_t code = p < pattern.size ? utf8_decode(pattern, p, &step) : 0;
        if (p < pattern.size && code == '%' && escape != '%') {
            star_p = p += step;
            star_t = t;
            continue;
        }
        uint32_t have = utf8_decode(text, t, &width);
        bool any = p < pattern.size && code == '_' && escape != '_';
        if (p < pattern.size && !any && code == escape && p + step < pattern.size) {
            p += step;
            code = utf8_decode(pattern, p, &step);
        }
        if (p < pattern.size && (any || (fold ? to_lower(code) == to_lower(have) : code == have))) {
            p += step;
            t += width;
        } else if (star_p != SIZE_MAX) {
            p = star_p;
            t = star_t += utf8_width(text.data[star_t]);
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.data[p] == '%')
        p++;
    return p == pattern.size;
}

static bool like_row(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out, bool fold) {
    size_t width;
    struct string_view escape =
        evaluation->call->argument_count > 2 ? TEXT_AT(2) : (struct string_view){(const uint8_t *)"\\", 1, 0};
    *(uint8_t *)out = like_matches(TEXT_AT(0), TEXT_AT(1), escape.size == 0 ? 0 : utf8_decode(escape, 0, &width), fold);
    return true;
}

static bool like(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return like_row(evaluation, arguments, row, out, false);
}
ROW_KERNEL(like)

static bool ilike(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return like_row(evaluation, arguments, row, out, true);
}
ROW_KERNEL(ilike)

#define S TYPE_STRING
#define B TYPE_BINARY
#define I TYPE_INTEGER
#define SAFE KERNEL_NEVER_FAILS
static const struct kernel_entry entries[] = {
    {"upper", {S}, 1, SAFE, kernel_upper},
    {"lower", {S}, 1, SAFE, kernel_lower},
    {"initcap", {S}, 1, SAFE, kernel_initcap},
    {"length", {S}, 1, SAFE, kernel_length},
    {"length", {B}, 1, SAFE, kernel_length},
    {"octet_length", {S}, 1, SAFE, kernel_octet_length},
    {"octet_length", {B}, 1, SAFE, kernel_octet_length},
    {"bit_length", {S}, 1, SAFE, kernel_bit_length},
    {"bit_length", {B}, 1, SAFE, kernel_bit_length},
    {"ascii", {S}, 1, SAFE, kernel_ascii},
    {"char", {TYPE_LONG}, 1, SAFE, kernel_character},
    {"substring", {S, I, I}, 3, SAFE, kernel_substring},
    {"substring", {B, I, I}, 3, SAFE, kernel_substring},
    {"left", {S, I}, 2, SAFE, kernel_left},
    {"right", {S, I}, 2, SAFE, kernel_right},
    {"reverse", {S}, 1, SAFE, kernel_reverse_text},
    {"repeat", {S, I}, 2, 0, kernel_repeat},
    {"space", {I}, 1, SAFE, kernel_space},
    {"lpad", {S, I, S}, 3, SAFE, kernel_lpad},
    {"rpad", {S, I, S}, 3, SAFE, kernel_rpad},
    {"trim", {S, S}, 2, SAFE | KERNEL_VARIADIC, kernel_trim},
    {"btrim", {S, S}, 2, SAFE | KERNEL_VARIADIC, kernel_trim},
    {"btrim", {B, B}, 2, SAFE | KERNEL_VARIADIC, kernel_trim},
    {"ltrim", {S, S}, 2, SAFE | KERNEL_VARIADIC, kernel_ltrim},
    {"rtrim", {S, S}, 2, SAFE | KERNEL_VARIADIC, kernel_rtrim},
    {"instr", {S, S}, 2, SAFE, kernel_instr},
    {"locate", {S, S, I}, 3, SAFE, kernel_locate},
    {"contains", {S, S}, 2, SAFE, kernel_contains},
    {"contains", {B, B}, 2, SAFE, kernel_contains},
    {"starts_with", {S, S}, 2, SAFE, kernel_starts_with},
    {"starts_with", {B, B}, 2, SAFE, kernel_starts_with},
    {"ends_with", {S, S}, 2, SAFE, kernel_ends_with},
    {"ends_with", {B, B}, 2, SAFE, kernel_ends_with},
    {"find_in_set", {S, S}, 2, SAFE, kernel_find_in_set},
    {"replace", {S, S, S}, 3, SAFE, kernel_replace},
    {"translate", {S, S, S}, 3, SAFE, kernel_translate},
    {"overlay", {S, S, I, I}, 4, SAFE, kernel_overlay},
    {"overlay", {B, B, I, I}, 4, SAFE, kernel_overlay},
    {"substring_index", {S, S, I}, 3, SAFE, kernel_substring_index},
    {"split_part", {S, S, I}, 3, 0, kernel_split_part},
    {"levenshtein", {S, S, I}, 3, SAFE | KERNEL_VARIADIC, kernel_levenshtein},
    {"soundex", {S}, 1, SAFE, kernel_soundex},
    {"luhn_check", {S}, 1, SAFE, kernel_luhn_check},
    {"like", {S, S, S}, 3, SAFE | KERNEL_VARIADIC, kernel_like},
    {"ilike", {S, S, S}, 3, SAFE | KERNEL_VARIADIC, kernel_ilike},
};
const struct kernel_family kernel_family_string = KERNEL_FAMILY(entries);
