/* state_read.c: see state_read.h. A file is taken block by block, so that what is held of it stays small. */
#include "stream/state_read.h"

#define XXH_INLINE_ALL
#include <lz4.h>
#include <stdio.h>
#include <xxhash.h>

enum {
    BLOCK_SIZE_LIMIT = 32 << 20,
    HEADER_SIZE = 21,
    METHOD_RAW = 0x10,
    METHOD_LZ4 = 0x20,
    EMPTY_FILE_SIZE = 46,
    TOGETHER = 256,            /* records that are handed over at once */
    RAW_SIZE_TARGET = 1 << 20, /* bytes that are decompressed before records are taken out */
    FILE_SIZE_MAX = 2000 << 20,
    SCHEMA_SIZE_MAX = 16 << 20
};
static const uint32_t CHECKSUM_SEED = 0x9747b28c;

/* ---- lz4-java's block stream ---- */

enum block { BLOCK_READ, BLOCK_END, BLOCK_BROKEN };

/* Takes one block off the file and appends what it was before compression. */
static enum block take_block(struct bytes *file, struct buffer *out) {
    if (file->size < HEADER_SIZE || memcmp(file->data, "LZ4Block", 8) != 0) {
        return BLOCK_BROKEN;
    }
    uint8_t method = file->data[8] & 0xf0;
    uint32_t stored = load_le32(file->data + 9), raw = load_le32(file->data + 13);
    uint32_t checksum = load_le32(file->data + 17);
    *file = bytes_slice(*file, HEADER_SIZE, file->size - HEADER_SIZE);
    if (raw == 0) {
        return stored == 0 ? BLOCK_END : BLOCK_BROKEN;
    }
    if (stored > file->size || raw > BLOCK_SIZE_LIMIT || (method == METHOD_RAW && stored != raw)) {
        return BLOCK_BROKEN;
    }
    uint8_t *to = buffer_extend(out, raw);
    if (method == METHOD_RAW) {
        memcpy(to, file->data, raw);
    } else if (LZ4_decompress_safe((const char *)file->data, (char *)to, (int)stored, (int)raw) != (int)raw) {
        return BLOCK_BROKEN;
    }
    *file = bytes_slice(*file, stored, file->size - stored);
    return (XXH32(to, raw, CHECKSUM_SEED) & 0x0fffffff) == checksum ? BLOCK_READ : BLOCK_BROKEN;
}

/* ---- records ---- */

enum record { RECORD_TAKEN, RECORD_END, RECORD_INCOMPLETE, RECORD_BROKEN };

/* Takes a record off the front. Incomplete: nothing is taken, the rest of it is in the next block. */
static enum record take_record(struct bytes *rest, struct bytes *key, struct bytes *value) {
    if (rest->size < 4) {
        return RECORD_INCOMPLETE;
    }
    int32_t key_size = (int32_t)load_be32(rest->data);
    if (key_size < 0) {
        return key_size == -1 ? RECORD_END : RECORD_BROKEN;
    }
    if (rest->size - 4 < (size_t)key_size + 4) {
        return RECORD_INCOMPLETE;
    }
    *key = bytes_slice(*rest, 4, (size_t)key_size);
    int32_t value_size = (int32_t)load_be32(key->data + key_size);
    size_t taken = 8 + (size_t)key_size;
    if (value_size < -1) {
        return RECORD_BROKEN;
    }
    if (value_size == -1) {
        *value = BYTES_NULL;
    } else {
        if (rest->size - taken < (size_t)value_size) {
            return RECORD_INCOMPLETE;
        }
        /* some versions of Spark wrote more than the row */
        *value = bytes_make(rest->data + taken, (size_t)value_size & ~(size_t)7);
        taken += (size_t)value_size;
    }
    *rest = bytes_slice(*rest, taken, rest->size - taken);
    return RECORD_TAKEN;
}

/* Hands over all whole records of raw and keeps what is left. */
static enum record take_records(struct buffer *raw, state_records_visit *visit, void *context) {
    struct bytes keys[TOGETHER], values[TOGETHER], rest = buffer_view(raw);
    enum record result = RECORD_TAKEN;
    while (result == RECORD_TAKEN) {
        size_t count = 0;
        while (count < TOGETHER && (result = take_record(&rest, &keys[count], &values[count])) == RECORD_TAKEN) {
            count++;
        }
        if (count > 0) {
            visit(context, keys, values, count);
        }
    }
    buffer_consume(raw, raw->size - rest.size);
    return result;
}

static bool read_all(struct bytes file, state_records_visit *visit, void *context) {
    struct buffer raw = {0};
    enum block block = BLOCK_READ;
    enum record record = RECORD_INCOMPLETE;
    while (block == BLOCK_READ && record == RECORD_INCOMPLETE) {
        size_t before = raw.size;
        while (block == BLOCK_READ && raw.size - before < RAW_SIZE_TARGET) {
            block = take_block(&file, &raw);
        }
        if (block != BLOCK_BROKEN) {
            record = take_records(&raw, visit, context);
        }
    }
    buffer_free(&raw);
    return record == RECORD_END;
}

