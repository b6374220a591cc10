/* Goal: the messages of RFC 5769, and for each way a message can be broken the verdict that keeps us silent. */
#include "sfu/wire/stun.h"

#include "tests/lib/check.h"

#include <openssl/evp.h>

/* RFC 5769 section 2.1: request */
static const uint8_t REQUEST[] =
    "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\x80\x22\x00\x10STUN "
    "test client"
    "\x00\x24\x00\x04\x6e\x00\x01\xff\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\x00\x06\x00\x09"
    "evtj:h6vY   "
    "\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2"
    "\x80\x28\x00\x04\xe5\x7a\x3b\xcf";

/* Section 2.2: response with an IPv4 address */
static const uint8_t RESPONSE_IPV4[] =
    "\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\x80\x22\x00\x0btest "
    "vector "
    "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
    "\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7"
    "\x80\x28\x00\x04\xc0\x7d\x4c\x96";

/* Section 2.3: response with an IPv6 address */
static const uint8_t RESPONSE_IPV6[] =
    "\x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\x80\x22\x00\x0btest "
    "vector "
    "\x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9"
    "\x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41"
    "\x80\x28\x00\x04\xc8\xfb\x0b\x4c";

/* Section 2.4: request under a long-term credential */
static const uint8_t LONG_TERM[] =
    "\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e"
    "\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00\x00"
    "\x00\x15\x00\x1c\x66\x2f\x2f\x34\x39\x39\x6b\x39\x35\x34\x64\x36\x4f\x4c\x33\x34\x6f\x4c\x39\x46\x53\x54"
    "\x76\x79"
    "\x36\x34\x73\x41\x00\x14\x00\x0b\x65\x78\x61\x6d\x70\x6c\x65\x2e\x6f\x72\x67\x00"
    "\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66";

#define BYTES_OF(text) nx_bytes_of(text, sizeof(text) - 1)

static const uint8_t TRANSACTION[12] = "transaction!";

static struct nx_hmac_sha1 key_of(const char *password)
{
    struct nx_hmac_sha1 key;
    nx_hmac_sha1_init(&key, nx_bytes_text(password));
    return key;
}

static struct nx_addr addr_of(const char *text)
{
    struct nx_addr addr;
    CHECK(nx_addr_parse(nx_bytes_text(text), &addr) == NX_OK, "%s", text);
    return addr;
}

TEST(stun, reads_the_published_request)
{
    struct sfu_stun stun;
    CHECK(sfu_stun_parse(BYTES_OF(REQUEST), &stun) == NX_OK, "refused");
    CHECK(stun.class == SFU_STUN_REQUEST && stun.method == SFU_STUN_BINDING, "type");
    CHECK(nx_bytes_is(stun.username, "evtj:h6vY") && stun.has_username, "username");
    CHECK(stun.has_priority && stun.priority == 0x6e0001ff, "priority");
    CHECK(stun.is_controlled && !stun.is_controlling && stun.tie_breaker == 0x932ff9b151263b36, "role");
    CHECK(stun.has_fingerprint && !stun.is_nominating && stun.unknown_count == 0, "flags");
    const struct nx_hmac_sha1 key = key_of("VOkJxbRl1RmTxUk/WvJxBt");
    const struct nx_hmac_sha1 other = key_of("VOkJxbRl1RmTxUk/WvJxBT");
    CHECK(sfu_stun_is_authentic(&stun, &key), "authentic");
    CHECK(!sfu_stun_is_authentic(&stun, &other), "another password");
}

