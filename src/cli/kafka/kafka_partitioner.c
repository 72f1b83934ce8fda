/* kafka_partitioner.c: MurmurHash2, 32 bits, with Kafka's seed. Source: the algorithm's public description by its
 * author. */
#include "cli/kafka/kafka_partitioner.h"

static uint32_t murmur2(struct bytes data) {
    const uint32_t multiplier = 0x5bd1e995;
    uint32_t hash = 0x9747b28cu ^ (uint32_t)data.size;
    size_t at = 0;
    for (; at + 4 <= data.size; at += 4) {
        uint32_t word = load_le32(data.data + at) * multiplier;
        word = (word ^ word >> 24) * multiplier;
        hash = hash * multiplier ^ word;
    }
    uint32_t tail = 0;
    for (size_t i = data.size; i > at; i--)
        tail = tail << 8 | data.data[i - 1];
    if (data.size > at)
        hash = (hash ^ tail) * multiplier;
    hash = (hash ^ hash >> 13) * multiplier;
    return hash ^ hash >> 15;
}

int32_t kafka_key_partition(struct bytes key, int32_t partition_count) {
    return (int32_t)((murmur2(key) & 0x7fffffff) % (uint32_t)partition_count);
}
