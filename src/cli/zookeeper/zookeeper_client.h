/* zookeeper_client.h: a small blocking ZooKeeper client for zkCli.sh. One thread. */
#ifndef CLI_ZOOKEEPER_CLIENT_H
#define CLI_ZOOKEEPER_CLIENT_H

#include "base/bytes.h"
#include "base/error.h"

struct keeper;

/* type: 1 created, 2 deleted, 3 data, 4 children. */
typedef void keeper_event_function(int type, struct bytes path, int64_t zxid);

/* Connects to the first server of "host:port,host:port" that answers and opens a session. ERROR_CLOSED when none does.
 */
struct keeper *keeper_open(const char *servers, int32_t timeout_ms, keeper_event_function *event, struct error *error);
/* Ends the session. */
void keeper_close(struct keeper *keeper);
/* "host:port" that is connected. */
const char *keeper_server(const struct keeper *keeper);
/* One request and its answer's record (cleared first). *code: the protocol's error, 0 for none. false: the connection
 * is lost. */
bool keeper_call(struct keeper *keeper, int32_t operation, struct bytes record, struct buffer *answer, int32_t *code,
    struct error *error);
/* Waits until the descriptor can be read, meanwhile keeps the session alive and hands out events. false: the connection
 * is lost. */
bool keeper_wait(struct keeper *keeper, int descriptor, struct error *error);

#endif
