/* Goal:   whatever fails, and in whatever order: acknowledged is stored, stored is delivered to every member, in order,
 *         once, and to nobody else; and at the end nothing is left over in either daemon.
 * Method: gatewayd and control, the very code of the product, on engine/sim with a database whose commits fail; clients
 *         that behave as ours; a script of faults drawn from the seed. One line per failing seed; the same seed gives the
 *         same history, which --twice proves by its hash.
 *
 * usage: chat_sim [-v] [--twice] SEED COUNT
 */
#include "control/node/node.h"
#include "control/node/state.h"
#include "engine/base/assert.h"
#include "engine/base/text.h"
#include "engine/crypto/token.h"
#include "engine/io/file.h"
#include "engine/io/logger.h"
#include "engine/io/shard.h"
#include "engine/perm/preset.h"
#include "gatewayd/node/node.h"
#include "gatewayd/node/shard.h"
#include "tests/sim/chat.h"
#include "tests/sim/disk.h"
#include "tests/sim/heap.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WELL_MS = 13000, /* all must be well for so long: three heartbeats */
    STEP_MS = 100,
    QUIET_S_MAX = 180, /* virtual time that everything may take to be well again */
    CHAOS_ROUNDS_MAX = 40,
    SHARDS_MAX = 3,
    TOKEN_VALID_S = 30 * 24 * 3600,
    ID_FIRST = 1 << 22
};

/* What a script may do; each seed has a selection of its own, so that rare combinations come up. */
enum act {
    ACT_CUT,
    ACT_PARTITION,
    ACT_CLOG,
    ACT_STALL,
    ACT_PAUSE_GATEWAY,
    ACT_PAUSE_CONTROL,
    ACT_CRASH_GATEWAY,
    ACT_CRASH_CONTROL,
    ACT_STOP_GATEWAY,
    ACT_STOP_CONTROL,
    ACT_CUT_BUS,
    ACT_WALL,
    ACT_NETWORK,
    ACT_DISK,
    ACT_DISK_DOWN,
    ACT_STORM,
    ACTS_COUNT
};

static const char *const ACT_NAMES[] = {"cut",           "partition",     "clog",          "stall",
                                        "pause gateway", "pause control", "crash gateway", "crash control",
                                        "stop gateway",  "stop control",  "cut bus",       "wall clock",
                                        "network",       "disk",          "disk down",     "storm"};

/* One world. */
struct world {
    struct chat chat;
    struct chat_client clients[CHAT_CLIENTS_MAX];
    struct nx_host *gateway_host;
    struct nx_host *control_host;
    struct gw_node_config gateway_config;
    struct ctld_config control_config;
    int listen_fds[SHARDS_MAX]; /* of the supervisor: they outlive the gateway */
    uint32_t shards_count;
    struct gw_node *gateway;
    struct nx_shard_set *shards;
    struct ctld_node *control;
    struct nx_loop *control_loop;
    nx_time gateway_back; /* when the supervisor starts it again; NEVER: it runs */
    nx_time control_back;
    uint32_t acts;
    uint32_t stored[CHAT_CLIENTS_MAX][CHAT_SENT_MAX]; /* how often */
};

static struct world world;
static volatile uint64_t seed_now;

static nx_time now(void)
{
    return nx_sim_now(world.chat.sim);
}

static uint64_t draw(uint64_t bound)
{
    return nx_prng_below(&world.chat.prng, bound);
}

static void run_ms(int64_t ms)
{
    nx_sim_run(world.chat.sim, nx_time_add_ms(now(), ms));
}

/* ---- the daemons ---- */

