#include "control/core/invite.h"

void ctl_invite_code(const uint8_t random[16], char code[CTL_INVITE_CODE_SIZE])
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    /* One 64-bit number is 10 digits of base 62 and some: the bias is below 2^-4 in the first digit only. */
    uint64_t value;
    memcpy(&value, random, sizeof(value));
    for (int i = CTL_INVITE_CODE_SIZE; i-- != 0;) {
        code[i] = letters[value % 62];
        value /= 62;
    }
}

bool ctl_invite_code_ok(struct nx_bytes code)
{
    if (code.size == 0 || code.size > 32) {
        return false;
    }
    for (size_t i = 0; i < code.size; i++) {
        const uint8_t c = code.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-')) {
            return false;
        }
    }
    return true;
}
