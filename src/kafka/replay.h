/* replay.h: reading a partition from its start at a broker's start: what __consumer_offsets and __transaction_state
 * hold becomes memory again. */
#ifndef KAFKA_REPLAY_H
#define KAFKA_REPLAY_H

#include "base/arena.h"
#include "log/log.h"
#include "wire/record_batch.h"

/* Calls visit for each whole batch up to the log's end, in order; views are valid during the call. Owner thread of the
 * log. false with the partition's name and the reason when the log cannot be read. */
typedef void replay_batch(void *argument, const struct record_batch *batch);
bool replay_partition(struct partition_log *log, replay_batch *visit, void *argument, struct error *error);

/* Calls visit for each record of a batch, unpacked; `arena` is reset after each. A batch that cannot be unpacked is
 * passed over, and so is what follows a record that cannot be read. */
typedef void replay_record(void *argument, const struct record *record);
void replay_records(const struct record_batch *batch, struct arena *arena, replay_record *visit, void *argument);

#endif
