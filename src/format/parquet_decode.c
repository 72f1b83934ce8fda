/* parquet_decode.c: pages of a column chunk to values of the engine's types. Counts, sizes and offsets of a page are
 * checked before they are used: a damaged file gives an error that names the column. */
#include "format/parquet_file.h"

#include "base/assert.h"
#include "format/compress.h"

enum { PAGE_SIZE_MAX = 1 << 30, JULIAN_DAY_OF_EPOCH = 2440588 };
enum page_type { PAGE_DATA = 0, PAGE_INDEX = 1, PAGE_DICTIONARY = 2, PAGE_DATA_V2 = 3 };

struct page_header {
    int64_t type, uncompressed_size, compressed_size;
    int64_t value_count, encoding, definition_encoding, repetition_encoding;
    int64_t definition_size, repetition_size; /* version 2 */
    bool is_compressed;                       /* version 2 */
};

static bool damaged(const struct parquet_leaf_reader *reader, const char *what, struct error *error) {
    return error_set(error, ERROR_CORRUPT, "column %.*s: %s", BYTES_ARGS(reader->node->element.name), what);
}

/* ---- headers ---- */

/* Of a data page (5), a dictionary (7; its third field is a flag) or a data page of version 2 (8). */
static void read_kind(struct thrift_in *in, struct page_header *header, int16_t kind) {
    bool version1 = kind == 5, version2 = kind == 8;
    struct thrift_field field = {0};
    while (thrift_next(in, &field)) {
        if (field.id == 1) {
            header->value_count = thrift_read_integer(in, &field);
        } else if (field.id == (version2 ? 4 : 2)) {
            header->encoding = thrift_read_integer(in, &field);
        } else if (version1 && field.id == 3) {
            header->definition_encoding = thrift_read_integer(in, &field);
        } else if (version1 && field.id == 4) {
            header->repetition_encoding = thrift_read_integer(in, &field);
        } else if (version2 && field.id == 5) {
            header->definition_size = thrift_read_integer(in, &field);
        } else if (version2 && field.id == 6) {
            header->repetition_size = thrift_read_integer(in, &field);
        } else if (version2 && field.id == 7) {
            header->is_compressed = thrift_read_boolean(in, &field);
        } else {
            thrift_skip(in, &field);
        }
    }
}

static bool read_page_header(struct parquet_leaf_reader *reader, struct page_header *header, struct error *error) {
    struct thrift_in in = {reader->position, reader->end, false, 0};
    struct thrift_field field = {0};
    *header = (struct page_header){
        .type = -1, .is_compressed = true, .definition_encoding = PARQUET_RLE, .repetition_encoding = PARQUET_RLE};
    while (thrift_next(&in, &field)) {
        if (field.id == 1) {
            header->type = thrift_read_integer(&in, &field);
        } else if (field.id == 2) {
            header->uncompressed_size = thrift_read_integer(&in, &field);
        } else if (field.id == 3) {
            header->compressed_size = thrift_read_integer(&in, &field);
        } else if ((field.id == 5 || field.id == 7 || field.id == 8) && field.type == THRIFT_STRUCT) {
            read_kind(&in, header, field.id);
        } else {
            thrift_skip(&in, &field);
        }
    }
    reader->position = in.position;
    bool good = !in.failed && header->compressed_size >= 0 &&
                header->compressed_size <= reader->end - reader->position && header->uncompressed_size >= 0 &&
                header->uncompressed_size <= PAGE_SIZE_MAX && header->value_count >= 0 &&
                header->definition_size >= 0 && header->repetition_size >= 0;
    return good || damaged(reader, "a page header is damaged", error);
}

static bool page_codec(const struct parquet_leaf_reader *reader, enum format_codec *codec, struct error *error) {
    static const int8_t codecs[] = {
        FORMAT_CODEC_NONE, FORMAT_CODEC_SNAPPY, FORMAT_CODEC_GZIP, -1, -1, -1, FORMAT_CODEC_ZSTD, FORMAT_CODEC_LZ4};
    static const char *const names[] = {"", "", "", "LZO", "BROTLI", "LZ4 (Hadoop's)", "", ""};
    if (reader->codec < 0 || reader->codec >= (int)ARRAY_COUNT(codecs)) {
        return damaged(reader, "an unknown compression codec", error);
    }
    if (codecs[reader->codec] < 0) {
        return error_set(error, ERROR_UNSUPPORTED, "column %.*s is compressed with %s, which is not supported",
            BYTES_ARGS(reader->node->element.name), names[reader->codec]);
    }
    *codec = (enum format_codec)codecs[reader->codec];
    return true;
}

