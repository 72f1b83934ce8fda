/* hash.c: Spark's row hashes (Murmur 3 of 32 bits and xxHash of 64 bits, both folded over the arguments from seed 42),
 * digests, hex and UUIDs.
 *
 * Murmur 3 as Spark has it differs from the reference in the tail of byte strings: each leftover byte is mixed as a
 * signed int of its own. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <openssl/evp.h>
#include <zlib.h>

#include "exec/functions/rows.h"
#include "exec/state.h"
#include "exec/random.h"

enum { HASH_SEED = 42 };

/* ---- Murmur 3 ---- */

static uint32_t rotate(uint32_t value, int bits) {
    return value << bits | value >> (32 - bits);
}

static uint32_t mix(uint32_t hash, uint32_t word) {
    word = rotate(word * 0xcc9e2d51u, 15) * 0x1b873593u;
    return rotate(hash ^ word, 13) * 5 + 0xe6546b64u;
}

static uint32_t finish(uint32_t hash, uint32_t size) {
    hash ^= size;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}

static uint32_t murmur_int(uint32_t seed, uint32_t value) {
    return finish(mix(seed, value), 4);
}

static uint32_t murmur_long(uint32_t seed, uint64_t value) {
    return finish(mix(mix(seed, (uint32_t)value), (uint32_t)(value >> 32)), 8);
}

static uint32_t murmur_bytes(uint32_t seed, const uint8_t *data, size_t size) {
    uint32_t hash = seed;
    size_t i = 0;
    for (; i + 4 <= size; i += 4)
        hash = mix(hash, load_le32(data + i));
    for (; i < size; i++)
        hash = mix(hash, (uint32_t)(int32_t)(int8_t)data[i]);
    return finish(hash, (uint32_t)size);
}

/* ---- One value of any type ---- */

/* The two hashes behind one interface; `wide` chooses xxHash. */
static uint64_t hash_int(bool wide, uint64_t seed, int32_t value) {
    uint8_t bytes[4];
    store_le32(bytes, (uint32_t)value);
    return wide ? XXH64(bytes, 4, seed) : murmur_int((uint32_t)seed, (uint32_t)value);
}

static uint64_t hash_long(bool wide, uint64_t seed, int64_t value) {
    uint8_t bytes[8];
    store_le64(bytes, (uint64_t)value);
    return wide ? XXH64(bytes, 8, seed) : murmur_long((uint32_t)seed, (uint64_t)value);
}

static uint64_t hash_data(bool wide, uint64_t seed, const void *data, size_t size) {
    return wide ? XXH64(data, size, seed) : murmur_bytes((uint32_t)seed, data, size);
}

/* The shortest two's complement form, big endian, as java.math.BigInteger.toByteArray. */
static uint64_t hash_wide_decimal(bool wide, uint64_t seed, __int128 value) {
    uint8_t bytes[16];
    for (int i = 0; i < 16; i++)
        bytes[i] = (uint8_t)((unsigned __int128)value >> (120 - 8 * i));
    size_t from = 0;
    while (
        from < 15 && ((bytes[from] == 0 && bytes[from + 1] < 0x80) || (bytes[from] == 0xFF && bytes[from + 1] >= 0x80)))
        from++;
    return hash_data(wide, seed, bytes + from, 16 - from);
}

static uint64_t hash_value(bool wide, uint64_t seed, const struct column *column, size_t row);

static uint64_t hash_nested(bool wide, uint64_t seed, const struct column *column, size_t row) {
    row = column->constant ? 0 : row;
    if (column->type->kind == TYPE_STRUCT) {
        for (size_t i = 0; i < column->child_count; i++)
            seed = hash_value(wide, seed, column->children[i], row);
        return seed;
    }
    for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++)
        for (size_t child = 0; child < column->child_count; child++)
            seed = hash_value(wide, seed, column->children[child], (size_t)i);
    return seed;
}

