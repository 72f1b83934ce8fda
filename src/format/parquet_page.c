/* parquet_page.c: column chunks. A page gathers values until it is full, then chooses the encoding: the dictionary
 * while it pays, else DELTA_BINARY_PACKED for integers and PLAIN for the rest. Pages are data pages of version 1 (what
 * Spark writes by default). */
#include "format/parquet_page.h"

#include <math.h>
#include <stdlib.h>
#include "base/assert.h"
#include "format/compress.h"

enum { PAGE_ROWS_MAX = 20000, JULIAN_DAY_OF_EPOCH = 2440588 };

static size_t physical_size(const struct parquet_element *element) {
    switch (element->physical) {
    case PARQUET_BOOLEAN:
        return 1; /* gathered as bytes */
    case PARQUET_INT32:
    case PARQUET_FLOAT:
        return 4;
    case PARQUET_INT64:
    case PARQUET_DOUBLE:
        return 8;
    case PARQUET_INT96:
        return 12;
    case PARQUET_FIXED:
        return (size_t)element->type_length;
    case PARQUET_BYTE_ARRAY:
        break;
    }
    return 0;
}

static bool wants_dictionary(const struct parquet_chunk *chunk) {
    enum parquet_physical physical = chunk->node->element.physical;
    bool instant = chunk->node->type->kind == TYPE_TIMESTAMP || chunk->node->type->kind == TYPE_TIMESTAMP_NTZ;
    return !chunk->options->no_dictionary && !chunk->dictionary_given_up && physical != PARQUET_BOOLEAN &&
           !(instant && physical == PARQUET_INT64 && !chunk->options->no_delta);
}

void parquet_chunk_init(
    struct parquet_chunk *chunk, const struct parquet_node *node, const struct parquet_write_options *options) {
    *chunk = (struct parquet_chunk){.node = node, .options = options};
    parquet_chunk_reset(chunk);
}

void parquet_chunk_free(struct parquet_chunk *chunk) {
    struct buffer *buffers[] = {&chunk->values, &chunk->texts, &chunk->definitions, &chunk->repetitions, &chunk->pages,
        &chunk->scratch, &chunk->encoded, &chunk->indexes, &chunk->dictionary_page};
    for (size_t i = 0; i < ARRAY_COUNT(buffers); i++) {
        buffer_free(buffers[i]);
    }
    parquet_dictionary_destroy(chunk->dictionary);
}

static void clear_page(struct parquet_chunk *chunk) {
    buffer_clear(&chunk->values);
    buffer_clear(&chunk->texts);
    buffer_clear(&chunk->definitions);
    buffer_clear(&chunk->repetitions);
    chunk->value_count = chunk->level_count = chunk->row_count = 0;
}

void parquet_chunk_reset(struct parquet_chunk *chunk) {
    clear_page(chunk);
    buffer_clear(&chunk->pages);
    buffer_clear(&chunk->dictionary_page);
    chunk->total_values = chunk->uncompressed_size = 0;
    chunk->encodings = 0;
    chunk->data_page_count = 0;
    chunk->statistics = (struct parquet_statistics){0};
    if (!wants_dictionary(chunk)) {
        parquet_dictionary_destroy(chunk->dictionary);
        chunk->dictionary = NULL;
    } else if (chunk->dictionary == NULL) {
        chunk->dictionary = parquet_dictionary_create(physical_size(&chunk->node->element));
    } else {
        parquet_dictionary_clear(chunk->dictionary);
    }
}

size_t parquet_chunk_memory(const struct parquet_chunk *chunk) {
    return chunk->pages.size + chunk->values.size + chunk->texts.size;
}

/* ---- values of the column's type to those of the page ---- */

static void note_integer(struct parquet_statistics *statistics, int64_t minimum, int64_t maximum) {
    if (!statistics->has_range || minimum < statistics->minimum) {
        statistics->minimum = minimum;
    }
    if (!statistics->has_range || maximum > statistics->maximum) {
        statistics->maximum = maximum;
    }
    statistics->has_range = true;
}