static void gateway_start(void)
{
    struct nx_host *before = nx_host_enter(world.gateway_host);
    char why[NX_LOOP_WHY_SIZE] = "";
    struct gw_node *node = calloc(1, sizeof(*node));
    node->config = &world.gateway_config;
    node->admin_fd = -1;
    node->shards_count = world.shards_count;
    node->shards = calloc(world.shards_count, sizeof(struct gw_shard *));
    node->listen_fds = calloc(world.shards_count, sizeof(int));
    memcpy(node->listen_fds, world.listen_fds, world.shards_count * sizeof(int));
    node->boot = 1 + draw(UINT64_MAX - 1);
    enum nx_err err = nx_logger_open(&node->logger, -1);
    const struct nx_shard_config shards = {.count = world.shards_count,
                                           .name = "gateway",
                                           .loop = {.streams_max = 256},
                                           .context = node,
                                           .on_start = gw_shard_start,
                                           .on_stop = gw_shard_stop,
                                           .on_end = gw_shard_end};
    if (err == NX_OK) {
        err = nx_shard_open(&world.shards, &shards, why);
    }
    NX_ASSERT(err == NX_OK);
    world.gateway = node;
    world.gateway_back = NX_TIME_NEVER;
    (void)nx_host_enter(before);
    chat_tell(&world.chat, NULL, "gateway starts");
}

static void gateway_stop(void)
{
    struct nx_host *before = nx_host_enter(world.gateway_host);
    chat_tell(&world.chat, NULL, "gateway stops");
    nx_shard_stop(world.shards);
    nx_shard_close(world.shards);
    nx_logger_close(world.gateway->logger);
    free(world.gateway->shards);
    free(world.gateway->listen_fds);
    free(world.gateway);
    world.gateway = NULL;
    (void)nx_host_enter(before);
    chat_tell(&world.chat, NULL, "gateway stopped");
}

static void control_start(void)
{
    struct nx_host *before = nx_host_enter(world.control_host);
    char why[CTLD_WHY_SIZE] = "";
    const struct nx_loop_config loop = {
        .streams_max = 64, .receive_buffer_size = 16384, .slab_size = 16 * NX_STREAM_RESERVE_MAX};
    enum nx_err err = nx_loop_open(&world.control_loop, &loop, why);
    if (err == NX_OK) {
        err = ctld_node_open(&world.control, world.control_loop, &world.control_config, why);
    }
    (void)nx_host_enter(before);
    if (err != NX_OK && disk_is_down(now())) { /* The process ends, and the supervisor starts another. */
        nx_host_crash(world.control_host);
        world.control = NULL;
        world.control_back = nx_time_add_ms(now(), 100 + (int64_t)draw(900));
        chat_tell(&world.chat, NULL, "control does not start: %s", why);
        return;
    }
    if (err != NX_OK) {
        chat_fail(&world.chat, NULL, "control does not start: %s", why);
    }
    NX_ASSERT(err == NX_OK);
    world.control_back = NX_TIME_NEVER;
    chat_tell(&world.chat, NULL, "control starts");
}

static void control_stop(void)
{
    struct nx_host *before = nx_host_enter(world.control_host);
    chat_tell(&world.chat, NULL, "control stops");
    ctld_node_close(world.control);
    nx_loop_close(world.control_loop);
    world.control = NULL;
    (void)nx_host_enter(before);
    chat_tell(&world.chat, NULL, "control stopped");
}

/* Whoever stopped in order must have given back everything. */
static void leaks_check(const struct nx_host *host)
{
    if (heap_pieces(host) != 0 || nx_host_memory_bytes(host) != 0 || nx_host_streams_count(host) != 0) {
        chat_fail(&world.chat, NULL,
                  "%s leaves %" PRIu64 " pieces, %" PRIu64 " bytes, %" PRIu64 " of slabs, %u streams",
                  nx_host_name(host), heap_pieces(host), heap_bytes(host), nx_host_memory_bytes(host),
                  nx_host_streams_count(host));
        heap_print(host);
    }
}

static void supervise(void)
{
    if (world.gateway == NULL && !nx_time_before(now(), world.gateway_back)) {
        gateway_start();
    }
    if (world.control == NULL && !nx_time_before(now(), world.control_back)) {
        control_start();
    }
}

/* ---- the people ---- */

static void must(const struct ctl_answer *answer)
{
    NX_ASSERT(answer->verdict == NX_OK);
}

static void people_make(void)
{
    struct chat *chat = &world.chat;
    struct nx_token_ring ring;
    struct nx_token_key key = {.kid = 1};
    uint8_t text[128];
    struct nx_writer w = nx_writer_init(text, sizeof(text));
    nx_prng_fill(&chat->prng, key.secret, sizeof(key.secret));
    nx_writer_text(&w, "1 ");
    nx_text_hex_encode(nx_bytes_of(key.secret, sizeof(key.secret)), &w);
    nx_writer_text(&w, "\n");
    enum nx_err err = nx_file_write("data/token.keys", nx_writer_bytes(&w));
    nx_token_ring_init(&ring);
    err = err == NX_OK ? nx_token_ring_add(&ring, &key) : err;
    NX_ASSERT(err == NX_OK);
    const int64_t wall_ms = 1700000000000 + now().ns / NX_TIME_NS_PER_MS;
    for (uint32_t i = 0; i < chat->clients_count; i++) {
        struct chat_client *c = &chat->clients[i];
        char name[16];
        snprintf(name, sizeof(name), "c%u", i);
        struct ctl_question q = {.kind = CTL_ASK_USER_CREATE, .now_ms = wall_ms};
        q.user_create.user = (struct ctl_user_row){.username = nx_bytes_text(name),
                                                   .name_key = nx_bytes_text(name),
                                                   .password_hash = nx_bytes_text("!"),
                                                   .flags = CTL_USER_LOAD_TEST,
                                                   .created_ms = wall_ms};
        const struct ctl_answer answer = disk_ask(&q, NULL);
        must(&answer);
        c->user_id = answer.user.id;
        const struct nx_token_claims claims = {.user_id = c->user_id,
                                               .token_id = c->user_id,
                                               .issued_s = (uint64_t)wall_ms / 1000,
                                               .expires_s = (uint64_t)wall_ms / 1000 + TOKEN_VALID_S,
                                               .kind = NX_TOKEN_LOAD};
        struct nx_writer t = nx_writer_init(c->token, sizeof(c->token) - 1);
        err = nx_token_sign(&ring, &claims, &t);
        NX_ASSERT(err == NX_OK);
        c->token[t.size] = 0;
    }
    nx_token_ring_fini(&ring);
    for (uint32_t i = 0; i < chat->channels_count; i++) {
        const uint64_t guild_id = ((uint64_t)wall_ms - 1420070400000u - 5000 + i) << 22;
        chat->channels[i] = guild_id + ((uint64_t)1000 << 22);
        chat->guilds[i] = guild_id;
        struct ctl_question q = {.kind = CTL_ASK_GUILD_CREATE, .now_ms = wall_ms};
        q.guild_create.guild = (struct ctl_guild_row){
            .id = guild_id, .owner_id = chat->clients[i].user_id, .name = nx_bytes_text("g")};
        q.guild_create.everyone = (struct ctl_role_row){.id = guild_id,
                                                        .guild_id = guild_id,
                                                        .name = nx_bytes_text("@everyone"),
                                                        .permissions = PERM_PRESET_EVERYONE};
        q.guild_create.channel = (struct ctl_channel_row){
            .id = chat->channels[i], .guild_id = guild_id, .name = nx_bytes_text("general")};
        q.guild_create.joined_ms = wall_ms;
        const struct ctl_answer made = disk_ask(&q, NULL);
        must(&made);
        chat->clients[i].views[i].is_member = true;
        for (uint32_t k = 0; k < chat->clients_count; k++) {
            if (k != i && (draw(2) == 0 || k % chat->channels_count == i)) {
                struct ctl_question m = {.kind = CTL_ASK_MEMBER_ADD, .now_ms = wall_ms};
                m.member_add = (struct ctl_member_row){
                    .guild_id = guild_id, .user_id = chat->clients[k].user_id, .joined_ms = wall_ms};
                const struct ctl_answer added = disk_ask(&m, NULL);
                must(&added);
                chat->clients[k].views[i].is_member = true;
            }
        }
    }
}

static struct nx_addr address(uint8_t last)
{
    return (struct nx_addr){.family = NX_ADDR_FAMILY_IPV4, .ip = {127, 0, 0, last}};
}

static void world_open(uint64_t seed, bool is_verbose)
{
    static const char *const names[] = {"client 0", "client 1", "client 2", "client 3",
                                        "client 4", "client 5", "client 6", "client 7"};
    memset(&world, 0, sizeof(world));
    struct chat *chat = &world.chat;
    enum nx_err err = nx_sim_open(&chat->sim, seed);
    NX_ASSERT(err == NX_OK);
    nx_sim_loud(chat->sim, is_verbose);
    nx_host_on_crash(heap_drop);
    nx_prng_init(&chat->prng, seed ^ 0x63686174);
    chat->seed = seed;
    chat->is_verbose = is_verbose;
    chat->clients = world.clients;
    chat->clients_count = 3 + (uint32_t)draw(CHAT_CLIENTS_MAX - 2);
    chat->channels_count = 1 + (uint32_t)draw(CHAT_CHANNELS_MAX);
    world.acts = (uint32_t)draw(1u << ACTS_COUNT);
    world.shards_count = 1 + (uint32_t)draw(SHARDS_MAX);
    chat->is_long = draw(4) == 0;
    disk_open(draw(UINT64_MAX));
    const struct nx_addr any = address(1);
    world.gateway_host = nx_host_open(chat->sim, "gateway", &any);
    world.control_host = nx_host_open(chat->sim, "control", &any);
    people_make();
    struct nx_addr bound;
    chat->gateway = (struct nx_endpoint){.kind = NX_ENDPOINT_ADDR, .addr = address(1)};
    chat->gateway.addr.port = 8080;
    for (uint32_t i = 0; i < world.shards_count; i++) {
        err = nx_listener_bind(&chat->gateway, true, &world.listen_fds[i], &bound);
        NX_ASSERT(err == NX_OK);
    }
    gw_config_init(&world.gateway_config);
    world.gateway_config.listen_fds = world.listen_fds;
    world.gateway_config.listen_fds_count = world.shards_count;
    world.gateway_config.bus = (struct nx_endpoint){.kind = NX_ENDPOINT_UNIX, .path = "bus.sock"};
    world.gateway_config.shards = world.shards_count;
    world.gateway_config.has_rate_limits = false;
    world.gateway_config.framelog_size = GW_FRAMELOG_SIZE_MIN;
    world.gateway_config.sessions_max = 128;
    world.gateway_config.resume_s = 1 + (uint32_t)draw(120);
    world.gateway_config.drain_s = 2;
    world.gateway_config.log_level = is_verbose ? NX_LOG_LEVEL_DEBUG : NX_LOG_LEVEL_ERROR;
    world.control_config = (struct ctld_config){.data = "data",
                                                .store_url = "memory:",
                                                .bus = world.gateway_config.bus,
                                                .public_url = "",
                                                .version = "sim",
                                                .ready_fd = -1,
                                                .is_loopback = true};
    control_start();
    gateway_start();
    for (uint32_t i = 0; i < chat->clients_count; i++) {
        struct chat_client *c = &world.clients[i];
        const struct nx_addr from = address((uint8_t)(10 + i));
        const struct nx_loop_config loop = {.streams_max = 8};
        char why[NX_LOOP_WHY_SIZE];
        c->chat = chat;
        c->index = i;
        c->host = nx_host_open(chat->sim, names[i], &from);
        c->messages_wanted = 1 + (uint32_t)draw(CHAT_SENT_MAX);
        c->is_picky = draw(3) == 0;
        (void)nx_host_enter(c->host);
        err = nx_loop_open(&c->loop, &loop, why);
        NX_ASSERT(err == NX_OK);
        chat_client_start(c);
        (void)nx_host_enter(NULL);
    }
}

/* ---- what goes wrong ---- */

