#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// From here to execve: no allocation, no lock, nothing that the sandbox could make wait without
// limit; the shim ends a start that takes too long.

enum { REPORT = 3, LARGEST_DATABASE = 1 << 20, MOST_GROUPS = 256 };

struct process {
    const char *workdir;
    const char *user;
    char **arguments;
    char **environment;
    struct sock_fprog filter;
    uint64_t capabilities;
    bool has_terminal;
    uid_t uid;
    gid_t gid;
    gid_t groups[MOST_GROUPS];
    size_t group_count;
    char home[PATH_MAX + 8];
};

static __attribute__((noreturn)) void fail(uint32_t stage, int error) {
    const struct cordon_start_failure failure = {.stage = stage, .error = error};
    if (write(REPORT, &failure, sizeof failure) < 0) _exit(126);
    _exit(127);
}

static void *allocate(size_t size) {
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static bool has_variable(char **environment, const char *prefix) {
    for (; *environment; environment++)
        if (strncmp(*environment, prefix, strlen(prefix)) == 0) return true;
    return false;
}

/// Points `process` into the specification; 0 or an errno.
static int read_specification(int file, struct process *process) {
    struct stat status;
    if (fstat(file, &status) < 0) return errno;
    const size_t size = (size_t)status.st_size;
    struct cordon_process_header *header = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (header == MAP_FAILED) return errno;
    if (size < sizeof *header || header->size != size || header->strings_offset > size ||
        header->seccomp_offset > size || (size - header->seccomp_offset) / 8 < header->seccomp_count ||
        header->seccomp_count > USHRT_MAX)
        return EBADMSG;
    const size_t count = (size_t)header->argument_count + header->environment_count;
    char **pointers = allocate((count + 3) * sizeof *pointers);
    if (!pointers) return ENOMEM;

    char *text = (char *)header + header->strings_offset;
    char *const end = (char *)header + header->seccomp_offset;
    const char *leading[2];
    process->arguments = pointers;
    process->environment = pointers + header->argument_count + 1;
    for (size_t i = 0; i < count + 2; i++) {
        char *const close = memchr(text, 0, (size_t)(end - text));
        if (!close) return EBADMSG;
        if (i < 2)
            leading[i] = text;
        else if (i - 2 < header->argument_count)
            process->arguments[i - 2] = text;
        else
            process->environment[i - 2 - header->argument_count] = text;
        text = close + 1;
    }
    if (header->argument_count == 0) return EBADMSG;
    process->workdir = leading[0];
    process->user = leading[1];
    process->filter.len = (unsigned short)header->seccomp_count;
    process->filter.filter = (struct sock_filter *)((char *)header + header->seccomp_offset);
    process->capabilities = header->capabilities;
    process->has_terminal = header->has_terminal;
    return 0;
}

/// The whole of a regular file of at most 1 MiB, NUL-terminated, or NULL with errno.
static char *read_database(const char *path) {
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0) return NULL;
    struct stat status;
    char *text = NULL;
    if (fstat(file, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > LARGEST_DATABASE) {
        errno = EINVAL;
    } else if ((text = allocate((size_t)status.st_size + 1))) {
        ssize_t count, length = 0;
        while (length < status.st_size && (count = read(file, text + length, (size_t)(status.st_size - length))) > 0)
            length += count;
        text[length] = 0;
    }
    close(file);
    return text;
}

/// A whole decimal number below 65,536, or -1.
static long number(const char *text) {
    if (!*text || strlen(text) > 5) return -1;
    long value = 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return -1;
        value = value * 10 + (*text - '0');
    }
    return value < 65536 ? value : -1;
}

static bool is_numeric(const char *text) {
    return *text && strspn(text, "0123456789") == strlen(text);
}

/// Cuts the next line off `*rest` and its colon-separated fields into `fields`; false at the end.
static bool next_entry(char **rest, char *fields[], int count) {
    for (int i = 0; i < count; i++) fields[i] = (char *)"";
    if (!**rest) return false;
    char *line = *rest;
    char *const newline = strchr(line, '\n');
    if (newline) *newline = 0;
    *rest = newline ? newline + 1 : line + strlen(line);
    for (int i = 0; i < count && line; i++) {
        fields[i] = line;
        line = strchr(line, ':');
        if (line) *line++ = 0;
    }
    return true;
}

