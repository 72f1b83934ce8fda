/* kafka_consumer.h: a consumer for the console tool: a member of a group (classic protocol) or of nothing, fetching its
 * partitions in turn. One thread; it heartbeats between fetches. */
#ifndef CLI_KAFKA_CONSUMER_H
#define CLI_KAFKA_CONSUMER_H

#include "cli/kafka/kafka_tool.h"
#include "wire/record_batch.h"

struct consumer;

struct consumer_options {
    struct remote *remote;
    const char *topic;   /* one topic, or NULL with `include` */
    const char *include; /* regular expression of topics */
    const char *group;   /* NULL: no group, `partition` and `offset` say where */
    const char *client_id;
    int32_t partition;   /* without a group; -1 all */
    int64_t offset;      /* without a group: an offset, or -1 latest, -2 earliest */
    bool from_beginning; /* where the group has no offset */
    bool commit;         /* commit what was handed out, every 5 s and at the end */
    bool read_committed;
};

struct consumed {
    const char *topic;
    int32_t partition, leader_epoch;
    bool log_append_time;
    struct record record;
};

struct consumer *consumer_open(const struct consumer_options *options, struct error *error);
/* Waits up to `wait_ms` for records and hands each to `take`, which returns false to stop there. False on an error that
 * does not pass. */
bool consumer_poll(struct consumer *consumer, int64_t wait_ms,
    bool (*take)(void *context, const struct consumed *consumed), void *context, struct error *error);
/* Commits, leaves the group, frees. */
void consumer_close(struct consumer *consumer);

#endif
