/* model.h: clients of a simulated broker that speak Kafka's protocol over the simulated network, and what is known of
 * all that they sent and saw. model_clients.c: producers, transactional producers, group members; model_check.c: what
 * must be true of it; model_test.c: the runs. */
#ifndef KAFKA_MODEL_H
#define KAFKA_MODEL_H

#include "base/arena.h"
#include "base/vector.h"
#include "kafka/test_machine.h"
#include "net/server.h"
#include "wire/kafka_messages.h"

#define MODEL_TOPIC "t"
#define MODEL_GROUP "readers"
#define MODEL_NEW_GROUP "consumers" /* of the newer protocol, KIP-848 */
enum { PARTITION_COUNT = 3, PRODUCER_COUNT = 3, PLAYER_COUNT = 3, MEMBER_COUNT = 3, CONSUMER_COUNT = 2 };
enum { ACTOR_COUNT = PRODUCER_COUNT + PLAYER_COUNT + MEMBER_COUNT + CONSUMER_COUNT };

/* One value that was sent. Its number in the table is what stands in the record. */
struct model_value {
    int partition, owner; /* the actor */
    int transaction;      /* -1 none */
    int64_t offset;       /* that it was acknowledged with, -1 none */
    bool acknowledged, read;
};
enum outcome { OUTCOME_OPEN, OUTCOME_COMMIT_ASKED, OUTCOME_COMMITTED, OUTCOME_ABORTED };
struct model_transaction {
    int owner, number; /* the number is committed as an offset of the owner's group */
    bool has_offset;
    enum outcome outcome;
};
struct model_read { /* by a member of the group */
    int partition;
    int64_t offset, value;
};
/* What one member read of a partition between two rebalances: all that is committed in [from, to), and only that. */
struct model_run {
    int partition;
    int64_t from, to, count;
};

enum actor_kind { ACTOR_PRODUCER, ACTOR_PLAYER, ACTOR_MEMBER, ACTOR_CONSUMER };
enum actor_state { STATE_NEW, STATE_READY, STATE_ADDED, STATE_OFFSETS_ADDED, STATE_ENDS, STATE_JOINED, STATE_SYNCED };
struct model;
struct wire; /* a connection */
struct actor {
    struct model *model;
    enum actor_kind kind;
    int index; /* of all actors */
    enum actor_state state;
    struct wire *wire; /* NULL: not connected */
    bool posted;
    int64_t rests_until_ms;
    struct arena arena; /* of the answer at hand */
    /* the request under way */
    const struct wire_message *reply;
    int16_t reply_version;
    int32_t correlation;
    void (*answered)(struct actor *actor, const void *reply); /* NULL: nothing is under way */
    /* producers */
    int64_t producer_id;
    int16_t epoch;
    int32_t sequences[PARTITION_COUNT];
    bool has_batch; /* sent and not acknowledged */
    int batch_partition, batch_count;
    int64_t batch_first; /* value */
    /* transactional ones */
    int transaction, number; /* -1 none */
    bool added[PARTITION_COUNT], ends_with_commit, has_offset, is_over;
    /* members */
    char member_id[700];
    int32_t generation;
    unsigned synced_life; /* of the machine */
    bool is_leader, assigned[PARTITION_COUNT];
    int assignments[MEMBER_COUNT][PARTITION_COUNT];
    char member_ids[MEMBER_COUNT][700];
    int member_count;
    struct model_run runs[PARTITION_COUNT];
    bool has_position[PARTITION_COUNT]; /* of a consumer: it knows where to go on */
};

struct model {
    struct test_machine machine;
    struct world_loop *loop; /* of the clients */
    struct actor actors[ACTOR_COUNT];
    VECTOR(struct model_value) values;
    VECTOR(struct model_transaction) transactions;
    VECTOR(struct model_read) reads;
    VECTOR(struct model_run) runs;
    struct uuid topic_id;
    int64_t committed[2][PARTITION_COUNT]; /* acknowledged to the group, and to that of the newer protocol; 0 none */
    bool drains;                           /* nothing new is begun */
    uint64_t steps;
    char problem[400]; /* the first that was found; "" none */
};

/* Notes the first problem. */
void model_found(struct model *model, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline uint64_t model_chance(struct model *model, uint64_t limit) {
    return test_machine_random(&model->machine, limit);
}

/* Sends a request; `answered` gets the reply, or NULL when the connection ended before. */
void model_call(struct actor *actor, const struct wire_message *request, int16_t version, const void *body,
    const struct wire_message *reply, void (*answered)(struct actor *, const void *));
#define CALL(actor, name, version, body, answered)                                                                     \
    model_call((actor), &kafka_##name##_request_message, (version), (body), &kafka_##name##_reply_message, (answered))
void model_rest(struct actor *actor, int64_t ms);
/* What members of both kinds of groups do. */
void model_begin_run(struct actor *actor, int partition, int64_t offset);
int32_t model_list_assigned(const struct actor *actor, int32_t out[PARTITION_COUNT]); /* those with a position */
void model_fetch(struct actor *actor, int partition);
void model_commit_positions(struct actor *actor);
/* model_consumers.c: members of the group of the newer protocol. */
void model_consumer_acts(struct actor *actor);
/* True when the code said that the member must join again, ask for its epoch, or wait. */
bool model_consumer_is_over(struct actor *actor, int16_t code);

void model_clients_begin(struct model *model); /* the actors of a new model */
/* They act in the machine's present life; those of the former one are cut off. */
void model_clients_start(struct model *model);
void model_clients_cut(struct model *model);
void model_act(struct model *model); /* one move of one of them */
bool model_is_drained(struct model *model);
const char *model_who_waits(struct model *model, char out[300]);
void model_clients_end(struct model *model);

/* What is on the disk against what is known. `at_end`: everybody is done, nothing may be undecided. */
void model_check(struct model *model, bool at_end);

#endif
