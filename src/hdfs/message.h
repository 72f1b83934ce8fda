/* message.h: protocol buffers from strangers, for the servers of this folder and for the hdfs tool. */
#ifndef HDFS_MESSAGE_H
#define HDFS_MESSAGE_H

#include <protobuf-c/protobuf-c.h>
#include "base/arena.h"
#include "base/bytes.h"

#define MESSAGE_DEPTH_MAX 100
/* Walks the wire form: false when a field is longer than what holds it, a tag is malformed, or known submessages nest
 * too deep. */
bool message_check(const ProtobufCMessageDescriptor *descriptor, struct bytes data);
/* Unpacks in the arena after the check; NULL when it is malformed or lacks a required field. */
ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *descriptor, struct arena *arena, struct bytes data);
/* Splits off one varint-length-delimited message. Returns 1, 0 when more bytes are needed, -1 when it is malformed or
 * above size_max. */
int message_take(struct bytes *input, struct bytes *message, size_t size_max);
void message_append_delimited(struct buffer *out, const ProtobufCMessage *message);
/* A new message of that kind, in the arena, initialised. */
ProtobufCMessage *message_new(struct arena *arena, const ProtobufCMessageDescriptor *descriptor);

#endif
