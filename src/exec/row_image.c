/* row_image.c: see row_image.h. */
#include "exec/row_image.h"

#include "column/builder.h"

enum { WIDE_SIZE = 16, DEPTH_MAX = 100 };

static size_t padded(size_t size) {
    return (size + 7) & ~(size_t)7;
}

static size_t header_size(size_t field_count) {
    return (field_count + 63) / 64 * 8;
}

static bool is_wide_decimal(const struct type *type) {
    return type->kind == TYPE_DECIMAL && type->precision > 18;
}

/* Bytes of one element in an array's fixed part. */
static size_t element_size(const struct type *type) {
    switch (type->kind) {
    case TYPE_BOOLEAN:
    case TYPE_BYTE:
        return 1;
    case TYPE_SHORT:
        return 2;
    case TYPE_INTEGER:
    case TYPE_FLOAT:
    case TYPE_DATE:
    case TYPE_YEAR_MONTH_INTERVAL:
        return 4;
    default:
        return 8;
    }
}

/* ---- sizes ---- */

static size_t rest_size(const struct column *column, size_t row);

static size_t list_size(const struct column *element, int32_t from, int32_t to) {
    size_t count = (size_t)(to - from), size = 8 + header_size(count) + padded(count * element_size(element->type));
    for (int32_t i = from; i < to; i++) {
        size += rest_size(element, (size_t)i);
    }
    return size;
}

/* Bytes behind the fixed part for one value. */
static size_t rest_size(const struct column *column, size_t row) {
    row = column->constant ? 0 : row;
    bool null = column_is_null(column, row);
    switch (column->type->kind) {
    case TYPE_DECIMAL:
        return is_wide_decimal(column->type) ? WIDE_SIZE : 0;
    case TYPE_CALENDAR_INTERVAL:
        return WIDE_SIZE;
    case TYPE_STRING:
    case TYPE_BINARY:
        return null ? 0 : padded(COLUMN_VALUES(column, struct string_view)[row].size);
    case TYPE_STRUCT: {
        size_t size = null ? 0 : header_size(column->child_count) + column->child_count * 8;
        for (size_t i = 0; i < column->child_count && !null; i++) {
            size += rest_size(column->children[i], row);
        }
        return size;
    }
    case TYPE_ARRAY:
        return null ? 0 : list_size(column->children[0], column->offsets[row], column->offsets[row + 1]);
    case TYPE_MAP:
        return null ? 0
                    : 8 + list_size(column->children[0], column->offsets[row], column->offsets[row + 1]) +
                          list_size(column->children[1], column->offsets[row], column->offsets[row + 1]);
    default:
        return 0;
    }
}

/* ---- writing ---- */

struct writer {
    uint8_t *start;  /* of the row or array */
    uint8_t *cursor; /* where the next piece goes */
};

static void put_place(struct writer *writer, uint8_t *word, size_t size, size_t advance) {
    store_le64(word, (uint64_t)(writer->cursor - writer->start) << 32 | size);
    writer->cursor += advance;
}

static size_t write_row(uint8_t *start, struct column *const *columns, size_t count, size_t row);
static size_t write_list(uint8_t *start, const struct column *element, int32_t from, int32_t to);

static void write_wide_decimal(struct writer *writer, uint8_t *word, __int128 value) {
    uint8_t bytes[16];
    size_t from = 0;
    for (int i = 0; i < 16; i++) {
        bytes[i] = (uint8_t)((unsigned __int128)value >> (120 - 8 * i));
    }
    while (from < 15 &&
           ((bytes[from] == 0 && bytes[from + 1] < 0x80) || (bytes[from] == 0xff && bytes[from + 1] >= 0x80))) {
        from++;
    }
    memcpy(writer->cursor, bytes + from, 16 - from);
    put_place(writer, word, 16 - from, WIDE_SIZE);
}

/* A value that is not null; its word (or array element) is zeroed, as is what lies behind. */
static void write_value(struct writer *writer, uint8_t *word, const struct column *column, size_t row) {
    row = column->constant ? 0 : row;
    switch (column->type->kind) {
    case TYPE_STRING:
    case TYPE_BINARY: {
        struct string_view text = COLUMN_VALUES(column, struct string_view)[row];
        if (text.size > 0) {
            memcpy(writer->cursor, text.data, text.size);
        }
        put_place(writer, word, text.size, padded(text.size));
        return;
    }
    case TYPE_DECIMAL: {
        __int128 value = COLUMN_VALUES(column, __int128)[row];
        if (is_wide_decimal(column->type)) {
            write_wide_decimal(writer, word, value);
        } else {
            store_le64(word, (uint64_t)value);
        }
        return;
    }
    case TYPE_CALENDAR_INTERVAL:
        memcpy(writer->cursor, &COLUMN_VALUES(column, struct calendar_interval)[row], WIDE_SIZE);
        put_place(writer, word, WIDE_SIZE, WIDE_SIZE);
        return;
    case TYPE_STRUCT: {
        size_t size = write_row(writer->cursor, column->children, column->child_count, row);
        put_place(writer, word, size, size);
        return;
    }
    case TYPE_ARRAY: {
        size_t size = write_list(writer->cursor, column->children[0], column->offsets[row], column->offsets[row + 1]);
        put_place(writer, word, size, size);
        return;
    }
    case TYPE_MAP: {
        size_t keys =
            write_list(writer->cursor + 8, column->children[0], column->offsets[row], column->offsets[row + 1]);
        size_t values =
            write_list(writer->cursor + 8 + keys, column->children[1], column->offsets[row], column->offsets[row + 1]);
        store_le64(writer->cursor, keys);
        put_place(writer, word, 8 + keys + values, 8 + keys + values);
        return;
    }
    default: {
        size_t width = type_value_size(column->type);
        memcpy(word, (const uint8_t *)column->values + row * width, width);
    }
    }
}

/* Null: the bit; values that may change in place keep their room. */
static void write_null(struct writer *writer, uint8_t *word, const struct type *type) {
    if (is_wide_decimal(type) || type->kind == TYPE_CALENDAR_INTERVAL) {
        put_place(writer, word, 0, WIDE_SIZE);
    }
}

static size_t write_row(uint8_t *start, struct column *const *columns, size_t count, size_t row) {
    uint8_t *words = start + header_size(count);
    struct writer writer = {start, words + count * 8};
    for (size_t i = 0; i < count; i++) {
        if (column_is_null(columns[i], row) || columns[i]->type->kind == TYPE_NULL) {
            bit_set(start, i);
            write_null(&writer, words + i * 8, columns[i]->type);
        } else {
            write_value(&writer, words + i * 8, columns[i], row);
        }
    }
    return (size_t)(writer.cursor - start);
}

static size_t write_list(uint8_t *start, const struct column *element, int32_t from, int32_t to) {
    size_t count = (size_t)(to - from), width = element_size(element->type);
    uint8_t *values = start + 8 + header_size(count);
    struct writer writer = {start, values + padded(count * width)};
    store_le64(start, count);
    for (size_t i = 0; i < count; i++) {
        if (column_is_null(element, (size_t)from + i) || element->type->kind == TYPE_NULL) {
            bit_set(start + 8, i);
            write_null(&writer, values + i * width, element->type);
        } else {
            write_value(&writer, values + i * width, element, (size_t)from + i);
        }
    }
    return (size_t)(writer.cursor - start);
}

/* ---- rows of one size: column by column ---- */

static bool fits_word(const struct type *type) {
    return type->kind == TYPE_NULL || (type_value_size(type) > 0 && type_value_size(type) <= 8);
}

/* Bytes of every image when the fields fit into words or are structs of such without nulls; else 0. */
static size_t even_size(struct column *const *columns, size_t count) {
    size_t size = header_size(count) + count * 8;
    for (size_t i = 0; i < count; i++) {
        const struct column *column = columns[i];
        bool even = fits_word(column->type);
        if (column->type->kind == TYPE_STRUCT && column->validity == NULL) {
            even = true;
            for (size_t c = 0; c < column->child_count && even; c++) {
                even = fits_word(column->children[c]->type);
            }
            size += header_size(column->child_count) + column->child_count * 8;
        }
        if (!even) {
            return 0;
        }
    }
    return size;
}