static bool failed(struct state_fault *fault, enum state_file file, const char *path, const char *reason) {
    *fault = (struct state_fault){file, path, reason};
    return false;
}

bool state_records_read(struct store *store, struct arena *arena, const char *path, state_records_visit *visit,
    void *context, struct state_fault *fault) {
    struct buffer file = {0};
    struct error problem = {0};
    bool good = store_read_file(store, path, FILE_SIZE_MAX, &file, &problem);
    if (!good) {
        failed(fault, problem.code == ERROR_NOT_FOUND ? STATE_FILE_MISSING : STATE_FILE_BROKEN, path,
            arena_printf(arena, "cannot be read: %s", problem.message));
    } else if (!read_all(buffer_view(&file), visit, context)) {
        good = failed(fault, STATE_FILE_BROKEN, path, "is not whole, or not compressed with lz4");
    }
    buffer_free(&file);
    return good;
}

static void apply_records(void *context, const struct bytes *keys, const struct bytes *values, size_t count) {
    state_table_apply(context, keys, values, count);
}

bool state_records_apply(
    struct store *store, struct arena *arena, const char *path, struct state_table *table, struct state_fault *fault) {
    return state_records_read(store, arena, path, apply_records, table, fault);
}

/* ---- folders ---- */

int64_t state_folder_snapshot(struct store *store, struct arena *arena, const char *folder, int64_t version) {
    struct store_entries entries = {0};
    struct error ignored;
    int64_t found = 0, number;
    if (!store_list(store, arena, folder, NULL, 0, &entries, &ignored)) {
        return 0;
    }
    for (size_t i = 0; i < entries.count; i++) {
        struct bytes name = bytes_from_text(entries.items[i].name);
        if (bytes_ends_with(name, ".snapshot") && entries.items[i].stat.size >= EMPTY_FILE_SIZE &&
            bytes_to_int64(bytes_slice(name, 0, name.size - 9), &number) && number <= version && number > found) {
            found = number;
        }
    }
    return found;
}

bool state_folder_load(struct store *store, struct arena *arena, const char *folder, int64_t from, int64_t version,
    struct state_table *table, struct state_fault *fault) {
    bool good = from == 0 || state_records_apply(store, arena,
                                 arena_printf(arena, "%s/%lld.snapshot", folder, (long long)from), table, fault);
    for (int64_t v = from + 1; v <= version && good; v++) {
        good =
            state_records_apply(store, arena, arena_printf(arena, "%s/%lld.delta", folder, (long long)v), table, fault);
    }
    return good;
}

/* ---- schemas ---- */

static bool take_text(struct bytes *rest, struct bytes *text) {
    size_t size = rest->size < 2 ? SIZE_MAX : load_be16(rest->data);
    if (size == SIZE_MAX || rest->size - 2 < size) {
        return false;
    }
    *text = bytes_slice(*rest, 2, size);
    *rest = bytes_slice(*rest, 2 + size, rest->size - 2 - size);
    return true;
}

/* Version 1: one text; version 2: the number of texts, and the texts. */
static const struct type *take_schema(struct arena *arena, bool in_pieces, struct bytes *rest) {
    struct buffer json = {0};
    struct error ignored;
    uint32_t count = 1;
    bool good = true;
    if (in_pieces) {
        good = rest->size >= 4;
        count = good ? load_be32(rest->data) : 0;
        *rest = bytes_slice(*rest, good ? 4 : 0, rest->size - (good ? 4 : 0));
    }
    for (uint32_t i = 0; i < count && good; i++) {
        struct bytes part;
        good = take_text(rest, &part);
        if (good) {
            buffer_append_bytes(&json, part);
        }
    }
    const struct type *type = good ? type_parse_json(arena, arena_copy(arena, buffer_view(&json)), &ignored) : NULL;
    buffer_free(&json);
    return type != NULL && type->kind == TYPE_STRUCT ? type : NULL;
}

bool state_schema_read(
    struct store *store, struct arena *arena, const char *path, const struct type **key, const struct type **value) {
    struct buffer text = {0};
    struct error ignored;
    struct bytes rest, version;
    *key = *value = NULL;
    if (store_read_file(store, path, SCHEMA_SIZE_MAX, &text, &ignored)) {
        rest = buffer_view(&text);
        if (take_text(&rest, &version) && (bytes_equal_text(version, "v1") || bytes_equal_text(version, "v2"))) {
            *key = take_schema(arena, bytes_equal_text(version, "v2"), &rest);
            *value = *key == NULL ? NULL : take_schema(arena, bytes_equal_text(version, "v2"), &rest);
        }
    }
    buffer_free(&text);
    return *value != NULL;
}
