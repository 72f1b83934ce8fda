#include "base/bytes.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/assert.h"

struct bytes bytes_from_text(const char *text) {
    return text == NULL ? BYTES_NULL : bytes_make(text, strlen(text));
}

bool bytes_equal(struct bytes left, struct bytes right) {
    return left.size == right.size && (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

bool bytes_equal_text(struct bytes left, const char *right) {
    return bytes_equal(left, bytes_from_text(right));
}

static uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + 32) : byte;
}

bool bytes_equal_ignore_case(struct bytes left, struct bytes right) {
    if (left.size != right.size)
        return false;
    for (size_t i = 0; i < left.size; i++)
        if (lower(left.data[i]) != lower(right.data[i]))
            return false;
    return true;
}

bool bytes_starts_with(struct bytes view, const char *prefix) {
    size_t size = strlen(prefix);
    return view.size >= size && memcmp(view.data, prefix, size) == 0;
}

bool bytes_ends_with(struct bytes view, const char *suffix) {
    size_t size = strlen(suffix);
    return view.size >= size && memcmp(view.data + view.size - size, suffix, size) == 0;
}

int bytes_compare(struct bytes left, struct bytes right) {
    size_t common = left.size < right.size ? left.size : right.size;
    int order = common == 0 ? 0 : memcmp(left.data, right.data, common);
    return order != 0 ? order : (left.size > right.size) - (left.size < right.size);
}

struct bytes bytes_slice(struct bytes view, size_t offset, size_t size) {
    ASSERT(offset <= view.size && size <= view.size - offset);
    return (struct bytes){view.data + offset, size};
}

struct bytes bytes_trim(struct bytes view) {
    while (view.size > 0 && isspace(view.data[0]))
        view.data++, view.size--;
    while (view.size > 0 && isspace(view.data[view.size - 1]))
        view.size--;
    return view;
}

size_t bytes_find(struct bytes view, uint8_t byte, size_t from) {
    if (from >= view.size)
        return SIZE_MAX;
    const uint8_t *found = memchr(view.data + from, byte, view.size - from);
    return found == NULL ? SIZE_MAX : (size_t)(found - view.data);
}

bool bytes_to_uint64(struct bytes view, uint64_t *value) {
    uint64_t result = 0;
    if (view.size == 0)
        return false;
    for (size_t i = 0; i < view.size; i++) {
        uint8_t digit = (uint8_t)(view.data[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(result, 10, &result) || __builtin_add_overflow(result, digit, &result))
            return false;
    }
    *value = result;
    return true;
}

bool bytes_to_int64(struct bytes view, int64_t *value) {
    bool negative = view.size > 0 && view.data[0] == '-';
    if (view.size > 0 && (view.data[0] == '-' || view.data[0] == '+'))
        view = bytes_slice(view, 1, view.size - 1);
    uint64_t magnitude;
    if (!bytes_to_uint64(view, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool bytes_to_double(struct bytes view, double *value) {
    char text[128];
    if (view.size == 0 || view.size >= sizeof text || isspace(view.data[0]))
        return false;
    memcpy(text, view.data, view.size);
    text[view.size] = 0;
    char *end;
    *value = strtod(text, &end); /* the program never leaves the C numeric locale */
    return end == text + view.size;
}

/* Length of the well-formed sequence at `at`, or 0 (RFC 3629 section 4). */
static size_t utf8_sequence(const uint8_t *at, size_t left) {
    uint8_t first = at[0];
    if (first < 0x80)
        return 1;
    size_t size = first >= 0xc2 && first <= 0xdf   ? 2
                  : first >= 0xe0 && first <= 0xef ? 3
                  : first >= 0xf0 && first <= 0xf4 ? 4
                                                   : 0;
    if (size == 0 || size > left)
        return 0;
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

bool bytes_is_utf8(struct bytes view) {
    size_t i = 0;
    while (i < view.size) {
        uint64_t word;
        if (view.size - i >= 8 && (memcpy(&word, view.data + i, 8), (word & 0x8080808080808080u) == 0)) {
            i += 8;
            continue;
        }
        size_t size = utf8_sequence(view.data + i, view.size - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

size_t bytes_edit_distance(struct bytes left, struct bytes right) {
    size_t *row = malloc((right.size + 1) * sizeof *row);
    ASSERT(row != NULL);
    for (size_t j = 0; j <= right.size; j++)
        row[j] = j;
    for (size_t i = 1; i <= left.size; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= right.size; j++) {
            size_t above = row[j], cost = diagonal + (left.data[i - 1] != right.data[j - 1]);
            size_t least = above + 1 < row[j - 1] + 1 ? above + 1 : row[j - 1] + 1;
            row[j] = cost < least ? cost : least;
            diagonal = above;
        }
    }
    size_t distance = row[right.size];
    free(row);
    return distance;
}
