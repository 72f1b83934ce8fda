/* model_check.c: see model.h. The partitions are read as they lie on the disk, and what their markers decide is worked
 * out from them alone, so that no index and no reader of the broker's is believed. */
#include "kafka/model.h"

#include <stdlib.h>

#include "base/map.h"
#include "wire/record_batch.h"

enum decision { UNDECIDED, COMMITTED, ABORTED };

struct place { /* of one value on the disk */
    int64_t offset;
    enum decision decision;
    bool there;
};
struct truth {
    struct model *model;
    struct place *places; /* by value */
    int partition;
    /* the partition at hand, by offset: the value, -1 none */
    VECTOR(int64_t) values;
    int64_t last_of[ACTOR_COUNT]; /* the newest value of each actor so far */
};

static void put(struct truth *truth, int64_t offset, int64_t number, bool in_transaction) {
    struct model *model = truth->model;
    if (number < 0 || number >= (int64_t)model->values.count ||
        model->values.items[number].partition != truth->partition) {
        model_found(model, "partition %d has at %lld the value %lld, which was not sent there", truth->partition,
            (long long)offset, (long long)number);
        return;
    }
    struct place *place = &truth->places[number];
    const struct model_value *value = &model->values.items[number];
    if (place->there)
        model_found(model, "value %lld stands twice in partition %d, at %lld and %lld", (long long)number,
            truth->partition, (long long)place->offset, (long long)offset);
    if (in_transaction != (value->transaction >= 0))
        model_found(model, "value %lld lies outside of its transaction", (long long)number);
    if (number <= truth->last_of[value->owner])
        model_found(model, "partition %d: value %lld comes behind %lld of the same producer", truth->partition,
            (long long)number, (long long)truth->last_of[value->owner]);
    truth->last_of[value->owner] = number;
    *place = (struct place){offset, in_transaction ? UNDECIDED : COMMITTED, true};
    while ((int64_t)truth->values.count <= offset)
        VECTOR_PUSH(&truth->values, -1);
    truth->values.items[offset] = number;
}

/* Decides the open values of the marker's producer. */
static void decide(struct truth *truth, struct map *open, const struct record_batch *batch) {
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    record_reader_init(&reader, batch, batch->records);
    if (!record_reader_next(&reader, &record, &error) || record.key.size < 4)
        return;
    bool commit = load_be16(record.key.data + 2) == 1;
    struct buffer *list = map_get(open, bytes_make(&batch->producer_id, sizeof batch->producer_id));
    for (size_t at = 0; list && at < list->size; at += sizeof(int64_t)) {
        int64_t number;
        memcpy(&number, list->data + at, sizeof number);
        truth->places[number].decision = commit ? COMMITTED : ABORTED;
    }
    if (list)
        buffer_clear(list);
}

static void take_batch(struct truth *truth, struct map *open, const struct record_batch *batch) {
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    bool in_transaction = batch->attributes & RECORD_BATCH_TRANSACTIONAL;
    if (batch->attributes & RECORD_BATCH_CONTROL) {
        decide(truth, open, batch);
        return;
    }
    record_reader_init(&reader, batch, batch->records);
    while (record_reader_next(&reader, &record, &error)) {
        char text[32] = "";
        memcpy(text, record.value.data, record.value.size < 31 ? record.value.size : 31);
        int64_t number = strtoll(text, NULL, 10);
        put(truth, record.offset, number, in_transaction);
        if (!in_transaction || truth->model->problem[0] != 0)
            continue;
        struct bytes key = bytes_make(&batch->producer_id, sizeof batch->producer_id);
        struct buffer *list = map_get(open, key);
        if (!list) {
            list = calloc(1, sizeof *list);
            map_set(open, key, list);
        }
        buffer_append(list, &number, sizeof number);
    }
}