#define PUT_WORDS(type)                                                                                                \
    for (size_t row = 0; row < row_count; row++) {                                                                     \
        memcpy(word + row * stride, &COLUMN_VALUES(column, type)[row * step], sizeof(type));                           \
    }

/* Field `field` of the rows at start, start + stride …; the images are zeroed. */
static void put_words(uint8_t *start, size_t stride, size_t field_count, size_t field, const struct column *column,
    bool constant, size_t row_count) {
    uint8_t *word = start + header_size(field_count) + field * 8;
    constant = constant || column->constant;
    size_t step = constant ? 0 : 1;
    switch (column->type->kind == TYPE_NULL ? 0 : type_value_size(column->type)) {
    case 0:
        for (size_t row = 0; row < row_count; row++) {
            bit_set(start + row * stride, field);
        }
        return;
    case 1:
        PUT_WORDS(uint8_t)
        break;
    case 2:
        PUT_WORDS(uint16_t)
        break;
    case 4:
        PUT_WORDS(uint32_t)
        break;
    default:
        PUT_WORDS(uint64_t)
    }
    for (size_t row = 0; row < row_count && column->validity != NULL; row++) {
        if (!bit_get(column->validity, row * step)) {
            bit_set(start + row * stride, field);
            memset(word + row * stride, 0, 8);
        }
    }
}

static void encode_even(struct arena *arena, struct column *const *columns, size_t column_count, size_t row_count,
    size_t size, struct row_images *images) {
    uint64_t *offsets = arena_allocate(arena, (row_count + 1) * sizeof *offsets);
    uint8_t *bytes = arena_allocate_zeroed(arena, row_count * size);
    size_t rest = header_size(column_count) + column_count * 8;
    for (size_t row = 0; row <= row_count; row++) {
        offsets[row] = row * size;
    }
    for (size_t i = 0; i < column_count; i++) {
        const struct column *column = columns[i];
        if (column->type->kind != TYPE_STRUCT) {
            put_words(bytes, size, column_count, i, column, false, row_count);
            continue;
        }
        size_t inner = header_size(column->child_count) + column->child_count * 8;
        for (size_t row = 0; row < row_count; row++) {
            store_le64(bytes + row * size + header_size(column_count) + i * 8, (uint64_t)rest << 32 | inner);
        }
        for (size_t c = 0; c < column->child_count; c++) {
            put_words(bytes + rest, size, column->child_count, c, column->children[c], column->constant, row_count);
        }
        rest += inner;
    }
    *images = (struct row_images){bytes, offsets, row_count};
}

void row_images_encode(struct arena *arena, struct column *const *columns, size_t column_count, size_t row_count,
    struct row_images *images) {
    size_t fixed = header_size(column_count) + column_count * 8, total = 0, even = even_size(columns, column_count);
    if (even > 0) {
        encode_even(arena, columns, column_count, row_count, even, images);
        return;
    }
    uint64_t *offsets = ARENA_ARRAY(arena, uint64_t, row_count + 1);
    for (size_t row = 0; row < row_count; row++) {
        offsets[row + 1] = fixed;
    }
    for (size_t i = 0; i < column_count; i++) {
        enum type_kind kind = columns[i]->type->kind;
        bool has_rest = type_value_size(columns[i]->type) == 0 || type_value_size(columns[i]->type) == 16 ||
                        kind == TYPE_STRING || kind == TYPE_BINARY;
        for (size_t row = 0; row < row_count && has_rest; row++) {
            offsets[row + 1] += rest_size(columns[i], row);
        }
    }
    for (size_t row = 0; row < row_count; row++) {
        total += offsets[row + 1];
        offsets[row + 1] = total;
    }
    uint8_t *bytes = arena_allocate_zeroed(arena, total);
    for (size_t row = 0; row < row_count; row++) {
        size_t size = write_row(bytes + offsets[row], columns, column_count, row);
        ASSERT(size == offsets[row + 1] - offsets[row]);
    }
    *images = (struct row_images){bytes, offsets, row_count};
}

