/* planted_faults.h: mistakes that somebody could make in the order of durable steps, to be found by simulation_test.c.
 * They live in that test's binary alone: the linker puts functions of planted_faults.c around the real ones (--wrap),
 * which are called as they are while nothing is planted. */
#ifndef STREAM_PLANTED_FAULTS_H
#define STREAM_PLANTED_FAULTS_H

struct world_loop;
enum planted_fault {
    FAULT_NONE,
    FAULT_ACK_BEFORE_APPEND,       /* a record is acknowledged, and appended a little later */
    FAULT_DUPLICATE_SEQUENCE,      /* a batch that is sent again is appended again */
    FAULT_SYNC_SKIPPED,            /* flush.messages=1 without a sync */
    FAULT_HIGH_WATERMARK_TOO_HIGH, /* readers see what is not synced yet */
    FAULT_ABORTED_VISIBLE,         /* read_committed gives records of aborted transactions */
    FAULT_MARKER_BEFORE_OFFSETS,   /* the records of a batch are committed before its number */
    FAULT_DECISION_IGNORED,        /* nobody looks which batch is in force when a query goes on */
    FAULT_COMMIT_BEFORE_OUTPUT,    /* commits/N is there before the sink has the batch */
    FAULT_OFFSETS_AFTER_BATCH,     /* offsets/N is written when the batch has run */
    FAULT_RENAME_BEFORE_WRITE,     /* files appear under their names before they are whole */
    FAULT_SINK_LOG_WITHOUT_FILES,  /* _spark_metadata/N is there before the files that it names */
    FAULT_STATE_BEHIND,            /* the state of one batch before is loaded */
    FAULT_WATERMARK_GOES_BACK,     /* a query that goes on begins with a lower watermark */
    FAULT_BATCHES_NOT_SYNCED,      /* its note says that a batch is on the disk, and nobody synced its files */
    FAULT_COUNT
};
extern enum planted_fault planted_fault;
const char *planted_fault_name(enum planted_fault fault);
extern struct world_loop *planted_fault_loop; /* of the broker */
/* A new life of the machine: what the faults had in mind is gone. */
void planted_fault_crash(void);

#endif
