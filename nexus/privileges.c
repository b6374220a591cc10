#include "nexus/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const char DEFAULT_ACCOUNT[] = "nexus";

/* What Nexus keeps in the data directory: nothing else there is touched. */
static bool is_ours(const char *name)
{
    static const char *const NAMES[] = {"nexus.toml",    "nexus.db",   "nexus.db-wal", "nexus.db-shm",
                                        "nexus.db.lock", "token.keys", "bus.sock"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Calls `each` for every entry of the directory but itself and its parent; false when it said so, or cannot be read. */
static bool entries_all(int folder, bool (*each)(int folder, const char *name, const struct passwd *account),
                        const struct passwd *account)
{
    const int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    if (entries == NULL) {
        return false;
    }
    bool is_good = true;
    for (struct dirent *entry; is_good && (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            is_good = each(folder, entry->d_name, account);
        }
    }
    closedir(entries);
    return is_good;
}

static bool entry_check(int folder, const char *name, const struct passwd *account)
{
    (void)folder;
    (void)account;
    return is_ours(name);
}

static bool entry_give(int folder, const char *name, const struct passwd *account)
{
    struct stat info;
    if (!is_ours(name) || fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) != 0 || info.st_uid != 0 ||
        (!S_ISREG(info.st_mode) && !S_ISSOCK(info.st_mode)) || info.st_nlink != 1) {
        return true;
    }
    return fchownat(folder, name, account->pw_uid, account->pw_gid, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A directory of root's that holds other things is not given away: it may be the wrong one. */
static bool data_give(const char *data, const struct passwd *account)
{
    struct stat info;
    const int folder = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_good = folder >= 0 && fstat(folder, &info) == 0;
    if (is_good && info.st_uid == 0) {
        is_good = entries_all(folder, entry_check, account) &&
                  fchown(folder, account->pw_uid, account->pw_gid) == 0;
    }
    is_good = is_good && entries_all(folder, entry_give, account);
    if (folder >= 0) {
        close(folder);
    }
    return is_good;
}

static bool become(uid_t uid, gid_t gid, const char *name)
{
    /* Rings and registered buffers count against this limit for everybody but root. */
    const struct rlimit all = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    (void)setrlimit(RLIMIT_MEMLOCK, &all);
    const int groups = name != NULL ? initgroups(name, gid) : setgroups(0, NULL);
    if (groups != 0 || setgid(gid) != 0 || setuid(uid) != 0 || setuid(0) == 0 || getegid() != gid) {
        return false;
    }
    (void)prctl(PR_SET_DUMPABLE, 1); /* it was root's secrets that had to be kept from core files */
    return true;
}

int nexus_privileges_drop(const struct nexus_options *options, bool is_first)
{
    const char *const wanted = options->settings.server_user.text;
    const bool is_named = wanted[0] != '\0';
    const char *const name = is_named ? wanted : DEFAULT_ACCOUNT;
    if (geteuid() != 0 && !is_named) {
        return 0;
    }
    const struct passwd *const account = getpwnam(name);
    if (account == NULL && !is_named) {
        if (is_first) {
            fprintf(stderr, "nexus: runs as root; with an account named %s it would become that\n", name);
        }
        return 0;
    }
    if (account == NULL || (geteuid() != 0 && geteuid() != account->pw_uid)) {
        fprintf(stderr, "nexus: cannot run as %s: %s\n", name,
                account == NULL ? "there is no such account" : "only root can become somebody else");
        return NEXUS_EXIT_CONFIG;
    }
    if (account->pw_uid == geteuid()) {
        return 0;
    }
    if (!data_give(options->data, account)) {
        fprintf(
            stderr,
            "nexus: the data directory %s holds other things than Nexus's: give it to %s (chown) or choose "
            "another --data\n",
            options->data, name);
        return NEXUS_EXIT_UNAVAILABLE;
    }
    if (!become(account->pw_uid, account->pw_gid, name)) {
        fprintf(stderr, "nexus: cannot become %s: %s\n", name, strerror(errno));
        return NEXUS_EXIT_CONFIG;
    }
    if (access(options->data, R_OK | W_OK | X_OK) != 0) {
        fprintf(stderr, "nexus: %s cannot use the data directory %s: %s\n", name, options->data,
                strerror(errno));
        return NEXUS_EXIT_UNAVAILABLE;
    }
    return 0;
}

int nexus_privileges_of_data(const struct nexus_options *options)
{
    struct stat info;
    if (geteuid() != 0 || stat(options->data, &info) != 0 || info.st_uid == 0) {
        return 0;
    }
    if (!become(info.st_uid, info.st_gid, NULL)) {
        fprintf(stderr, "nexus: cannot become the owner of %s: %s\n", options->data, strerror(errno));
        return NEXUS_EXIT_UNAVAILABLE;
    }
    return 0;
}
