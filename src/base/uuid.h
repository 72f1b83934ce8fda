/* uuid.h: 16 bytes; text form with hyphens and Kafka's 22-character base64url form. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/bytes.h"

struct uuid {
    uint8_t bytes[16];
};

#define UUID_TEXT_SIZE 37   /* 36 characters and NUL */
#define UUID_BASE64_SIZE 23 /* 22 characters and NUL */

/* Version 4 from 16 random bytes. */
struct uuid uuid_from_random(const uint8_t random[16]);
bool uuid_equal(struct uuid left, struct uuid right);
bool uuid_is_zero(struct uuid uuid);
void uuid_format(struct uuid uuid, char out[UUID_TEXT_SIZE]);
bool uuid_parse(struct bytes text, struct uuid *uuid);
void uuid_format_base64(struct uuid uuid, char out[UUID_BASE64_SIZE]);
bool uuid_parse_base64(struct bytes text, struct uuid *uuid);

#endif
