/* planted_faults.h: mistakes that somebody could make in the broker or the log, to be found by model_test.c. They live
 * in that test's binary alone: the linker puts functions of planted_faults.c around the real ones (--wrap), which are
 * called as they are while nothing is planted. */
#ifndef KAFKA_PLANTED_FAULTS_H
#define KAFKA_PLANTED_FAULTS_H

enum planted_fault {
    FAULT_NONE,
    FAULT_APPEND_DROPPED,        /* an append is acknowledged and not written */
    FAULT_APPENDS_SWAPPED,       /* an append is acknowledged, and written behind the next one of its partition */
    FAULT_DUPLICATE_SEQUENCE,    /* a batch that is sent again is appended again */
    FAULT_SYNC_SKIPPED,          /* flush.messages=1 without a sync */
    FAULT_ABORTED_VISIBLE,       /* read_committed is told of no aborted transaction */
    FAULT_OPEN_VISIBLE,          /* read_committed goes beyond the last stable offset */
    FAULT_MARKER_DROPPED,        /* one partition of a transaction gets no marker */
    FAULT_MARKER_FLIPPED,        /* one partition of a transaction gets the other marker */
    FAULT_OFFSETS_NOT_STORED,    /* a group's offsets are acknowledged and not written */
    FAULT_ZOMBIE_COMMITS,        /* a member that was put out may commit */
    FAULT_OFFSETS_OF_ABORTED,    /* offsets of aborted transactions come into force */
    FAULT_TAIL_LOST,             /* recovery takes a good batch for a bad one */
    FAULT_BATCH_SKIPPED,         /* a fetch leaves its first batch out */
    FAULT_SYNC_GROUP_FORGOTTEN,  /* a member's assignment is never sent */
    FAULT_TRANSACTION_FORGOTTEN, /* the state of a transaction is not stored */
    FAULT_COUNT
};
extern enum planted_fault planted_fault;
const char *planted_fault_name(enum planted_fault fault);
/* A new life of the machine: what the faults had in mind is gone. */
void planted_fault_crash(void);

#endif
