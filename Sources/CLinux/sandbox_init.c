#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_PROCESSES = 2048 };

static int fail(const char **step, const char *name) {
    *step = name;
    return -1;
}

static int drop_bounding_set(uint64_t keep) {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        if (!(keep >> capability & 1) && prctl(PR_CAPBSET_DROP, capability) < 0) return -1;
    return 0;
}

static int set_capabilities(uint64_t set) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {
        {.effective = (uint32_t)set, .permitted = (uint32_t)set},
        {.effective = (uint32_t)(set >> 32), .permitted = (uint32_t)(set >> 32)},
    };
    return (int)syscall(SYS_capset, &header, data);
}

/// Nothing may be nested in the user namespace: a nested one would give every capability back.
/// Through the sandbox's own procfs, since each namespace's entries stay in the cache of the procfs
/// that they were looked up in, and all of them are compared in every later look-up.
static int forbid_nesting(int sysctls) {
    static const char *const kinds[] = {"user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char path[64], value = 0;
        snprintf(path, sizeof path, "user/max_%s_namespaces", kinds[i]);
        const int file = openat(sysctls, path, O_RDWR | O_CLOEXEC);
        if (file < 0) return -1;
        errno = ENOTRECOVERABLE;
        const int holds = write(file, "0", 1) == 1 && pread(file, &value, 1, 0) == 1 && value == '0';
        close(file);
        if (!holds) return -1;
    }
    return 0;
}

int cordon_init_drop(int user_namespace, int sysctls, uint64_t capabilities, const char **step) {
    // An id that the namespace doesn't map, so that nobody inside can become it: limits, priority and
    // affinity of a process are open to whoever has its ids (prlimit(2), sched(7)), whatever its
    // dumpability. The capabilities stay: SECBIT_NO_SETUID_FIXUP is set.
    if (setgroups(0, NULL) < 0) return fail(step, "drop groups");
    if (setresgid(CORDON_INIT_ID, CORDON_INIT_ID, CORDON_INIT_ID) < 0 ||
        setresuid(CORDON_INIT_ID, CORDON_INIT_ID, CORDON_INIT_ID) < 0)
        return fail(step, "become nobody inside");
    // Last of all namespaces, so that it owns none of the others.
    if (setns(user_namespace, CLONE_NEWUSER) < 0) return fail(step, "enter user namespace");
    if (forbid_nesting(sysctls) < 0) return fail(step, "forbid nested namespaces");
    // Entering filled the bounding set, reset the securebits and cleared the death signal: all of
    // these only hold when they are set after it.
    if (prctl(PR_SET_SECUREBITS, 0) < 0) return fail(step, "securebits");
    if (drop_bounding_set(capabilities) < 0) return fail(step, "bounding set");
    if (set_capabilities(capabilities) < 0) return fail(step, "capabilities");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return fail(step, "ambient capabilities");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return fail(step, "parent death signal");
    if (prctl(PR_SET_DUMPABLE, 0) < 0) return fail(step, "dumpable");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return fail(step, "no_new_privs");

    int death = 0;
    errno = ENOTRECOVERABLE;
    if (prctl(PR_GET_PDEATHSIG, &death) < 0 || death != SIGKILL) return fail(step, "self-test: parent death signal");
    if (prctl(PR_GET_DUMPABLE) != 0) return fail(step, "self-test: dumpable");
    // Unmapped ids read as the overflow id.
    if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0) return fail(step, "self-test: ids");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return fail(step, "self-test: no_new_privs");
    if (prctl(PR_GET_SECUREBITS) != 0) return fail(step, "self-test: securebits");
    for (int capability = 0, have; (have = prctl(PR_CAPBSET_READ, capability)) >= 0; capability++)
        if ((uint64_t)have != (capabilities >> capability & 1)) return fail(step, "self-test: bounding set");
    errno = 0;
    return 0;
}

struct process {
    pid_t pid;
    uint32_t number;
};

static struct process processes[MOST_PROCESSES];

