/* checksum.c: Hadoop's file checksum: the CRC-32C of every 512 bytes, MD5 over those of a block, MD5 over the blocks'
 * MD5s. */
#include "hdfs/hdfs_internal.h"

#include <openssl/evp.h>
#include "wire/crc32c.h"

#define PIECE_SIZE ((size_t)512 * 1024)

bool block_checksum(struct store_file *file, int64_t offset, int64_t size, uint8_t md5[16], struct error *error) {
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    ASSERT(digest && EVP_DigestInit_ex(digest, EVP_md5(), NULL));
    struct buffer piece = {0};
    uint8_t sums[PIECE_SIZE / HDFS_CHUNK_SIZE * 4];
    bool ok = true;
    while (ok && size > 0) {
        size_t wanted = (size_t)(size < (int64_t)PIECE_SIZE ? size : (int64_t)PIECE_SIZE);
        ssize_t got = store_file_read(file, buffer_reserve(&piece, wanted), wanted, offset, error);
        ok = got == (ssize_t)wanted ? true
             : got < 0              ? false
                                    : error_set(error, ERROR_CORRUPT, "the file became shorter while it was read");
        size_t count = 0;
        for (size_t at = 0; ok && at < wanted; at += HDFS_CHUNK_SIZE, count++) {
            size_t chunk = wanted - at < HDFS_CHUNK_SIZE ? wanted - at : HDFS_CHUNK_SIZE;
            store_be32(sums + 4 * count, crc32c(0, piece.data + at, chunk));
        }
        EVP_DigestUpdate(digest, sums, 4 * count);
        offset += (int64_t)wanted;
        size -= (int64_t)wanted;
    }
    unsigned length = 16;
    EVP_DigestFinal_ex(digest, md5, &length);
    EVP_MD_CTX_free(digest);
    buffer_free(&piece);
    return ok;
}

bool file_checksum(struct operation *operation, const char *path, uint8_t out[28], char algorithm[64]) {
    struct store_stat stat;
    struct error error = {0};
    if (!file_open(operation, path, &stat)) {
        return false;
    }
    struct store_file *file = store_file_open(operation->store, path, &error);
    if (!file) {
        return operation_error(operation, &error);
    }
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    ASSERT(digest && EVP_DigestInit_ex(digest, EVP_md5(), NULL));
    bool ok = true;
    for (int64_t offset = 0; ok && offset < stat.size; offset += stat.block_size) {
        int64_t size = stat.size - offset < stat.block_size ? stat.size - offset : stat.block_size;
        uint8_t md5[16];
        ok = block_checksum(file, offset, size, md5, &error);
        EVP_DigestUpdate(digest, md5, sizeof md5);
    }
    store_file_close(file);
    /* Hadoop digests the whole of a buffer that starts with 32 bytes and doubles, its unused zeros included. */
    size_t used = 16 * (size_t)((stat.size + stat.block_size - 1) / stat.block_size), capacity = 32;
    while (capacity < used) {
        capacity *= 2;
    }
    EVP_DigestUpdate(digest, arena_allocate_zeroed(&operation->arena, capacity), capacity - used);
    unsigned length = 16;
    EVP_DigestFinal_ex(digest, out + 12, &length);
    EVP_MD_CTX_free(digest);
    int64_t per_block = stat.size > stat.block_size ? stat.block_size / HDFS_CHUNK_SIZE : 0;
    int chunk_size = stat.size > 0 ? HDFS_CHUNK_SIZE : 0; /* of an empty file Hadoop knows neither size nor kind */
    store_be32(out, chunk_size);
    store_be64(out + 4, per_block);
    snprintf(algorithm, 64, "MD5-of-%lldMD5-of-%dCRC32%s", (long long)per_block, chunk_size, chunk_size ? "C" : "");
    return ok ? true : operation_error(operation, &error);
}