static void note_real(struct parquet_statistics *statistics, double value) {
    if (isnan(value)) {
        statistics->unusable = true;
    } else if (!statistics->has_range) {
        statistics->real_minimum = statistics->real_maximum = value;
        statistics->has_range = true;
    } else {
        statistics->real_minimum = value < statistics->real_minimum ? value : statistics->real_minimum;
        statistics->real_maximum = value > statistics->real_maximum ? value : statistics->real_maximum;
    }
}

static void note_text(struct parquet_statistics *statistics, struct bytes value) {
    struct bytes minimum = bytes_make(statistics->text_minimum, statistics->text_minimum_size);
    struct bytes maximum = bytes_make(statistics->text_maximum, statistics->text_maximum_size);
    bool lower = !statistics->has_range || bytes_compare(value, minimum) < 0;
    bool higher = !statistics->has_range || bytes_compare(value, maximum) > 0;
    if ((lower || higher) && value.size > sizeof statistics->text_minimum) {
        statistics->unusable = true;
        return;
    }
    if (lower) {
        memcpy(statistics->text_minimum, value.data, value.size);
        statistics->text_minimum_size = value.size;
    }
    if (higher) {
        memcpy(statistics->text_maximum, value.data, value.size);
        statistics->text_maximum_size = value.size;
    }
    statistics->has_range = true;
}

static void put_int96(struct parquet_chunk *chunk, int64_t microseconds) {
    int64_t day = microseconds / 86400000000, rest = microseconds % 86400000000;
    day -= rest < 0;
    rest += rest < 0 ? 86400000000 : 0;
    int64_t nanoseconds = rest * 1000;
    int32_t julian = (int32_t)(day + JULIAN_DAY_OF_EPOCH);
    buffer_append(&chunk->values, &nanoseconds, 8);
    buffer_append(&chunk->values, &julian, 4);
}

static void put_decimal(struct parquet_chunk *chunk, __int128 value) {
    struct parquet_statistics *statistics = &chunk->statistics;
    enum parquet_physical physical = chunk->node->element.physical;
    if (physical == PARQUET_INT32 || physical == PARQUET_INT64) {
        int64_t wide = (int64_t)value;
        int32_t narrow = (int32_t)wide;
        buffer_append(&chunk->values, physical == PARQUET_INT32 ? (void *)&narrow : (void *)&wide,
            physical == PARQUET_INT32 ? 4 : 8);
        note_integer(statistics, wide, wide);
        return;
    }
    size_t size = (size_t)chunk->node->element.type_length;
    uint8_t *out = buffer_extend(&chunk->values, size);
    for (size_t i = 0; i < size; i++) {
        out[size - 1 - i] = (uint8_t)(value >> (8 * i));
    }
    if (!statistics->has_range || value < statistics->decimal_minimum) {
        statistics->decimal_minimum = value;
    }
    if (!statistics->has_range || value > statistics->decimal_maximum) {
        statistics->decimal_maximum = value;
    }
    statistics->has_range = true;
}

static void put_text(struct parquet_chunk *chunk, struct string_view view) {
    struct parquet_text place = {(uint32_t)chunk->texts.size, view.size};
    buffer_append(&chunk->texts, view.data, view.size);
    buffer_append(&chunk->values, &place, sizeof place);
    if (!chunk->statistics.unusable) {
        note_text(&chunk->statistics, bytes_make(view.data, view.size));
    }
}

static void put_instant(struct parquet_chunk *chunk, int64_t microseconds) {
    const struct parquet_element *element = &chunk->node->element;
    if (element->physical == PARQUET_INT96) {
        put_int96(chunk, microseconds);
        return;
    }
    if (element->unit == PARQUET_MILLIS) {
        int64_t rest = microseconds % 1000;
        microseconds = microseconds / 1000 - (rest < 0);
    }
    buffer_append(&chunk->values, &microseconds, 8);
    note_integer(&chunk->statistics, microseconds, microseconds);
}

static void put_int32(struct parquet_chunk *chunk, int32_t value) {
    buffer_append(&chunk->values, &value, 4);
    note_integer(&chunk->statistics, value, value);
}

static void put_value(struct parquet_chunk *chunk, const struct column *column, size_t row) {
    row = column->constant ? 0 : row;
    chunk->value_count++;
    switch (column->type->kind) {
    case TYPE_BOOLEAN:
        buffer_append_byte(&chunk->values, COLUMN_VALUES(column, uint8_t)[row] != 0);
        note_integer(
            &chunk->statistics, COLUMN_VALUES(column, uint8_t)[row] != 0, COLUMN_VALUES(column, uint8_t)[row] != 0);
        break;
    case TYPE_BYTE:
        put_int32(chunk, COLUMN_VALUES(column, int8_t)[row]);
        break;
    case TYPE_SHORT:
        put_int32(chunk, COLUMN_VALUES(column, int16_t)[row]);
        break;
    case TYPE_INTEGER:
    case TYPE_DATE:
    case TYPE_YEAR_MONTH_INTERVAL:
        put_int32(chunk, COLUMN_VALUES(column, int32_t)[row]);
        break;
    case TYPE_LONG:
    case TYPE_DAY_TIME_INTERVAL:
        buffer_append(&chunk->values, &COLUMN_VALUES(column, int64_t)[row], 8);
        note_integer(&chunk->statistics, COLUMN_VALUES(column, int64_t)[row], COLUMN_VALUES(column, int64_t)[row]);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        put_instant(chunk, COLUMN_VALUES(column, int64_t)[row]);
        break;
    case TYPE_FLOAT:
        buffer_append(&chunk->values, &COLUMN_VALUES(column, float)[row], 4);
        note_real(&chunk->statistics, (double)COLUMN_VALUES(column, float)[row]);
        break;
    case TYPE_DOUBLE:
        buffer_append(&chunk->values, &COLUMN_VALUES(column, double)[row], 8);
        note_real(&chunk->statistics, COLUMN_VALUES(column, double)[row]);
        break;
    case TYPE_DECIMAL:
        put_decimal(chunk, COLUMN_VALUES(column, __int128)[row]);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        put_text(chunk, COLUMN_VALUES(column, struct string_view)[row]);
        break;
    default:
        UNREACHABLE();
    }
}

/* ---- levels ---- */

static void put_definition(struct parquet_chunk *chunk, int definition) {
    if (definition != chunk->node->definition && chunk->definitions.size == 0 && chunk->level_count > 0) {
        memset(buffer_extend(&chunk->definitions, chunk->level_count), chunk->node->definition, chunk->level_count);
    }
    if (chunk->definitions.size > 0 || definition != chunk->node->definition) {
        buffer_append_byte(&chunk->definitions, (uint8_t)definition);
    }
    chunk->level_count++;
}

void parquet_chunk_append_one(
    struct parquet_chunk *chunk, const struct column *column, size_t row, int repetition, int definition) {
    bool present = definition == chunk->node->definition;
    if (chunk->node->repetition > 0) {
        buffer_append_byte(&chunk->repetitions, (uint8_t)repetition);
    }
    chunk->row_count += repetition == 0;
    put_definition(chunk, definition);
    if (present) {
        put_value(chunk, column, row);
    } else {
        chunk->statistics.null_count++;
    }
}

/* ---- encoding ---- */

static void encode_booleans(const uint8_t *values, size_t count, struct buffer *out) {
    size_t size = (count + 7) / 8;
    uint8_t *bits = buffer_extend(out, size);
    memset(bits, 0, size);
    for (size_t i = 0; i < count; i++) {
        bits[i >> 3] |= (uint8_t)(values[i] << (i & 7));
    }
}

