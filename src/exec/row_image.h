/* row_image.h: rows as Spark's UnsafeRow images, the form in which Spark keeps state: a bitmap of nulls (64 bits per
 * word), one 8-byte word per field (the value when it fits, else its place in the row shifted left by 32 and its size),
 * then what did not fit, each piece padded to 8 bytes. Little-endian. Texts and binaries are their bytes, decimals of
 * more than 18 digits are big-endian two's complement in 16 reserved bytes, structs are rows, arrays and maps Spark's
 * UnsafeArrayData and UnsafeMapData. */
#ifndef EXEC_ROW_IMAGE_H
#define EXEC_ROW_IMAGE_H

#include "column/column.h"

struct row_images {
    uint8_t *bytes;
    uint64_t *offsets; /* row_count + 1; multiples of 8 */
    size_t row_count;
};

/* One image per row, its fields the columns; in arena. */
void row_images_encode(struct arena *arena, struct column *const *columns, size_t column_count, size_t row_count,
    struct row_images *images);
static inline struct bytes row_images_at(const struct row_images *images, size_t row) {
    return bytes_make(images->bytes + images->offsets[row], (size_t)(images->offsets[row + 1] - images->offsets[row]));
}

/* The columns of a STRUCT type from images, everything copied into arena. false when an image is not of that type (its
 * places lie outside of it). */
bool row_images_decode(
    struct arena *arena, const struct type *schema, const struct bytes *images, size_t count, struct column **columns);

/* The word of a field that fits into one. */
static inline int64_t row_image_word(struct bytes image, size_t field_count, size_t field) {
    int64_t value;
    memcpy(&value, image.data + (field_count + 63) / 64 * 8 + field * 8, 8);
    return value;
}
static inline bool row_image_is_null(struct bytes image, size_t field) {
    return image.data[field >> 3] >> (field & 7) & 1;
}

#endif
