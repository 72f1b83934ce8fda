/* kafka_client.h: a small blocking Kafka client for the command line tools. It asks every broker what it speaks and
 * uses the highest version both know; connections to the nodes of a cluster are made when first needed. One thread. */
#ifndef CLI_KAFKA_CLIENT_H
#define CLI_KAFKA_CLIENT_H

#include "base/arena.h"
#include "base/error.h"
#include "wire/kafka_messages.h"
#include "wire/message.h"

struct remote;

#define REMOTE_ANY (-1) /* whichever broker of the bootstrap list answers */

/* Connects to the first server of "host:port,host:port" that answers. ERROR_CLOSED when none does. */
struct remote *remote_open(const char *bootstrap_servers, const char *client_id, struct error *error);
void remote_close(struct remote *remote);
const char *remote_bootstrap(const struct remote *remote);

/* One request and its answer. `in` and `out` are the structs of the message tables; what `out` points to lives in the
 * arena. */
bool remote_call(struct remote *remote, int32_t node, const struct wire_message *request,
    const struct wire_message *reply, const void *in, void *out, struct arena *arena, struct error *error);
#define REMOTE_CALL(remote, node, name, in, out, arena, error)                                                         \
    remote_call((remote), (node), &kafka_##name##_request_message, &kafka_##name##_reply_message, (in), (out),         \
        (arena), (error))
/* The version a call to that API will use; -1 when the broker does not offer it. */
int16_t remote_version(struct remote *remote, int32_t node, const struct wire_message *request, struct error *error);
/* The next calls must not use more than this version of the API (OffsetFetch by topic name). */
void remote_limit_version(struct remote *remote, const struct wire_message *request, int16_t version_max);
/* Longest wait for an answer; default 30 s. */
void remote_set_timeout(struct remote *remote, int64_t timeout_ms);

/* Metadata of the named topics (all when names is NULL); remembers where the nodes are. */
bool remote_metadata(struct remote *remote, const char *const *names, size_t count, bool create,
    struct kafka_metadata_reply *reply, struct arena *arena, struct error *error);
/* The node that coordinates the group. Waits while the coordinator is still loading. */
bool remote_coordinator(struct remote *remote, const char *group, int32_t *node, struct error *error);

/* "org.apache.kafka.common.errors.TopicExistsException" for an error code. */
const char *remote_exception(int16_t code);
/* Kafka's sentence for it where the broker sent none. */
const char *remote_sentence(int16_t code);
int64_t remote_now_ms(void); /* monotonic */
int64_t remote_wall_ms(void);

#endif
