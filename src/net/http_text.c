/* http_text.c: request targets, route patterns, host names: the rules that are about text alone. */
#include "net/http_internal.h"

#include <arpa/inet.h>

static int hexadecimal_digit(uint8_t character) {
    if (character >= '0' && character <= '9')
        return character - '0';
    uint8_t lower = character | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool http_decode(struct bytes text, bool plus_is_space, struct buffer *out) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t character = text.data[i];
        if (character == '%') {
            int high = i + 2 < text.size ? hexadecimal_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hexadecimal_digit(text.data[i + 2]) : -1;
            if (low < 0)
                return false;
            character = (uint8_t)(high * 16 + low);
            i += 2;
        } else if (character == '+' && plus_is_space) {
            character = ' ';
        }
        buffer_append_byte(out, character);
    }
    return true;
}

void http_encode(struct bytes text, const char *keep, struct buffer *out) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t character = text.data[i];
        bool plain = (character >= '0' && character <= '9') ||
                     ((character | 0x20) >= 'a' && (character | 0x20) <= 'z') ||
                     (character != 0 && strchr("-._~", character) != NULL) ||
                     (character != 0 && keep != NULL && strchr(keep, character) != NULL);
        if (plain)
            buffer_append_byte(out, character);
        else
            buffer_printf(out, "%%%02X", character);
    }
}

/* A decoded copy in the request's arena with a NUL behind it; false when malformed or when a NUL is inside. */
static bool decode_into(struct http_request *request, struct bytes text, bool plus_is_space, struct bytes *out) {
    struct buffer decoded = {0};
    bool fine = http_decode(text, plus_is_space, &decoded) && bytes_find(buffer_view(&decoded), 0, 0) == SIZE_MAX;
    if (fine)
        *out = bytes_make(arena_text(&request->arena, buffer_view(&decoded)), decoded.size);
    buffer_free(&decoded);
    return fine;
}

static bool parse_query(struct http_request *request, struct bytes query) {
    size_t start = 0;
    while (start < query.size) {
        size_t end = bytes_find(query, '&', start);
        end = end == SIZE_MAX ? query.size : end;
        struct bytes part = bytes_slice(query, start, end - start);
        start = end + 1;
        if (part.size == 0)
            continue;
        size_t equals = bytes_find(part, '=', 0);
        size_t name_size = equals == SIZE_MAX ? part.size : equals;
        size_t value_start = equals == SIZE_MAX ? part.size : equals + 1;
        struct bytes name, value;
        if (!decode_into(request, bytes_slice(part, 0, name_size), true, &name) ||
            !decode_into(request, bytes_slice(part, value_start, part.size - value_start), true, &value))
            return false;
        http_pairs_add(request, &request->query, name, value);
    }
    return true;
}

bool http_parse_target(struct http_request *request) {
    struct bytes target = bytes_from_text(request->target);
    /* The absolute form ("GET http://host/path"), as clients of a proxy send it. */
    if (bytes_starts_with(target, "http://")) {
        size_t slash = bytes_find(target, '/', 7);
        target = slash == SIZE_MAX ? BYTES("/") : bytes_slice(target, slash, target.size - slash);
    }
    if (target.size == 0 || target.data[0] != '/')
        return false;
    size_t question = bytes_find(target, '?', 0);
    size_t path_size = question == SIZE_MAX ? target.size : question;
    if (!decode_into(request, bytes_slice(target, 0, path_size), false, &request->path) ||
        !bytes_is_utf8(request->path))
        return false;
    return question == SIZE_MAX || parse_query(request, bytes_slice(target, question + 1, target.size - question - 1));
}

static void add_parameter(struct http_request *request, struct bytes name, struct bytes value) {
    http_pairs_add(request, &request->parameters, bytes_make(arena_text(&request->arena, name), name.size),
        bytes_make(arena_text(&request->arena, value), value.size));
}