static void encode_texts(const struct parquet_chunk *chunk, struct buffer *out) {
    const struct parquet_text *places = (const void *)chunk->values.data;
    uint8_t *at = buffer_reserve(out, chunk->texts.size + 4 * chunk->value_count);
    out->size += chunk->texts.size + 4 * chunk->value_count;
    for (size_t i = 0; i < chunk->value_count; i++) {
        memcpy(at, &places[i].size, 4);
        memcpy(at + 4, chunk->texts.data + places[i].offset, places[i].size);
        at += 4 + places[i].size;
    }
}

/* Whether the page went into the dictionary's indexes; gives the dictionary up when it does not pay. */
static bool encode_dictionary(struct parquet_chunk *chunk, struct buffer *out) {
    if (chunk->dictionary == NULL || chunk->dictionary_given_up) {
        return false;
    }
    size_t before = parquet_dictionary_count(chunk->dictionary);
    buffer_clear(&chunk->indexes);
    uint32_t *indexes = (uint32_t *)(void *)buffer_reserve(&chunk->indexes, (chunk->value_count + 1) * sizeof *indexes);
    bool fits =
        parquet_dictionary_add(chunk->dictionary, chunk->values.data, chunk->texts.data, chunk->value_count, indexes);
    size_t added = parquet_dictionary_count(chunk->dictionary) - before;
    if (!fits || (chunk->value_count >= 1000 && added > chunk->value_count / 2)) {
        parquet_dictionary_truncate(chunk->dictionary, before);
        chunk->dictionary_given_up = true;
        return false;
    }
    size_t count = parquet_dictionary_count(chunk->dictionary);
    int width = bit_width(count > 1 ? (uint32_t)count - 1 : 0);
    buffer_append_byte(out, (uint8_t)width);
    parquet_encode_rle(indexes, chunk->value_count, width, out);
    return true;
}

static enum parquet_encoding encode_values(struct parquet_chunk *chunk, struct buffer *out) {
    if (encode_dictionary(chunk, out)) {
        return PARQUET_PLAIN_DICTIONARY;
    }
    switch (chunk->node->element.physical) {
    case PARQUET_BOOLEAN:
        encode_booleans(chunk->values.data, chunk->value_count, out);
        return PARQUET_PLAIN;
    case PARQUET_BYTE_ARRAY:
        encode_texts(chunk, out);
        return PARQUET_PLAIN;
    case PARQUET_INT32:
        if (!chunk->options->no_delta) {
            parquet_encode_delta32((const void *)chunk->values.data, chunk->value_count, out);
            return PARQUET_DELTA_BINARY_PACKED;
        }
        break;
    case PARQUET_INT64:
        if (!chunk->options->no_delta) {
            parquet_encode_delta64((const void *)chunk->values.data, chunk->value_count, out);
            return PARQUET_DELTA_BINARY_PACKED;
        }
        break;
    default:
        break;
    }
    buffer_append_bytes(out, buffer_view(&chunk->values));
    return PARQUET_PLAIN;
}

static void encode_levels(const struct buffer *levels, size_t count, int maximum, struct buffer *out) {
    if (maximum == 0) {
        return;
    }
    size_t start = out->size;
    buffer_extend(out, 4);
    int width = bit_width((uint32_t)maximum);
    if (levels->size == 0) {
        parquet_encode_run((uint32_t)maximum, count, width, out);
    } else {
        parquet_encode_levels(levels->data, count, width, out);
    }
    uint32_t size = (uint32_t)(out->size - start - 4);
    memcpy(out->data + start, &size, 4);
}

static void write_page_header(struct buffer *out, bool dictionary, size_t uncompressed, size_t compressed, size_t count,
    enum parquet_encoding encoding) {
    struct thrift_out thrift = {.buffer = out};
    thrift_write_i32(&thrift, 1, dictionary ? 2 : 0);
    thrift_write_i32(&thrift, 2, (int32_t)uncompressed);
    thrift_write_i32(&thrift, 3, (int32_t)compressed);
    thrift_write_begin(&thrift, dictionary ? 7 : 5);
    thrift_write_i32(&thrift, 1, (int32_t)count);
    thrift_write_i32(&thrift, 2, encoding);
    if (!dictionary) {
        thrift_write_i32(&thrift, 3, PARQUET_RLE);
        thrift_write_i32(&thrift, 4, PARQUET_RLE);
    }
    thrift_write_end(&thrift);
    buffer_append_byte(out, THRIFT_STOP);
}