static void set_home(struct process *process, const char *directory) {
    strcpy(process->home, "HOME=");
    strncat(process->home, *directory == '/' ? directory : "/", PATH_MAX);
}

/// Finds the named or numbered user as the sandbox's own files know it; 0 or an errno.
/// A text of digits is always a number, never a name.
static int find_user(struct process *process) {
    set_home(process, "/root");
    if (!*process->user) return 0;
    char text[256], name[256] = "";
    if (strlen(process->user) >= sizeof text) return EINVAL;
    strcpy(text, process->user);
    char *group = strchr(text, ':');
    if (group) *group++ = 0;

    const bool by_number = is_numeric(text);
    const long wanted = number(text);
    if (by_number && wanted < 0) return ERANGE;
    set_home(process, "/");
    process->uid = by_number ? (uid_t)wanted : 0;
    process->gid = 0;
    bool found = false;
    char *fields[7], *rest = read_database("/etc/passwd");
    if (!rest && !by_number) return errno;
    while (rest && !found && next_entry(&rest, fields, 7)) {
        if (by_number ? number(fields[2]) != wanted : strcmp(fields[0], text) != 0) continue;
        const long uid = number(fields[2]), gid = number(fields[3]);
        if (uid < 0 || gid < 0) return ERANGE;
        process->uid = (uid_t)uid;
        process->gid = (gid_t)gid;
        set_home(process, fields[5]);
        // Apart from `text`, in which the group still is.
        strncpy(name, fields[0], sizeof name - 1);
        found = true;
    }
    if (!found && !by_number) return ESRCH;

    const bool group_by_number = group && is_numeric(group);
    if (group_by_number && number(group) < 0) return ERANGE;
    if (group_by_number) process->gid = (gid_t)number(group);
    bool group_found = !group || group_by_number;
    if (group_found && !found) return 0;
    rest = read_database("/etc/group");
    if (!rest && !group_found) return errno;
    while (rest && next_entry(&rest, fields, 4)) {
        const long gid = number(fields[2]);
        if (gid < 0) continue;
        if (group && !group_by_number && strcmp(fields[0], group) == 0) {
            process->gid = (gid_t)gid;
            group_found = true;
        }
        for (char *member = fields[3]; found && !group && member && *member;) {
            char *const comma = strchr(member, ',');
            if (comma) *comma = 0;
            if (strcmp(member, name) == 0 && process->group_count < MOST_GROUPS)
                process->groups[process->group_count++] = (gid_t)gid;
            member = comma ? comma + 1 : NULL;
        }
    }
    return group_found ? 0 : ESRCH;
}

static int take_stdio(const int descriptors[CORDON_START_DESCRIPTORS], const struct process *process) {
    for (int i = 0; i < 3; i++) {
        struct stat status;
        if (dup2(descriptors[3 + i], i) < 0) return errno;
        // /dev/stdout must open again for whoever the process is.
        if (fstat(i, &status) == 0 && S_ISFIFO(status.st_mode) && fchown(i, process->uid, process->gid) < 0)
            return errno;
    }
    if (!process->has_terminal) return 0;
    // The user's own, as after a login; the group, tty, and the mode stay.
    if (fchown(0, process->uid, (gid_t)-1) < 0) return errno;
    return ioctl(0, TIOCSCTTY, 0) < 0 ? errno : 0;
}

/// The kernel should rather end this process than PID 1 when memory runs out; 0 or an errno.
static int volunteer_for_death(void) {
    // While it isn't dumpable, its files in /proc are the host root's. Nobody inside has the id that
    // it still has, nor CAP_SYS_PTRACE: for these few calls dumpability opens it to no one.
    if (prctl(PR_SET_DUMPABLE, 1) < 0) return errno;
    const int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    const int error = score < 0 || write(score, "300", 3) < 0 ? errno : 0;
    if (score >= 0) close(score);
    return prctl(PR_SET_DUMPABLE, 0) < 0 ? errno : error;
}