static struct process *find(pid_t pid, uint32_t number) {
    for (int i = 0; i < MOST_PROCESSES; i++)
        if (pid ? processes[i].pid == pid : processes[i].pid && processes[i].number == number) return &processes[i];
    return NULL;
}

static struct process *free_place(void) {
    for (int i = 0; i < MOST_PROCESSES; i++)
        if (!processes[i].pid) return &processes[i];
    return NULL;
}

static void report(int shim, uint32_t kind, uint32_t number, int32_t value) {
    const struct cordon_init_report message = {.kind = kind, .number = number, .value = value};
    if (send(shim, &message, sizeof message, MSG_NOSIGNAL) < 0 && errno != EINTR) _exit(1);
}

static void start(int shim, uint32_t number, const int descriptors[CORDON_START_DESCRIPTORS]) {
    struct process *place = free_place();
    pid_t pid = -1;
    errno = EAGAIN;
    // Never vfork: the guest could stop the child, and with it this process.
    if (place) pid = cordon_clone(0, descriptors[1]);
    if (pid == 0) {
        close(shim);
        cordon_process_exec(descriptors);
    }
    if (pid < 0) {
        report(shim, CORDON_INIT_CLONE_FAILED, number, errno);
    } else {
        *place = (struct process){.pid = pid, .number = number};
        report(shim, CORDON_INIT_STARTED, number, pid);
    }
}

static void reap(int shim) {
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct process *process = find(pid, 0);
        if (!process) continue;
        const uint32_t number = process->number;
        process->pid = 0;
        report(shim, CORDON_INIT_EXITED, number, status);
    }
}

static void serve(int shim) {
    struct cordon_init_request request;
    int descriptors[CORDON_START_DESCRIPTORS];
    int count = CORDON_START_DESCRIPTORS;
    const ssize_t size = cordon_receive(shim, &request, sizeof request, descriptors, &count);
    if (size <= 0) _exit(0);
    if (size == sizeof request) {
        struct process *process;
        switch (request.kind & 0xff) {
        case CORDON_INIT_START: {
            int all[CORDON_START_DESCRIPTORS], used = 0;
            for (int i = 0; i < CORDON_START_PROGRAM; i++) {
                // 0 is this process's own /dev/null, opened before anybody else was here.
                const bool is_null = i >= 3 && (request.kind >> (8 + i - 3) & 1);
                all[i] = is_null || used == count ? 0 : descriptors[used++];
            }
            const bool has_program = request.kind & CORDON_INIT_WITH_PROGRAM;
            all[CORDON_START_PROGRAM] = has_program && used < count ? descriptors[used++] : -1;
            const int due = CORDON_START_PROGRAM - __builtin_popcount(request.kind >> 8 & 7) + has_program;
            if (count == due)
                start(shim, request.number, all);
            else
                report(shim, CORDON_INIT_CLONE_FAILED, request.number, EMFILE);
            break;
        }
        case CORDON_INIT_SIGNAL:
            // The table holds only processes that are not reaped yet: the pid is theirs.
            process = find(0, request.number >> 8);
            if (process) kill(process->pid, (int)(request.number & 0xff));
            break;
        }
    }
    for (int i = 0; i < count; i++) close(descriptors[i]);
}

void cordon_init_loop(int shim) {
    // 0, 1 and 2 belong to nothing, so that no descriptor received later lands there.
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) _exit(1);
    if (dup3(shim, 3, O_CLOEXEC) < 0 && shim != 3) _exit(1);
    shim = 3;
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) < 0) _exit(1);
    cordon_close_range(4, ~0u);

    sigset_t all, children;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    const int deaths = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    if (deaths < 0) _exit(1);

    report(shim, CORDON_INIT_READY, 0, 0);
    struct pollfd watched[2] = {{.fd = shim, .events = POLLIN}, {.fd = deaths, .events = POLLIN}};
    for (;;) {
        if (poll(watched, 2, -1) < 0 && errno != EINTR) _exit(1);
        if (watched[1].revents) {
            struct signalfd_siginfo information;
            while (read(deaths, &information, sizeof information) > 0) {}
            reap(shim);
        }
        if (watched[0].revents) serve(shim);
    }
}