static struct nx_net_profile network_draw(void)
{
    struct nx_net_profile profile = nx_net_profile_clean();
    profile.latency_us_max = 50 + (uint32_t)draw(80000);
    profile.jitter_us_max = (uint32_t)draw(20000);
    profile.buffer_size_min = 256u << draw(10);
    if (world.chat
            .is_long) { /* Else what is under way takes longer than anybody waits, and nothing is wrong. */
        profile.buffer_size_min = 32768;
    }
    profile.buffer_size_max = profile.buffer_size_min * 2;
    profile.bandwidth_min = world.chat.is_long ? 500000 : 50000;
    profile.bandwidth_max = 10000000;
    profile.split_one_in = (uint32_t)draw(4);
    profile.reset_one_in = draw(3) == 0 ? 20 + (uint32_t)draw(400) : 0;
    return profile;
}

static void crash(struct nx_host *host, nx_time *back)
{
    nx_host_crash(host);
    leaks_check(host);
    *back = nx_time_add_ms(now(), (int64_t)draw(draw(4) == 0 ? 5000 : 300));
}

static void act_daemon(enum act act)
{
    const bool is_gateway = act == ACT_CRASH_GATEWAY || act == ACT_STOP_GATEWAY;
    if (is_gateway ? world.gateway == NULL : world.control == NULL) {
        return;
    }
    switch (act) {
    case ACT_CRASH_GATEWAY:
        crash(world.gateway_host, &world.gateway_back);
        world.gateway = NULL;
        break;
    case ACT_CRASH_CONTROL:
        crash(world.control_host, &world.control_back);
        world.control = NULL;
        break;
    case ACT_STOP_GATEWAY:
        nx_host_pause(world.gateway_host, now()); /* who is stopped cannot end in order */
        gateway_stop();
        leaks_check(world.gateway_host);
        world.gateway_back = now();
        break;
    default:
        nx_host_pause(world.control_host, now());
        control_stop();
        leaks_check(world.control_host);
        world.control_back = now();
        break;
    }
}

static void act_now(enum act act)
{
    struct chat *chat = &world.chat;
    struct chat_client *c = &chat->clients[draw(chat->clients_count)];
    const nx_time soon = nx_time_add_ms(now(), (int64_t)draw(3000));
    const struct nx_net_profile profile = network_draw();
    struct disk_faults faults = {.lost_one_in = (uint32_t)draw(20),
                                 .ambiguous_one_in = (uint32_t)draw(20),
                                 .belated_one_in = (uint32_t)draw(20),
                                 .late_one_in = (uint32_t)draw(10),
                                 .late_ms_max = (uint32_t)draw(2000)};
    chat_tell(chat, NULL, "-- %s", ACT_NAMES[act]);
    switch (act) {
    case ACT_CUT:
        (void)nx_net_cut_any(chat->sim, (enum nx_net_cut)draw(NX_NET_CUTS_COUNT));
        break;
    case ACT_PARTITION:
        nx_net_partition(c->host, world.gateway_host, soon);
        break;
    case ACT_CLOG:
        nx_net_clog(world.gateway_host, c->host, 1 + (uint32_t)draw(900), soon);
        nx_net_clog(world.gateway_host, world.control_host, 1 + (uint32_t)draw(90), soon);
        break;
    case ACT_STALL:
        chat_client_stall(c, 1 + (int64_t)draw(15000));
        break;
    case ACT_PAUSE_GATEWAY:
        nx_host_pause(world.gateway_host, soon);
        break;
    case ACT_PAUSE_CONTROL:
        nx_host_pause(world.control_host, draw(8) == 0 ? nx_time_add_ms(now(), 33000) : soon);
        break;
    case ACT_CUT_BUS:
        (void)nx_net_cut(world.gateway_host, world.control_host, NX_NET_CUT_RESET);
        break;
    case ACT_WALL:
        nx_host_wall_jump(draw(2) == 0 ? world.gateway_host : world.control_host,
                          (int64_t)draw(7200000) - (int64_t)draw(7200000));
        break;
    case ACT_NETWORK:
        nx_net_profile_set(chat->sim, &profile);
        break;
    case ACT_DISK:
        disk_faults_set(&faults);
        break;
    case ACT_DISK_DOWN:
        disk_down(nx_time_add_ms(now(), (int64_t)draw(draw(2) == 0 ? 1000 : 12000)));
        break;
    case ACT_STORM: /* everybody at once */
        for (uint32_t i = 0; i < chat->clients_count; i++) {
            (void)nx_net_cut(chat->clients[i].host, world.gateway_host, NX_NET_CUT_RESET);
        }
        break;
    default:
        act_daemon(act);
        break;
    }
}

