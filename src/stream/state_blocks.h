/* state_blocks.h: lz4-java's block stream, through which Spark writes the files of its state store: blocks of 32 KiB,
 * each with a header of 21 bytes ("LZ4Block", method and level, sizes and a checksum, little-endian), the last one
 * empty. Inside stream/ only.
 *
 * Records of a state are much alike: the same nulls, sizes and padding, times that hardly differ. So a block is not
 * searched for repetitions: each record is compared with the one before it, place by place, which takes a fraction of
 * the time and mostly gives smaller blocks. What comes out is plain LZ4. Blocks that this does not shrink well are left
 * to the library. */
#ifndef STREAM_STATE_BLOCKS_H
#define STREAM_STATE_BLOCKS_H

#include "base/bytes.h"
#include "store/store.h"

enum {
    STATE_BLOCK_SIZE = 32 << 10,
    STATE_BLOCK_RECORDS = STATE_BLOCK_SIZE / 8 + 1, /* a record has at least two lengths */
};

struct state_blocks {
    struct store_writer *file;
    struct error *error;
    bool failed;
    size_t used, record_count;
    uint32_t starts[STATE_BLOCK_RECORDS]; /* of the records that begin in the block at hand */
    uint8_t block[2 * STATE_BLOCK_SIZE + 64];
    uint8_t out[STATE_BLOCK_SIZE + STATE_BLOCK_SIZE / 128 + 256];
};

/* Starts a stream into file, which stays the caller's. Large: not for the stack. */
void state_blocks_begin(struct state_blocks *blocks, struct store_writer *file, struct error *error);
/* A length and a key, a length and a value; -1 and nothing when the value's data is NULL. */
void state_blocks_put(struct state_blocks *blocks, struct bytes key, struct bytes value);
/* The length -1, and the end of the stream. false, with the error, when something was not written. */
bool state_blocks_end(struct state_blocks *blocks);

#endif