static void read_partition(struct truth *truth, struct partition_log *log) {
    struct model *model = truth->model;
    struct map open = {0};
    int64_t offset = 0, end = log_end_offset(log);
    while (offset < end && model->problem[0] == 0) {
        struct log_view view = {0};
        struct error error = {0};
        struct record_batch batch;
        if (log_read_map(log, offset, 1 << 20, LOG_READ_TO_END, &view, &error) != LOG_STATUS_OK || !view.map) {
            model_found(
                model, "partition %d cannot be read at %lld: %s", truth->partition, (long long)offset, error.message);
            break;
        }
        for (struct bytes rest = view.batches; record_batch_parse(rest, &batch) == RECORD_BATCH_OK;
             rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size)) {
            if (batch.base_offset != offset)
                model_found(model, "partition %d goes on at %lld behind %lld", truth->partition,
                    (long long)batch.base_offset, (long long)offset);
            take_batch(truth, &open, &batch);
            offset = record_batch_last_offset(&batch) + 1;
        }
        log_map_release(view.map);
    }
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&open, &cursor));) {
        buffer_free(entry->value);
        free(entry->value);
    }
    map_free(&open);
}

/* ---- the group's members ---- */

static void check_reads(struct truth *truth) {
    struct model *model = truth->model;
    for (size_t i = 0; i < model->reads.count; i++) {
        const struct model_read *read = &model->reads.items[i];
        const struct place *place = &truth->places[read->value];
        if (read->partition != truth->partition)
            continue;
        if (!place->there || place->offset != read->offset)
            model_found(model, "value %lld was read at %lld of partition %d and is %s", (long long)read->value,
                (long long)read->offset, read->partition, place->there ? "elsewhere" : "gone");
        else if (place->decision != COMMITTED)
            model_found(model, "value %lld was read with read_committed and its transaction is %s",
                (long long)read->value, place->decision == ABORTED ? "aborted" : "open");
    }
}

static void check_runs(struct truth *truth) {
    struct model *model = truth->model;
    for (size_t i = 0; i < model->runs.count; i++) {
        const struct model_run *run = &model->runs.items[i];
        int64_t count = 0;
        if (run->partition != truth->partition)
            continue;
        for (int64_t offset = run->from; offset < run->to && offset < (int64_t)truth->values.count; offset++) {
            int64_t number = truth->values.items[offset];
            count += number >= 0 && truth->places[number].decision == COMMITTED;
        }
        if (count != run->count)
            model_found(model, "a member read %lld of the %lld records of partition %d from %lld to %lld",
                (long long)run->count, (long long)count, run->partition, (long long)run->from, (long long)run->to);
    }
}

/* ---- producers ---- */

static void check_acknowledged(struct truth *truth) {
    struct model *model = truth->model;
    for (size_t i = 0; i < model->values.count; i++) {
        const struct model_value *value = &model->values.items[i];
        if (value->acknowledged && (!truth->places[i].there || truth->places[i].offset != value->offset))
            model_found(model, "the acknowledged value %zu of partition %d is %s", i, value->partition,
                truth->places[i].there ? "elsewhere" : "lost");
    }
}

struct tally {
    int count, committed, aborted;
};

static void check_transactions(struct truth *truth, bool at_end) {
    struct model *model = truth->model;
    struct tally *tallies = calloc(model->transactions.count + 1, sizeof *tallies);
    for (size_t i = 0; i < model->values.count; i++) {
        const struct model_value *value = &model->values.items[i];
        if (value->transaction < 0 || !truth->places[i].there)
            continue;
        struct tally *tally = &tallies[value->transaction];
        tally->count++;
        tally->committed += truth->places[i].decision == COMMITTED;
        tally->aborted += truth->places[i].decision == ABORTED;
    }
    for (size_t i = 0; i < model->transactions.count; i++) {
        const struct model_transaction *transaction = &model->transactions.items[i];
        const struct tally *tally = &tallies[i];
        bool may_commit = transaction->outcome == OUTCOME_COMMITTED || transaction->outcome == OUTCOME_COMMIT_ASKED;
        if (tally->committed > 0 && tally->aborted > 0)
            model_found(model, "transaction %d of producer %d is torn: %d values committed, %d aborted",
                transaction->number, transaction->owner, tally->committed, tally->aborted);
        if (tally->committed > 0 && !may_commit)
            model_found(model, "transaction %d of producer %d was not committed and counts", transaction->number,
                transaction->owner);
        if (tally->aborted > 0 && transaction->outcome == OUTCOME_COMMITTED)
            model_found(model, "transaction %d of producer %d was committed and is aborted", transaction->number,
                transaction->owner);
        if (at_end && tally->committed + tally->aborted < tally->count)
            model_found(model, "transaction %d of producer %d has no end", transaction->number, transaction->owner);
    }
    free(tallies);
}

