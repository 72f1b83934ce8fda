/* fetch_session.c: the cache of incremental fetch sessions. */
#include "kafka/fetch_session.h"

#include <stdlib.h>

#include "base/assert.h"

struct fetch_sessions {
    size_t slot_count;
    struct map by_id; /* int32 -> struct fetch_session */
    struct list ages;
};

static struct bytes id_key(const int32_t *id) {
    return bytes_make(id, sizeof *id);
}

struct fetch_sessions *fetch_sessions_create(size_t slot_count) {
    struct fetch_sessions *sessions = calloc(1, sizeof *sessions);
    ASSERT(sessions);
    sessions->slot_count = slot_count;
    list_init(&sessions->ages);
    return sessions;
}

static void partition_free(struct fetch_partition *partition) {
    list_remove(&partition->node);
    free(partition->topic);
    free(partition);
}

static void session_free(struct fetch_sessions *sessions, struct fetch_session *session) {
    map_remove(&sessions->by_id, id_key(&session->id));
    list_remove(&session->age);
    LIST_FOR_EACH(node, &session->partitions)
    partition_free(CONTAINER_OF(node, struct fetch_partition, node));
    map_free(&session->index);
    free(session);
}

void fetch_sessions_destroy(struct fetch_sessions *sessions) {
    if (!sessions)
        return;
    LIST_FOR_EACH(node, &sessions->ages)
    session_free(sessions, CONTAINER_OF(node, struct fetch_session, age));
    map_free(&sessions->by_id);
    free(sessions);
}

struct fetch_session *fetch_session_create(struct fetch_sessions *sessions, int32_t id, bool uses_ids) {
    if (sessions->slot_count == 0)
        return NULL;
    if (sessions->by_id.count >= sessions->slot_count)
        session_free(sessions, CONTAINER_OF(list_first(&sessions->ages), struct fetch_session, age));
    struct fetch_session *session = calloc(1, sizeof *session);
    ASSERT(session);
    session->id = id;
    session->epoch = 1;
    session->uses_ids = uses_ids;
    list_init(&session->partitions);
    list_append(&sessions->ages, &session->age);
    map_set(&sessions->by_id, id_key(&id), session);
    return session;
}

struct fetch_session *fetch_session_find(struct fetch_sessions *sessions, int32_t id) {
    struct fetch_session *session = map_get(&sessions->by_id, id_key(&id));
    if (session) {
        list_remove(&session->age);
        list_append(&sessions->ages, &session->age);
    }
    return session;
}

void fetch_session_remove(struct fetch_sessions *sessions, int32_t id) {
    struct fetch_session *session = map_get(&sessions->by_id, id_key(&id));
    if (session)
        session_free(sessions, session);
}

/* Number first, then the id or the name. */
static struct bytes partition_key(
    const struct fetch_session *session, struct bytes topic, struct uuid topic_id, int32_t index, uint8_t out[300]) {
    struct bytes name = session->uses_ids ? bytes_make(topic_id.bytes, sizeof topic_id.bytes) : topic;
    size_t size = name.size < 296 ? name.size : 296;
    memcpy(out, &index, 4);
    if (size > 0)
        memcpy(out + 4, name.data, size);
    return bytes_make(out, 4 + size);
}

struct fetch_partition *fetch_session_partition(
    struct fetch_session *session, struct bytes topic, struct uuid topic_id, int32_t index) {
    uint8_t memory[300];
    struct bytes key = partition_key(session, topic, topic_id, index, memory);
    struct fetch_partition *partition = map_get(&session->index, key);
    if (partition)
        return partition;
    partition = calloc(1, sizeof *partition);
    ASSERT(partition);
    partition->topic = topic.data ? strndup((const char *)topic.data, topic.size) : strdup("");
    partition->topic_id = topic_id;
    partition->index = index;
    partition->high_watermark = partition->log_start_offset = -1;
    list_append(&session->partitions, &partition->node);
    map_set(&session->index, key, partition);
    return partition;
}

void fetch_session_forget(struct fetch_session *session, struct bytes topic, struct uuid topic_id, int32_t index) {
    uint8_t memory[300];
    struct fetch_partition *partition =
        map_remove(&session->index, partition_key(session, topic, topic_id, index, memory));
    if (partition)
        partition_free(partition);
}

void fetch_session_rotate(struct fetch_session *session, struct fetch_partition *partition) {
    list_remove(&partition->node);
    list_append(&session->partitions, &partition->node);
}
