/* doctor_records.c: partitions that refuse records, and record batches that are corrupt. */
#include "cli/doctor/doctor.h"

#include <limits.h>

void doctor_records(struct doctor *doctor) {
    size_t index, place;
    json_t *partition, *corrupt, *partitions = json_object_get(doctor->status, "partitions");
    if (partitions == NULL)
        return;
    if (json_array_size(partitions) == 0)
        doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_RECORDS);
    json_array_foreach(partitions, index, partition) {
        const char *name = doctor_text(partition, "partition");
        if (doctor_text(partition, "failure")[0] != 0) {
            doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_RECORDS_OFFLINE, name, doctor_text(partition, "failure"));
            doctor_command(doctor, "df -h %s", doctor->instance.data);
        }
        json_array_foreach(json_object_get(partition, "corrupt"), place, corrupt) {
            doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_RECORDS_CORRUPT,
                (long long)json_integer_value(json_object_get(corrupt, "first")),
                (long long)json_integer_value(json_object_get(corrupt, "last")), name);
            doctor_tool(doctor, "kafka-dump-log.sh --files %s/kafka/%s/*.log", doctor->instance.data, name);
        }
    }
}