/* The page's bytes, uncompressed: in the source or in `memory`. prefix: bytes at the start that are never compressed
 * (version 2). */
static bool page_body(struct parquet_leaf_reader *reader, const struct page_header *header, size_t prefix,
    struct batch *memory, struct bytes *body, struct error *error) {
    struct bytes raw = bytes_make(reader->position, (size_t)header->compressed_size);
    enum format_codec codec = FORMAT_CODEC_NONE;
    reader->position += header->compressed_size;
    if (!page_codec(reader, &codec, error)) {
        return false;
    }
    if (codec == FORMAT_CODEC_NONE || !header->is_compressed) {
        *body = raw;
        return true;
    }
    size_t size = (size_t)header->uncompressed_size;
    if (prefix > raw.size || prefix > size) {
        return damaged(reader, "a page is shorter than its levels", error);
    }
    uint8_t *out = arena_allocate(&memory->arena, size + 8);
    memcpy(out, raw.data, prefix);
    *body = bytes_make(out, size);
    if (size == prefix) {
        return true;
    }
    return format_decompress(codec, bytes_slice(raw, prefix, raw.size - prefix), out + prefix, size - prefix, error) ||
           error_prefix(error, "column %.*s", BYTES_ARGS(reader->node->element.name));
}

/* ---- physical values to the engine's ---- */

static __int128 big_endian(const uint8_t *data, size_t size) {
    __int128 value = size > 0 && (data[0] & 0x80) ? -1 : 0;
    for (size_t i = 0; i < size; i++) {
        value = (__int128)((unsigned __int128)value << 8 | data[i]);
    }
    return value;
}

static int64_t from_int96(const uint8_t *data) {
    int64_t nanoseconds;
    int32_t day;
    memcpy(&nanoseconds, data, 8);
    memcpy(&day, data + 8, 4);
    return (int64_t)((uint64_t)((int64_t)day - JULIAN_DAY_OF_EPOCH) * 86400000000u + (uint64_t)(nanoseconds / 1000));
}

static int64_t scale_instant(const struct parquet_element *element, int64_t value) {
    bool millis = element->logical == PARQUET_LOGICAL_TIMESTAMP
                      ? element->unit == PARQUET_MILLIS
                      : element->converted == PARQUET_CONVERTED_TIMESTAMP_MILLIS;
    if (millis) {
        return (int64_t)((uint64_t)value * 1000);
    }
    if (element->logical == PARQUET_LOGICAL_TIMESTAMP && element->unit == PARQUET_NANOS) {
        return value / 1000 - (value % 1000 < 0);
    }
    return value;
}

static bool is_unsigned(const struct parquet_element *element) {
    return element->logical == PARQUET_LOGICAL_INTEGER
               ? !element->is_signed
               : element->converted >= PARQUET_UINT_8 && element->converted <= PARQUET_UINT_64;
}

/* One integer as the engine's type. */
static void put_integer(const struct parquet_node *node, int64_t value, uint8_t *out) {
    const struct parquet_element *element = &node->element;
    int32_t narrow = (int32_t)value;
    int16_t half = (int16_t)value;
    __int128 wide;
    switch (node->type->kind) {
    case TYPE_BYTE:
        *out = (uint8_t)value;
        break;
    case TYPE_SHORT:
        memcpy(out, &half, 2);
        break;
    case TYPE_LONG:
        value = element->physical == PARQUET_INT32 && is_unsigned(element) ? (uint32_t)value : value;
        memcpy(out, &value, 8);
        break;
    case TYPE_DAY_TIME_INTERVAL:
        memcpy(out, &value, 8);
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        value = scale_instant(element, value);
        memcpy(out, &value, 8);
        break;
    case TYPE_DECIMAL:
        wide = is_unsigned(element) ? (__int128)(uint64_t)value : value;
        memcpy(out, &wide, 16);
        break;
    default:
        memcpy(out, &narrow, 4);
    }
}