static uint64_t hash_value(bool wide, uint64_t seed, const struct column *column, size_t row) {
    if (column_is_null(column, row))
        return seed;
    switch (column->type->kind) {
    case TYPE_BOOLEAN:
        return hash_int(wide, seed, COLUMN_AT(column, uint8_t, row));
    case TYPE_BYTE:
        return hash_int(wide, seed, COLUMN_AT(column, int8_t, row));
    case TYPE_SHORT:
        return hash_int(wide, seed, COLUMN_AT(column, int16_t, row));
    case TYPE_INTEGER:
    case TYPE_DATE:
    case TYPE_YEAR_MONTH_INTERVAL:
        return hash_int(wide, seed, COLUMN_AT(column, int32_t, row));
    case TYPE_LONG:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_DAY_TIME_INTERVAL:
        return hash_long(wide, seed, COLUMN_AT(column, int64_t, row));
    case TYPE_FLOAT: {
        float value = COLUMN_AT(column, float, row);
        int32_t bits = 0;
        if (value != 0)
            memcpy(&bits, &value, sizeof bits);
        return hash_int(wide, seed, value != value ? 0x7fc00000 : bits);
    }
    case TYPE_DOUBLE: {
        double value = COLUMN_AT(column, double, row);
        int64_t bits = 0;
        if (value != 0)
            memcpy(&bits, &value, sizeof bits);
        return hash_long(wide, seed, value != value ? 0x7ff8000000000000 : bits);
    }
    case TYPE_DECIMAL:
        if (column->type->precision <= 18)
            return hash_long(wide, seed, (int64_t)COLUMN_AT(column, __int128, row));
        return hash_wide_decimal(wide, seed, COLUMN_AT(column, __int128, row));
    case TYPE_STRING:
    case TYPE_BINARY: {
        struct string_view view = COLUMN_AT(column, struct string_view, row);
        return hash_data(wide, seed, view.data != NULL ? view.data : (const uint8_t *)"", view.size);
    }
    case TYPE_CALENDAR_INTERVAL: {
        struct calendar_interval value = COLUMN_AT(column, struct calendar_interval, row);
        return hash_int(wide, hash_int(wide, hash_long(wide, seed, value.microseconds), value.days), value.months);
    }
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_STRUCT:
        return hash_nested(wide, seed, column, row);
    default:
        return seed;
    }
}

/* One column of 4 or 8 bytes folded into the hashes; `step` is 0 when one value stands for all rows. */
static void hash_ints(const int32_t *values, size_t step, size_t row_count, int32_t *hashes) {
    for (size_t row = 0; row < row_count; row++)
        hashes[row] = (int32_t)murmur_int((uint32_t)hashes[row], (uint32_t)values[row * step]);
}

static void hash_longs(const int64_t *values, size_t step, size_t row_count, int32_t *hashes) {
    for (size_t row = 0; row < row_count; row++)
        hashes[row] = (int32_t)murmur_long((uint32_t)hashes[row], (uint64_t)values[row * step]);
}

/* Folds a column into the hashes of all rows; `constant`: its first row stands for all. */
static void hash_column(const struct column *column, bool constant, size_t row_count, int32_t *hashes) {
    constant = constant || column->constant;
    enum type_kind kind = column->type->kind;
    bool whole = column->validity == NULL;
    if (whole && kind == TYPE_STRUCT) {
        for (size_t i = 0; i < column->child_count; i++)
            hash_column(column->children[i], constant, row_count, hashes);
    } else if (whole && (kind == TYPE_INTEGER || kind == TYPE_DATE || kind == TYPE_YEAR_MONTH_INTERVAL)) {
        hash_ints(COLUMN_VALUES(column, int32_t), !constant, row_count, hashes);
    } else if (whole && (kind == TYPE_LONG || kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_NTZ ||
                            kind == TYPE_DAY_TIME_INTERVAL)) {
        hash_longs(COLUMN_VALUES(column, int64_t), !constant, row_count, hashes);
    } else {
        for (size_t row = 0; row < row_count; row++)
            hashes[row] = (int32_t)hash_value(false, (uint32_t)hashes[row], column, constant ? 0 : row);
    }
}

void state_hash_rows(struct column *const *columns, size_t column_count, size_t row_count, int32_t *hashes) {
    for (size_t row = 0; row < row_count; row++)
        hashes[row] = HASH_SEED;
    for (size_t i = 0; i < column_count; i++)
        hash_column(columns[i], false, row_count, hashes);
}

static struct column *kernel_hash(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result(evaluation);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        uint64_t hash = HASH_SEED;
        for (size_t i = 0; i < evaluation->call->argument_count; i++)
            hash = hash_value(false, hash, arguments[i], row);
        COLUMN_VALUES(result, int32_t)[row] = (int32_t)hash;
    }
    return result;
}

static struct column *kernel_xxhash64(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result(evaluation);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        uint64_t hash = HASH_SEED;
        for (size_t i = 0; i < evaluation->call->argument_count; i++)
            hash = hash_value(true, hash, arguments[i], row);
        COLUMN_VALUES(result, int64_t)[row] = (int64_t)hash;
    }
    return result;
}

/* ---- Digests ---- */

static bool put_hex(struct evaluation *evaluation, const uint8_t *data, size_t size, const char *digits, void *out) {
    uint8_t *text = arena_allocate(evaluation->arena, 2 * size);
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = (uint8_t)digits[data[i] >> 4];
        text[2 * i + 1] = (uint8_t)digits[data[i] & 15];
    }
    *(struct string_view *)out = (struct string_view){text, (uint32_t)(2 * size), 0};
    return true;
}

static bool digest(struct evaluation *evaluation, struct string_view text, const EVP_MD *kind, void *out) {
    uint8_t bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(text.data, text.size, bytes, &size, kind, NULL) != 1)
        return evaluation_failed(evaluation, raise_internal_error(evaluation->error, "The digest is not available."));
    return put_hex(evaluation, bytes, size, "0123456789abcdef", out);
}

