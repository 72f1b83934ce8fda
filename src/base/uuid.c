#include "base/uuid.h"

#include <stdio.h>

struct uuid uuid_from_random(const uint8_t random[16]) {
    struct uuid uuid;
    memcpy(uuid.bytes, random, 16);
    uuid.bytes[6] = (uuid.bytes[6] & 0x0f) | 0x40; /* version 4 */
    uuid.bytes[8] = (uuid.bytes[8] & 0x3f) | 0x80; /* variant of RFC 9562 */
    return uuid;
}

bool uuid_equal(struct uuid left, struct uuid right) {
    return memcmp(left.bytes, right.bytes, 16) == 0;
}

bool uuid_is_zero(struct uuid uuid) {
    return uuid_equal(uuid, (struct uuid){{0}});
}

void uuid_format(struct uuid uuid, char out[UUID_TEXT_SIZE]) {
    char *at = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at += snprintf(at, 3, "%02x", uuid.bytes[i]);
    }
}

static int hex_value(uint8_t c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool uuid_parse(struct bytes text, struct uuid *uuid) {
    if (text.size != 36)
        return false;
    size_t at = 0;
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && text.data[at++] != '-')
            return false;
        int high = hex_value(text.data[at]), low = hex_value(text.data[at + 1]);
        if (high < 0 || low < 0)
            return false;
        uuid->bytes[i] = (uint8_t)(high << 4 | low);
        at += 2;
    }
    return true;
}

void uuid_format_base64(struct uuid uuid, char out[UUID_BASE64_SIZE]) {
    struct buffer buffer = {0};
    buffer_append_base64_url(&buffer, bytes_make(uuid.bytes, 16));
    memcpy(out, buffer.data, 22);
    out[22] = 0;
    buffer_free(&buffer);
}

bool uuid_parse_base64(struct bytes text, struct uuid *uuid) {
    struct buffer buffer = {0};
    bool valid = text.size == 22 && buffer_append_base64_decoded(&buffer, text) && buffer.size == 16;
    if (valid)
        memcpy(uuid->bytes, buffer.data, 16);
    buffer_free(&buffer);
    return valid;
}
