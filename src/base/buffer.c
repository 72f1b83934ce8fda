/* buffer.c: the growable buffer and the text encodings that append to it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_clear(struct buffer *buffer) {
    buffer->size = 0;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size) {
    size_t needed;
    ASSERT(!__builtin_add_overflow(buffer->size, size, &needed) && needed < SIZE_MAX / 2);
    if (needed > buffer->capacity || buffer->data == NULL) {
        size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity * 2;
        capacity = capacity < needed ? needed : capacity;
        buffer->data = realloc(buffer->data, capacity);
        ASSERT(buffer->data != NULL);
        buffer->capacity = capacity;
    }
    return buffer->data + buffer->size;
}

uint8_t *buffer_extend(struct buffer *buffer, size_t size) {
    uint8_t *start = buffer_reserve(buffer, size);
    buffer->size += size;
    return start;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size) {
    if (size > 0)
        memcpy(buffer_extend(buffer, size), data, size);
}

void buffer_append_bytes(struct buffer *buffer, struct bytes view) {
    buffer_append(buffer, view.data, view.size);
}

void buffer_append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_byte(struct buffer *buffer, uint8_t byte) {
    *buffer_extend(buffer, 1) = byte;
}

void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    uint8_t *start = buffer_reserve(buffer, 128);
    int size = vsnprintf((char *)start, buffer->capacity - buffer->size, format, arguments);
    ASSERT(size >= 0);
    if ((size_t)size >= buffer->capacity - buffer->size) {
        start = buffer_reserve(buffer, (size_t)size + 1);
        vsnprintf((char *)start, (size_t)size + 1, format, again);
    }
    buffer->size += (size_t)size;
    va_end(again);
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(buffer, format, arguments);
    va_end(arguments);
}

void buffer_append_json_string(struct buffer *buffer, struct bytes text) {
    static const char escapes[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    buffer_append_byte(buffer, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (escapes[byte] != 0) {
            buffer_append_byte(buffer, '\\');
            buffer_append_byte(buffer, (uint8_t)escapes[byte]);
        } else if (byte < 0x20 || byte == 0x7f) {
            buffer_printf(buffer, "\\u%04x", byte);
        } else {
            buffer_append_byte(buffer, byte);
        }
    }
    buffer_append_byte(buffer, '"');
}

void buffer_append_html(struct buffer *buffer, struct bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        switch (text.data[i]) {
        case '&':
            buffer_append_text(buffer, "&amp;");
            break;
        case '<':
            buffer_append_text(buffer, "&lt;");
            break;
        case '>':
            buffer_append_text(buffer, "&gt;");
            break;
        case '"':
            buffer_append_text(buffer, "&quot;");
            break;
        case '\'':
            buffer_append_text(buffer, "&#39;");
            break;
        default:
            buffer_append_byte(buffer, text.data[i]);
        }
    }
}

void buffer_consume(struct buffer *buffer, size_t size) {
    ASSERT(size <= buffer->size);
    buffer->size -= size;
    if (buffer->size > 0 && size > 0)
        memmove(buffer->data, buffer->data + size, buffer->size);
}

const char *buffer_text(struct buffer *buffer) {
    *buffer_reserve(buffer, 1) = 0;
    return (const char *)buffer->data;
}

static void append_base64(struct buffer *buffer, struct bytes data, const char *alphabet, bool pad) {
    for (size_t i = 0; i < data.size; i += 3) {
        size_t left = data.size - i;
        uint32_t group = (uint32_t)data.data[i] << 16 | (left > 1 ? (uint32_t)data.data[i + 1] << 8 : 0) |
                         (left > 2 ? data.data[i + 2] : 0);
        buffer_append_byte(buffer, (uint8_t)alphabet[group >> 18]);
        buffer_append_byte(buffer, (uint8_t)alphabet[group >> 12 & 63]);
        if (left > 1 || pad)
            buffer_append_byte(buffer, left > 1 ? (uint8_t)alphabet[group >> 6 & 63] : '=');
        if (left > 2 || pad)
            buffer_append_byte(buffer, left > 2 ? (uint8_t)alphabet[group & 63] : '=');
    }
}

#define BASE64_COMMON "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

void buffer_append_base64(struct buffer *buffer, struct bytes data) {
    append_base64(buffer, data, BASE64_COMMON "+/", true);
}

void buffer_append_base64_url(struct buffer *buffer, struct bytes data) {
    append_base64(buffer, data, BASE64_COMMON "-_", false);
}

static int base64_value(uint8_t character) {
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    return character == '+' || character == '-' ? 62 : character == '/' || character == '_' ? 63 : -1;
}

bool buffer_append_base64_decoded(struct buffer *buffer, struct bytes text) {
    while (text.size > 0 && text.data[text.size - 1] == '=')
        text.size--;
    uint32_t bits = 0;
    int bit_count = 0;
    for (size_t i = 0; i < text.size; i++) {
        int value = base64_value(text.data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            buffer_append_byte(buffer, (uint8_t)(bits >> bit_count));
        }
    }
    return text.size % 4 != 1;
}