/* `count` values of physical form (see physical_size) to the engine's form in memory. */
static uint8_t *convert(struct parquet_leaf_reader *reader, uint8_t *raw, size_t count, struct batch *memory) {
    const struct parquet_element *element = &reader->node->element;
    enum type_kind kind = reader->node->type->kind;
    bool as_is = element->physical == PARQUET_FLOAT || element->physical == PARQUET_DOUBLE ||
                 element->physical == PARQUET_BOOLEAN || kind == TYPE_STRING || kind == TYPE_BINARY ||
                 (kind == TYPE_LONG && element->physical == PARQUET_INT64) || kind == TYPE_INTEGER ||
                 kind == TYPE_DATE || kind == TYPE_YEAR_MONTH_INTERVAL || kind == TYPE_DAY_TIME_INTERVAL ||
                 (kind != TYPE_DECIMAL && element->physical == PARQUET_INT64 && scale_instant(element, 1001) == 1001);
    if (as_is && !(kind == TYPE_INTEGER && element->physical != PARQUET_INT32)) {
        return raw;
    }
    uint8_t *out = arena_allocate(&memory->arena, count * reader->value_size + 16);
    for (size_t i = 0; i < count; i++) {
        uint8_t *to = out + i * reader->value_size;
        if (element->physical == PARQUET_INT96) {
            int64_t microseconds = from_int96(raw + i * 12);
            memcpy(to, &microseconds, 8);
        } else if (element->physical == PARQUET_INT32) {
            int32_t value;
            memcpy(&value, raw + i * 4, 4);
            put_integer(reader->node, value, to);
        } else if (element->physical == PARQUET_INT64) {
            int64_t value;
            memcpy(&value, raw + i * 8, 8);
            put_integer(reader->node, value, to);
        } else { /* decimals in bytes */
            const struct string_view *view = (const void *)(raw + i * sizeof *view);
            __int128 value = big_endian(view->data, view->size > 16 ? 16 : view->size);
            memcpy(to, &value, 16);
        }
    }
    return out;
}

/* Bytes of a value in physical form: byte arrays of both kinds are views. */
static size_t physical_size(const struct parquet_element *element) {
    static const uint8_t sizes[] = {1, 4, 8, 12, 4, 8, sizeof(struct string_view), sizeof(struct string_view)};
    return sizes[element->physical];
}

/* ---- encodings ---- */

static bool decode_plain_texts(
    struct parquet_leaf_reader *reader, struct bytes data, size_t count, struct string_view *out) {
    size_t fixed = reader->node->element.physical == PARQUET_FIXED ? (size_t)reader->node->element.type_length : 0;
    for (size_t i = 0, at = 0; i < count; i++) {
        uint32_t size = (uint32_t)fixed;
        if (reader->node->element.physical == PARQUET_BYTE_ARRAY) {
            if (data.size - at < 4) {
                return false;
            }
            memcpy(&size, data.data + at, 4);
            at += 4;
        }
        if (data.size - at < size) {
            return false;
        }
        out[i] = (struct string_view){data.data + at, size, 0};
        at += size;
    }
    return true;
}

static bool decode_plain(struct parquet_leaf_reader *reader, struct bytes data, size_t count, uint8_t *out) {
    enum parquet_physical physical = reader->node->element.physical;
    if (physical == PARQUET_BYTE_ARRAY || physical == PARQUET_FIXED) {
        return decode_plain_texts(reader, data, count, (void *)out);
    }
    if (physical == PARQUET_BOOLEAN) {
        for (size_t i = 0; i < count && data.size * 8 >= count; i++) {
            out[i] = bit_get(data.data, i);
        }
        return data.size * 8 >= count;
    }
    size_t size = physical_size(&reader->node->element);
    if (data.size / size < count) {
        return false;
    }
    memcpy(out, data.data, count * size);
    return true;
}

static bool decode_delta(
    struct parquet_leaf_reader *reader, struct bytes data, size_t count, uint8_t *out, struct batch *memory) {
    size_t found, used;
    bool narrow = reader->node->element.physical == PARQUET_INT32;
    if (!narrow) {
        return reader->node->element.physical == PARQUET_INT64 &&
               parquet_decode_delta(data, (void *)out, count, &found, &used, false) && found == count;
    }
    int64_t *wide = arena_allocate(&memory->arena, (count + 1) * sizeof *wide);
    if (!parquet_decode_delta(data, wide, count, &found, &used, true) || found != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        int32_t value = (int32_t)wide[i];
        memcpy(out + i * 4, &value, 4);
    }
    return true;
}

