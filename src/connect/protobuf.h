/* protobuf.h: what stands between protobuf-c and bytes from outside. protobuf-c's unpacking recurses without a limit,
 * so a message is walked first: field headers, lengths within their parent, groups refused, nesting bounded (protocol
 * buffers' own limit for Spark Connect is 1,024). */
#ifndef CONNECT_PROTOBUF_H
#define CONNECT_PROTOBUF_H

#include <protobuf-c/protobuf-c.h>
#include "base/arena.h"
#include "base/error.h"

enum { PROTOBUF_DEPTH_MAX = 1024 };

/* Unpacks into the arena (never freed by itself). NULL with the reason when the bytes are not such a message. */
ProtobufCMessage *protobuf_unpack(
    struct arena *arena, const ProtobufCMessageDescriptor *descriptor, struct bytes data, struct error *error);
/* The packed message as a buffer that the caller owns. */
struct buffer protobuf_pack(const ProtobufCMessage *message);
/* The first field number that the message holds and its descriptor does not know; 0 when there is none. */
uint32_t protobuf_unknown_field(const ProtobufCMessage *message);

/* Text of a string or bytes field: absent fields are BYTES_NULL. */
static inline struct bytes protobuf_text(const char *text) {
    return bytes_from_text(text);
}
#define PROTOBUF_BYTES(field) bytes_make((field).data, (field).len)
/* A copy of text as protobuf-c wants it (NUL-terminated, in the arena). */
char *protobuf_string(struct arena *arena, struct bytes text);
/* Makes a message in the arena: PROTOBUF_NEW(arena, Connect__Plan, connect__plan). */
#define PROTOBUF_NEW(arena, type, prefix)                                                                              \
    ((type *)protobuf_new((arena), sizeof(type), (void (*)(void *))(void (*)(type *))prefix##__init))
void *protobuf_new(struct arena *arena, size_t size, void (*init)(void *message));

#endif