bool http_match(const char *pattern_text, struct http_request *request) {
    struct bytes pattern = bytes_from_text(pattern_text), path = request->path;
    request->parameters.count = 0;
    size_t at = 0, i = 0;
    while (i < pattern.size) {
        if (pattern.data[i] != '{') {
            bool rest_follows = pattern.data[i] == '/' && i + 1 < pattern.size && pattern.data[i + 1] == '{' &&
                                bytes_ends_with(pattern, "...}");
            if (at == path.size && rest_follows && bytes_find(pattern, '}', i) == pattern.size - 1) {
                add_parameter(request, bytes_slice(pattern, i + 2, pattern.size - i - 6), BYTES(""));
                return true; /* "/a/{rest...}" also matches "/a" */
            }
            if (at == path.size || path.data[at] != pattern.data[i])
                return false;
            at++;
            i++;
            continue;
        }
        size_t close = bytes_find(pattern, '}', i);
        ASSERT(close != SIZE_MAX);
        struct bytes name = bytes_slice(pattern, i + 1, close - i - 1);
        i = close + 1;
        if (bytes_ends_with(name, "...")) {
            add_parameter(request, bytes_slice(name, 0, name.size - 3), bytes_slice(path, at, path.size - at));
            return true;
        }
        size_t end = bytes_find(path, '/', at);
        end = end == SIZE_MAX ? path.size : end;
        if (end == at)
            return false;
        add_parameter(request, name, bytes_slice(path, at, end - at));
        at = end;
    }
    return at == path.size;
}

struct bytes http_host_name(struct bytes host) {
    if (host.size > 0 && host.data[0] == '[') {
        size_t close = bytes_find(host, ']', 0);
        return close == SIZE_MAX ? BYTES_NULL : bytes_slice(host, 1, close - 1);
    }
    size_t colon = bytes_find(host, ':', 0);
    struct bytes name = colon == SIZE_MAX ? host : bytes_slice(host, 0, colon);
    if (name.size > 0 && name.data[name.size - 1] == '.')
        name.size--; /* a fully qualified name */
    return name;
}

struct bytes http_origin_host(struct bytes origin) {
    size_t colon = bytes_find(origin, ':', 0);
    if (colon == SIZE_MAX || origin.size < colon + 3 || memcmp(origin.data + colon, "://", 3) != 0)
        return BYTES_NULL;
    return http_host_name(bytes_slice(origin, colon + 3, origin.size - colon - 3));
}

static bool is_loopback(const char *text) {
    struct in_addr address;
    struct in6_addr address6;
    if (inet_pton(AF_INET, text, &address) == 1)
        return (ntohl(address.s_addr) >> 24) == 127;
    return inet_pton(AF_INET6, text, &address6) == 1 && IN6_IS_ADDR_LOOPBACK(&address6);
}

bool http_host_allowed(const struct http_server *server, const struct http_peer *peer, struct bytes name) {
    static const char *const course_names[] = {"localhost", "kafka", "broker", "zookeeper", "namenode", "datanode",
        "spark-master", "spark-worker", "kafka-ui"};
    char text[256];
    if (name.size == 0 || name.size >= sizeof text)
        return false;
    memcpy(text, name.data, name.size);
    text[name.size] = '\0';
    for (size_t i = 0; i < ARRAY_COUNT(course_names); i++)
        if (bytes_equal_ignore_case(name, bytes_from_text(course_names[i])))
            return true;
    for (size_t i = 0; i < server->options.host_name_count; i++)
        if (bytes_equal_ignore_case(name, bytes_from_text(server->options.host_names[i])))
            return true;
    for (size_t i = 0; i < server->options.address_count; i++)
        if (bytes_equal_text(name, net_endpoint_parse(server->options.addresses[i], 0).address))
            return true;
    return bytes_equal_text(name, peer->local.text) || is_loopback(text) ||
           (name.size > 10 && bytes_ends_with(name, ".localhost"));
}