/* Lengths, then the bytes (DELTA_LENGTH_BYTE_ARRAY); with prefixes DELTA_BYTE_ARRAY. */
static bool decode_delta_texts(
    struct bytes data, size_t count, bool prefixes, struct string_view *out, struct batch *memory) {
    int64_t *lengths = arena_allocate(&memory->arena, (count + 1) * sizeof *lengths), *shared = NULL;
    size_t found, used;
    if (prefixes) {
        shared = arena_allocate(&memory->arena, (count + 1) * sizeof *shared);
        if (!parquet_decode_delta(data, shared, count, &found, &used, false) || found != count) {
            return false;
        }
        data = bytes_slice(data, used, data.size - used);
    }
    if (!parquet_decode_delta(data, lengths, count, &found, &used, false) || found != count) {
        return false;
    }
    data = bytes_slice(data, used, data.size - used);
    for (size_t i = 0, at = 0; i < count; i++) {
        if (lengths[i] < 0 || (uint64_t)lengths[i] > data.size - at) {
            return false;
        }
        size_t size = (size_t)lengths[i];
        out[i] = (struct string_view){data.data + at, (uint32_t)size, 0};
        if (prefixes && shared[i] != 0) {
            if (i == 0 || shared[i] < 0 || (uint64_t)shared[i] > out[i - 1].size) {
                return false;
            }
            uint8_t *joined = arena_allocate(&memory->arena, (size_t)shared[i] + size);
            memcpy(joined, out[i - 1].data, (size_t)shared[i]);
            memcpy(joined + shared[i], data.data + at, size);
            out[i] = (struct string_view){joined, (uint32_t)((size_t)shared[i] + size), 0};
        }
        at += size;
    }
    return true;
}

static bool decode_stream_split(
    struct parquet_leaf_reader *reader, struct bytes data, size_t count, uint8_t *out, struct batch *memory) {
    const struct parquet_element *element = &reader->node->element;
    size_t size = element->physical == PARQUET_FIXED ? (size_t)element->type_length : physical_size(element);
    if (element->physical == PARQUET_BYTE_ARRAY || size == 0 || data.size / size < count) {
        return false;
    }
    uint8_t *joined = element->physical == PARQUET_FIXED ? arena_allocate(&memory->arena, count * size + 1) : out;
    for (size_t byte = 0; byte < size; byte++) {
        for (size_t i = 0; i < count; i++) {
            joined[i * size + byte] = data.data[byte * count + i];
        }
    }
    for (size_t i = 0; element->physical == PARQUET_FIXED && i < count; i++) {
        ((struct string_view *)(void *)out)[i] = (struct string_view){joined + i * size, (uint32_t)size, 0};
    }
    return true;
}

static bool decode_boolean_runs(struct bytes data, size_t count, bool has_size, uint8_t *out) {
    if (has_size) {
        uint32_t size;
        if (data.size < 4) {
            return false;
        }
        memcpy(&size, data.data, 4);
        if (size > data.size - 4) {
            return false;
        }
        data = bytes_slice(data, 4, size);
    }
    struct rle_decoder decoder;
    rle_decoder_init(&decoder, data, 1);
    for (size_t i = 0; i < count; i++) {
        uint32_t value;
        if (!rle_decode(&decoder, &value, 1)) {
            return false;
        }
        out[i] = value != 0;
    }
    return true;
}

static bool decode_indexes(struct parquet_leaf_reader *reader, struct bytes data, size_t count, uint8_t *out) {
    if (count == 0) {
        return true;
    }
    if (data.size < 1 || data.data[0] > 32) {
        return false;
    }
    struct rle_decoder decoder;
    rle_decoder_init(&decoder, bytes_slice(data, 1, data.size - 1), data.data[0]);
    uint32_t indexes[512];
    size_t size = reader->value_size;
    for (size_t done = 0; done < count;) {
        size_t piece = count - done < ARRAY_COUNT(indexes) ? count - done : ARRAY_COUNT(indexes);
        if (!rle_decode(&decoder, indexes, piece)) {
            return false;
        }
        for (size_t i = 0; i < piece; i++) {
            if (indexes[i] >= reader->dictionary_count) {
                return false;
            }
            memcpy(out + (done + i) * size, reader->dictionary + indexes[i] * size, size);
        }
        done += piece;
    }
    return true;
}

