/* kafka_decode.c: what a key or a value is, shown as text: by what it looks like, or as the person says. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "console/kafka_messages.h"
#include "wire/kafka_messages.h"
#include "wire/message.h"

static const char *const format_names[FORMAT_COUNT] = {[FORMAT_AUTO] = "auto",
    [FORMAT_STRING] = "string",
    [FORMAT_JSON] = "json",
    [FORMAT_HEX] = "hex",
    [FORMAT_BASE64] = "base64",
    [FORMAT_INT32] = "int32",
    [FORMAT_INT64] = "int64",
    [FORMAT_FLOAT] = "float",
    [FORMAT_DOUBLE] = "double",
    [FORMAT_UUID] = "uuid"};

enum message_format message_format_find(struct bytes name) {
    if (name.size == 0)
        return FORMAT_AUTO;
    for (int i = 0; i < FORMAT_COUNT; i++)
        if (bytes_equal_text(name, format_names[i]))
            return (enum message_format)i;
    return FORMAT_COUNT;
}

static json_t *described(const char *type, struct bytes text) {
    return json_pack("{s:s, s:s%}", "type", type, "text", (const char *)text.data, text.size);
}

static json_t *described_format(const char *type, const char *format, ...) __attribute__((format(printf, 2, 3)));
static json_t *described_format(const char *type, const char *format, ...) {
    struct buffer text = {0};
    va_list arguments;
    va_start(arguments, format);
    buffer_vprintf(&text, format, arguments);
    va_end(arguments);
    json_t *result = described(type, bytes_make(buffer_text(&text), text.size));
    buffer_free(&text);
    return result;
}

static json_t *hexadecimal(struct bytes data) {
    static const char digits[] = "0123456789abcdef";
    struct buffer text = {0};
    for (size_t i = 0; i < data.size; i++) {
        if (i > 0)
            buffer_append_byte(&text, ' ');
        buffer_append_byte(&text, (uint8_t)digits[data.data[i] >> 4]);
        buffer_append_byte(&text, (uint8_t)digits[data.data[i] & 15]);
    }
    json_t *result = described("hex", bytes_make(buffer_text(&text), text.size));
    buffer_free(&text);
    return result;
}

static bool looks_like_json(struct bytes data) {
    struct bytes text = bytes_trim(data);
    if (text.size < 2 || (text.data[0] != '{' && text.data[0] != '['))
        return false;
    json_t *parsed = json_loadb((const char *)text.data, text.size, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    json_decref(parsed);
    return parsed != NULL;
}

/* ---- records of __consumer_offsets: a key says its kind and of what, a value says what is stored ---- */

static json_t *describe_offset_key(struct bytes rest, struct arena *arena) {
    struct kafka_offset_commit_key key;
    struct error error = {0};
    if (!wire_decode(&kafka_offset_commit_key_message, 0, &rest, arena, &key, &error))
        return NULL;
    return described_format(
        "offset key", "%.*s · %.*s-%d", BYTES_ARGS(key.group), BYTES_ARGS(key.topic), key.partition);
}

static json_t *describe_group_key(struct bytes rest, struct arena *arena) {
    struct kafka_group_metadata_key key;
    struct error error = {0};
    if (!wire_decode(&kafka_group_metadata_key_message, 0, &rest, arena, &key, &error))
        return NULL;
    return described_format("group key", "%.*s", BYTES_ARGS(key.group));
}

static json_t *describe_offset_value(int16_t version, struct bytes rest, struct arena *arena) {
    struct kafka_offset_commit_value value;
    struct error error = {0};
    if (!wire_decode(&kafka_offset_commit_value_message, version, &rest, arena, &value, &error))
        return NULL;
    return described_format("offset",
        "{\"offset\": %" PRId64 ", \"leaderEpoch\": %d, \"commitTimestamp\": %" PRId64 "}", value.offset,
        value.leader_epoch, value.commit_timestamp);
}

static json_t *describe_group_value(int16_t version, struct bytes rest, struct arena *arena) {
    struct kafka_group_metadata_value value;
    struct error error = {0};
    if (!wire_decode(&kafka_group_metadata_value_message, version, &rest, arena, &value, &error))
        return NULL;
    json_t *members = json_array();
    for (int32_t i = 0; i < value.members.count; i++) {
        struct bytes id = value.members.items[i].member_id;
        json_array_append_new(members, json_stringn((const char *)id.data, id.size));
    }
    json_t *object = json_pack("{s:i, s:s%, s:o}", "generation", (int)value.generation, "protocolType",
        (const char *)value.protocol_type.data, value.protocol_type.size, "members", members);
    char *text = json_dumps(object, 0);
    json_t *result = text == NULL ? NULL : described("group", bytes_from_text(text));
    free(text);
    json_decref(object);
    return result;
}

static json_t *describe_offsets_record(struct bytes data, struct bytes key, bool is_key) {
    struct arena arena = {0};
    if (key.size < 2 || data.size < 2)
        return NULL;
    int16_t kind = (int16_t)load_be16(key.data), version = (int16_t)load_be16(data.data);
    struct bytes rest = bytes_slice(data, 2, data.size - 2);
    json_t *result =
        kind <= 1   ? (is_key ? describe_offset_key(rest, &arena) : describe_offset_value(version, rest, &arena))
        : kind == 2 ? (is_key ? describe_group_key(rest, &arena) : describe_group_value(version, rest, &arena))
                    : NULL;
    arena_destroy(&arena);
    return result;
}

