#include "compose/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/vector.h"

/* A collection that is still open. Its children wait in the builder's list from `first` on. */
struct frame {
    struct yaml_node *node;
    size_t first;
};

struct builder {
    struct arena *arena;
    const char *file;
    struct error *error;
    struct map anchors; /* name -> node */
    struct frame frames[YAML_DEPTH_MAX];
    int depth;
    VECTOR(struct yaml_node *) children;
    size_t node_count, merged_count;
    struct yaml_node *root;
};

bool yaml_fail(const struct yaml_node *node, struct error *error, const char *format, ...) {
    char text[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return error_set(error, ERROR_INVALID, "%s:%d:%d: %s", node->file, node->line, node->column, text);
}

const char *yaml_kind_name(const struct yaml_node *node) {
    return node->kind == YAML_SEQUENCE ? "a list" : node->kind == YAML_MAPPING ? "a mapping" : "a text";
}

bool yaml_is_null(const struct yaml_node *node) {
    return node == NULL ||
           (node->kind == YAML_SCALAR && node->is_plain &&
               (node->text[0] == 0 || strcmp(node->text, "~") == 0 || strcasecmp(node->text, "null") == 0));
}

struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key) {
    if (mapping == NULL || mapping->kind != YAML_MAPPING)
        return NULL;
    for (size_t i = 0; i < mapping->count; i++)
        if (strcmp(mapping->pairs[i].key->text, key) == 0)
            return yaml_is_null(mapping->pairs[i].value) ? NULL : mapping->pairs[i].value;
    return NULL;
}

/* ---- building ---- */

static struct yaml_node *new_node(struct builder *builder, enum yaml_kind kind, yaml_mark_t mark) {
    struct yaml_node *node = arena_allocate_zeroed(builder->arena, sizeof *node);
    node->kind = kind;
    node->file = builder->file;
    node->line = (int)mark.line + 1;
    node->column = (int)mark.column + 1;
    node->size = 1;
    node->depth = 1;
    builder->node_count++;
    return node;
}

/* Adds what a child stands for to its parent. */
static bool count_in(struct builder *builder, struct yaml_node *parent, const struct yaml_node *child) {
    parent->size += child->size;
    if (child->depth >= parent->depth)
        parent->depth = child->depth + 1;
    if (parent->size > YAML_NODE_COUNT_MAX)
        return yaml_fail(
            child, builder->error, "with its aliases this stands for more than %d values", YAML_NODE_COUNT_MAX);
    return parent->depth <= YAML_DEPTH_MAX ||
           yaml_fail(child, builder->error, "this is nested more than %d levels deep", YAML_DEPTH_MAX);
}

static bool close_sequence(struct builder *builder, struct yaml_node *node, struct yaml_node **items, size_t count) {
    node->items = arena_array(builder->arena, count, sizeof *node->items);
    node->count = count;
    for (size_t i = 0; i < count; i++) {
        node->items[i] = items[i];
        if (!count_in(builder, node, items[i]))
            return false;
    }
    return true;
}

struct pair_list {
    struct yaml_pair *items;
    size_t count, capacity;
};

/* Pairs of a merged mapping whose keys are not there yet. */
static bool merge(struct builder *builder, const struct yaml_node *source, struct map *seen, struct pair_list *pairs) {
    if (source->kind != YAML_MAPPING)
        return yaml_fail(
            source, builder->error, "a merge key (<<) takes a mapping, this is %s", yaml_kind_name(source));
    builder->merged_count += source->count;
    if (builder->merged_count > YAML_NODE_COUNT_MAX)
        return yaml_fail(
            source, builder->error, "with its merge keys this stands for more than %d values", YAML_NODE_COUNT_MAX);
    for (size_t i = 0; i < source->count; i++) {
        if (map_get_text(seen, source->pairs[i].key->text) != NULL)
            continue;
        map_set_text(seen, source->pairs[i].key->text, source->pairs[i].key);
        VECTOR_PUSH(pairs, source->pairs[i]);
    }
    return true;
}