static bool decode_values(
    struct parquet_leaf_reader *reader, int64_t encoding, struct bytes data, size_t count, struct error *error) {
    struct batch *memory = reader->page_memory;
    const struct parquet_element *element = &reader->node->element;
    bool dictionary = encoding == PARQUET_PLAIN_DICTIONARY || encoding == PARQUET_RLE_DICTIONARY;
    bool texts = element->physical == PARQUET_BYTE_ARRAY || element->physical == PARQUET_FIXED;
    size_t size = dictionary ? reader->value_size : physical_size(element);
    uint8_t *out = arena_allocate(&memory->arena, count * size + 16);
    bool good = false;
    switch (encoding) {
    case PARQUET_PLAIN:
        good = decode_plain(reader, data, count, out);
        break;
    case PARQUET_PLAIN_DICTIONARY:
    case PARQUET_RLE_DICTIONARY:
        good = decode_indexes(reader, data, count, out);
        break;
    case PARQUET_RLE:
        good = element->physical == PARQUET_BOOLEAN && decode_boolean_runs(data, count, true, out);
        break;
    case PARQUET_DELTA_BINARY_PACKED:
        good = decode_delta(reader, data, count, out, memory);
        break;
    case PARQUET_DELTA_LENGTH_BYTE_ARRAY:
    case PARQUET_DELTA_BYTE_ARRAY:
        good = texts && decode_delta_texts(data, count, encoding == PARQUET_DELTA_BYTE_ARRAY, (void *)out, memory);
        break;
    case PARQUET_BYTE_STREAM_SPLIT:
        good = decode_stream_split(reader, data, count, out, memory);
        break;
    default:
        return damaged(reader, "an encoding that is not known", error);
    }
    reader->value_count = count;
    reader->value_next = 0;
    reader->values = good && !dictionary ? convert(reader, out, count, memory) : out;
    return good || damaged(reader, "the values of a page are damaged", error);
}

/* ---- levels ---- */

static uint8_t *decode_levels(struct parquet_leaf_reader *reader, struct bytes data, size_t count, int maximum) {
    struct rle_decoder decoder;
    rle_decoder_init(&decoder, data, bit_width((uint32_t)maximum));
    uint8_t *levels = arena_allocate(&reader->page_memory->arena, count + 1);
    uint32_t wide[512];
    for (size_t done = 0; done < count;) {
        size_t piece = count - done < ARRAY_COUNT(wide) ? count - done : ARRAY_COUNT(wide);
        if (!rle_decode(&decoder, wide, piece)) {
            return NULL;
        }
        for (size_t i = 0; i < piece; i++) {
            if (wide[i] > (uint32_t)maximum) {
                return NULL;
            }
            levels[done + i] = (uint8_t)wide[i];
        }
        done += piece;
    }
    return levels;
}

/* Levels with their size before them (version 1); the body moves behind them. */
static bool take_levels(
    struct parquet_leaf_reader *reader, struct bytes *body, int64_t size, size_t count, int maximum, uint8_t **levels) {
    *levels = NULL;
    if (size < 0 && maximum > 0) {
        uint32_t stored;
        if (body->size < 4) {
            return false;
        }
        memcpy(&stored, body->data, 4);
        *body = bytes_slice(*body, 4, body->size - 4);
        size = stored;
    }
    size = size < 0 ? 0 : size;
    if ((uint64_t)size > body->size) {
        return false;
    }
    if (maximum > 0) {
        *levels = decode_levels(reader, bytes_slice(*body, 0, (size_t)size), count, maximum);
        if (*levels == NULL) {
            return false;
        }
    }
    *body = bytes_slice(*body, (size_t)size, body->size - (size_t)size);
    return true;
}

static size_t count_present(const struct parquet_leaf_reader *reader) {
    if (reader->definitions == NULL) {
        return reader->level_count;
    }
    size_t count = 0;
    for (size_t i = 0; i < reader->level_count; i++) {
        count += reader->definitions[i] == reader->node->definition;
    }
    return count;
}

