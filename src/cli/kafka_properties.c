/* kafka_properties.c: the form of java.util.Properties, and what its names mean here.
 *
 * The form: a line that ends in an odd number of backslashes goes on in the next one, whose leading white space does
 * not count. A name ends at the first =, : or white space that no backslash precedes; \t \n \r \f and \uXXXX stand for
 * characters, any other escaped character for itself. Lines that begin with # or ! are comments. */
#include "cli/kafka_properties.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "base/assert.h"
#include "kafka/broker.h"

enum { NAME_SIZE = 200, LINE_SIZE_MAX = 1 << 20 };

struct reader {
    struct settings *settings;
    struct map lines; /* name -> its line */
    int line, first_line;
    struct error *error;
};

/* ---- the form ---- */

static bool is_blank(uint8_t byte) {
    return byte == ' ' || byte == '\t' || byte == '\f';
}

static void append_utf8(struct buffer *out, uint32_t code) {
    if (code < 0x80) {
        buffer_append_byte(out, (uint8_t)code);
    } else if (code < 0x800) {
        buffer_append_byte(out, (uint8_t)(0xc0 | code >> 6));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
    } else {
        buffer_append_byte(out, (uint8_t)(0xe0 | code >> 12));
        buffer_append_byte(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
    }
}

/* The character after a backslash at text[at]; returns how many bytes it took, 0 when it is malformed. */
static size_t unescape(struct bytes text, size_t at, struct buffer *out) {
    static const char letters[] = "tnrf", values[] = "\t\n\r\f";
    const char *letter = text.data[at] ? strchr(letters, text.data[at]) : NULL;
    if (letter != NULL) {
        buffer_append_byte(out, (uint8_t)values[letter - letters]);
        return 1;
    }
    if (text.data[at] != 'u') {
        buffer_append_byte(out, text.data[at]);
        return 1;
    }
    char digits[5] = {0}, *end = NULL;
    for (size_t i = 0; i < 4 && at + 1 + i < text.size; i++)
        digits[i] = (char)text.data[at + 1 + i];
    unsigned long code = strtoul(digits, &end, 16);
    if (end != digits + 4)
        return 0;
    append_utf8(out, (uint32_t)code);
    return 5;
}

/* Name or value from `at`; a name ends at a separator. */
static bool read_word(struct bytes text, size_t *at, bool is_name, struct buffer *out) {
    while (*at < text.size) {
        uint8_t byte = text.data[*at];
        if (is_name && (byte == '=' || byte == ':' || is_blank(byte)))
            break;
        ++*at;
        if (byte != '\\') {
            buffer_append_byte(out, byte);
        } else if (*at < text.size) {
            size_t taken = unescape(text, *at, out);
            if (taken == 0)
                return false;
            *at += taken;
        }
    }
    return true;
}

/* The next logical line without leading white space, false at the end. */
static bool next_line(struct reader *reader, struct bytes *rest, struct buffer *out) {
    out->size = 0;
    for (bool goes_on = false; rest->size > 0;) {
        size_t end = bytes_find(*rest, '\n', 0), size = end == SIZE_MAX ? rest->size : end;
        struct bytes line = bytes_slice(*rest, 0, size);
        *rest = bytes_slice(*rest, end == SIZE_MAX ? size : size + 1, rest->size - size - (end == SIZE_MAX ? 0 : 1));
        reader->line++;
        if (line.size > 0 && line.data[line.size - 1] == '\r')
            line.size--;
        while (line.size > 0 && is_blank(line.data[0]))
            line = bytes_slice(line, 1, line.size - 1);
        if (!goes_on && (line.size == 0 || line.data[0] == '#' || line.data[0] == '!'))
            continue;
        reader->first_line = goes_on ? reader->first_line : reader->line;
        size_t slashes = 0;
        while (slashes < line.size && line.data[line.size - 1 - slashes] == '\\')
            slashes++;
        goes_on = slashes % 2 == 1;
        buffer_append(out, line.data, line.size - (goes_on ? 1 : 0));
        if (!goes_on)
            return true;
    }
    return out->size > 0;
}

/* ---- what the names mean ---- */

static void note(struct reader *reader, const char *name, const char *copies) {
    char *text = copies == NULL ? NULL : strdup(copies);
    free(map_set_text(&reader->settings->notes, name, text));
}

/* Numbers of copies, which a file written for three brokers has as 3 or 2. */
static bool counts_copies(const char *name) {
    static const char *const names[] = {"default.replication.factor", "offsets.topic.replication.factor",
        "transaction.state.log.replication.factor", "transaction.state.log.min.isr", "min.insync.replicas"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool has_item(const char *list, const char *wanted) {
    size_t size = strlen(wanted);
    for (const char *at = list; at != NULL && *at != 0;) {
        at += strspn(at, " ,");
        size_t item = strcspn(at, " ,");
        if (item == size && strncasecmp(at, wanted, size) == 0)
            return true;
        at += item;
    }
    return false;
}

/* One folder, as an absolute path. */
static bool take_folder(struct reader *reader, const char *name, const char *value) {
    char path[4096], here[2048];
    if (strchr(value, ',') != NULL)
        return error_set(reader->error, ERROR_UNSUPPORTED,
            "%s names several folders; Raudal serves one: name the one with the partitions, or move them into one "
            "folder "
            "while no broker runs",
            name);
    if (value[0] == '/' || getcwd(here, sizeof here) == NULL)
        snprintf(path, sizeof path, "%s", value);
    else
        snprintf(path, sizeof path, "%s/%s", here, value);
    return settings_put_kafka(reader->settings, name, path, reader->error);
}

static bool take_pair(struct reader *reader, const char *name, const char *value) {
    int64_t copies;
    const char *reference = strstr(value, "${");
    if (reference != NULL && strchr(reference, '}') != NULL)
        return error_set(reader->error, ERROR_UNSUPPORTED,
            "%s: its value refers to %.*s, and config providers are not served: write the value itself", name,
            (int)(strcspn(reference, ":}") + 1), reference);
    if (strcmp(name, "process.roles") == 0 && !has_item(value, "broker"))
        return error_set(reader->error, ERROR_UNSUPPORTED,
            "process.roles=%s: Raudal is broker and controller in one; a controller alone is not served", value);
    if (counts_copies(name) && bytes_to_int64(bytes_from_text(value), &copies) && copies > 1) {
        note(reader, name, value);
        return true;
    }
    if (value[0] == 0 && (strcmp(name, "advertised.listeners") == 0 || strcmp(name, "log.dirs") == 0))
        return true; /* as if it were not there */
    if (strcmp(name, "log.dirs") == 0 || strcmp(name, "log.dir") == 0)
        return take_folder(reader, name, value);
    if (settings_put_kafka(reader->settings, name, value, reader->error)) {
        if (!broker_setting_has_effect(name))
            note(reader, name, NULL);
        return true;
    }
    if (reader->error->code != ERROR_NOT_FOUND)
        return false;
    note(reader, name, NULL); /* Kafka passes over unknown names too */
    return true;
}

static bool read_pairs(struct reader *reader, struct bytes text) {
    struct buffer line = {0}, name = {0}, value = {0};
    bool good = true;
    while (good && next_line(reader, &text, &line)) {
        size_t at = 0;
        name.size = value.size = 0;
        good = read_word(buffer_view(&line), &at, true, &name);
        while (at < line.size && is_blank(line.data[at]))
            at++;
        if (at < line.size && (line.data[at] == '=' || line.data[at] == ':'))
            at++;
        while (at < line.size && is_blank(line.data[at]))
            at++;
        good = good && read_word(buffer_view(&line), &at, false, &value);
        if (!good)
            error_set(reader->error, ERROR_INVALID, "\\u needs four hexadecimal digits");
        while (value.size > 0 && (is_blank(value.data[value.size - 1]) || value.data[value.size - 1] == '\r'))
            value.size--;
        if (good && name.size > 0 && name.size < NAME_SIZE) {
            map_set(&reader->lines, buffer_view(&name), (void *)(uintptr_t)reader->first_line);
            good = take_pair(reader, buffer_text(&name), buffer_text(&value));
        }
    }
    buffer_free(&line);
    buffer_free(&name);
    buffer_free(&value);
    return good;
}

/* Whole, up to LINE_SIZE_MAX. */
static bool read_file(const char *path, struct buffer *out, struct error *error) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_system(error, errno, "%s", path);
    uint8_t *place = buffer_reserve(out, LINE_SIZE_MAX);
    out->size += fread(place, 1, LINE_SIZE_MAX, file);
    bool whole = feof(file) && !ferror(file);
    fclose(file);
    return whole || error_set(error, ERROR_LIMIT, "%s: a settings file has at most %d bytes", path, LINE_SIZE_MAX);
}

bool kafka_properties_load(struct settings *settings, const char *path, struct error *error) {
    struct buffer text = {0};
    struct reader reader = {.settings = settings, .error = error};
    bool good = read_file(path, &text, error);
    if (good && !read_pairs(&reader, buffer_view(&text)))
        good = error_prefix(error, "%s line %d", path, reader.first_line);
    if (good && !kafka_listeners_apply(settings, error))
        good = error_prefix(error, "%s line %d", path, (int)(uintptr_t)map_get_text(&reader.lines, "listeners"));
    map_free(&reader.lines);
    buffer_free(&text);
    return good;
}

/* ---- listeners ---- */

/* The protocol of a listener's name: "INSIDE:PLAINTEXT,OUTSIDE:SSL". */
static struct bytes protocol_of(const char *map, struct bytes name) {
    struct bytes list = bytes_from_text(map == NULL ? "" : map);
    for (size_t at = 0; at < list.size;) {
        size_t comma = bytes_find(list, ',', at), end = comma == SIZE_MAX ? list.size : comma;
        struct bytes item = bytes_trim(bytes_slice(list, at, end - at));
        size_t colon = bytes_find(item, ':', 0);
        if (colon == name.size && strncasecmp((const char *)item.data, (const char *)name.data, colon) == 0)
            return bytes_trim(bytes_slice(item, colon + 1, item.size - colon - 1));
        at = end + 1;
    }
    return name;
}

static bool parse_listener(
    struct bytes item, const char *map, struct kafka_listener *out, struct bytes *name, struct error *error) {
    const char *mark = item.size < 4 ? NULL : memmem(item.data, item.size, "://", 3);
    size_t from = mark == NULL ? 0 : (size_t)(mark - (const char *)item.data) + 3, colon = item.size;
    while (colon > from && item.data[colon - 1] != ':')
        colon--;
    int64_t port = -1;
    if (mark == NULL || colon == from || !bytes_to_int64(bytes_slice(item, colon, item.size - colon), &port) ||
        port < 1 || port > UINT16_MAX)
        return error_set(
            error, ERROR_INVALID, "listeners: %.*s is not of the form PLAINTEXT://host:port", BYTES_ARGS(item));
    *name = bytes_slice(item, 0, from - 3);
    struct bytes host = bytes_slice(item, from, colon - 1 - from), protocol = protocol_of(map, *name);
    out->port = (uint16_t)port;
    snprintf(out->host, sizeof out->host, "%.*s", BYTES_ARGS(host));
    return protocol.size == 9 && strncasecmp((const char *)protocol.data, "PLAINTEXT", 9) == 0
               ? true
               : error_set(error, ERROR_UNSUPPORTED,
                     "listeners: %.*s has the protocol %.*s; only PLAINTEXT is served, for this machine",
                     BYTES_ARGS(item), BYTES_ARGS(protocol));
}

size_t kafka_listeners_parse(const char *listeners, const char *map, const char *controllers,
    struct kafka_listener out[KAFKA_LISTENERS_MAX], struct error *error) {
    struct bytes list = bytes_from_text(listeners);
    size_t count = 0;
    for (size_t at = 0; at < list.size;) {
        size_t comma = bytes_find(list, ',', at), end = comma == SIZE_MAX ? list.size : comma;
        struct kafka_listener listener;
        struct bytes name = BYTES_NULL;
        char text[100];
        struct error wrong = {0};
        bool good = parse_listener(bytes_trim(bytes_slice(list, at, end - at)), map, &listener, &name, &wrong);
        snprintf(text, sizeof text, "%.*s", BYTES_ARGS(name));
        at = end + 1;
        if (name.size > 0 && has_item(controllers, text))
            continue;
        if (good && count == KAFKA_LISTENERS_MAX)
            good = error_set(&wrong, ERROR_LIMIT, "listeners: at most %d are served", KAFKA_LISTENERS_MAX);
        if (!good) {
            *error = wrong;
            return 0;
        }
        out[count++] = listener;
    }
    if (count == 0)
        error_set(error, ERROR_INVALID, "listeners has none for clients");
    return count;
}

bool kafka_listeners_apply(struct settings *settings, struct error *error) {
    const char *listeners = settings_kafka(settings, "listeners");
    const char *controllers = settings_kafka(settings, "controller.listener.names");
    struct kafka_listener parsed[KAFKA_LISTENERS_MAX];
    char text[40];
    if (listeners == NULL)
        return true;
    if (kafka_listeners_parse(listeners, settings_kafka(settings, "listener.security.protocol.map"),
            controllers == NULL ? "CONTROLLER" : controllers, parsed, error) == 0)
        return false;
    if (settings_is_given(settings, "kafka.port"))
        return true;
    snprintf(text, sizeof text, "kafka.port=%u", parsed[0].port);
    return settings_set(settings, bytes_from_text(text), error);
}
