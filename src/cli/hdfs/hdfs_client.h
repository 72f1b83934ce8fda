/* hdfs_client.h: a small HDFS client for the hdfs tool: calls to the NameNode, blocks from and to the DataNode, over
 * blocking sockets. One thread. Failures of the server are kept as it said them: exception class and message. */
#ifndef CLI_HDFS_CLIENT_H
#define CLI_HDFS_CLIENT_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "namenode.pb-c.h"

struct hdfs_client {
    int descriptor;
    char host[256];
    char user[64];
    char name[64]; /* of the client, in leases */
    uint8_t id[16];
    int32_t next_call;
    char exception[160]; /* of the last failure; "" when the connection itself failed */
    char message[4096];
};

/* Connects; host may be a name. false with error when nobody answers there. */
bool hdfs_client_open(
    struct hdfs_client *client, const char *host, uint16_t port, const char *user, struct error *error);
void hdfs_client_close(struct hdfs_client *client);
/* One call; the answer is in `arena`. NULL on failure. */
ProtobufCMessage *hdfs_client_call(struct hdfs_client *client, struct arena *arena, const char *method,
    const ProtobufCMessage *request, const ProtobufCMessageDescriptor *answer);
/* Sets a failure of the client's own. Always false. */
bool hdfs_client_fail(struct hdfs_client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes bytes of a file in order; false stops the reading. */
typedef bool hdfs_sink(void *argument, struct bytes data);
/* Gives bytes [offset, offset + length) of a file to sink. length INT64_MAX: to the end. */
bool hdfs_client_read(
    struct hdfs_client *client, const char *path, int64_t offset, int64_t length, hdfs_sink *sink, void *argument);

/* Hadoop's checksum of a file: bytes per CRC, CRCs per block (0 for one block), MD5 of the blocks' MD5s. */
bool hdfs_client_checksum(struct hdfs_client *client, const char *path, uint8_t sum[28]);

/* A file being written. */
struct hdfs_upload {
    struct hdfs_client *client;
    struct arena arena;
    char *path;
    uint64_t file_id;
    int64_t block_size;
    Hadoop__ExtendedBlock *block; /* the last one, or NULL */
    int descriptor;               /* to the DataNode, or -1 */
    int64_t block_written;        /* bytes in the last block */
    int64_t sequence;
    size_t unacknowledged;
    struct buffer packet; /* data that is gathered */
};

bool hdfs_upload_create(struct hdfs_upload *upload, struct hdfs_client *client, const char *path, bool overwrite);
bool hdfs_upload_append(struct hdfs_upload *upload, struct hdfs_client *client, const char *path);
bool hdfs_upload_write(struct hdfs_upload *upload, struct bytes data);
/* Completes the file and frees; also frees on failure. */
bool hdfs_upload_close(struct hdfs_upload *upload);
/* Frees without completing. */
void hdfs_upload_abandon(struct hdfs_upload *upload);

#endif
