/* Goal: the grammar of command.h, each sentence of it, and errors that name the line. */
#include "tools/impair/core/command.h"

#include "tests/lib/check.h"
#include "tools/impair/core/limits.h"

#include <string.h>

static struct impair_command parsed(const char *line)
{
    struct impair_command c;
    const char *why = NULL;
    CHECK(impair_command_parse(nx_bytes_text(line), &c, &why) == NX_OK, "%s: %s", line, why);
    return c;
}

TEST(command, times_verbs_and_scopes_are_understood)
{
    struct impair_command c = parsed("1.5s every 10s set udp down route=2 loss=5% delay=20ms # why");
    CHECK(c.has_time && c.at_ns == 1500000000 && c.every_ns == 10000000000, "time");
    CHECK(c.verb == IMPAIR_COMMAND_SET && c.protocols == IMPAIR_SETTING_UDP && c.route == 2, "scope");
    CHECK(c.directions == 1U << IMPAIR_SETTING_DOWN && c.flow == IMPAIR_COMMAND_ALL, "direction");
    CHECK(c.mask == (1U << IMPAIR_SETTING_KEY_LOSS | 1U << IMPAIR_SETTING_KEY_DELAY), "mask %x", c.mask);
    CHECK(c.setting.loss == 50000000 && c.setting.delay_ns == 20000000, "values");
    c = parsed("\tset  up down delay=0\r");
    CHECK(!c.has_time && c.directions == 3 && c.protocols == IMPAIR_SETTING_BOTH &&
              c.route == IMPAIR_COMMAND_ALL,
          "all");
    c = parsed("blackout tcp up 250ms");
    CHECK(c.verb == IMPAIR_COMMAND_BLACKOUT && c.duration_ns == 250000000 && c.directions == 1, "blackout");
    CHECK(parsed("blackout off").duration_ns == 0, "blackout off");
    c = parsed("0 rebind route=1 flow=7");
    CHECK(c.verb == IMPAIR_COMMAND_REBIND && c.route == 1 && c.flow == 7 && c.has_time && c.at_ns == 0,
          "rebind");
    CHECK(parsed("reset flow=0").verb == IMPAIR_COMMAND_RESET, "reset");
    CHECK(parsed("clear udp").verb == IMPAIR_COMMAND_CLEAR, "clear");
    CHECK(parsed("stats").verb == IMPAIR_COMMAND_STATS && parsed("2s quit").verb == IMPAIR_COMMAND_QUIT,
          "stats, quit");
    CHECK(parsed("").verb == IMPAIR_COMMAND_NOTHING && parsed("  # set").verb == IMPAIR_COMMAND_NOTHING,
          "nothing");
}

TEST(command, what_is_no_command_is_refused)
{
    static const char *const lines[] = {
        "sett loss=1%",
        "set",
        "set udp",
        "set los=1%",
        "set loss=2",
        "set tcp loss=1%",
        "set udp chunk=1",
        "set flow=1 loss=1%",
        "5 set loss=1%",
        "5s",
        "5s every",
        "5s every 5s",
        "5s every 0 stats",
        "5s every 999us stats",
        "blackout",
        "blackout 0",
        "blackout 5",
        "blackout 1s 2s",
        "blackout flow=1 1s",
        "rebind up",
        "reset down",
        "rebind now",
        "rebind flow=",
        "rebind flow=x",
        "rebind flow=1KiB",
        "rebind flow=4294967295",
        "stats now",
        "quit 1s",
        "set route=-1 loss=1%",
        "set loss=1% udp",
        "\x01",
        "stats \x80",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct impair_command c = {.route = 12345};
        const char *why = NULL;
        CHECK(impair_command_parse(nx_bytes_text(lines[i]), &c, &why) == NX_E_MALFORMED, "%s", lines[i]);
        CHECK(why != NULL && c.route == 12345, "%s: no reason, or the output changed", lines[i]);
    }
}