TEST(stun, reads_the_published_responses)
{
    const struct nx_hmac_sha1 key = key_of("VOkJxbRl1RmTxUk/WvJxBt");
    const struct nx_addr ipv4 = addr_of("192.0.2.1:32853");
    const struct nx_addr ipv6 = addr_of("[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    struct sfu_stun stun;
    CHECK(sfu_stun_parse(BYTES_OF(RESPONSE_IPV4), &stun) == NX_OK, "refused");
    CHECK(stun.class == SFU_STUN_SUCCESS && nx_addr_equal(&stun.mapped, &ipv4), "IPv4");
    CHECK(sfu_stun_is_authentic(&stun, &key), "authentic");
    CHECK(sfu_stun_parse(BYTES_OF(RESPONSE_IPV6), &stun) == NX_OK, "refused");
    CHECK(stun.class == SFU_STUN_SUCCESS && nx_addr_equal(&stun.mapped, &ipv6), "IPv6");
    CHECK(sfu_stun_is_authentic(&stun, &key), "authentic");
}

TEST(stun, reads_the_published_long_term_request)
{
    static const char text[] =
        "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9:example.org:TheMatrIX";
    uint8_t md5[16];
    unsigned size = 0;
    CHECK(EVP_Digest(text, sizeof(text) - 1, md5, &size, EVP_md5(), NULL) == 1 && size == 16, "md5");
    struct nx_hmac_sha1 key;
    nx_hmac_sha1_init(&key, nx_bytes_of(md5, sizeof(md5)));
    struct sfu_stun stun;
    CHECK(sfu_stun_parse(BYTES_OF(LONG_TERM), &stun) == NX_OK && !stun.has_fingerprint, "refused");
    CHECK(sfu_stun_is_authentic(&stun, &key), "authentic");
}

TEST(stun, writes_the_published_messages)
{
    const struct nx_hmac_sha1 key = key_of("VOkJxbRl1RmTxUk/WvJxBt");
    uint8_t room[128];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    size_t start = sfu_stun_begin(&w, SFU_STUN_SUCCESS, SFU_STUN_BINDING, RESPONSE_IPV6 + 8);
    sfu_stun_put(&w, SFU_STUN_SOFTWARE, nx_bytes_text("test vector"));
    const struct nx_addr ipv6 = addr_of("[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    sfu_stun_put_address(&w, &ipv6, RESPONSE_IPV6 + 8);
    CHECK(nx_bytes_is(nx_bytes_slice(nx_writer_bytes(&w), 0, 2), "\x01\x01"), "type");
    room[35] = ' '; /* the RFC pads with a space where we pad with zero */
    sfu_stun_end(&w, start, &key);
    CHECK(nx_bytes_equal(nx_writer_bytes(&w), BYTES_OF(RESPONSE_IPV6)), "IPv6 response");
    w = nx_writer_init(room, sizeof(room));
    start = sfu_stun_begin(&w, SFU_STUN_REQUEST, SFU_STUN_BINDING, REQUEST + 8);
    sfu_stun_put(&w, SFU_STUN_SOFTWARE, nx_bytes_text("STUN test client"));
    sfu_stun_put_u32(&w, SFU_STUN_PRIORITY, 0x6e0001ff);
    sfu_stun_put_u64(&w, SFU_STUN_ICE_CONTROLLED, 0x932ff9b151263b36);
    sfu_stun_put(&w, SFU_STUN_USERNAME, nx_bytes_text("evtj:h6vY"));
    memset(room + w.size - 3, ' ', 3);
    sfu_stun_end(&w, start, &key);
    CHECK(nx_bytes_equal(nx_writer_bytes(&w), BYTES_OF(REQUEST)), "request");
}

TEST(stun, refuses_every_prefix_and_trusts_no_message_with_a_changed_bit)
{
    struct sfu_stun stun;
    memset(&stun, 0xaa, sizeof(stun));
    const struct sfu_stun untouched = stun;
    const size_t whole = sizeof(REQUEST) - 1;
    const struct nx_hmac_sha1 key = key_of("VOkJxbRl1RmTxUk/WvJxBt");
    for (size_t size = 0; size < whole; size++) {
        CHECK(sfu_stun_parse(nx_bytes_of(REQUEST, size), &stun) == NX_E_TRUNCATED, "prefix %zu", size);
        CHECK(memcmp(&stun, &untouched, sizeof(stun)) == 0, "out touched");
    }
    for (size_t bit = 0; bit < whole * 8; bit++) {
        uint8_t message[sizeof(REQUEST)];
        memcpy(message, REQUEST, sizeof(message));
        message[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct sfu_stun changed; /* an attribute may grow over code and fingerprint */
        CHECK(sfu_stun_parse(nx_bytes_of(message, whole), &changed) != NX_OK || !changed.has_fingerprint ||
                  !sfu_stun_is_authentic(&changed, &key),
              "bit %zu", bit);
    }
    uint8_t longer[sizeof(REQUEST) + 4] = {0};
    memcpy(longer, REQUEST, whole);
    CHECK(sfu_stun_parse(nx_bytes_of(longer, whole + 1), &stun) == NX_E_MALFORMED, "a byte over");
    CHECK(sfu_stun_parse(nx_bytes_of(longer, whole + 4), &stun) == NX_E_MALFORMED, "a word over");
}

/* A message without integrity and fingerprint around raw attributes. */
static enum nx_err parse_raw(const void *attributes, size_t size, struct sfu_stun *stun)
{
    static uint8_t room[256]; /* what was parsed points into it */
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    nx_writer_u16(&w, 0x0001);
    nx_writer_u16(&w, (uint16_t)size);
    nx_writer_u32(&w, 0x2112a442);
    nx_writer_put(&w, TRANSACTION, 12);
    nx_writer_put(&w, attributes, size);
    CHECK(nx_writer_ok(&w), "room");
    return sfu_stun_parse(nx_writer_bytes(&w), stun);
}

#define RAW(text, stun) parse_raw(text, sizeof(text) - 1, stun)

TEST(stun, refuses_lengths_that_lie)
{
    struct sfu_stun stun;
    CHECK(RAW("", &stun) == NX_OK, "no attribute");
    CHECK(RAW("abc", &stun) == NX_E_MALFORMED, "no multiple of 4");
    CHECK(RAW("\x80\x22\x00\x05zzzz", &stun) == NX_E_MALFORMED, "an attribute past the end");
    CHECK(RAW("\x80\x22\xff\xffzzzz", &stun) == NX_E_MALFORMED, "far past the end");
    CHECK(RAW("\x80\x22\x00\x03zzz", &stun) == NX_E_MALFORMED, "no padding");
    CHECK(RAW("\x80\x22", &stun) == NX_E_MALFORMED, "half a header");
    CHECK(RAW("\x00\x09\x00\x00", &stun) == NX_E_MALFORMED, "ERROR-CODE of 0 bytes");
    CHECK(RAW("\x00\x09\x00\x03\x00\x00\x04\x00", &stun) == NX_E_MALFORMED, "ERROR-CODE of 3 bytes");
    CHECK(RAW("\x00\x09\x00\x04\x00\x00\x04\x64", &stun) == NX_E_MALFORMED, "error 500");
    CHECK(RAW("\x00\x09\x00\x04\x00\x00\x02\x00", &stun) == NX_E_MALFORMED, "error 200");
    CHECK(RAW("\x00\x09\x00\x08\x00\x00\x04\x14nope", &stun) == NX_OK && stun.error_code == 420, "error 420");
    CHECK(nx_bytes_is(stun.reason, "nope"), "its text");
    CHECK(RAW("\x00\x20\x00\x04\x00\x01\x00\x00", &stun) == NX_E_MALFORMED, "an address of 4 bytes");
    CHECK(RAW("\x00\x20\x00\x00", &stun) == NX_E_MALFORMED, "an address of 0 bytes");
    CHECK(RAW("\x00\x20\x00\x08\x00\x02\x00\x00zzzz", &stun) == NX_E_MALFORMED, "IPv6 of 8 bytes");
    CHECK(RAW("\x00\x20\x00\x08\x00\x03\x00\x00zzzz", &stun) == NX_E_MALFORMED, "another family");
    CHECK(RAW("\x00\x24\x00\x02zz\0\0", &stun) == NX_E_MALFORMED, "PRIORITY of 2 bytes");
    CHECK(RAW("\x00\x25\x00\x04zzzz", &stun) == NX_E_MALFORMED, "USE-CANDIDATE with a value");
    CHECK(RAW("\x80\x2a\x00\x04zzzz", &stun) == NX_E_MALFORMED, "a tie breaker of 4 bytes");
    CHECK(RAW("\x00\x08\x00\x10zzzzzzzzzzzzzzzz", &stun) == NX_E_MALFORMED, "a code of 16 bytes");
    CHECK(RAW("\x80\x28\x00\x02zz\0\0", &stun) == NX_E_MALFORMED, "FINGERPRINT of 2 bytes");
    CHECK(RAW("\x80\x28\x00\x04zzzz", &stun) == NX_E_MALFORMED, "a wrong FINGERPRINT");
}

TEST(stun, refuses_what_is_no_stun)
{
    struct sfu_stun stun;
    uint8_t message[20] = {0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42};
    CHECK(sfu_stun_parse(nx_bytes_of(message, 20), &stun) == NX_OK, "a header alone");
    message[4] = 0x20;
    CHECK(sfu_stun_parse(nx_bytes_of(message, 20), &stun) == NX_E_MALFORMED, "another cookie");
    message[4] = 0x21;
    message[0] = 0x40;
    CHECK(sfu_stun_parse(nx_bytes_of(message, 20), &stun) == NX_E_MALFORMED, "first bits");
    message[0] = 0;
    message[2] = 0xff;
    message[3] = 0xff;
    CHECK(sfu_stun_parse(nx_bytes_of(message, 20), &stun) == NX_E_TRUNCATED, "length 0xffff");
    static uint8_t large[4 + 16 + 65532] = {0x00, 0x01, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42};
    CHECK(sfu_stun_parse(nx_bytes_of(large, sizeof(large)), &stun) == NX_E_MALFORMED, "more than a datagram");
}

TEST(stun, ignores_what_follows_the_code_but_the_fingerprint)
{
    const struct nx_hmac_sha1 key = key_of("password");
    uint8_t room[256];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    size_t start = sfu_stun_begin(&w, SFU_STUN_REQUEST, SFU_STUN_BINDING, TRANSACTION);
    sfu_stun_put(&w, SFU_STUN_USERNAME, nx_bytes_text("a:b"));
    sfu_stun_end(&w, start, &key);
    w.size -= 8; /* FINGERPRINT goes behind what we add */
    sfu_stun_put(&w, SFU_STUN_USE_CANDIDATE, nx_bytes_of(NULL, 0));
    sfu_stun_put(&w, SFU_STUN_USERNAME, nx_bytes_text("evil:b"));
    sfu_stun_put(&w, 0x7abc, nx_bytes_text("x"));
    sfu_stun_put_u32(&w, SFU_STUN_ICE_CONTROLLING, 5);
    sfu_stun_end(&w, start, NULL);
    struct sfu_stun stun;
    CHECK(sfu_stun_parse(nx_writer_bytes(&w), &stun) == NX_OK, "refused");
    CHECK(nx_bytes_is(stun.username, "a:b") && !stun.is_nominating && stun.unknown_count == 0, "ignored");
    CHECK(!stun.is_controlling && stun.has_fingerprint, "ignored");
    CHECK(sfu_stun_is_authentic(&stun, &key), "authentic");
    sfu_stun_put(&w, SFU_STUN_SOFTWARE, nx_bytes_text("late"));
    w.start[3] = (uint8_t)(w.size - 20);
    CHECK(sfu_stun_parse(nx_writer_bytes(&w), &stun) == NX_E_MALFORMED,
          "behind FINGERPRINT there is nothing");
}

TEST(stun, does_not_trust_a_message_without_code)
{
    struct sfu_stun stun;
    const struct nx_hmac_sha1 key = key_of("");
    CHECK(RAW("\x00\x06\x00\x04zzzz", &stun) == NX_OK && !sfu_stun_is_authentic(&stun, &key), "no code");
    CHECK(RAW("\x00\x08\x00\x14zzzzzzzzzzzzzzzzzzzz", &stun) == NX_OK && !sfu_stun_is_authentic(&stun, &key),
          "a wrong one");
    CHECK(RAW("\x00\x1c\x00\x14zzzzzzzzzzzzzzzzzzzz\x00\x06\x00\x04zzzz", &stun) == NX_OK, "SHA-256");
    CHECK(!stun.has_username && stun.unknown_count == 0, "ends what counts, too");
}

TEST(stun, names_unknown_attributes_that_must_be_understood)
{
    struct sfu_stun stun;
    CHECK(RAW("\x80\x99\x00\x00\xc0\x57\x00\x04zzzz", &stun) == NX_OK && stun.unknown_count == 0,
          "optional ones pass");
    uint8_t room[256];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    const size_t start = sfu_stun_begin(&w, SFU_STUN_REQUEST, SFU_STUN_BINDING, TRANSACTION);
    sfu_stun_put(&w, SFU_STUN_USERNAME, nx_bytes_text("ourfragm:them"));
    for (uint16_t i = 0; i < 12; i++) {
        sfu_stun_put(&w, (uint16_t)(0x7f00 + i), nx_bytes_of(NULL, 0));
    }
    const struct nx_hmac_sha1 key = key_of("password");
    sfu_stun_end(&w, start, &key);
    CHECK(sfu_stun_parse(nx_writer_bytes(&w), &stun) == NX_OK && stun.unknown_count == SFU_STUN_UNKNOWN_MAX,
          "named");
    uint8_t answer[128];
    struct nx_writer a = nx_writer_init(answer, sizeof(answer));
    sfu_stun_write_error(&stun, SFU_STUN_UNKNOWN_ATTRIBUTE, &key, &a);
    CHECK(nx_writer_ok(&a) && a.size <= w.size, "no amplification: %zu for %zu", a.size, w.size);
    struct sfu_stun back;
    CHECK(sfu_stun_parse(nx_writer_bytes(&a), &back) == NX_OK && back.class == SFU_STUN_ERROR,
          "an error answer");
    CHECK(back.error_code == 420 && sfu_stun_is_authentic(&back, &key), "420");
    CHECK(memcmp(back.transaction, TRANSACTION, 12) == 0, "transaction");
    CHECK(memcmp(answer + 28, "\x00\x0a\x00\x10\x7f\x00\x7f\x01", 8) == 0, "the list");
}

TEST(stun, answers_within_one_and_a_half_times_the_request)
{
    const struct nx_hmac_sha1 key = key_of("passwordpasswordpasswo");
    uint8_t room[256];
    struct nx_writer w = nx_writer_init(room, sizeof(room));
    const size_t start = sfu_stun_begin(&w, SFU_STUN_REQUEST, SFU_STUN_BINDING, TRANSACTION);
    sfu_stun_put(&w, SFU_STUN_USERNAME, nx_bytes_text("ours:them"));
    sfu_stun_put_u64(&w, SFU_STUN_ICE_CONTROLLING, 1);
    sfu_stun_put(&w, SFU_STUN_USE_CANDIDATE, nx_bytes_of(NULL, 0));
    sfu_stun_put_u32(&w, SFU_STUN_PRIORITY, 99);
    sfu_stun_end(&w, start, &key);
    struct sfu_stun stun;
    CHECK(sfu_stun_parse(nx_writer_bytes(&w), &stun) == NX_OK && stun.is_nominating && stun.is_controlling,
          "request");
    static const char *const sources[] = {"127.0.0.1:9", "[::ffff:127.0.0.1]:9", "[2001:db8::1]:65535"};
    for (int i = 0; i < 3; i++) {
        uint8_t answer[128];
        struct nx_writer a = nx_writer_init(answer, sizeof(answer));
        const struct nx_addr source = addr_of(sources[i]);
        const struct nx_addr wanted = nx_addr_canonical(source);
        sfu_stun_write_success(&stun, &source, &key, &a);
        struct sfu_stun back;
        CHECK(nx_writer_ok(&a) && a.size * 2 <= w.size * 3, "size %zu", a.size);
        CHECK(a.size == (i == 2 ? 76 : 64), "size %zu", a.size);
        CHECK(sfu_stun_parse(nx_writer_bytes(&a), &back) == NX_OK && back.class == SFU_STUN_SUCCESS,
              "answer");
        CHECK(nx_addr_equal(&back.mapped, &wanted) && sfu_stun_is_authentic(&back, &key), "source %d", i);
        for (size_t space = 0; space < a.size; space++) {
            struct nx_writer small = nx_writer_init(answer, space);
            sfu_stun_write_success(&stun, &source, &key, &small);
            CHECK(!nx_writer_ok(&small), "room of %zu", space);
        }
    }
    struct nx_writer a = nx_writer_init(room, sizeof(room));
    sfu_stun_write_error(&stun, SFU_STUN_ROLE_CONFLICT, &key, &a);
    CHECK(sfu_stun_parse(nx_writer_bytes(&a), &stun) == NX_OK && stun.error_code == 487, "487");
}

TEST(stun, keeps_the_bits_of_class_and_method_apart)
{
    for (unsigned method = 0; method <= 0xfff; method++) {
        for (unsigned class = 0; class < 4; class ++) {
            uint8_t room[32];
            struct nx_writer w = nx_writer_init(room, sizeof(room));
            const size_t start =
                sfu_stun_begin(&w, (enum sfu_stun_class) class, (uint16_t)method, TRANSACTION);
            sfu_stun_end(&w, start, NULL);
            struct sfu_stun stun;
            CHECK(sfu_stun_parse(nx_writer_bytes(&w), &stun) == NX_OK, "method %u class %u", method, class);
            CHECK(stun.method == method && stun.class == (enum sfu_stun_class) class, "method %u class %u",
                  method, class);
        }
    }
}

TEST(stun, splits_user_names)
{
    struct nx_bytes ours;
    struct nx_bytes theirs;
    CHECK(sfu_stun_username_split(nx_bytes_text("ab:cde"), &ours, &theirs) == NX_OK, "split");
    CHECK(nx_bytes_is(ours, "ab") && nx_bytes_is(theirs, "cde"), "sides");
    CHECK(sfu_stun_username_split(nx_bytes_text("a:b:c"), &ours, &theirs) == NX_OK &&
              nx_bytes_is(theirs, "b:c"),
          "colons");
    static const char *const bad[] = {"", ":", "a", "a:", ":b"};
    for (int i = 0; i < 5; i++) {
        CHECK(sfu_stun_username_split(nx_bytes_text(bad[i]), &ours, &theirs) == NX_E_MALFORMED, "%s", bad[i]);
    }
}
