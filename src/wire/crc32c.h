/* crc32c.h: CRC-32C (Castagnoli), the checksum of record batches, producer snapshots and Hadoop's data transfer. */
#ifndef WIRE_CRC32C_H
#define WIRE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 at the start) over more bytes. Uses the processor's instruction where there is one. Any thread. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
/* The same without the instruction; for tests. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif
