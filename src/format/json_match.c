/* json_match.c: the kernel that matches records against a template. Every byte of a record is checked: literals byte by
 * byte, values by the grammar of their kind; whatever is not plainly right is left to the general parser. Compiled once
 * for every processor (JSON_MATCH names the function) and once for x86-64-v3. Reads stay within a record: loads at its
 * end are done backwards from there (a record has at least eight bytes). */
#include "base/calendar.h"
#include "column/text.h"
#include "format/json_template.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#ifndef JSON_MATCH
#define JSON_MATCH json_match_portable
#endif

#define ZEROS 0x3030303030303030u
#define HIGHS 0x8080808080808080u

static inline uint64_t load64(const uint8_t *at) {
    uint64_t value;
    memcpy(&value, at, 8);
    return value;
}

static inline uint16_t load16(const uint8_t *at) {
    uint16_t value;
    memcpy(&value, at, 2);
    return value;
}

static inline bool same_bytes(const uint8_t *left, const uint8_t *right, size_t size) {
    if (__builtin_expect(size >= 8, 1)) {
        uint64_t difference = load64(left + size - 8) ^ load64(right + size - 8);
        for (size_t i = 0; i + 8 < size; i += 8) {
            difference |= load64(left + i) ^ load64(right + i);
        }
        return difference == 0;
    }
    uint8_t difference = 0;
    for (size_t i = 0; i < size; i++) {
        difference |= left[i] ^ right[i];
    }
    return difference == 0;
}

/* Value of eight digits given as bytes 0..9, the first in the lowest byte. */
static inline uint32_t eight_digits(uint64_t digits) {
#if defined(__AVX2__)
    __m128i pairs = _mm_maddubs_epi16(_mm_cvtsi64_si128((long long)digits), _mm_set1_epi16(0x010a));
    __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));
    fours = _mm_packus_epi32(fours, fours);
    return (uint32_t)_mm_cvtsi128_si32(_mm_madd_epi16(fours, _mm_set1_epi32(0x00012710)));
