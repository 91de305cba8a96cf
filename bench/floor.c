// What the kernel alone takes for a process in namespaces of its own: clone, private mounts, /proc, exec, reap.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    struct clone_args arguments = {
        .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
        .exit_signal = SIGCHLD,
    };
    const long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid < 0) return perror("clone3"), 1;
    if (pid == 0) {
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
            return perror("mount"), 1;
        execv(argv[1], argv + 1);
        return perror(argv[1]), 1;
    }
    int status = 0;
    if (waitpid((pid_t)pid, &status, 0) < 0) return perror("waitpid"), 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