static bool merge_value(struct builder *builder, struct yaml_node *value, struct map *seen, struct pair_list *pairs) {
    if (value->kind != YAML_SEQUENCE)
        return merge(builder, value, seen, pairs);
    for (size_t i = 0; i < value->count; i++)
        if (!merge(builder, value->items[i], seen, pairs))
            return false;
    return true;
}

static bool is_merge_key(const struct yaml_node *key) {
    return key->is_plain && strcmp(key->text, "<<") == 0;
}

/* Own pairs first, then those of the merge keys, in the order of the file: what stands first wins. */
static bool collect_pairs(
    struct builder *builder, struct yaml_node **items, size_t count, struct map *seen, struct pair_list *pairs) {
    for (size_t i = 0; i < count; i += 2) {
        struct yaml_node *key = items[i], *before;
        if (key->kind != YAML_SCALAR)
            return yaml_fail(key, builder->error, "a key must be a text, this is %s", yaml_kind_name(key));
        if (is_merge_key(key))
            continue;
        before = map_set_text(seen, key->text, key);
        if (before != NULL)
            return yaml_fail(
                key, builder->error, "the key '%.100s' was given in line %d already", key->text, before->line);
        VECTOR_PUSH(pairs, ((struct yaml_pair){key, items[i + 1]}));
    }
    for (size_t i = 0; i < count; i += 2)
        if (is_merge_key(items[i]) && !merge_value(builder, items[i + 1], seen, pairs))
            return false;
    return true;
}

static bool close_mapping(struct builder *builder, struct yaml_node *node, struct yaml_node **items, size_t count) {
    struct map seen = {0};
    struct pair_list pairs = {0};
    bool good = collect_pairs(builder, items, count, &seen, &pairs);
    node->pairs = arena_array(builder->arena, pairs.count, sizeof *node->pairs);
    node->count = pairs.count;
    for (size_t i = 0; good && i < pairs.count; i++) {
        node->pairs[i] = pairs.items[i];
        good = count_in(builder, node, pairs.items[i].key) && count_in(builder, node, pairs.items[i].value);
    }
    map_free(&seen);
    VECTOR_FREE(&pairs);
    return good;
}

/* A whole node takes its place: under the open collection, or as the root. */
static bool place(struct builder *builder, struct yaml_node *node) {
    if (builder->node_count > YAML_NODE_COUNT_MAX)
        return yaml_fail(node, builder->error, "the file holds more than %d values", YAML_NODE_COUNT_MAX);
    if (builder->depth > 0)
        VECTOR_PUSH(&builder->children, node);
    else
        builder->root = node;
    return true;
}

static void remember(struct builder *builder, const yaml_char_t *anchor, struct yaml_node *node) {
    if (anchor != NULL)
        map_set_text(&builder->anchors, (const char *)anchor, node);
}

static bool take_scalar(struct builder *builder, const yaml_event_t *event) {
    struct yaml_node *node = new_node(builder, YAML_SCALAR, event->start_mark);
    struct bytes text = bytes_make(event->data.scalar.value, event->data.scalar.length);
    if (memchr(text.data, 0, text.size) != NULL)
        return yaml_fail(node, builder->error, "a text may not hold a NUL character");
    node->text = arena_text(builder->arena, text);
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    remember(builder, event->data.scalar.anchor, node);
    return place(builder, node);
}

static bool take_alias(struct builder *builder, const yaml_event_t *event) {
    const char *name = (const char *)event->data.alias.anchor;
    struct yaml_node *node = map_get_text(&builder->anchors, name);
    struct yaml_node *here = new_node(builder, YAML_SCALAR, event->start_mark);
    if (node == NULL)
        return yaml_fail(here, builder->error, "there is no anchor &%.100s before this alias", name);
    for (int i = 0; i < builder->depth; i++)
        if (builder->frames[i].node == node)
            return yaml_fail(
                here, builder->error, "the alias *%.100s stands inside its own anchor (line %d)", name, node->line);
    return place(builder, node);
}

