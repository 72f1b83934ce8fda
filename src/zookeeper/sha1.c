/* sha1.c: see sha1.h. */
#include "zookeeper/sha1.h"

static uint32_t rotate(uint32_t value, int bits) {
    return value << bits | value >> (32 - bits);
}

static void add_block(uint32_t state[5], const uint8_t block[64]) {
    uint32_t words[80];
    for (int i = 0; i < 16; i++)
        words[i] = load_be32(block + 4 * i);
    for (int i = 16; i < 80; i++)
        words[i] = rotate(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int i = 0; i < 80; i++) {
        static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
        uint32_t mixed = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
        uint32_t next = rotate(a, 5) + mixed + e + constants[i / 20] + words[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void zk_sha1(struct bytes message, uint8_t out[20]) {
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    size_t at = 0;
    for (; message.size - at >= 64; at += 64)
        add_block(state, message.data + at);
    /* What is left, a one bit, zeros, and the length in bits. */
    uint8_t tail[128] = {0};
    size_t left = message.size - at, tail_size = left < 56 ? 64 : 128;
    if (left > 0)
        memcpy(tail, message.data + at, left);
    tail[left] = 0x80;
    store_be64(tail + tail_size - 8, (uint64_t)message.size * 8);
    for (size_t i = 0; i < tail_size; i += 64)
        add_block(state, tail + i);
    for (int i = 0; i < 5; i++)
        store_be32(out + 4 * i, state[i]);
}
