#include "engine/io/poll.h"
#include "tests/unit/engine/io/fixture.h"

#include <fcntl.h>

struct watched {
    struct nx_poll poll;
    int fd;
    uint32_t readable;
    uint32_t writable;
    bool must_close;
    bool must_read;
};

static void on_ready(void *context, uint32_t events)
{
    struct watched *watched = context;
    char bytes[16];
    watched->readable += (events & NX_POLL_READABLE) != 0;
    watched->writable += (events & NX_POLL_WRITABLE) != 0;
    if (watched->must_read) {
        (void)!read(watched->fd, bytes, sizeof bytes);
    }
    if (watched->must_close) {
        nx_poll_close(&watched->poll);
    }
}

static void open_pair(struct nx_loop *loop, struct watched *watched, int *other)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0, "pair");
    *watched = (struct watched){.fd = fds[0]};
    *other = fds[1];
    CHECK(nx_poll_open(loop, &watched->poll, fds[0], on_ready, watched) == NX_OK, "open");
}

static void turns(struct nx_loop *loop, int count)
{
    for (int i = 0; i < count; i++) {
        nx_loop_turn(loop, nx_time_add_ms(nx_clock_now(), 2));
    }
}

TEST(poll, says_what_is_wanted_and_ready_and_nothing_else)
{
    struct nx_loop *loop = fixture_loop(&(struct nx_loop_config){.streams_max = 16});
    struct watched watched;
    int other;
    open_pair(loop, &watched, &other);
    turns(loop, 3);
    CHECK(watched.readable == 0 && watched.writable == 0, "nothing is wanted");
    nx_poll_want(&watched.poll, NX_POLL_READABLE);
    turns(loop, 3);
    CHECK(watched.readable == 0, "nothing is there");
    CHECK(write(other, "x", 1) == 1, "write");
    FIXTURE_UNTIL(loop, watched.readable >= 3);
    CHECK(watched.writable == 0, "writing is not wanted");
    nx_poll_want(&watched.poll, NX_POLL_READABLE | NX_POLL_WRITABLE);
    FIXTURE_UNTIL(loop, watched.writable >= 3);
    watched.must_read = true;
    nx_poll_want(&watched.poll, NX_POLL_READABLE);
    turns(loop, 4);
    const struct watched before = watched;
    turns(loop, 4);
    CHECK(watched.readable == before.readable && watched.writable == before.writable, "read and done");
    CHECK(write(other, "x", 1) == 1, "write");
    FIXTURE_UNTIL(loop, watched.readable == before.readable + 1);
    nx_poll_close(&watched.poll);
    nx_poll_close(&watched.poll);
    CHECK(write(other, "x", 1) == 1, "write");
    turns(loop, 4);
    CHECK(watched.readable == before.readable + 1, "closed");
    CHECK(fcntl(watched.fd, F_GETFD) >= 0, "the descriptor is its owner's");
    close(watched.fd);
    close(other);
    nx_loop_close(loop);
}

TEST(poll, a_hang_up_is_ready_and_a_close_from_the_callback_is_the_last)
{
    struct nx_loop *loop = fixture_loop(&(struct nx_loop_config){.streams_max = 16});
    struct watched watched;
    int other;
    open_pair(loop, &watched, &other);
    watched.must_close = true;
    nx_poll_want(&watched.poll, NX_POLL_READABLE | NX_POLL_WRITABLE);
    close(other);
    FIXTURE_UNTIL(loop, watched.readable + watched.writable > 0);
    turns(loop, 4);
    CHECK(watched.readable + watched.writable == 1, "one callback");
    close(watched.fd);
    nx_loop_close(loop);
}

/* Slots come back, and a descriptor that gets the number of a closed one is not taken for it. */
TEST(poll, many_come_and_go)
{
    struct nx_loop *loop = fixture_loop(&(struct nx_loop_config){.streams_max = 16});
    for (int i = 0; i < 500; i++) {
        struct watched watched;
        int other;
        open_pair(loop, &watched, &other);
        nx_poll_want(&watched.poll, NX_POLL_READABLE);
        turns(loop, 1);
        CHECK(watched.readable == 0, "of an earlier one");
        nx_poll_close(&watched.poll);
        close(watched.fd);
        close(other);
        turns(loop, 1);
    }
    nx_loop_close(loop);
}
