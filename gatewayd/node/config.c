#include "gatewayd/node/config.h"

#include "engine/base/text.h"
#include "gatewayd/core/limits.h"

void gw_config_init(struct gw_node_config *config)
{
    *config = (struct gw_node_config){.resume_s = GW_RESUME_MS / 1000,
                                      .framelog_size = GW_FRAMELOG_SIZE,
                                      .sessions_max = 18000,
                                      .drain_s = GW_DRAIN_MS / 1000,
                                      .has_rate_limits = true,
                                      .is_pinned = true,
                                      .log_fd = 2,
                                      .log_level = NX_LOG_LEVEL_INFO,
                                      .ready_fd = -1};
}

static enum nx_err parse_net(struct nx_bytes text, struct gw_config_net *out)
{
    size_t slash = 0;
    while (slash < text.size && text.at[slash] != '/') {
        slash++;
    }
    struct nx_addr addr;
    if (nx_addr_parse_ip(nx_bytes_slice(text, 0, slash), &addr) != NX_OK) {
        return NX_E_MALFORMED;
    }
    addr = nx_addr_canonical(addr);
    const uint32_t most = addr.family == NX_ADDR_FAMILY_IPV4 ? 32 : 128;
    uint32_t bits = slash == text.size ? most : 0;
    for (size_t i = slash + 1; i < text.size; i++) {
        if (text.at[i] < '0' || text.at[i] > '9' || i > slash + 3) {
            return NX_E_MALFORMED;
        }
        bits = bits * 10 + (uint32_t)(text.at[i] - '0');
    }
    if (bits > most || slash + 1 == text.size) {
        return NX_E_MALFORMED;
    }
    *out = (struct gw_config_net){.addr = addr, .bits = (uint8_t)bits};
    return NX_OK;
}

enum nx_err gw_config_proxies(struct gw_node_config *config, struct nx_bytes text)
{
    while (text.size != 0) {
        size_t end = 0;
        while (end < text.size && text.at[end] != ',') {
            end++;
        }
        const struct nx_bytes one = nx_text_trim(nx_bytes_slice(text, 0, end));
        text = nx_bytes_slice(text, end + 1, text.size);
        if (one.size == 0) {
            continue;
        }
        if (config->proxies_count == GW_PROXIES_MAX) {
            return NX_E_FULL;
        }
        const enum nx_err err = parse_net(one, &config->proxies[config->proxies_count]);
        if (err != NX_OK) {
            return err;
        }
        config->proxies_count++;
    }
    return NX_OK;
}

bool gw_config_is_proxy(const struct gw_node_config *config, const struct nx_addr *addr)
{
    const struct nx_addr plain = nx_addr_canonical(*addr);
    for (uint32_t i = 0; i < config->proxies_count; i++) {
        const struct gw_config_net *net = &config->proxies[i];
        bool is_same = net->addr.family == plain.family;
        for (uint32_t bit = 0; bit < net->bits && is_same; bit++) {
            is_same = ((net->addr.ip[bit / 8] ^ plain.ip[bit / 8]) >> (7 - bit % 8) & 1) == 0;
        }
        if (is_same) {
            return true;
        }
    }
    return false;
}
