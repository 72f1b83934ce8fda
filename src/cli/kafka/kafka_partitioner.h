/* kafka_partitioner.h: which partition the Java client chooses for a key. */
#ifndef CLI_KAFKA_PARTITIONER_H
#define CLI_KAFKA_PARTITIONER_H

#include "base/bytes.h"

/* murmur2 of the key without its sign bit, modulo the number of partitions. */
int32_t kafka_key_partition(struct bytes key, int32_t partition_count);

#endif
