/* doctor_records.c: partitions that refuse records, record batches that are corrupt, and a broker that is full of
 * connections. */
#include "cli/doctor/doctor.h"

#include <limits.h>

/* Beyond the bound new clients are closed at once, which they show as a lost connection. */
static void check_connections(struct doctor *doctor, const json_t *broker) {
    json_int_t open = json_integer_value(json_object_get(broker, "connections"));
    json_int_t most = json_integer_value(json_object_get(broker, "connectionsMax"));
    if (most > 0 && open >= most) {
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_CONNECTIONS, (long long)open);
        doctor_tool(doctor,
            "kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type brokers --entity-default "
            "--add-config "
            "max.connections=%lld",
            (long long)most * 2);
    }
}

void doctor_records(struct doctor *doctor) {
    size_t index, place;
    json_t *partition, *corrupt, *partitions = json_object_get(doctor->status, "partitions");
    json_t *broker = json_object_get(doctor->status, "kafka");
    check_connections(doctor, broker);
    if (partitions == NULL)
        return;
    if (json_array_size(partitions) == 0)
        doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_RECORDS);
    json_array_foreach(partitions, index, partition) {
        const char *name = doctor_text(partition, "partition");
        if (doctor_text(partition, "failure")[0] != 0) {
            doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_RECORDS_OFFLINE, name, doctor_text(partition, "failure"));
            doctor_command(doctor, "df -h %s", doctor_text(broker, "directory"));
        }
        json_array_foreach(json_object_get(partition, "corrupt"), place, corrupt) {
            doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_RECORDS_CORRUPT,
                (long long)json_integer_value(json_object_get(corrupt, "first")),
                (long long)json_integer_value(json_object_get(corrupt, "last")), name);
            doctor_tool(doctor, "kafka-dump-log.sh --files %s/%s/*.log", doctor_text(broker, "directory"), name);
        }
    }
}