static void chaos(void)
{
    const uint32_t rounds = (uint32_t)draw(CHAOS_ROUNDS_MAX);
    run_ms(200 + (int64_t)draw(1500));
    for (uint32_t i = 0; i < rounds; i++) {
        const enum act act = (enum act)draw(ACTS_COUNT);
        if ((world.acts >> act & 1) != 0) {
            act_now(act);
        }
        const nx_time until = nx_time_add_ms(now(), 10 + (int64_t)draw(900));
        while (nx_time_before(now(), until)) {
            supervise();
            nx_time next = until;
            next = world.gateway == NULL ? nx_time_min(next, world.gateway_back) : next;
            next = world.control == NULL ? nx_time_min(next, world.control_back) : next;
            nx_sim_run(world.chat.sim, next);
        }
    }
}

static void heal(void)
{
    struct chat *chat = &world.chat;
    const struct nx_net_profile clean = nx_net_profile_clean();
    const struct disk_faults none = {0};
    chat_tell(chat, NULL, "-- heal");
    nx_net_profile_set(chat->sim, &clean);
    disk_faults_set(&none);
    disk_down(now());
    nx_host_pause(world.gateway_host, now());
    nx_host_pause(world.control_host, now());
    for (uint32_t i = 0; i < chat->clients_count; i++) {
        nx_net_partition(chat->clients[i].host, world.gateway_host, now());
    }
    world.gateway_back = world.gateway == NULL ? now() : world.gateway_back;
    world.control_back = world.control == NULL ? now() : world.control_back;
    supervise();
}

/* ---- what must be true ---- */

static bool all_content(void)
{
    for (uint32_t i = 0; i < world.chat.clients_count; i++) {
        if (!chat_client_is_content(&world.clients[i])) {
            return false;
        }
    }
    return true;
}

static void stored_check(uint32_t channel, uint64_t seq, const struct ctl_message_row *row)
{
    struct chat *chat = &world.chat;
    char text[64] = "";
    unsigned author = 0;
    unsigned number = 0;
    memcpy(text, row->content.at, row->content.size < sizeof(text) ? row->content.size : sizeof(text) - 1);
    nx_sim_note(chat->sim, text, strlen(text));
    nx_sim_note(chat->sim, &row->seq, sizeof(row->seq));
    if (row->seq != seq) {
        chat_fail(chat, NULL, "channel %u stores seq %" PRIu64 " where %" PRIu64 " belongs", channel,
                  row->seq, seq);
        return;
    }
    if (sscanf(text, "c%u-%u", &author, &number) != 2 || author >= chat->clients_count ||
        number >= chat->clients[author].messages_count || row->author_id != chat->clients[author].user_id) {
        chat_fail(chat, NULL, "channel %u stores what nobody said: %s", channel, text);
        return;
    }
    const struct chat_message *m = &chat->clients[author].messages[number];
    if (m->channel != channel || !m->is_said || (m->is_acked && (m->seq != seq || m->id != row->id))) {
        chat_fail(chat, NULL,
                  "%s is stored as seq %" PRIu64 " of channel %u and acknowledged as %" PRIu64 " of %u", text,
                  seq, channel, m->seq, m->channel);
    }
    if (++world.stored[author][number] > 1) {
        chat_fail(chat, NULL, "%s is stored %u times", text, world.stored[author][number]);
    }
    for (uint32_t i = 0; i < chat->clients_count; i++) {
        const struct chat_view *view = &chat->clients[i].views[channel];
        const uint32_t message = author << 16 | number;
        if (view->is_member && (view->ids[seq] != row->id || view->messages[seq] != message)) {
            chat_fail(chat, &chat->clients[i], "%s never sees %s, seq %" PRIu64 " of channel %u",
                      view->ids[seq] == 0 ? "it" : "it sees another and", text, seq, channel);
        }
    }
}