TEST(command, a_line_has_its_limits)
{
    static char line[IMPAIR_LINE_SIZE_MAX + 2];
    struct impair_command c;
    const char *why;
    memset(line, ' ', sizeof(line) - 1);
    memcpy(line, "stats", 5);
    CHECK(impair_command_parse(nx_bytes_of(line, IMPAIR_LINE_SIZE_MAX), &c, &why) == NX_OK,
          "the longest line");
    CHECK(impair_command_parse(nx_bytes_of(line, IMPAIR_LINE_SIZE_MAX + 1), &c, &why) != NX_OK, "one longer");
    for (size_t i = 0; i < sizeof(line) - 1; i++) {
        line[i] = i % 2 == 0 ? 'x' : ' ';
    }
    CHECK(impair_command_parse(nx_bytes_of(line, IMPAIR_LINE_SIZE_MAX), &c, &why) != NX_OK, "too many words");
    CHECK(impair_command_parse(nx_bytes_of(NULL, 0), &c, &why) == NX_OK, "no line at all");
}

TEST(command, every_prefix_is_taken_or_refused)
{
    static const char line[] =
        "1.5s every 10s set udp down route=2 loss=5% burst=1%,2%,3%,4% delay=20ms chunk=1-7 # why";
    for (size_t size = 0; size < sizeof(line); size++) {
        struct impair_command c;
        const char *why = NULL;
        const enum nx_err err = impair_command_parse(nx_bytes_of(line, size), &c, &why);
        CHECK(err == NX_OK || (err == NX_E_MALFORMED && why != NULL), "prefix of %zu", size);
    }
}

TEST(command, a_script_is_read_line_by_line_up_to_its_first_error)
{
    static const char text[] = "# a script\n\n0s set loss=1%\r\n1s clear\n2s nonsense\n3s stats\n";
    struct impair_command_script script;
    struct impair_command c;
    impair_command_script_init(&script, nx_bytes_text(text));
    CHECK(impair_command_script_next(&script, &c) && c.verb == IMPAIR_COMMAND_SET && script.line == 3,
          "first");
    CHECK(impair_command_script_next(&script, &c) && c.verb == IMPAIR_COMMAND_CLEAR && script.line == 4,
          "second");
    CHECK(!impair_command_script_next(&script, &c) && script.line == 5 && script.why != NULL, "the error");
    CHECK(!impair_command_script_next(&script, &c) && script.line == 5, "nothing after an error");
    impair_command_script_init(&script, nx_bytes_text("stats"));
    CHECK(impair_command_script_next(&script, &c) && !impair_command_script_next(&script, &c) &&
              script.why == NULL,
          "the last line needs no line feed");
    impair_command_script_init(&script, nx_bytes_of(text, IMPAIR_SCRIPT_SIZE_MAX + 1));
    CHECK(!impair_command_script_next(&script, &c) && script.why != NULL, "too large");
}

TEST(command, it_means_and_changes_what_it_says)
{
    struct impair_setting s;
    struct impair_command c = parsed("set udp down route=1 loss=5%");
    impair_setting_init(&s);
    CHECK(impair_command_matches(&c, IMPAIR_SETTING_UDP, 1, IMPAIR_SETTING_DOWN), "its own");
    CHECK(!impair_command_matches(&c, IMPAIR_SETTING_TCP, 1, IMPAIR_SETTING_DOWN) &&
              !impair_command_matches(&c, IMPAIR_SETTING_UDP, 0, IMPAIR_SETTING_DOWN) &&
              !impair_command_matches(&c, IMPAIR_SETTING_UDP, 1, IMPAIR_SETTING_UP),
          "another's");
    impair_command_apply(&c, &s, (nx_time){100});
    CHECK(s.loss == 50000000, "loss");
    c = parsed("blackout 1us");
    impair_command_apply(&c, &s, (nx_time){100});
    CHECK(impair_setting_is_dark(&s, (nx_time){1099}) && !impair_setting_is_dark(&s, (nx_time){1100}),
          "blackout");
    c = parsed("blackout off");
    impair_command_apply(&c, &s, (nx_time){200});
    CHECK(!impair_setting_is_dark(&s, (nx_time){200}) && s.loss != 0, "blackout off");
    c = parsed("clear");
    impair_command_apply(&c, &s, (nx_time){200});
    CHECK(s.loss == 0, "clear");
}
