/* list.h: intrusive doubly linked list with a sentinel. Embed `struct list_node` in the item. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *previous, *next;
};
struct list {
    struct list_node head;
};

#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define LIST_FOR_EACH(node, list)                                                                                      \
    for (struct list_node *node = (list)->head.next, *node##_next = node->next; node != &(list)->head;                 \
         node = node##_next, node##_next = node->next)

static inline void list_init(struct list *list) {
    list->head.previous = list->head.next = &list->head;
}
static inline bool list_empty(const struct list *list) {
    return list->head.next == &list->head;
}
static inline void list_insert_before(struct list_node *place, struct list_node *node) {
    node->previous = place->previous;
    node->next = place;
    place->previous->next = node;
    place->previous = node;
}
static inline void list_append(struct list *list, struct list_node *node) {
    list_insert_before(&list->head, node);
}
static inline void list_prepend(struct list *list, struct list_node *node) {
    list_insert_before(list->head.next, node);
}
static inline void list_remove(struct list_node *node) {
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->previous = node->next = node;
}
static inline struct list_node *list_first(struct list *list) {
    return list_empty(list) ? NULL : list->head.next;
}

#endif
