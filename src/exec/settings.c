/* settings.c: see settings.h. */
#include "exec/settings.h"

void exec_settings_default(struct exec_settings *settings) {
    *settings = (struct exec_settings){
        .ansi = true,
        .zone = timezone_utc(),
        .shuffle_partitions = 200,
        .json_depth_max = 1000,
        .collection_size_max = INT32_MAX - 15,
        .user = BYTES("spark"),
        .catalog = BYTES("spark_catalog"),
        .database = BYTES("default"),
        .version = BYTES("4.3.0"),
    };
}
