/* java_order.h: the order in which Java's HashMap gives its keys back. Kafka's tools print maps, so their output has
 * this order. */
#ifndef CLI_JAVA_ORDER_H
#define CLI_JAVA_ORDER_H

#include "base/bytes.h"

/* String.hashCode of ASCII text (other bytes count as Latin-1). */
int32_t java_string_hash(struct bytes text);
/* order[i] becomes the index of the i-th key of a HashMap into which the keys were put in turn; `capacity` is its first
 * table size (16 unless made with another). */
void java_map_order(const struct bytes *keys, size_t count, size_t capacity, size_t *order);
/* The same for keys with these hash codes. */
void java_hash_order(const int32_t *hashes, size_t count, size_t capacity, size_t *order);

#endif