/* ---- reading ---- */

static bool read_row(
    struct column_builder *builders, const struct type_field *fields, size_t count, struct bytes image, int depth);
static bool read_list(struct column_builder *builder, struct bytes image, size_t *element_count, int depth);

static bool read_piece(struct bytes whole, uint64_t word, struct bytes *piece) {
    size_t offset = (size_t)(word >> 32), size = (size_t)(word & 0xffffffff);
    if (offset > whole.size || size > whole.size - offset) {
        return false;
    }
    *piece = bytes_make(whole.data + offset, size);
    return true;
}

static bool read_nested(struct column_builder *builder, struct bytes piece, int depth) {
    const struct type *type = builder->type;
    size_t keys, values;
    if (type->kind == TYPE_STRUCT) {
        if (!read_row(builder->children, type->fields, type->field_count, piece, depth + 1)) {
            return false;
        }
    } else if (type->kind == TYPE_ARRAY) {
        if (!read_list(&builder->children[0], piece, &values, depth + 1)) {
            return false;
        }
    } else {
        if (piece.size < 8 || load_le64(piece.data) > piece.size - 8) {
            return false;
        }
        size_t key_size = load_le64(piece.data);
        if (!read_list(&builder->children[0], bytes_slice(piece, 8, key_size), &keys, depth + 1) ||
            !read_list(&builder->children[1], bytes_slice(piece, 8 + key_size, piece.size - 8 - key_size), &values,
                depth + 1) ||
            keys != values) {
            return false;
        }
    }
    column_builder_end_row(builder);
    return true;
}

static bool read_value(struct column_builder *builder, struct bytes whole, const uint8_t *word, int depth) {
    const struct type *type = builder->type;
    struct bytes piece;
    __int128 value;
    switch (type->kind) {
    case TYPE_STRING:
    case TYPE_BINARY:
        if (!read_piece(whole, load_le64(word), &piece)) {
            return false;
        }
        column_builder_append_string_copy(builder, piece);
        return true;
    case TYPE_DECIMAL:
        if (!is_wide_decimal(type)) {
            value = (int64_t)load_le64(word);
        } else {
            if (!read_piece(whole, load_le64(word), &piece) || piece.size == 0 || piece.size > 16) {
                return false;
            }
            value = piece.data[0] >= 0x80 ? -1 : 0;
            for (size_t i = 0; i < piece.size; i++) {
                value = (__int128)((unsigned __int128)value << 8 | piece.data[i]);
            }
        }
        column_builder_append(builder, &value);
        return true;
    case TYPE_CALENDAR_INTERVAL:
        if (!read_piece(whole, load_le64(word), &piece) || piece.size != WIDE_SIZE) {
            return false;
        }
        column_builder_append(builder, piece.data);
        return true;
    case TYPE_STRUCT:
    case TYPE_ARRAY:
    case TYPE_MAP:
        return depth < DEPTH_MAX && read_piece(whole, load_le64(word), &piece) && read_nested(builder, piece, depth);
    default:
        column_builder_append(builder, word);
        return true;
    }
}

static bool read_row(
    struct column_builder *builders, const struct type_field *fields, size_t count, struct bytes image, int depth) {
    size_t header = header_size(count);
    if (image.size < header + count * 8) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (bit_get(image.data, i) || fields[i].type->kind == TYPE_NULL) {
            column_builder_null(&builders[i]);
        } else if (!read_value(&builders[i], image, image.data + header + i * 8, depth)) {
            return false;
        }
    }
    return true;
}

static bool read_list(struct column_builder *builder, struct bytes image, size_t *element_count, int depth) {
    size_t width = element_size(builder->type);
    if (image.size < 8 || load_le64(image.data) > image.size) {
        return false;
    }
    size_t count = load_le64(image.data), header = 8 + header_size(count);
    if (image.size < header + count * width) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (bit_get(image.data + 8, i) || builder->type->kind == TYPE_NULL) {
            column_builder_null(builder);
        } else if (!read_value(builder, image, image.data + header + i * width, depth)) {
            return false;
        }
    }
    *element_count = count;
    return true;
}

/* A field that fits into a word, of the rows in images. */
static struct column *take_words(struct arena *arena, const struct type *type, const struct bytes *images, size_t count,
    size_t field_count, size_t field) {
    struct column *column = column_create(arena, type, count);
    size_t width = type_value_size(type), at = header_size(field_count) + field * 8;
    uint8_t *values = column->values, *validity = NULL;
    for (size_t row = 0; row < count; row++) {
        if (!row_image_is_null(images[row], field)) {
            if (width == 8) {
                memcpy(values + row * 8, images[row].data + at, 8);
            } else {
                memcpy(values + row * width, images[row].data + at, width);
            }
            continue;
        }
        validity = validity == NULL ? column_make_nullable(arena, column) : validity;
        bit_clear(validity, row);
    }
    return column;
}

/* A struct of fields that fit into words; NULL: such a one is null, or lies outside of its image. */
static struct column *take_struct(struct arena *arena, const struct type *type, const struct bytes *images,
    size_t count, size_t field_count, size_t field) {
    struct bytes *inner = arena_allocate(arena, (count + 1) * sizeof *inner);
    size_t least = header_size(type->field_count) + type->field_count * 8;
    for (size_t row = 0; row < count; row++) {
        if (row_image_is_null(images[row], field)) {
            return NULL;
        }
        uint64_t word = (uint64_t)row_image_word(images[row], field_count, field);
        size_t offset = (size_t)(word >> 32), size = (size_t)(word & 0xffffffff);
        if (offset > images[row].size || size > images[row].size - offset || size < least) {
            return NULL;
        }
        inner[row] = bytes_make(images[row].data + offset, size);
    }
    struct column *column = column_create(arena, type, count);
    for (size_t i = 0; i < type->field_count; i++) {
        column->children[i] = take_words(arena, type->fields[i].type, inner, count, type->field_count, i);
    }
    return column;
}

static bool is_flat(const struct type *type) {
    bool flat = true;
    for (size_t i = 0; i < type->field_count && flat; i++) {
        flat = type->fields[i].type->kind != TYPE_NULL && fits_word(type->fields[i].type);
    }
    return flat;
}

/* Column by column, when the fields allow it. */
static bool decode_even(
    struct arena *arena, const struct type *schema, const struct bytes *images, size_t count, struct column **columns) {
    size_t field_count = schema->field_count, least = header_size(field_count) + field_count * 8;
    bool good = true;
    for (size_t row = 0; row < count && good; row++) {
        good = images[row].size >= least;
    }
    for (size_t i = 0; i < field_count && good; i++) {
        const struct type *type = schema->fields[i].type;
        if (type->kind == TYPE_STRUCT && is_flat(type)) {
            columns[i] = take_struct(arena, type, images, count, field_count, i);
        } else {
            columns[i] = type->kind != TYPE_NULL && fits_word(type)
                             ? take_words(arena, type, images, count, field_count, i)
                             : NULL;
        }
        good = columns[i] != NULL;
    }
    return good;
}

bool row_images_decode(
    struct arena *arena, const struct type *schema, const struct bytes *images, size_t count, struct column **columns) {
    if (decode_even(arena, schema, images, count, columns)) {
        return true;
    }
    struct column_builder *builders = ARENA_ARRAY(arena, struct column_builder, schema->field_count + 1);
    for (size_t i = 0; i < schema->field_count; i++) {
        column_builder_init(&builders[i], arena, schema->fields[i].type, count);
    }
    bool good = true;
    for (size_t row = 0; row < count && good; row++) {
        good = read_row(builders, schema->fields, schema->field_count, images[row], 0);
    }
    for (size_t i = 0; i < schema->field_count && good; i++) {
        columns[i] = column_builder_finish(&builders[i]);
    }
    return good;
}
