#include "sfu/wire/candidate.h"

#include "sfu/wire/words.h"

enum { FOUNDATION_SIZE_MAX = 32, HOST_SIZE_MAX = 253 };

static const char *const type_names[] = {
    [SFU_CANDIDATE_HOST] = "host",
    [SFU_CANDIDATE_SRFLX] = "srflx",
    [SFU_CANDIDATE_PRFLX] = "prflx",
    [SFU_CANDIDATE_RELAY] = "relay",
};

static const char *const tcp_names[] = {
    [SFU_CANDIDATE_TCP_ACTIVE] = "active",
    [SFU_CANDIDATE_TCP_PASSIVE] = "passive",
    [SFU_CANDIDATE_TCP_SO] = "so",
};

/* Finds the tcptype among the pairs behind the type; RFC 6544 wants one, early senders had none and were active. */
static enum nx_err read_tcp_type(struct nx_bytes rest, enum sfu_candidate_transport *transport)
{
    *transport = SFU_CANDIDATE_TCP_ACTIVE;
    while (rest.size != 0) {
        const struct nx_bytes name = sfu_words_next(&rest);
        const struct nx_bytes value = sfu_words_next(&rest);
        if (!sfu_words_is(name, "tcptype")) {
            continue;
        }
        for (unsigned i = SFU_CANDIDATE_TCP_ACTIVE; i <= SFU_CANDIDATE_TCP_SO; i++) {
            if (sfu_words_is(value, tcp_names[i])) {
                *transport = (enum sfu_candidate_transport)i;
                return NX_OK;
            }
        }
        return NX_E_MALFORMED;
    }
    return NX_OK;
}

static enum nx_err read_type(struct nx_bytes *rest, enum sfu_candidate_type *type)
{
    const struct nx_bytes label = sfu_words_next(rest);
    const struct nx_bytes name = sfu_words_next(rest);
    for (unsigned i = SFU_CANDIDATE_HOST; i <= SFU_CANDIDATE_RELAY; i++) {
        if (sfu_words_is(label, "typ") && sfu_words_is(name, type_names[i])) {
            *type = (enum sfu_candidate_type)i;
            return NX_OK;
        }
    }
    return NX_E_MALFORMED;
}

enum nx_err sfu_candidate_parse(struct nx_bytes text, struct sfu_candidate *out)
{
    struct sfu_candidate candidate = {.foundation = sfu_words_next(&text)};
    uint64_t component;
    uint64_t priority;
    uint64_t port;
    if (candidate.foundation.size == 0 || candidate.foundation.size > FOUNDATION_SIZE_MAX ||
        !sfu_words_number(sfu_words_next(&text), 256, &component)) {
        return NX_E_MALFORMED;
    }
    const struct nx_bytes transport = sfu_words_next(&text);
    const bool is_udp = sfu_words_is(transport, "udp");
    if (!is_udp && !sfu_words_is(transport, "tcp")) {
        return NX_E_UNSUPPORTED;
    }
    if (!sfu_words_number(sfu_words_next(&text), UINT32_MAX, &priority)) {
        return NX_E_MALFORMED;
    }
    const struct nx_bytes host = sfu_words_next(&text);
    if (host.size == 0 || host.size > HOST_SIZE_MAX ||
        !sfu_words_number(sfu_words_next(&text), UINT16_MAX, &port) || port == 0) {
        return NX_E_MALFORMED;
    }
    enum nx_err err = read_type(&text, &candidate.type);
    if (err == NX_OK && !is_udp) {
        err = read_tcp_type(text, &candidate.transport);
    }
    if (err != NX_OK) {
        return err;
    }
    if (nx_addr_parse_ip(host, &candidate.addr) != NX_OK) {
        candidate.addr = (struct nx_addr){0};
        candidate.host = host;
    }
    candidate.addr.port = (uint16_t)port;
    candidate.priority = (uint32_t)priority;
    candidate.component = (uint16_t)component;
    *out = candidate;
    return NX_OK;
}

void sfu_candidate_write(const struct sfu_candidate *candidate, struct nx_writer *out)
{
    nx_writer_text(out, "candidate:");
    nx_writer_bytes_put(out, candidate->foundation);
    nx_writer_u8(out, ' ');
    nx_writer_decimal(out, candidate->component);
    nx_writer_text(out, candidate->transport == SFU_CANDIDATE_UDP ? " udp " : " tcp ");
    nx_writer_decimal(out, candidate->priority);
    nx_writer_u8(out, ' ');
    if (candidate->addr.family != NX_ADDR_FAMILY_NONE) {
        nx_addr_format_ip(&candidate->addr, out);
    } else {
        nx_writer_bytes_put(out, candidate->host);
    }
    nx_writer_u8(out, ' ');
    nx_writer_decimal(out, candidate->addr.port);
    nx_writer_text(out, " typ ");
    nx_writer_text(out, type_names[candidate->type]);
    if (candidate->transport != SFU_CANDIDATE_UDP) {
        nx_writer_text(out, " tcptype ");
        nx_writer_text(out, tcp_names[candidate->transport]);
    }
}
