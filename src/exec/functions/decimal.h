/* decimal.h: arithmetic on unscaled 128-bit decimals with 256 bits in between; rounding is half up (away from zero). */
#ifndef EXEC_FUNCTIONS_DECIMAL_H
#define EXEC_FUNCTIONS_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

extern const __int128 decimal_powers[39]; /* 10^0 … 10^38 */

static inline bool decimal_fits(__int128 value, int precision) {
    return value < decimal_powers[precision] && value > -decimal_powers[precision];
}
/* Each gives the result at `scale`, and false when it does not fit the precision. */
bool decimal_rescale(__int128 value, int from_scale, int precision, int scale, __int128 *result);
bool decimal_add(
    __int128 left, int left_scale, __int128 right, int right_scale, int precision, int scale, __int128 *result);
bool decimal_multiply(
    __int128 left, int left_scale, __int128 right, int right_scale, int precision, int scale, __int128 *result);
/* right is not 0. */
bool decimal_divide(
    __int128 left, int left_scale, __int128 right, int right_scale, int precision, int scale, __int128 *result);
/* The remainder with the sign of left; right is not 0. */
bool decimal_remainder(
    __int128 left, int left_scale, __int128 right, int right_scale, int precision, int scale, __int128 *result);
double decimal_to_double(__int128 value, int scale);

#endif
