/* bytes.h: a view of bytes, a growable buffer, and big/little-endian loads and stores. Text is bytes too: `struct
 * bytes` is never NUL-terminated unless its maker says so. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data; /* NULL means absent (null), which differs from empty */
    size_t size;
};

#define BYTES(literal) ((struct bytes){(const uint8_t *)(literal), sizeof(literal) - 1})
#define BYTES_NULL ((struct bytes){NULL, 0})
/* For printf: printf("%.*s", BYTES_ARGS(view)). */
#define BYTES_ARGS(view) (int)(view).size, (const char *)((view).data ? (view).data : (const uint8_t *)"")

static inline struct bytes bytes_make(const void *data, size_t size) {
    return (struct bytes){(const uint8_t *)data, size};
}
/* View of a C string without its NUL; NULL gives BYTES_NULL. */
struct bytes bytes_from_text(const char *text);
bool bytes_equal(struct bytes left, struct bytes right);
bool bytes_equal_text(struct bytes left, const char *right);
bool bytes_equal_ignore_case(struct bytes left, struct bytes right); /* ASCII */
bool bytes_starts_with(struct bytes view, const char *prefix);
bool bytes_ends_with(struct bytes view, const char *suffix);
int bytes_compare(struct bytes left, struct bytes right);                /* unsigned byte order, <0 0 >0 */
struct bytes bytes_slice(struct bytes view, size_t offset, size_t size); /* asserts the range */
struct bytes bytes_trim(struct bytes view);                              /* ASCII white space at both ends */
/* Index of the first `byte` at or after `from`, or SIZE_MAX. */
size_t bytes_find(struct bytes view, uint8_t byte, size_t from);
/* How many bytes must be added, dropped or changed to make one out of the other (Levenshtein), for "did you mean". */
size_t bytes_edit_distance(struct bytes left, struct bytes right);
/* Decimal integers with optional sign; false on anything else, overflow included. */
bool bytes_to_int64(struct bytes view, int64_t *value);
bool bytes_to_uint64(struct bytes view, uint64_t *value);
bool bytes_to_double(struct bytes view, double *value); /* C locale, whole view must be used */
/* Valid UTF-8 as RFC 3629 (no surrogates, no overlong forms). */
bool bytes_is_utf8(struct bytes view);

/* Growable buffer on the heap. Zero-initialise; memory exhaustion aborts. */
struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

void buffer_free(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* keeps the memory */
/* Room for `size` more bytes; returns where they go (buffer->size unchanged). */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);
/* Grows size by `size` and returns the start of the new (uninitialised) bytes. */
uint8_t *buffer_extend(struct buffer *buffer, size_t size);
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_bytes(struct buffer *buffer, struct bytes view);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_byte(struct buffer *buffer, uint8_t byte);
void buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buffer_vprintf(struct buffer *buffer, const char *format, va_list arguments);
/* JSON string with its quotes, control characters and quotes escaped, UTF-8 passed through. */
void buffer_append_json_string(struct buffer *buffer, struct bytes text);
/* &, <, >, " and ' as entities. */
void buffer_append_html(struct buffer *buffer, struct bytes text);
/* Removes `size` bytes from the front. */
void buffer_consume(struct buffer *buffer, size_t size);
/* NUL-terminates (not counted in size) and returns the text; valid until the next change. */
const char *buffer_text(struct buffer *buffer);
static inline struct bytes buffer_view(const struct buffer *buffer) {
    return (struct bytes){buffer->data, buffer->size};
}

/* Base64 (RFC 4648) standard alphabet with padding; URL alphabet without padding. */
void buffer_append_base64(struct buffer *buffer, struct bytes data);
void buffer_append_base64_url(struct buffer *buffer, struct bytes data);
/* Decodes either alphabet, padding optional; false on other characters. */
bool buffer_append_base64_decoded(struct buffer *buffer, struct bytes text);

#define BYTES_LOAD_STORE(bits, type)                                                                                   \
    static inline type load_be##bits(const void *from) {                                                               \
        type value;                                                                                                    \
        memcpy(&value, from, sizeof value);                                                                            \
        return (type)__builtin_bswap##bits((uint##bits##_t)value);                                                     \
    }                                                                                                                  \
    static inline void store_be##bits(void *to, type value) {                                                          \
        value = (type)__builtin_bswap##bits((uint##bits##_t)value);                                                    \
        memcpy(to, &value, sizeof value);                                                                              \
    }                                                                                                                  \
    static inline type load_le##bits(const void *from) {                                                               \
        type value;                                                                                                    \
        memcpy(&value, from, sizeof value);                                                                            \
        return value;                                                                                                  \
    }                                                                                                                  \
    static inline void store_le##bits(void *to, type value) {                                                          \
        memcpy(to, &value, sizeof value);                                                                              \
    }
BYTES_LOAD_STORE(16, uint16_t)
BYTES_LOAD_STORE(32, uint32_t)
BYTES_LOAD_STORE(64, uint64_t)
#undef BYTES_LOAD_STORE

#endif