static int set_credentials(const struct process *process) {
    if (setgroups(process->group_count, process->groups) < 0) return errno;
    if (setresgid(process->gid, process->gid, process->gid) < 0) return errno;
    if (setresuid(process->uid, process->uid, process->uid) < 0) return errno;
    const uint64_t set = process->uid == 0 ? process->capabilities : 0;
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)set, .permitted = (uint32_t)set},
        {.effective = (uint32_t)(set >> 32), .permitted = (uint32_t)(set >> 32)},
    };
    if (syscall(SYS_capset, &header, data) < 0) return errno;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return errno;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? errno : 0;
}

/// Reads back every restriction that must hold from here on; false when one does not.
static bool is_confined(const struct process *process) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return false;
    const uint64_t want = process->uid == 0 ? process->capabilities : 0;
    const uint64_t permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    const uint64_t effective = data[0].effective | (uint64_t)data[1].effective << 32;
    if (permitted != want || effective != want || data[0].inheritable || data[1].inheritable) return false;
    // (Nothing is ambient that isn't inheritable: capabilities(7).)
    for (int capability = 0, have; (have = prctl(PR_CAPBSET_READ, capability)) >= 0; capability++)
        if ((uint64_t)have != (process->capabilities >> capability & 1)) return false;
    uid_t ruid, euid, suid;
    if (getresuid(&ruid, &euid, &suid) < 0 || ruid != process->uid || euid != process->uid || suid != process->uid)
        return false;
    return prctl(PR_GET_SECUREBITS) == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && getsid(0) == getpid();
}

static void run(struct process *process) {
    const char *program = process->arguments[0];
    if (strchr(program, '/')) {
        execve(program, process->arguments, process->environment);
        return;
    }
    const char *directories = "";
    for (char **variable = process->environment; *variable; variable++)
        if (strncmp(*variable, "PATH=", 5) == 0) directories = *variable + 5;
    int error = ENOENT;
    char path[PATH_MAX];
    const size_t length = strlen(program);
    while (*directories) {
        const size_t width = strcspn(directories, ":");
        if (width > 0 && width + length + 2 <= sizeof path) {
            memcpy(path, directories, width);
            path[width] = '/';
            memcpy(path + width + 1, program, length + 1);
            execve(path, process->arguments, process->environment);
            // As execvp(3): go on past what isn't there, remember what may not be run.
            if (errno == EACCES)
                error = EACCES;
            else if (errno != ENOENT && errno != ENOTDIR)
                return;
        }
        directories += width;
        if (*directories) directories++;
    }
    errno = error;
}

void cordon_process_exec(const int given[CORDON_START_DESCRIPTORS]) {
    static struct process process;
    // Out of the way of 0 to 3, whatever numbers they came with.
    int descriptors[CORDON_START_DESCRIPTORS];
    for (int i = 0; i < CORDON_START_DESCRIPTORS; i++) {
        descriptors[i] = fcntl(given[i], F_DUPFD_CLOEXEC, 16);
        if (descriptors[i] < 0) _exit(126);
    }
    if (dup3(descriptors[2], REPORT, O_CLOEXEC) < 0) _exit(126);

    setsid();
    // The one signal that a shim ignores; handlers there are none.
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    umask(022);

    int error = read_specification(descriptors[0], &process);
    if (error) fail(CORDON_STAGE_SPECIFICATION, error);
    if ((error = volunteer_for_death())) fail(CORDON_STAGE_CREDENTIALS, error);
    if ((error = find_user(&process))) fail(CORDON_STAGE_USER, error);
    if (!has_variable(process.environment, "HOME=")) {
        // The specification leaves one place free behind the last variable.
        char **last = process.environment;
        while (*last) last++;
        *last = process.home;
    }
    if ((error = take_stdio(descriptors, &process))) fail(CORDON_STAGE_STDIO, error);
    cordon_close_range(REPORT + 1, ~0u);
    if ((error = set_credentials(&process))) fail(CORDON_STAGE_CREDENTIALS, error);
    if (chdir(process.workdir) < 0) fail(CORDON_STAGE_WORKDIR, errno);
    if (!is_confined(&process)) fail(CORDON_STAGE_SELF_TEST, EPERM);
    if (process.filter.len > 0) {
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &process.filter) < 0) fail(CORDON_STAGE_SECCOMP, errno);
        if (prctl(PR_GET_SECCOMP) != SECCOMP_MODE_FILTER) fail(CORDON_STAGE_SELF_TEST, EPERM);
    }
    run(&process);
    fail(CORDON_STAGE_PROGRAM, errno);
}
