/* api.c: the table of served APIs, from api.def. ApiVersions answers from it and requests are dispatched by it, so both
 * always agree. */
#include "kafka/internal.h"

#include "base/assert.h"

const struct api api_table[] = {
#define API(key, name, message, handler, low, high, flags)                                                             \
    {key, low, high, #name, &kafka_##message##_request_message, &kafka_##message##_reply_message, handler, flags},
#include "kafka/api.def"
#undef API
};
const size_t api_count = ARRAY_COUNT(api_table);

const struct api *api_find(int16_t key) {
    for (size_t i = 0; i < api_count; i++)
        if (api_table[i].key == key)
            return &api_table[i];
    return NULL;
}
