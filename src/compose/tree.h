/* tree.h: a YAML document as a tree, over libyaml's events, with what compose files use: anchors, aliases, merge keys.
 *
 * A node that an alias names is shared, not copied. So that a small file cannot stand for a large tree, each node
 * counts what it stands for, aliases each time, and a document over YAML_NODE_COUNT_MAX is refused; so are an alias
 * inside its own anchor, a key twice in one mapping, a key that is no scalar, and a second document. Errors begin with
 * "NAME:LINE:COLUMN: ". YAML 1.1, https://yaml.org/spec/1.1/, and its merge key, https://yaml.org/type/merge.html. */
#ifndef COMPOSE_TREE_H
#define COMPOSE_TREE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

enum {
    YAML_SIZE_MAX = 1 << 20,
    YAML_NODE_COUNT_MAX = 100000,
    YAML_DEPTH_MAX = 64,
};

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_pair {
    struct yaml_node *key, *value;
};

struct yaml_node {
    enum yaml_kind kind;
    const char *file;
    int line, column; /* from 1 */
    char *text;       /* of a scalar; NUL-terminated, no NUL inside */
    bool is_plain;    /* a scalar without quotes: null and true may be more than texts */
    bool is_marked;   /* free for the caller: walked already */
    struct yaml_node **items;
    struct yaml_pair *pairs; /* merge keys already applied */
    size_t count;
    size_t size; /* nodes that it stands for, itself included */
    int depth;   /* levels below, itself included */
};

/* The tree lives in the arena; `file` names the document in errors and must live as long. An empty document is a null
 * scalar. */
struct yaml_node *yaml_parse(struct arena *arena, const char *file, struct bytes text, struct error *error);
/* The value of a key, or NULL when it is absent, null, or the node no mapping. */
struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);
/* NULL, or a plain scalar that is empty, ~ or null. */
bool yaml_is_null(const struct yaml_node *node);
/* "a list", "a mapping" or "a text". */
const char *yaml_kind_name(const struct yaml_node *node);
/* Sets ERROR_INVALID with the node's place; returns false. */
bool yaml_fail(const struct yaml_node *node, struct error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
