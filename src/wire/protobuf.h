/* protobuf.h: what stands between protobuf-c and bytes from outside. protobuf-c's unpacking recurses without a limit
 * and allocates as it goes, so a message is walked first: field headers, lengths within what holds them, groups
 * refused, nesting bounded; then it is unpacked in an arena. */
#ifndef WIRE_PROTOBUF_H
#define WIRE_PROTOBUF_H

#include <protobuf-c/protobuf-c.h>
#include "base/arena.h"
#include "base/error.h"

enum {
    PROTOBUF_DEPTH_USUAL = 100, /* what readers of protocol buffers allow by default */
    PROTOBUF_DEPTH_MAX = 1024,  /* the most that depth_max may be; Spark Connect's own limit */
};

/* Walks the wire form along the descriptors. ERROR_CORRUPT when a field is longer than what holds it or a tag is
 * malformed, ERROR_LIMIT when known submessages nest more than depth_max levels deep (the outermost is the first). */
bool protobuf_check(
    const ProtobufCMessageDescriptor *descriptor, struct bytes data, size_t depth_max, struct error *error);
/* Unpacks into the arena after the check; never freed by itself. NULL with the reason when the bytes are not such a
 * message. */
ProtobufCMessage *protobuf_unpack(struct arena *arena, const ProtobufCMessageDescriptor *descriptor, struct bytes data,
    size_t depth_max, struct error *error);
/* The packed message as a buffer that the caller owns. */
struct buffer protobuf_pack(const ProtobufCMessage *message);
/* The first field number that the message holds and its descriptor does not know; 0 when there is none. */
uint32_t protobuf_unknown_field(const ProtobufCMessage *message);

/* Messages behind their length as a varint. take splits one off the front of input: 1, or 0 when more bytes are needed,
 * -1 when the length is malformed or above size_max. */
int protobuf_take_delimited(struct bytes *input, struct bytes *message, size_t size_max);
void protobuf_append_delimited(struct buffer *out, const ProtobufCMessage *message);

/* A new message of that kind, in the arena, initialised. */
ProtobufCMessage *protobuf_make(struct arena *arena, const ProtobufCMessageDescriptor *descriptor);
#define PROTOBUF_NEW(arena, type, prefix) ((type *)protobuf_make((arena), &prefix##__descriptor))
/* A copy of text as protobuf-c wants it (NUL-terminated, in the arena). */
char *protobuf_string(struct arena *arena, struct bytes text);
#define PROTOBUF_BYTES(field) bytes_make((field).data, (field).len)

#endif