/* Header and compressed body of a page, appended to `out`. */
static bool put_page(struct parquet_chunk *chunk, bool dictionary, struct bytes body, size_t count,
    enum parquet_encoding encoding, struct buffer *out, struct error *error) {
    if (body.size > INT32_MAX) {
        return error_set(error, ERROR_LIMIT, "a Parquet page of %zu bytes is larger than the format allows", body.size);
    }
    buffer_clear(&chunk->encoded);
    if (!format_compress(chunk->options->codec, body, &chunk->encoded, error)) {
        return false;
    }
    size_t before = out->size;
    write_page_header(out, dictionary, body.size, chunk->encoded.size, count, encoding);
    chunk->uncompressed_size += (int64_t)(out->size - before + body.size);
    buffer_append_bytes(out, buffer_view(&chunk->encoded));
    chunk->encodings |= 1u << encoding;
    return true;
}

static bool end_page(struct parquet_chunk *chunk, struct error *error) {
    if (chunk->level_count == 0) {
        return true;
    }
    buffer_clear(&chunk->scratch);
    encode_levels(&chunk->repetitions, chunk->level_count, chunk->node->repetition, &chunk->scratch);
    encode_levels(&chunk->definitions, chunk->level_count, chunk->node->definition, &chunk->scratch);
    enum parquet_encoding encoding = encode_values(chunk, &chunk->scratch);
    chunk->encodings |= 1u << PARQUET_RLE;
    chunk->total_values += (int64_t)chunk->level_count;
    chunk->data_page_count++;
    bool good =
        put_page(chunk, false, buffer_view(&chunk->scratch), chunk->level_count, encoding, &chunk->pages, error);
    clear_page(chunk);
    return good;
}

static bool page_is_full(const struct parquet_chunk *chunk) {
    return chunk->row_count >= PAGE_ROWS_MAX || chunk->values.size + chunk->texts.size >= chunk->options->page_size;
}

bool parquet_chunk_row_end(struct parquet_chunk *chunk, struct error *error) {
    return !page_is_full(chunk) || end_page(chunk, error);
}

bool parquet_chunk_finish(struct parquet_chunk *chunk, struct error *error) {
    if (!end_page(chunk, error)) {
        return false;
    }
    if (chunk->dictionary == NULL || !(chunk->encodings & 1u << PARQUET_PLAIN_DICTIONARY)) {
        return true;
    }
    return put_page(chunk, true, parquet_dictionary_plain(chunk->dictionary),
        parquet_dictionary_count(chunk->dictionary), PARQUET_PLAIN_DICTIONARY, &chunk->dictionary_page, error);
}

/* ---- columns that are not nested: by type where it pays ---- */

#define RANGE(type, values, count)                                                                                     \
    do {                                                                                                               \
        type low = (values)[0], high = (values)[0];                                                                    \
        for (size_t index = 1; index < (count); index++) {                                                             \
            low = (values)[index] < low ? (values)[index] : low;                                                       \
            high = (values)[index] > high ? (values)[index] : high;                                                    \
        }                                                                                                              \
        note_integer(&chunk->statistics, low, high);                                                                   \
    } while (0)

/* Values as they are, all present; false when the type needs a conversion. */
static bool append_plain_values(struct parquet_chunk *chunk, const struct column *column, size_t from, size_t count) {
    enum type_kind kind = column->type->kind;
    if (kind == TYPE_INTEGER || kind == TYPE_DATE) {
        const int32_t *values = COLUMN_VALUES(column, int32_t) + from;
        buffer_append(&chunk->values, values, count * 4);
        RANGE(int32_t, values, count);
        return true;
    }
    bool micros = (kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_NTZ) &&
                  chunk->node->element.physical == PARQUET_INT64 && chunk->node->element.unit == PARQUET_MICROS;
    if (kind == TYPE_LONG || micros) {
        const int64_t *values = COLUMN_VALUES(column, int64_t) + from;
        buffer_append(&chunk->values, values, count * 8);
        RANGE(int64_t, values, count);
        return true;
    }
    return false;
}

