#include "compose/model_parts.h"

#include <stdio.h>

#include "base/assert.h"

const char *model_path(struct model *model, const char *path) {
    const char *home = path[0] == '~' ? model->options->variable(model->options->context, "HOME") : NULL;
    if (home != NULL)
        return arena_printf(model->arena, "%s%s", home, path + 1);
    if (path[0] == '/')
        return path;
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    return strcmp(path, ".") == 0 || path[0] == 0 ? model->folder
                                                  : arena_printf(model->arena, "%s/%s", model->folder, path);
}

bool model_read_texts(struct model *model, const struct yaml_node *node, const char *key, struct model_words *texts) {
    if (node == NULL)
        return true;
    if (node->kind == YAML_SCALAR) {
        VECTOR_PUSH(texts, node->text);
        return true;
    }
    if (node->kind != YAML_SEQUENCE)
        return yaml_fail(node, model->error, "%s takes a list, this is a mapping", key);
    for (size_t i = 0; i < node->count; i++) {
        if (node->items[i]->kind != YAML_SCALAR)
            return yaml_fail(
                node->items[i], model->error, "%s takes texts, this is %s", key, yaml_kind_name(node->items[i]));
        VECTOR_PUSH(texts, node->items[i]->text);
    }
    return true;
}

bool model_read_names_of(
    struct model *model, const struct yaml_node *node, const char *key, struct model_words *names) {
    if (node == NULL || node->kind != YAML_MAPPING)
        return model_read_texts(model, node, key, names);
    for (size_t i = 0; i < node->count; i++)
        VECTOR_PUSH(names, node->pairs[i].key->text);
    return true;
}

void model_split_words(struct arena *arena, const char *line, struct model_words *words) {
    struct buffer word = {0};
    bool in_word = false;
    char quote = 0;
    for (const char *at = line; *at != 0; at++) {
        if (quote == 0 && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
            if (in_word)
                VECTOR_PUSH(words, arena_text(arena, buffer_view(&word)));
            buffer_clear(&word);
            in_word = false;
        } else if (quote == 0 && (*at == '"' || *at == '\'')) {
            quote = *at;
            in_word = true;
        } else if (*at == quote) {
            quote = 0;
        } else {
            bool is_escape = *at == '\\' && quote != '\'' && at[1] != 0;
            at += is_escape && (quote == 0 || strchr("\"\\$`\n", at[1]) != NULL);
            if (is_escape && *at == '\n')
                continue; /* a line that goes on */
            buffer_append_byte(&word, (uint8_t)*at);
            in_word = true;
        }
    }
    if (in_word)
        VECTOR_PUSH(words, arena_text(arena, buffer_view(&word)));
    buffer_free(&word);
}

bool model_read_words(struct model *model, struct model_service *service, const char *key, struct model_words *words) {
    const struct yaml_node *node = yaml_get(service->node, key);
    if (node == NULL || node->kind == YAML_SEQUENCE)
        return model_read_texts(model, node, key, words);
    if (node->kind == YAML_MAPPING)
        return yaml_fail(node, model->error, "%s takes a text or a list, this is a mapping", key);
    model_split_words(model->arena, node->text, words);
    return true;
}

/* ---- ports ---- */

/* "8080" or "8080-8085" */
static bool parse_range(struct bytes text, int64_t *first, int64_t *count) {
    size_t dash = bytes_find(text, '-', 0);
    int64_t last;
    if (!bytes_to_int64(bytes_slice(text, 0, dash == SIZE_MAX ? text.size : dash), first))
        return false;
    last = *first;
    if (dash != SIZE_MAX && !bytes_to_int64(bytes_slice(text, dash + 1, text.size - dash - 1), &last))
        return false;
    *count = last - *first + 1;
    return *first >= 1 && last <= 65535 && *count >= 1 && *count <= PORT_RANGE_MAX;
}

/* What is published elsewhere than on this machine's own loopback is loopback here. */
static void check_host(struct model *model, struct model_service *service, struct bytes host) {
    char text[64];
    snprintf(text, sizeof text, "%.*s", BYTES_ARGS(host));
    if (host.size > 0 && strncmp(text, "127.", 4) != 0 && strcmp(text, "localhost") != 0 && strcmp(text, "[::1]") != 0)
        model_note(model, NOTE_LOOPBACK_ONLY, service->name, text);
}