/* ---- pages ---- */

static const struct type *no_columns(void) {
    static const struct type none = {.kind = TYPE_STRUCT};
    return &none;
}

static bool load_dictionary(struct parquet_leaf_reader *reader, const struct page_header *header, struct error *error) {
    struct bytes body;
    batch_release(reader->dictionary_memory);
    reader->dictionary_memory = batch_create(no_columns());
    if (!page_body(reader, header, 0, reader->dictionary_memory, &body, error)) {
        return false;
    }
    size_t count = (size_t)header->value_count;
    /* Every value has at least a bit; byte arrays four bytes, unless they are of fixed length 0. */
    if (count > body.size * 8 + 1) {
        return damaged(reader, "the dictionary is damaged", error);
    }
    uint8_t *raw =
        arena_allocate(&reader->dictionary_memory->arena, count * physical_size(&reader->node->element) + 16);
    if (!decode_plain(reader, body, count, raw)) {
        return damaged(reader, "the dictionary is damaged", error);
    }
    reader->dictionary = convert(reader, raw, count, reader->dictionary_memory);
    reader->dictionary_count = count;
    return true;
}

static bool load_data(struct parquet_leaf_reader *reader, const struct page_header *header, struct error *error) {
    bool version2 = header->type == PAGE_DATA_V2;
    struct bytes body;
    size_t prefix = version2 ? (size_t)(header->definition_size + header->repetition_size) : 0;
    batch_release(reader->page_memory);
    reader->page_memory = batch_create(no_columns());
    if (header->value_count > reader->values_left) {
        return damaged(reader, "a page has more values than its column chunk", error);
    }
    if (!version2 && ((reader->node->definition > 0 && header->definition_encoding != PARQUET_RLE) ||
                         (reader->node->repetition > 0 && header->repetition_encoding != PARQUET_RLE))) {
        return error_set(error, ERROR_UNSUPPORTED, "column %.*s has bit-packed levels (a form given up in 2013)",
            BYTES_ARGS(reader->node->element.name));
    }
    if (!page_body(reader, header, prefix, reader->page_memory, &body, error)) {
        return false;
    }
    reader->values_left -= header->value_count;
    reader->level_count = (size_t)header->value_count;
    reader->level_next = 0;
    if (!take_levels(reader, &body, version2 ? header->repetition_size : -1, reader->level_count,
            reader->node->repetition, &reader->repetitions) ||
        !take_levels(reader, &body, version2 ? header->definition_size : -1, reader->level_count,
            reader->node->definition, &reader->definitions)) {
        return damaged(reader, "the levels of a page are damaged", error);
    }
    return decode_values(reader, header->encoding, body, count_present(reader), error);
}

static bool load_page(struct parquet_leaf_reader *reader, struct error *error) {
    for (;;) {
        struct page_header header;
        if (!read_page_header(reader, &header, error)) {
            return false;
        }
        if (header.type == PAGE_DATA || header.type == PAGE_DATA_V2) {
            return load_data(reader, &header, error);
        }
        if (header.type == PAGE_DICTIONARY) {
            if (!load_dictionary(reader, &header, error)) {
                return false;
            }
        } else {
            reader->position += header.compressed_size;
        }
    }
}

bool parquet_leaf_open(struct parquet_leaf_reader *reader, const struct parquet_node *node,
    const struct format_source *source, const struct parquet_chunk_meta *chunk, struct error *error) {
    *reader = (struct parquet_leaf_reader){
        .node = node, .source = source, .codec = chunk->codec, .values_left = chunk->value_count};
    if (chunk->start < 0 || chunk->size < 0 || (uint64_t)chunk->start > source->data.size ||
        (uint64_t)chunk->size > source->data.size - (uint64_t)chunk->start) {
        return damaged(reader, "its chunk lies outside of the file", error);
    }
    reader->position = source->data.data + chunk->start;
    reader->end = reader->position + chunk->size;
    reader->value_size = type_value_size(node->type);
    return true;
}

void parquet_leaf_close(struct parquet_leaf_reader *reader) {
    batch_release(reader->dictionary_memory);
    batch_release(reader->page_memory);
    reader->dictionary_memory = reader->page_memory = NULL;
}