/* ---- groups ---- */

struct group_answer {
    struct model *model;
    bool done, at_end;
    int64_t offsets[ACTOR_COUNT]; /* of the transactional producers' groups */
};

static void on_groups(void *argument, struct kafka_group_list *groups) {
    struct group_answer *answer = argument;
    struct model *model = answer->model;
    for (size_t i = 0; i < groups->count; i++) {
        const struct kafka_group_info *group = &groups->items[i];
        for (size_t k = 0; k < group->offset_count; k++) {
            int64_t offset = group->offsets[k].offset;
            int partition = group->offsets[k].partition;
            bool is_new = strcmp(group->group_id, MODEL_NEW_GROUP) == 0;
            if (!is_new && strcmp(group->group_id, MODEL_GROUP) != 0)
                answer->offsets[atoll(group->group_id + 6) % ACTOR_COUNT] = offset;
            else if (offset < model->committed[is_new][partition])
                model_found(model, "%s: the group's offset of partition %d is %lld, %lld was acknowledged",
                    group->group_id, partition, (long long)offset, (long long)model->committed[is_new][partition]);
        }
    }
    kafka_group_list_free(groups);
    answer->done = true;
}

static bool is_answered(void *argument) {
    return ((struct group_answer *)argument)->done;
}

/* The offset of a transactional producer's group is the number of its last transaction that counts. */
static void check_player_offsets(struct truth *truth, const struct group_answer *answer) {
    struct model *model = truth->model;
    int64_t least[ACTOR_COUNT] = {0};
    for (size_t i = 0; i < model->transactions.count; i++) {
        const struct model_transaction *transaction = &model->transactions.items[i];
        int64_t there = answer->offsets[transaction->owner];
        if (transaction->has_offset && transaction->outcome == OUTCOME_COMMITTED)
            least[transaction->owner] = transaction->number;
        if (transaction->number == there && transaction->outcome != OUTCOME_COMMITTED &&
            transaction->outcome != OUTCOME_COMMIT_ASKED)
            model_found(model, "the offset of transaction %d of producer %d counts, and it was not committed",
                transaction->number, transaction->owner);
    }
    for (int i = PRODUCER_COUNT; i < PRODUCER_COUNT + PLAYER_COUNT; i++)
        if (answer->offsets[i] < least[i])
            model_found(model, "the offset of transaction %lld of producer %d is lost", (long long)least[i], i);
}

static void check_groups(struct truth *truth, bool at_end) {
    struct model *model = truth->model;
    struct group_answer answer = {.model = model, .at_end = at_end};
    kafka_client_groups(broker_client(model->machine.broker), on_groups, &answer);
    if (!sim_run_until(model->machine.world, is_answered, &answer, 60000))
        model_found(model, "the groups are not told");
    if (at_end)
        check_player_offsets(truth, &answer);
}

void model_check(struct model *model, bool at_end) {
    struct truth truth = {.model = model, .places = calloc(model->values.count + 1, sizeof *truth.places)};
    for (truth.partition = 0; truth.partition < PARTITION_COUNT && model->problem[0] == 0; truth.partition++) {
        struct partition_log *log =
            kafka_client_partition(broker_client(model->machine.broker), MODEL_TOPIC, truth.partition);
        if (!log) {
            model_found(model, "the topic is gone");
            break;
        }
        truth.values.count = 0;
        for (int i = 0; i < ACTOR_COUNT; i++)
            truth.last_of[i] = -1;
        read_partition(&truth, log);
        check_reads(&truth);
        check_runs(&truth);
        log_release(log);
    }
    if (model->problem[0] == 0) {
        check_acknowledged(&truth);
        check_transactions(&truth, at_end);
        check_groups(&truth, at_end);
    }
    VECTOR_FREE(&truth.values);
    free(truth.places);
}