static void history_check(void)
{
    struct chat *chat = &world.chat;
    static uint8_t memory[1 << 20];
    for (uint32_t i = 0; i < chat->channels_count; i++) {
        uint64_t seq = 0;
        uint32_t count;
        do {
            struct nx_arena arena;
            const struct ctl_message_row *rows;
            nx_arena_init(&arena, memory, sizeof(memory));
            count = disk_messages(chat->channels[i], seq, &arena, &rows);
            for (uint32_t k = 0; k < count; k++) {
                stored_check(i, ++seq, &rows[k]);
            }
        } while (count != 0);
        for (uint32_t k = 0; k < chat->clients_count; k++) {
            if (chat->clients[k].views[i].target > seq) {
                chat_fail(chat, &chat->clients[k],
                          "has heard of seq %" PRIu64 " of channel %u, stored are %" PRIu64,
                          chat->clients[k].views[i].target, i, seq);
            }
        }
    }
    for (uint32_t i = 0; i < chat->clients_count; i++) {
        for (uint32_t k = 0; k < chat->clients[i].messages_count; k++) {
            const struct chat_message *m = &chat->clients[i].messages[k];
            if (m->is_acked && world.stored[i][k] == 0) {
                chat_fail(chat, &chat->clients[i],
                          "its message %u is acknowledged as seq %" PRIu64 " and not stored", k, m->seq);
            }
        }
    }
}

/* A connection may be dead and its client not know: who is well stays so while heartbeats come and go. */
static void quiesce(void)
{
    struct chat *chat = &world.chat;
    const nx_time end = nx_time_add_ms(now(), QUIET_S_MAX * 1000);
    int64_t well_ms = 0;
    while (well_ms < WELL_MS && nx_time_before(now(), end)) {
        run_ms(STEP_MS);
        well_ms = all_content() ? well_ms + STEP_MS : 0;
    }
    if (!all_content()) {
        for (uint32_t i = 0; i < chat->clients_count; i++) {
            const struct chat_client *c = &world.clients[i];
            uint32_t unacked = 0;
            for (uint32_t k = 0; k < c->messages_count; k++) {
                unacked += !c->messages[k].is_acked;
            }
            if (!chat_client_is_content(c)) {
                chat_fail(chat, c,
                          "is not content after %d s: phase %d, ready %d, rest %d, %u of %u said, %u not "
                          "acknowledged, sees %" PRIu64 "/%" PRIu64,
                          QUIET_S_MAX, (int)c->phase, c->is_ready, c->is_rest_open, c->messages_count,
                          c->messages_wanted, unacked, c->views[0].contiguous, c->views[0].target);
            }
        }
    }
}

/* With everybody gone nothing is kept. */
static void shard_check(const struct gw_shard *shard)
{
    if (shard->conns_count != 0 || shard->hub.sessions.count != 0 || shard->requests_pending != 0) {
        chat_fail(&world.chat, NULL, "shard %u keeps %u connections, %u sessions, %u requests", shard->index,
                  shard->conns_count, shard->hub.sessions.count, shard->requests_pending);
    }
}

static void baseline_check(void)
{
    struct chat *chat = &world.chat;
    for (uint32_t i = 0; i < chat->clients_count; i++) {
        struct nx_host *before = nx_host_enter(world.clients[i].host);
        chat_client_leave(&world.clients[i]);
        (void)nx_host_enter(before);
    }
    run_ms(((int64_t)world.gateway_config.resume_s + 60) * 1000);
    for (uint32_t i = 0; i < world.shards_count; i++) {
        shard_check(world.gateway->shards[i]);
    }
    if (world.control->requests_count != 0 || world.control->busy_count != 0) {
        chat_fail(chat, NULL, "control keeps %u requests, %u questions", world.control->requests_count,
                  world.control->busy_count);
    }
    gateway_stop();
    leaks_check(world.gateway_host);
    control_stop();
    leaks_check(world.control_host);
}

static struct totals {
    uint64_t messages, resumes, identifies, resyncs, fetches, refusals, cuts, events, crashes, lost,
        ambiguous, belated, unreads;
} totals;