/* ---- by name ---- */

static json_t *describe_as(struct bytes data, enum message_format format) {
    struct buffer text = {0};
    json_t *result = NULL;
    uint64_t bits = 0;
    for (size_t i = 0; i < data.size && i < 8; i++)
        bits = bits << 8 | data.data[i];
    uint32_t low_bits = (uint32_t)bits;
    float single;
    double number;
    memcpy(&single, &low_bits, sizeof single);
    memcpy(&number, &bits, sizeof number);
    switch (format) {
    case FORMAT_STRING:
    case FORMAT_JSON:
        return bytes_is_utf8(data) ? described(format_names[format], data) : NULL;
    case FORMAT_HEX:
        return hexadecimal(data);
    case FORMAT_BASE64:
        buffer_append_base64(&text, data);
        result = described("base64", bytes_make(buffer_text(&text), text.size));
        buffer_free(&text);
        return result;
    case FORMAT_INT32:
        return data.size == 4 ? described_format("int32", "%" PRId32, (int32_t)bits) : NULL;
    case FORMAT_INT64:
        return data.size == 8 ? described_format("int64", "%" PRId64, (int64_t)bits) : NULL;
    case FORMAT_FLOAT:
        return data.size == 4 ? described_format("float", "%.9g", (double)single) : NULL;
    case FORMAT_DOUBLE:
        return data.size == 8 ? described_format("double", "%.17g", number) : NULL;
    case FORMAT_UUID: {
        struct uuid uuid;
        char out[UUID_TEXT_SIZE];
        if (data.size != sizeof uuid)
            return NULL;
        memcpy(&uuid, data.data, sizeof uuid);
        uuid_format(uuid, out);
        return described("uuid", bytes_from_text(out));
    }
    case FORMAT_AUTO:
    case FORMAT_COUNT:
        break;
    }
    return NULL;
}

json_t *message_decode(
    const char *topic, struct bytes data, struct bytes key, bool is_key, enum message_format format) {
    json_t *result = NULL;
    if (data.data == NULL)
        return json_pack("{s:s}", "type", "null");
    if (format != FORMAT_AUTO)
        result = describe_as(data, format);
    else if (strcmp(topic, "__consumer_offsets") == 0)
        result = describe_offsets_record(data, key, is_key);
    if (result == NULL)
        result = !bytes_is_utf8(data) || memchr(data.data, 0, data.size) != NULL
                     ? hexadecimal(data)
                     : described(looks_like_json(data) ? "json" : "string", data);
    return result;
}

/* ---- the other way ---- */

static bool encode_hex(struct bytes text, struct buffer *out) {
    int high = -1;
    for (size_t i = 0; i < text.size; i++) {
        int c = tolower(text.data[i]), digit = isdigit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (isspace(c))
            continue;
        if (digit < 0)
            return false;
        if (high >= 0)
            buffer_append_byte(out, (uint8_t)(high << 4 | digit));
        high = high >= 0 ? -1 : digit;
    }
    return high < 0;
}

static bool encode_number(struct bytes text, enum message_format format, struct buffer *out) {
    int64_t integer = 0;
    double number = 0;
    bool is_real = format == FORMAT_FLOAT || format == FORMAT_DOUBLE;
    if (is_real ? !bytes_to_double(bytes_trim(text), &number) : !bytes_to_int64(bytes_trim(text), &integer))
        return false;
    if (format == FORMAT_INT32 && (integer < INT32_MIN || integer > INT32_MAX))
        return false;
    float single = (float)number;
    uint64_t bits = (uint64_t)integer;
    uint32_t low = (uint32_t)bits;
    if (format == FORMAT_DOUBLE)
        memcpy(&bits, &number, sizeof bits);
    if (format == FORMAT_FLOAT)
        memcpy(&low, &single, sizeof low);
    if (format == FORMAT_INT32 || format == FORMAT_FLOAT)
        store_be32(buffer_extend(out, 4), low);
    else
        store_be64(buffer_extend(out, 8), bits);
    return true;
}

bool message_encode(struct bytes text, enum message_format format, struct buffer *out, struct error *error) {
    bool ok = true;
    json_t *parsed;
    switch (format) {
    case FORMAT_JSON:
        parsed = json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY, NULL);
        ok = parsed != NULL;
        json_decref(parsed);
        buffer_append_bytes(out, text);
        break;
    case FORMAT_HEX:
        ok = encode_hex(text, out);
        break;
    case FORMAT_BASE64:
        ok = buffer_append_base64_decoded(out, text);
        break;
    case FORMAT_INT32:
    case FORMAT_INT64:
    case FORMAT_FLOAT:
    case FORMAT_DOUBLE:
        ok = encode_number(text, format, out);
        break;
    case FORMAT_UUID:
    case FORMAT_COUNT:
        ok = false;
        break;
    case FORMAT_AUTO:
    case FORMAT_STRING:
        buffer_append_bytes(out, text);
        break;
    }
    if (!ok)
        return error_set(error, ERROR_INVALID, "“%.*s” is not %s", (int)(text.size < 60 ? text.size : 60), text.data,
            format_names[format < FORMAT_COUNT ? format : FORMAT_AUTO]);
    return true;
}
