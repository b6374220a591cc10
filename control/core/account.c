#include "control/core/account.h"

#include "engine/base/text.h"
#include "engine/crypto/digest.h"

static bool is_letter_or_digit(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool ctl_account_username_ok(struct nx_bytes name)
{
    if (name.size < CTL_USERNAME_MIN || name.size > CTL_USERNAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t c = name.at[i];
        if (!is_letter_or_digit(c) && c != '_' && c != '.' && c != '-') {
            return false;
        }
    }
    return true;
}

void ctl_account_name_key(struct nx_bytes name, struct nx_writer *out)
{
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t c = name.at[i];
        nx_writer_u8(out, c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c);
    }
}

bool ctl_account_password_ok(struct nx_bytes password)
{
    if (password.size < CTL_PASSWORD_MIN || password.size > (size_t)CTL_PASSWORD_MAX * 4) {
        return false;
    }
    const size_t points = nx_text_points(password);
    return points >= CTL_PASSWORD_MIN && points <= CTL_PASSWORD_MAX;
}

bool ctl_account_email_ok(struct nx_bytes email)
{
    size_t at = email.size;
    size_t dots = 0;
    if (email.size < 3 || email.size > CTL_EMAIL_MAX) {
        return false;
    }
    for (size_t i = 0; i < email.size; i++) {
        const uint8_t c = email.at[i];
        if (c <= 0x20 || c >= 0x7f || c == ',' || c == ';' || c == '<' || c == '>' || c == '"' || c == '\\' ||
            (c == '@' && at != email.size)) {
            return false;
        }
        if (c == '@') {
            at = i;
        } else if (at != email.size) {
            const bool is_edge = i == at + 1 || i + 1 == email.size || email.at[i - 1] == '.';
            if (c == '.' ? is_edge || email.at[i - 1] == '-'
                         : !is_letter_or_digit(c) && (c != '-' || is_edge)) {
                return false;
            }
            dots += c == '.';
        }
    }
    return at != 0 && at <= 64 && dots != 0;
}

/* Valid UTF-8 only: the next code point of `text` at `*i`. */
static uint32_t next_point(struct nx_bytes text, size_t *i)
{
    const uint8_t first = text.at[(*i)++];
    const uint32_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    uint32_t point = more == 0 ? first : first & (0x3fU >> more);
    for (uint32_t k = 0; k < more && *i < text.size; k++) {
        point = point << 6 | (text.at[(*i)++] & 0x3fU);
    }
    return point;
}

static bool is_invisible(uint32_t point)
{
    return point == 0x20 || point == 0xa0 || point == 0xad || point == 0x3164 ||
           (point >= 0x2000 && point <= 0x200f) || (point >= 0x2028 && point <= 0x202f) ||
           (point >= 0x205f && point <= 0x206f) || point == 0x3000 || point == 0xfeff || point == 0x115f ||
           point == 0x1160;
}

bool ctl_account_text_ok(struct nx_bytes text, size_t min, size_t max)
{
    size_t points = 0;
    bool is_seen = min == 0 && text.size == 0;
    for (size_t i = 0; i < text.size;) {
        const uint32_t point = next_point(text, &i);
        if (point < 0x20 || (point >= 0x7f && point < 0xa0)) {
            return false;
        }
        is_seen = is_seen || !is_invisible(point);
        points++;
    }
    return is_seen && points >= min && points <= max;
}

enum nx_err ctl_account_refresh_make(const uint8_t random[32], struct nx_writer *token,
                                     uint8_t hash[CTL_HASH_SIZE])
{
    uint8_t text[CTL_ACCOUNT_REFRESH_SIZE];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_text_base64url_encode(nx_bytes_of(random, 32), &w);
    nx_writer_bytes_put(token, nx_writer_bytes(&w));
    return nx_digest_sha256(text, sizeof(text), hash);
}

enum nx_err ctl_account_refresh_hash(struct nx_bytes token, uint8_t hash[CTL_HASH_SIZE])
{
    uint8_t bytes[32];
    struct nx_writer w = nx_writer_init(bytes, sizeof(bytes));
    if (token.size != CTL_ACCOUNT_REFRESH_SIZE || nx_text_base64url_decode(token, &w) != NX_OK) {
        return NX_E_MALFORMED;
    }
    return nx_digest_sha256(token.at, token.size, hash);
}

enum nx_err ctl_account_token(struct nx_token_ring *ring, uint64_t user_id, uint64_t sid, uint64_t token_id,
                              int64_t wall_ms, struct nx_writer *out)
{
    const uint64_t now_s = (uint64_t)(wall_ms / 1000);
    const struct nx_token_claims claims = {.user_id = user_id,
                                           .session_id = sid,
                                           .token_id = token_id,
                                           .issued_s = now_s,
                                           .expires_s = now_s + CTL_ACCESS_TOKEN_S,
                                           .kind = NX_TOKEN_ACCESS};
    return nx_token_sign(ring, &claims, out);
}