static void totals_add(void)
{
    const struct disk_counts counts = disk_counts();
    totals.lost += counts.lost;
    totals.ambiguous += counts.ambiguous;
    totals.belated += counts.belated;
    totals.events += nx_sim_events(world.chat.sim);
    totals.crashes += nx_host_crashes(world.gateway_host) + nx_host_crashes(world.control_host);
    for (uint32_t i = 0; i < world.chat.clients_count; i++) {
        const struct chat_client *c = &world.clients[i];
        totals.messages += c->messages_count;
        totals.resumes += c->resumes;
        totals.identifies += c->identifies;
        totals.resyncs += c->resyncs;
        totals.fetches += c->fetches;
        totals.refusals += c->refusals;
        totals.cuts += c->cuts;
        totals.unreads += c->unreads;
    }
}

static bool seed_run(uint64_t seed, bool is_verbose, uint64_t *hash)
{
    seed_now = seed;
    world_open(seed, is_verbose);
    chaos();
    heal();
    quiesce();
    history_check();
    baseline_check();
    totals_add();
    *hash = nx_sim_hash(world.chat.sim);
    const bool is_good = !world.chat.has_failed;
    nx_sim_close(world.chat.sim);
    disk_close();
    heap_forget();
    return is_good;
}

/* ---- the program ---- */

static void died(int number)
{
    char line[64];
    const int size = snprintf(line, sizeof(line), "DIED by signal %d in seed %llu\n", number,
                              (unsigned long long)seed_now);
    (void)!write(STDERR_FILENO, line, (size_t)size);
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void assert_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "ASSERT %s:%d: %s in seed %llu\n", file, line, condition, (unsigned long long)seed_now);
    abort();
}

/* A crash leaves what OpenSSL took for the dead daemon. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libcrypto\n";
}

int main(int count, char **arguments)
{
    bool is_verbose = false;
    bool is_twice = false;
    uint64_t numbers[2] = {1, 1};
    uint32_t given = 0;
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "-v") == 0) {
            is_verbose = true;
        } else if (strcmp(arguments[i], "--twice") == 0) {
            is_twice = true;
        } else if (given < 2) {
            numbers[given++] = strtoull(arguments[i], NULL, 10);
        }
    }
    (void)signal(SIGSEGV, died);
    (void)signal(SIGILL, died);
    (void)signal(SIGBUS, died);
    nx_assert_hook_set(assert_failed);
    uint64_t failed = 0;
    uint64_t all = 0;
    for (uint64_t seed = numbers[0]; seed < numbers[0] + numbers[1]; seed++) {
        uint64_t hash = 0;
        uint64_t again = 0;
        bool is_good = seed_run(seed, is_verbose, &hash);
        if (is_twice && (seed_run(seed, is_verbose, &again) != is_good || again != hash)) {
            fprintf(stderr, "FAIL seed %" PRIu64 " has two histories: %016" PRIx64 " and %016" PRIx64 "\n",
                    seed, hash, again);
            is_good = false;
        }
        if (!is_good) {
            printf("FAILED seed %" PRIu64 " history %016" PRIx64 "; again, and in words: %s -v %" PRIu64
                   " 1\n",
                   seed, hash, arguments[0], seed);
            failed++;
        }
        all = all * 31 + hash;
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " failed; %" PRIu64 " messages, %" PRIu64 " cuts, %" PRIu64
           " resumes, %" PRIu64 " identifies, %" PRIu64 " resyncs, %" PRIu64 " fetches, %" PRIu64
           " refusals, %" PRIu64 " unreads, %" PRIu64 " crashes, %" PRIu64 " lost, %" PRIu64
           " ambiguous and %" PRIu64 " belated commits, %" PRIu64 " events; history %016" PRIx64 "\n",
           numbers[1], failed, totals.messages, totals.cuts, totals.resumes, totals.identifies,
           totals.resyncs, totals.fetches, totals.refusals, totals.unreads, totals.crashes, totals.lost,
           totals.ambiguous, totals.belated, totals.events, all);
    return failed == 0 ? 0 : 1;
}