static bool md5(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return digest(evaluation, TEXT_AT(0), EVP_md5(), out);
}
ROW_KERNEL(md5)

static bool sha1(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    return digest(evaluation, TEXT_AT(0), EVP_sha1(), out);
}
ROW_KERNEL(sha1)

static bool sha2(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    switch (INT_AT(1)) {
    case 224:
        return digest(evaluation, TEXT_AT(0), EVP_sha224(), out);
    case 0:
    case 256:
        return digest(evaluation, TEXT_AT(0), EVP_sha256(), out);
    case 384:
        return digest(evaluation, TEXT_AT(0), EVP_sha384(), out);
    case 512:
        return digest(evaluation, TEXT_AT(0), EVP_sha512(), out);
    default:
        return false;
    }
}
ROW_KERNEL(sha2)

static bool crc32_of(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view data = TEXT_AT(0);
    *(int64_t *)out = (int64_t)crc32(0, data.data != NULL ? data.data : (const uint8_t *)"", data.size);
    return true;
}
ROW_KERNEL(crc32_of)

/* ---- Hex ---- */

static bool hex_text(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    return put_hex(evaluation, text.data, text.size, "0123456789ABCDEF", out);
}
ROW_KERNEL(hex_text)

static bool hex_long(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    uint64_t value = (uint64_t)LONG_AT(0);
    char digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789ABCDEF"[value & 15];
    } while ((value >>= 4) != 0);
    *(struct string_view *)out = evaluation_string(evaluation, digits + at, sizeof digits - at);
    return true;
}
ROW_KERNEL(hex_long)

static int hex_digit(uint8_t byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool unhex(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    size_t size = (text.size + 1) / 2, odd = text.size % 2;
    uint8_t *data = arena_allocate(evaluation->arena, size);
    memset(data, 0, size);
    for (size_t i = 0; i < text.size; i++) {
        int digit = hex_digit(text.data[i]);
        if (digit < 0)
            return false;
        data[(i + odd) / 2] = (uint8_t)(data[(i + odd) / 2] << 4 | digit);
    }
    *(struct string_view *)out = (struct string_view){data, (uint32_t)size, 0};
    return true;
}
ROW_KERNEL(unhex)

/* ---- UUIDs: version 4, from the query's seed ---- */

static struct column *kernel_uuid(struct evaluation *evaluation, struct column *const *arguments) {
    int64_t seed = (int64_t)evaluation->settings->random_seed;
    if (evaluation->call->argument_count > 0 && !column_is_null(arguments[0], 0))
        seed = COLUMN_AT(arguments[0], int64_t, 0);
    struct column *result = evaluation_result(evaluation);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        uint64_t place[2] = {(uint64_t)evaluation->partition, (uint64_t)evaluation->first_row + row};
        uint64_t high = XXH64(place, sizeof place, (uint64_t)seed), low = XXH64(place, sizeof place, high);
        high = (high & ~(uint64_t)0xF000) | 0x4000;
        low = (low & 0x3FFFFFFFFFFFFFFF) | 0x8000000000000000;
        struct buffer text = {0};
        buffer_printf(&text, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xFFFF),
            (unsigned)(high & 0xFFFF), (unsigned)(low >> 48), (unsigned long long)(low & 0xFFFFFFFFFFFF));
        rows_take_buffer(evaluation, &text, &COLUMN_VALUES(result, struct string_view)[row]);
    }
    return result;
}

#define B TYPE_BINARY
#define SAFE KERNEL_NEVER_FAILS
static const struct kernel_entry entries[] = {
    {"hash", {KERNEL_ANY}, 1, KERNEL_VARIADIC | SAFE, kernel_hash},
    {"xxhash64", {KERNEL_ANY}, 1, KERNEL_VARIADIC | SAFE, kernel_xxhash64},
    {"md5", {B}, 1, SAFE, kernel_md5},
    {"sha1", {B}, 1, SAFE, kernel_sha1},
    {"sha2", {B, TYPE_INTEGER}, 2, SAFE, kernel_sha2},
    {"crc32", {B}, 1, SAFE, kernel_crc32_of},
    {"hex", {TYPE_STRING}, 1, SAFE, kernel_hex_text},
    {"hex", {B}, 1, SAFE, kernel_hex_text},
    {"hex", {TYPE_LONG}, 1, SAFE, kernel_hex_long},
    {"unhex", {TYPE_STRING}, 1, SAFE, kernel_unhex},
    {"uuid", {TYPE_LONG}, 1, KERNEL_VARIADIC | KERNEL_NOT_FOLDED | SAFE, kernel_uuid},
};
const struct kernel_family kernel_family_hash = KERNEL_FAMILY(entries);
