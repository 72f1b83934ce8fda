/* crc32c.c: CRC-32C with polynomial 0x1EDC6F41, bits reflected (0x82F63B78), start and end inverted (RFC 3720, appendix
 * B.4).
 *
 * The instruction takes three cycles for eight bytes but can start one every cycle, so long inputs are cut in three
 * stripes that are computed side by side. Joining them needs "this checksum, followed by n zero bytes", which is linear
 * in the checksum's bits: it is kept as four tables of 256 entries for the stripe lengths that are used. */
#include "wire/crc32c.h"

#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#define CRC32C_TARGET __attribute__((target("sse4.2")))
#define CRC32C_U64(crc, value) ((uint32_t)_mm_crc32_u64((crc), (value)))
#define CRC32C_U8(crc, value) (_mm_crc32_u8((crc), (value)))
#define CRC32C_SUPPORTED() __builtin_cpu_supports("sse4.2")
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#define CRC32C_TARGET __attribute__((target("+crc")))
#define CRC32C_U64(crc, value) (__crc32cd((crc), (value)))
#define CRC32C_U8(crc, value) (__crc32cb((crc), (value)))
#define CRC32C_SUPPORTED() ((getauxval(AT_HWCAP) & (1UL << 7)) != 0)
#endif

#define POLYNOMIAL 0x82F63B78u
#define STRIPE_LONG 1024
#define STRIPE_SHORT 128

static uint32_t byte_table[8][256];
static uint32_t shift_long[4][256], shift_short[4][256];
static int have_instruction;

static uint32_t append_zeros(uint32_t crc, size_t count) {
    while (count--)
        crc = (crc >> 8) ^ byte_table[0][crc & 0xff];
    return crc;
}

static void make_shift(uint32_t table[4][256], size_t count) {
    uint32_t of_bit[32];
    for (int bit = 0; bit < 32; bit++)
        of_bit[bit] = append_zeros(1u << bit, count);
    for (int byte = 0; byte < 4; byte++)
        for (int value = 0; value < 256; value++) {
            uint32_t sum = 0;
            for (int bit = 0; bit < 8; bit++)
                if (value >> bit & 1)
                    sum ^= of_bit[byte * 8 + bit];
            table[byte][value] = sum;
        }
}

__attribute__((constructor)) static void crc32c_prepare(void) {
    for (uint32_t value = 0; value < 256; value++) {
        uint32_t crc = value;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
        byte_table[0][value] = crc;
    }
    for (int row = 1; row < 8; row++)
        for (int value = 0; value < 256; value++)
            byte_table[row][value] =
                (byte_table[row - 1][value] >> 8) ^ byte_table[0][byte_table[row - 1][value] & 0xff];
    make_shift(shift_long, STRIPE_LONG);
    make_shift(shift_short, STRIPE_SHORT);
#ifdef CRC32C_TARGET
    have_instruction = CRC32C_SUPPORTED() ? 1 : 0;
#endif
}

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size) {
    const uint8_t *next = data;
    crc = ~crc;
    for (; size >= 8; size -= 8, next += 8) {
        uint32_t low =
            crc ^ ((uint32_t)next[0] | (uint32_t)next[1] << 8 | (uint32_t)next[2] << 16 | (uint32_t)next[3] << 24);
        crc = byte_table[7][low & 0xff] ^ byte_table[6][low >> 8 & 0xff] ^ byte_table[5][low >> 16 & 0xff] ^
              byte_table[4][low >> 24] ^ byte_table[3][next[4]] ^ byte_table[2][next[5]] ^ byte_table[1][next[6]] ^
              byte_table[0][next[7]];
    }
    while (size--)
        crc = (crc >> 8) ^ byte_table[0][(crc ^ *next++) & 0xff];
    return ~crc;
}

#ifdef CRC32C_TARGET
static inline uint32_t shift(uint32_t table[4][256], uint32_t crc) {
    return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^ table[3][crc >> 24];
}

static inline uint64_t load(const uint8_t *from) {
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

CRC32C_TARGET static uint32_t three_stripes(uint32_t crc, const uint8_t *next, size_t stripe, uint32_t table[4][256]) {
    uint32_t second = 0, third = 0;
    for (size_t at = 0; at < stripe; at += 8) {
        crc = CRC32C_U64(crc, load(next + at));
        second = CRC32C_U64(second, load(next + stripe + at));
        third = CRC32C_U64(third, load(next + 2 * stripe + at));
    }
    return shift(table, shift(table, crc) ^ second) ^ third;
}

CRC32C_TARGET static uint32_t with_instruction(uint32_t crc, const uint8_t *next, size_t size) {
    crc = ~crc;
    for (; size >= 3 * STRIPE_LONG; size -= 3 * STRIPE_LONG, next += 3 * STRIPE_LONG)
        crc = three_stripes(crc, next, STRIPE_LONG, shift_long);
    for (; size >= 3 * STRIPE_SHORT; size -= 3 * STRIPE_SHORT, next += 3 * STRIPE_SHORT)
        crc = three_stripes(crc, next, STRIPE_SHORT, shift_short);
    for (; size >= 8; size -= 8, next += 8)
        crc = CRC32C_U64(crc, load(next));
    while (size--)
        crc = CRC32C_U8(crc, *next++);
    return ~crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size) {
#ifdef CRC32C_TARGET
    if (have_instruction)
        return with_instruction(crc, data, size);
#endif
    return crc32c_portable(crc, data, size);
}
