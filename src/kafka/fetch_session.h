/* fetch_session.h: incremental fetch sessions. A consumer names its partitions once; later requests hold only what
 * changed, and answers only partitions with news. Broker's loop. */
#ifndef KAFKA_FETCH_SESSION_H
#define KAFKA_FETCH_SESSION_H

#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"

struct fetch_sessions;

struct fetch_partition {
    struct list_node node; /* in session->partitions, in the order of serving */
    char *topic;           /* empty when the session uses ids */
    struct uuid topic_id;
    int32_t index;
    int64_t fetch_offset;
    int32_t max_bytes;
    int32_t leader_epoch;
    int64_t high_watermark, log_start_offset; /* as last told; -1 never */
};
struct fetch_session {
    int32_t id, epoch; /* the epoch the next request must have */
    bool uses_ids;
    struct list partitions;
    struct map index;     /* topic (id or name) and partition number -> struct fetch_partition */
    struct list_node age; /* in the cache, oldest use first */
};

struct fetch_sessions *fetch_sessions_create(size_t slot_count);
void fetch_sessions_destroy(struct fetch_sessions *sessions);
/* The least recently used one gives way when all slots are taken. NULL when there are no slots. */
struct fetch_session *fetch_session_create(struct fetch_sessions *sessions, int32_t id, bool uses_ids);
/* Counts as a use. */
struct fetch_session *fetch_session_find(struct fetch_sessions *sessions, int32_t id);
void fetch_session_remove(struct fetch_sessions *sessions, int32_t id);
/* Adds the partition or finds it; the caller sets what the request says. */
struct fetch_partition *fetch_session_partition(
    struct fetch_session *session, struct bytes topic, struct uuid topic_id, int32_t index);
void fetch_session_forget(struct fetch_session *session, struct bytes topic, struct uuid topic_id, int32_t index);
/* Serves it after the others next time. */
void fetch_session_rotate(struct fetch_session *session, struct fetch_partition *partition);

#endif