/* ---- rows ---- */

/* Levels of the page at hand that belong to at most *rows more rows; a row is complete when the next one starts. */
static size_t take_rows(const struct parquet_leaf_reader *reader, size_t *rows) {
    size_t left = reader->level_count - reader->level_next;
    if (reader->repetitions == NULL) {
        size_t count = left < *rows ? left : *rows;
        *rows -= count;
        return count;
    }
    size_t at = reader->level_next;
    for (; at < reader->level_count; at++) {
        if (reader->repetitions[at] == 0) {
            if (*rows == 0) {
                break;
            }
            --*rows;
        }
    }
    return at - reader->level_next;
}

struct growing {
    struct batch *batch;
    struct parquet_slice *slice;
    size_t level_capacity, value_capacity;
};

static uint8_t *grow(struct batch *batch, uint8_t *old, size_t used, size_t wanted) {
    uint8_t *grown = arena_allocate(&batch->arena, wanted);
    memcpy(grown, old, used);
    return grown;
}

static void append(struct parquet_leaf_reader *reader, struct growing *out, size_t levels) {
    struct parquet_slice *slice = out->slice;
    bool nested = reader->node->repetition > 0;
    size_t values = levels;
    if (slice->level_count + levels > out->level_capacity) {
        size_t wanted = (slice->level_count + levels) * 2;
        slice->definitions = grow(out->batch, slice->definitions, slice->level_count, wanted);
        slice->repetitions = nested ? grow(out->batch, slice->repetitions, slice->level_count, wanted) : NULL;
        out->level_capacity = wanted;
    }
    if (reader->definitions != NULL) {
        const uint8_t *from = reader->definitions + reader->level_next;
        memcpy(slice->definitions + slice->level_count, from, levels);
        values = 0;
        for (size_t i = 0; i < levels; i++) {
            values += from[i] == reader->node->definition;
        }
    } else {
        memset(slice->definitions + slice->level_count, reader->node->definition, levels);
    }
    if (nested) {
        memcpy(slice->repetitions + slice->level_count, reader->repetitions + reader->level_next, levels);
    }
    if (slice->value_count + values > out->value_capacity) {
        size_t wanted = (slice->value_count + values) * 2;
        slice->values =
            grow(out->batch, slice->values, slice->value_count * reader->value_size, wanted * reader->value_size + 16);
        out->value_capacity = wanted;
    }
    memcpy(slice->values + slice->value_count * reader->value_size,
        reader->values + reader->value_next * reader->value_size, values * reader->value_size);
    slice->level_count += levels;
    slice->value_count += values;
    reader->level_next += levels;
    reader->value_next += values;
}

static void keep_memory(const struct parquet_leaf_reader *reader, struct batch *batch) {
    enum type_kind kind = reader->node->type->kind;
    if (kind == TYPE_STRING || kind == TYPE_BINARY) {
        batch_keep(batch, reader->page_memory);
        if (reader->dictionary_memory != NULL) {
            batch_keep(batch, reader->dictionary_memory);
        }
    }
}

bool parquet_leaf_read(struct parquet_leaf_reader *reader, size_t row_count, struct batch *batch,
    struct parquet_slice *slice, struct error *error) {
    *slice = (struct parquet_slice){0};
    struct growing out = {batch, slice, row_count, row_count};
    slice->definitions = arena_allocate(&batch->arena, row_count + 1);
    slice->repetitions = reader->node->repetition > 0 ? arena_allocate(&batch->arena, row_count + 1) : NULL;
    slice->values = arena_allocate(&batch->arena, row_count * reader->value_size + 16);
    size_t rows = row_count;
    bool kept = false;
    for (;;) {
        if (reader->level_next == reader->level_count) {
            if (reader->values_left == 0 || (rows == 0 && reader->node->repetition == 0)) {
                break;
            }
            kept = false;
            if (!load_page(reader, error)) {
                return false;
            }
        }
        size_t levels = take_rows(reader, &rows);
        if (levels == 0 && reader->level_count > 0) {
            break;
        }
        if (!kept && levels > 0) {
            keep_memory(reader, batch);
            kept = true;
        }
        append(reader, &out, levels);
    }
    return rows == 0 || damaged(reader, "it has fewer rows than its row group", error);
}