#else
    digits = (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ffu;
    return (uint32_t)(((digits & 0x000000ff000000ffu) * 0x000f424000000064u +
                          ((digits >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u) >>
                      32);
#endif
}

/* Set high bits where a byte of (text ^ ZEROS) is not 0..9. */
static inline uint64_t not_digits(uint64_t digits) {
    return ((digits + 0x7676767676767676u) | digits) & HIGHS;
}

/* The eight bytes at `at`, with zeros beyond `end`. The record is known to begin at least eight bytes before its end.
 */
static inline uint64_t load_within(const uint8_t *at, const uint8_t *end) {
    size_t left = (size_t)(end - at);
    if (__builtin_expect(left >= 8, 1)) {
        return load64(at);
    }
    return left == 0 ? 0 : load64(end - 8) >> (8 * (8 - left));
}

/* An integer of at most 18 digits; NULL when it is something else. */
static inline const uint8_t *match_integer(const uint8_t *at, const uint8_t *end, int64_t *value) {
    bool negative = at < end && *at == '-';
    at += negative;
    uint64_t word = load_within(at, end) ^ ZEROS, stops = not_digits(word);
    if (__builtin_expect(stops == 0, 0)) {
        uint64_t high = eight_digits(word), next = load_within(at + 8, end) ^ ZEROS;
        stops = not_digits(next);
        if (stops == 0 || (word & 0xff) == 0) {
            return NULL; /* sixteen digits or more, or a leading zero */
        }
        unsigned count = (unsigned)__builtin_ctzll(stops) >> 3;
        static const int64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
        uint64_t low = count == 0 ? 0 : eight_digits(next << (8 * (8 - count)));
        *value = (int64_t)high * powers[count] + (int64_t)low;
        *value = negative ? -*value : *value;
        return at + 8 + count;
    }
    unsigned count = (unsigned)__builtin_ctzll(stops) >> 3;
    if (__builtin_expect(count == 0 || ((word & 0xff) == 0 && count > 1), 0)) {
        return NULL;
    }
    int64_t magnitude = eight_digits(word << (8 * (8 - count)));
    *value = negative ? -magnitude : magnitude;
    return at + count;
}

static inline bool store_integer(const struct json_step *step, size_t row, int64_t value) {
    if (__builtin_expect(value < step->minimum || value > step->maximum, 0)) {
        return false;
    }
    switch (step->value_size) {
    case 4: {
        int32_t narrow = (int32_t)value;
        memcpy(step->values + row * 4, &narrow, 4);
        break;
    }
    case 8:
        memcpy(step->values + row * 8, &value, 8);
        break;
    case 2: {
        int16_t narrow = (int16_t)value;
        memcpy(step->values + row * 2, &narrow, 2);
        break;
    }
    default:
        step->values[row] = (uint8_t)value;
    }
    return true;
}

/* Up to the closing quote; NULL when there is an escape, a control character or bad UTF-8. */
static inline const uint8_t *match_string(const uint8_t *at, const uint8_t *end) {
    const uint64_t ones = 0x0101010101010101u;
    const uint8_t *start = at;
    bool ascii = true;
    for (;;) {
        uint64_t word = load_within(at, end);
        uint64_t quotes = word ^ ones * '"', slashes = word ^ ones * '\\';
        uint64_t special =
            (((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes) | ((word - ones * 0x20) & ~word)) & HIGHS;
        if (__builtin_expect(special != 0, 1)) {
            /* The lowest mark is exact, those above it may be carries. */
            unsigned count = (unsigned)__builtin_ctzll(special) >> 3;
            ascii = ascii && (word & HIGHS & ((count == 0 ? 0 : ~0ull >> (64 - 8 * count)))) == 0;
            at += count;
            break;
        }
        ascii = ascii && (word & HIGHS) == 0;
        at += 8;
    }
    if (at >= end || *at != '"') {
        return NULL;
    }
    return ascii || bytes_is_utf8(bytes_make(start, (size_t)(at - start))) ? at : NULL;
}

/* "2026-03-01T08:00:" at `at`, digits checked: the first microsecond of that minute. */
static __attribute__((noinline)) bool learn_minute(
    struct json_step *step, const struct json_match *context, const uint8_t *at) {
    static const char form[] = "dddd-dd-ddTdd:dd:";
    for (size_t i = 0; i < 17; i++) {
        bool right =
            form[i] == 'd' ? (uint8_t)(at[i] - '0') <= 9 : at[i] == (uint8_t)form[i] || (i == 10 && at[i] == ' ');
        if (!right) {
            return false;
        }
    }
    int64_t minute_us;
#define TWO(index) ((at[index] - '0') * 10 + (at[(index) + 1] - '0'))
    if (context->utc) {
        int32_t year = TWO(0) * 100 + TWO(2);
        if (!calendar_is_valid(year, TWO(5), TWO(8)) || TWO(11) > 23 || TWO(14) > 59) {
            return false;
        }
        minute_us = ((calendar_days(year, TWO(5), TWO(8)) * 24 + TWO(11)) * 60 + TWO(14)) * 60000000;
    } else if (!value_parse_timestamp(bytes_make(at, 16), context->zone, &minute_us)) {
        return false;
    }
#undef TWO
    step->minute_text[0] = load64(at);
    step->minute_text[1] = load64(at + 8);
    step->minute_us = minute_us;
    step->minute_known = true;
    return true;
}

/* Any other form, up to the closing quote. */
static __attribute__((noinline)) const uint8_t *match_odd_timestamp(
    const struct json_match *context, const uint8_t *at, const uint8_t *end, int64_t *value) {
    const uint8_t *close = match_string(at, end);
    if (close == NULL || !value_parse_timestamp(bytes_make(at, (size_t)(close - at)), context->zone, value)) {
        return NULL;
    }
    return close;
}

/* 26 bytes as Python's isoformat() gives them, or another form. */
static inline const uint8_t *match_timestamp(
    struct json_step *step, const struct json_match *context, const uint8_t *at, const uint8_t *end, int64_t *value) {
    if (__builtin_expect(end - at < 27 || at[26] != '"', 0)) {
        return match_odd_timestamp(context, at, end, value);
    }
    uint64_t seconds = load16(at + 17), rest = load64(at + 18); /* "SS", "S.ffffff" */
    uint64_t digits = ((rest & ~0xffffull) | seconds) ^ ZEROS;
    bool good = ((rest >> 8 & 0xff) == '.') & (not_digits(digits) == 0) & ((digits & 0xff) <= 5);
    bool same = ((load64(at) ^ step->minute_text[0]) | (load64(at + 8) ^ step->minute_text[1])) == 0 && at[16] == ':' &&
                step->minute_known;
    if (__builtin_expect(!good, 0)) {
        return match_odd_timestamp(context, at, end, value);
    }
    if (__builtin_expect(!same, 0) && !learn_minute(step, context, at)) {
        return NULL;
    }
    *value = step->minute_us + eight_digits(digits);
    return at + 26;
}

static inline const uint8_t *match_double(const uint8_t *at, const uint8_t *end, double *value) {
    static const double powers[] = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
    bool negative = at < end && *at == '-';
    at += negative;
    const uint8_t *start = at;
    uint64_t mantissa = 0;
    while (at < end && (uint8_t)(*at - '0') <= 9) {
        mantissa = mantissa * 10 + (uint64_t)(*at++ - '0');
    }
    size_t whole = (size_t)(at - start), fraction = 0;
    if (whole == 0 || (*start == '0' && whole > 1)) {
        return NULL;
    }
    if (at < end && *at == '.') {
        const uint8_t *point = ++at;
        while (at < end && (uint8_t)(*at - '0') <= 9) {
            mantissa = mantissa * 10 + (uint64_t)(*at++ - '0');
        }
        fraction = (size_t)(at - point);
        if (fraction == 0) {
            return NULL;
        }
    }
    /* Exact only while the mantissa and the power of ten are (Clinger 1990); exponents go to the general parser. */
    if (whole + fraction > 18 || mantissa > 1ull << 53 || (at < end && (*at | 0x20) == 'e')) {
        return NULL;
    }
    double magnitude = (double)mantissa / powers[fraction];
    *value = negative ? -magnitude : magnitude;
    return at;
}

static inline const uint8_t *match_boolean(const uint8_t *at, const uint8_t *end, uint8_t *value) {
    if (end - at >= 4 && memcmp(at, "true", 4) == 0) {
        *value = 1;
        return at + 4;
    }
    if (end - at >= 5 && memcmp(at, "false", 5) == 0) {
        *value = 0;
        return at + 5;
    }
    return NULL;
}

static inline const uint8_t *match_value(
    struct json_step *step, const struct json_match *context, const uint8_t *at, const uint8_t *end, size_t row) {
    int64_t wide;
    double real = 0;
    const uint8_t *start = at;
    switch ((enum json_step_kind)step->kind) {
    case STEP_INTEGER:
        at = match_integer(at, end, &wide);
        return at != NULL && store_integer(step, row, wide) ? at : NULL;
    case STEP_TIMESTAMP:
        at = match_timestamp(step, context, at, end, &wide);
        memcpy(step->values + row * 8, &wide, 8);
        return at;
    case STEP_STRING:
        at = match_string(at, end);
        if (at != NULL) {
            struct string_view view = {start, (uint32_t)(at - start), 0};
            memcpy(step->values + row * sizeof view, &view, sizeof view);
        }
        return at;
    case STEP_SKIP_STRING:
        return match_string(at, end);
    case STEP_SKIP_NUMBER:
        return match_double(at, end, &real);
    case STEP_DOUBLE:
        at = match_double(at, end, &real);
        memcpy(step->values + row * 8, &real, 8);
        return at;
    case STEP_FLOAT: {
        at = match_double(at, end, &real);
        float single = (float)real;
        memcpy(step->values + row * 4, &single, 4);
        return at;
    }
    case STEP_BOOLEAN:
        return match_boolean(at, end, step->values + row);
    case STEP_END:
        break;
    }
    return at;
}

size_t JSON_MATCH(struct json_template *made, const struct json_match *context, const struct string_view *records,
    size_t from, size_t count) {
    const struct json_step *last = made->steps + made->step_count;
    size_t row = from;
    for (; row < count; row++) {
        const uint8_t *at = records[row].data, *end = at + records[row].size;
        if (__builtin_expect(records[row].size < made->size_min, 0)) {
            break;
        }
        for (struct json_step *step = made->steps; step < last; step++) {
            if (__builtin_expect(
                    (size_t)(end - at) < step->literal_size || !same_bytes(at, step->literal, step->literal_size), 0)) {
                at = NULL;
                break;
            }
            at = match_value(step, context, at + step->literal_size, end, row);
            if (__builtin_expect(at == NULL, 0)) {
                break;
            }
        }
        if (__builtin_expect(at != end, 0)) {
            break;
        }
    }
    return row - from;
}
