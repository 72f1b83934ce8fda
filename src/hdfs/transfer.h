/* transfer.h: one connection of the DataNode's data transfer port; shared by transfer*.c. */
#ifndef HDFS_TRANSFER_H
#define HDFS_TRANSFER_H

#include "hdfs/hdfs_internal.h"
#include "transfer.pb-c.h"

#define TRANSFER_VERSION 28
#define TRANSFER_HEADER_SIZE_MAX 65536              /* of an operation's message */
#define TRANSFER_PACKET_SIZE_MAX ((size_t)16 << 20) /* Hadoop's own limit */
#define TRANSFER_QUEUE_SIZE_MAX ((size_t)4 << 20)   /* packets that wait for the disk before the client is held back */

enum transfer_state {
    TRANSFER_OPERATION,   /* the next operation's header is expected */
    TRANSFER_PREPARING,   /* a pool task works; no input wanted */
    TRANSFER_WRITING,     /* packets arrive */
    TRANSFER_READING,     /* packets leave */
    TRANSFER_READ_STATUS, /* all was sent, the client says what it thinks of it */
    TRANSFER_ENDED,
};

/* Loop thread, except what a running pool task was given: `work`, `out`, `file`, the block's numbers. */
struct transfer {
    struct hdfs *hdfs;
    struct net_connection *connection;
    enum transfer_state state;
    bool is_busy;   /* a pool task runs */
    bool has_ended; /* the client sends no more, and waits for what is due */
    bool is_closed; /* the connection is gone; the task's end frees */

    struct arena arena;     /* of the operation */
    const char *block_name; /* "BP-…:blk_…_…" */
    const char *client;
    const char *holder;       /* of the lease, when writing */
    char peer[96], local[96]; /* "/address:port" */
    int64_t started_ns;

    /* the block */
    struct world_file *file;
    struct store_file *source;
    uint64_t block_id, inode;
    int64_t base;       /* offset of the block in its file */
    int64_t block_size; /* most bytes it may have */
    int64_t written;    /* bytes of it so far (writing) */
    int64_t at, end;    /* next and last byte to be sent, relative to the block (reading) */
    bool with_checksums;
    Hadoop__ChecksumType checksum_type;
    uint32_t chunk_size;

    bool is_paused;      /* too many of them wait */
    struct buffer queue; /* packets that arrived */
    struct buffer work;  /* packets the task writes */
    struct buffer out;   /* what the task wants to be sent */
    bool is_last;        /* the block's last packet was written or read */
    bool has_failed;     /* close after sending `out` */

    const ProtobufCMessage *message; /* the operation's header, in the arena */
};

/* Runs work(transfer) on the disk pool, then done(transfer) on the loop. In done call transfer_task_ended first. */
void transfer_task(struct transfer *transfer, world_function *work, world_function *done);
/* false when the connection is gone meanwhile: the transfer is freed, touch nothing. */
bool transfer_task_ended(struct transfer *transfer);
/* Sends `out`. */
void transfer_send(struct transfer *transfer);
/* Back to waiting for an operation. */
void transfer_reset(struct transfer *transfer);
/* Ends the connection after what waits was sent. */
void transfer_end(struct transfer *transfer);
/* Appends a BlockOpResponse with status and message to `out`. */
void transfer_refuse(struct transfer *transfer, Hadoop__TransferStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void transfer_append(struct buffer *out, const ProtobufCMessage *message);
/* Disk pool. The path of the block's file, in the arena, with base, block_size, inode set; NULL after transfer_refuse.
 * size: bytes in the file. */
char *transfer_locate(struct transfer *transfer, int64_t *size);
void transfer_name_block(struct transfer *transfer, const Hadoop__ExtendedBlock *block);

void transfer_start_write(struct transfer *transfer);
size_t transfer_take_packets(struct transfer *transfer, struct bytes input);
void transfer_start_read(struct transfer *transfer);
void transfer_read_on(struct transfer *transfer);
void transfer_start_checksum(struct transfer *transfer);

/* Checksum of one chunk by type. */
uint32_t transfer_checksum(Hadoop__ChecksumType type, const void *data, size_t size);

#endif
