/* rows.c: see rows.h. */
#include "exec/functions/rows.h"

struct column *rows_compute(struct evaluation *evaluation, struct column *const *arguments, row_function *compute) {
    bool all_null;
    size_t count = evaluation->call->argument_count;
    struct column *result = evaluation_strict_result(evaluation, arguments, count, &all_null);
    if (all_null)
        return result;
    size_t width = type_value_size(result->type);
    /* Cleared bits of a computed null must not change what is asked for later rows: rows are visited once. */
    for (size_t row = 0; row < result->row_count; row++) {
        if (result->validity != NULL && !bit_get(result->validity, row))
            continue;
        if (!compute(evaluation, arguments, row, (uint8_t *)result->values + row * width)) {
            if (evaluation->failed)
                return NULL;
            evaluation_set_null(evaluation, result, row);
        }
    }
    return result;
}

bool rows_take_buffer(struct evaluation *evaluation, struct buffer *buffer, void *out) {
    *(struct string_view *)out =
        evaluation_string(evaluation, buffer->data != NULL ? buffer->data : (const uint8_t *)"", buffer->size);
    buffer_free(buffer);
    return true;
}

uint32_t utf8_decode(struct string_view text, size_t at, size_t *width) {
    uint8_t first = text.data[at];
    *width = utf8_width(first);
    if (*width == 1 || at + *width > text.size) {
        *width = 1;
        return first;
    }
    uint32_t code = first & (0xFF >> (*width + 1));
    for (size_t i = 1; i < *width; i++)
        code = code << 6 | (text.data[at + i] & 0x3F);
    return code;
}

void utf8_append(struct buffer *out, uint32_t code) {
    if (code < 0x80) {
        buffer_append_byte(out, (uint8_t)code);
    } else if (code < 0x800) {
        buffer_append_byte(out, (uint8_t)(0xC0 | code >> 6));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 63)));
    } else if (code < 0x10000) {
        buffer_append_byte(out, (uint8_t)(0xE0 | code >> 12));
        buffer_append_byte(out, (uint8_t)(0x80 | (code >> 6 & 63)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 63)));
    } else {
        buffer_append_byte(out, (uint8_t)(0xF0 | (code >> 18 & 7)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code >> 12 & 63)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code >> 6 & 63)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 63)));
    }
}

size_t utf8_length(struct string_view text) {
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.data[i] & 0xC0) != 0x80;
    return count;
}

size_t utf8_offset(struct string_view text, size_t index) {
    size_t at = 0;
    for (; index > 0 && at < text.size; index--)
        at += utf8_width(text.data[at]);
    return at < text.size ? at : text.size;
}