/* [HOST:][PUBLISHED:]CONTAINER[/udp] */
static bool read_short_port(struct model *model, struct model_service *service, const struct yaml_node *node) {
    struct bytes text = bytes_trim(bytes_from_text(node->text));
    size_t slash = bytes_find(text, '/', 0), last = text.size, colon;
    bool is_udp = slash != SIZE_MAX && bytes_equal_text(bytes_slice(text, slash, text.size - slash), "/udp");
    if (slash != SIZE_MAX)
        text.size = last = slash;
    while (last > 0 && text.data[last - 1] != ':')
        last--;
    struct bytes container = bytes_slice(text, last, text.size - last), published = BYTES_NULL, host = BYTES_NULL;
    colon = last > 0 ? last - 1 : 0;
    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    if (last > 0)
        published = bytes_slice(text, colon, last - 1 - colon);
    if (colon > 0)
        host = bytes_slice(text, 0, colon - 1);
    int64_t from, count, published_from = 0, published_count = 0;
    if (!parse_range(container, &from, &count) ||
        (published.size > 0 &&
            (!parse_range(published, &published_from, &published_count) || published_count != count)))
        return yaml_fail(node, model->error, "'%.60s' is no port; PUBLISHED:CONTAINER is, as 9092:9092", node->text);
    check_host(model, service, host);
    for (int64_t i = 0; i < count; i++)
        VECTOR_PUSH(
            &service->ports, ((struct model_port){(uint16_t)(published_count > 0 ? published_from + i : from + i),
                                 (uint16_t)(from + i), is_udp, node}));
    if (published.size == 0)
        model_note(model, NOTE_PORT_NOT_CHOSEN, service->name, (int)from, (int)from);
    return true;
}

static bool read_long_port(struct model *model, struct model_service *service, const struct yaml_node *node) {
    const struct yaml_node *target = yaml_get(node, "target"), *published = yaml_get(node, "published"),
                           *protocol = yaml_get(node, "protocol"), *host = yaml_get(node, "host_ip");
    int64_t from, count = 0, published_from;
    if (target == NULL || target->kind != YAML_SCALAR || !parse_range(bytes_from_text(target->text), &from, &count) ||
        count != 1)
        return yaml_fail(node, model->error, "a port has a 'target' from 1 to 65535");
    published_from = from;
    if (published != NULL &&
        (published->kind != YAML_SCALAR || !parse_range(bytes_from_text(published->text), &published_from, &count)))
        return yaml_fail(published, model->error, "a port from 1 to 65535 is needed");
    if (host != NULL && host->kind == YAML_SCALAR)
        check_host(model, service, bytes_from_text(host->text));
    bool is_udp = protocol != NULL && protocol->kind == YAML_SCALAR && strcmp(protocol->text, "udp") == 0;
    VECTOR_PUSH(&service->ports, ((struct model_port){(uint16_t)published_from, (uint16_t)from, is_udp, node}));
    return true;
}

bool model_read_ports(struct model *model, struct model_service *service) {
    const struct yaml_node *ports = yaml_get(service->node, "ports");
    if (ports != NULL && ports->kind != YAML_SEQUENCE)
        return yaml_fail(ports, model->error, "ports takes a list, this is %s", yaml_kind_name(ports));
    for (size_t i = 0; ports != NULL && i < ports->count; i++) {
        const struct yaml_node *item = ports->items[i];
        bool good = item->kind == YAML_SCALAR    ? read_short_port(model, service, item)
                    : item->kind == YAML_MAPPING ? read_long_port(model, service, item)
                                                 : yaml_fail(item, model->error, "a port is a text or a mapping");
        if (!good)
            return false;
    }
    return true;
}

/* ---- volumes ---- */

static bool is_folder(const char *source) {
    return source[0] == '.' || source[0] == '/' || source[0] == '~';
}

static bool read_volume(struct model *model, struct model_service *service, const struct yaml_node *node) {
    const char *source = NULL, *target;
    if (node->kind == YAML_MAPPING) {
        const struct yaml_node *from = yaml_get(node, "source"), *to = yaml_get(node, "target");
        if (to == NULL || to->kind != YAML_SCALAR || (from != NULL && from->kind != YAML_SCALAR))
            return yaml_fail(node, model->error, "a volume has a 'target'");
        source = from == NULL ? NULL : from->text;
        target = to->text;
    } else if (node->kind == YAML_SCALAR) {
        const char *colon = strchr(node->text, ':');
        source = colon == NULL ? NULL : arena_text(model->arena, bytes_make(node->text, (size_t)(colon - node->text)));
        target = colon == NULL ? node->text : colon + 1;
        target = arena_text(model->arena, bytes_make(target, strcspn(target, ":")));
    } else {
        return yaml_fail(node, model->error, "a volume is a text or a mapping");
    }
    if (target[0] != '/')
        return yaml_fail(node, model->error, "a volume's place in the container begins with /: FOLDER:/PLACE");
    source = source != NULL && is_folder(source) ? model_path(model, source) : NULL;
    VECTOR_PUSH(&service->volumes, ((struct model_volume){source, target}));
    return true;
}

bool model_read_volumes(struct model *model, struct model_service *service) {
    const struct yaml_node *volumes = yaml_get(service->node, "volumes");
    if (volumes != NULL && volumes->kind != YAML_SEQUENCE)
        return yaml_fail(volumes, model->error, "volumes takes a list, this is %s", yaml_kind_name(volumes));
    for (size_t i = 0; volumes != NULL && i < volumes->count; i++)
        if (!read_volume(model, service, volumes->items[i]))
            return false;
    return true;
}