static void append_rows(struct parquet_chunk *chunk, const struct column *column, size_t from, size_t count) {
    if (column->validity == NULL && !column->constant) {
        if (append_plain_values(chunk, column, from, count)) {
            chunk->value_count += count;
        } else {
            for (size_t i = from; i < from + count; i++) {
                put_value(chunk, column, i);
            }
        }
        if (chunk->definitions.size > 0) {
            memset(buffer_extend(&chunk->definitions, count), chunk->node->definition, count);
        }
        chunk->level_count += count;
        chunk->row_count += count;
        return;
    }
    for (size_t i = from; i < from + count; i++) {
        parquet_chunk_append_one(
            chunk, column, i, 0, column_is_null(column, i) ? chunk->node->definition - 1 : chunk->node->definition);
    }
}

bool parquet_chunk_append(
    struct parquet_chunk *chunk, const struct column *column, size_t from, size_t count, struct error *error) {
    while (count > 0) {
        size_t room = PAGE_ROWS_MAX - chunk->row_count, piece = count < room ? count : room;
        if (chunk->node->element.physical == PARQUET_BYTE_ARRAY && piece > 256) {
            piece = 256; /* the size limit is looked at between pieces */
        }
        append_rows(chunk, column, from, piece);
        if (!parquet_chunk_row_end(chunk, error)) {
            return false;
        }
        from += piece;
        count -= piece;
    }
    return true;
}

/* ---- statistics ---- */

static void put_bound(const struct parquet_chunk *chunk, bool maximum, struct buffer *out) {
    const struct parquet_statistics *statistics = &chunk->statistics;
    int64_t integer = maximum ? statistics->maximum : statistics->minimum;
    double real = maximum ? statistics->real_maximum : statistics->real_minimum;
    real = real == 0 ? (maximum ? 0.0 : -0.0) : real; /* zeros of either sign lie between */
    float single = (float)real;
    switch (chunk->node->element.physical) {
    case PARQUET_BOOLEAN:
        buffer_append_byte(out, (uint8_t)integer);
        break;
    case PARQUET_INT32:
        buffer_append(out, &integer, 4);
        break;
    case PARQUET_INT64:
        buffer_append(out, &integer, 8);
        break;
    case PARQUET_FLOAT:
        buffer_append(out, &single, 4);
        break;
    case PARQUET_DOUBLE:
        buffer_append(out, &real, 8);
        break;
    case PARQUET_FIXED:
        for (int32_t i = chunk->node->element.type_length - 1; i >= 0; i--) {
            buffer_append_byte(
                out, (uint8_t)((maximum ? statistics->decimal_maximum : statistics->decimal_minimum) >> (8 * i)));
        }
        break;
    default:
        buffer_append(out, maximum ? statistics->text_maximum : statistics->text_minimum,
            maximum ? statistics->text_maximum_size : statistics->text_minimum_size);
    }
}

void parquet_statistics_write(const struct parquet_chunk *chunk, struct thrift_out *out) {
    const struct parquet_statistics *statistics = &chunk->statistics;
    thrift_write_begin(out, 0);
    thrift_write_i64(out, 3, statistics->null_count);
    if (statistics->has_range && !statistics->unusable && chunk->node->element.physical != PARQUET_INT96) {
        struct buffer bound = {0};
        put_bound(chunk, true, &bound);
        thrift_write_binary(out, 5, buffer_view(&bound));
        buffer_clear(&bound);
        put_bound(chunk, false, &bound);
        thrift_write_binary(out, 6, buffer_view(&bound));
        buffer_free(&bound);
    }
    thrift_write_end(out);
}