static bool open_collection(
    struct builder *builder, enum yaml_kind kind, const yaml_event_t *event, const yaml_char_t *anchor) {
    struct yaml_node *node = new_node(builder, kind, event->start_mark);
    if (builder->depth == YAML_DEPTH_MAX)
        return yaml_fail(node, builder->error, "this is nested more than %d levels deep", YAML_DEPTH_MAX);
    remember(builder, anchor, node);
    builder->frames[builder->depth++] = (struct frame){node, builder->children.count};
    return true;
}

static bool close_collection(struct builder *builder) {
    struct frame frame = builder->frames[--builder->depth];
    struct yaml_node **items = builder->children.items + frame.first;
    size_t count = builder->children.count - frame.first;
    bool good = count == 0 || (frame.node->kind == YAML_SEQUENCE ? close_sequence(builder, frame.node, items, count)
                                                                 : close_mapping(builder, frame.node, items, count));
    builder->children.count = frame.first;
    return good && place(builder, frame.node);
}

static bool take_event(struct builder *builder, const yaml_event_t *event) {
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(builder, event);
    case YAML_ALIAS_EVENT:
        return take_alias(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(builder, YAML_SEQUENCE, event, event->data.sequence_start.anchor);
    case YAML_MAPPING_START_EVENT:
        return open_collection(builder, YAML_MAPPING, event, event->data.mapping_start.anchor);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(builder);
    case YAML_DOCUMENT_START_EVENT:
        return builder->root == NULL || yaml_fail(new_node(builder, YAML_SCALAR, event->start_mark), builder->error,
                                            "a second document begins here; one is read");
    default:
        return true;
    }
}

/* ---- parsing ---- */

static bool fail_to_parse(const yaml_parser_t *parser, const char *file, struct error *error) {
    const char *context = parser->context != NULL ? parser->context : "";
    return error_set(error, ERROR_INVALID, "%s:%zu:%zu: this is no YAML: %s%s%s", file, parser->problem_mark.line + 1,
        parser->problem_mark.column + 1, parser->problem == NULL ? "not understood" : parser->problem,
        context[0] != 0 ? " " : "", context);
}

static bool parse_events(struct builder *builder, yaml_parser_t *parser) {
    yaml_event_t event;
    bool good = true, ended = false;
    while (good && !ended) {
        if (!yaml_parser_parse(parser, &event))
            return fail_to_parse(parser, builder->file, builder->error);
        ended = event.type == YAML_STREAM_END_EVENT;
        good = take_event(builder, &event);
        yaml_event_delete(&event);
    }
    return good;
}

struct yaml_node *yaml_parse(struct arena *arena, const char *file, struct bytes text, struct error *error) {
    struct builder builder = {.arena = arena, .file = file, .error = error};
    yaml_parser_t parser;
    if (text.size > YAML_SIZE_MAX) {
        error_set(
            error, ERROR_LIMIT, "%s: the file has %zu bytes, at most %d are read", file, text.size, YAML_SIZE_MAX);
        return NULL;
    }
    bool made = yaml_parser_initialize(&parser) != 0;
    ASSERT(made);
    yaml_parser_set_input_string(&parser, text.size > 0 ? text.data : (const uint8_t *)"", text.size);
    bool good = parse_events(&builder, &parser);
    yaml_parser_delete(&parser);
    map_free(&builder.anchors);
    VECTOR_FREE(&builder.children);
    if (!good)
        return NULL;
    if (builder.root == NULL) {
        builder.root = new_node(&builder, YAML_SCALAR, (yaml_mark_t){0});
        builder.root->text = arena_strdup(arena, "");
        builder.root->is_plain = true;
    }
    return builder.root;
}
