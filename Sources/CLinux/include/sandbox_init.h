/// PID 1 of a sandbox, and the messages it exchanges with its shim.
#ifndef SANDBOX_INIT_H
#define SANDBOX_INIT_H

#include <stdint.h>
#include <sys/types.h>

/// What the shim asks of init: one message of this size, with descriptors where it says so.
struct cordon_init_request {
    uint32_t kind;
    uint32_t number;
};

enum {
    /// Start a process. Descriptors: specification (memory file), group of its own (v2 directory),
    /// start report (pipe, write end), stdin, stdout, stderr. Bits 8 to 10 of the kind name those of
    /// the last three that are not sent: they are the sandbox's own /dev/null. With
    /// CORDON_INIT_WITH_PROGRAM one more descriptor comes last: the program to run, instead of argv[0].
    CORDON_INIT_START = 1,
    /// Send signal `number`'s low 8 bits to the exec `number >> 8`.
    CORDON_INIT_SIGNAL = 2,
};

/// A bit of a start's kind.
enum { CORDON_INIT_WITH_PROGRAM = 1 << 12 };

/// What a start works with: six descriptors, and the program's or -1.
enum { CORDON_START_PROGRAM = 6, CORDON_START_DESCRIPTORS = 7 };

/// What init tells its shim. Hostile input to the shim.
struct cordon_init_report {
    uint32_t kind;
    uint32_t number;
    /// started: the pid inside; failed: errno; exited: raw wait status.
    int32_t value;
    uint32_t reserved;
};

enum {
    CORDON_INIT_READY = 1,
    CORDON_INIT_STARTED = 2,
    CORDON_INIT_CLONE_FAILED = 3,
    CORDON_INIT_EXITED = 4,
    /// The sandbox could not be built; `value` is errno and `number` the step's length, whose text follows.
    CORDON_INIT_SETUP_FAILED = 6,
};

/// The specification of one process: this header, then NUL-terminated strings in the order
/// working directory, user, argv…, environment…, and the seccomp program, 8-aligned.
struct cordon_process_header {
    uint32_t size;
    uint32_t argument_count;
    uint32_t environment_count;
    uint32_t strings_offset;
    uint32_t seccomp_offset;
    /// In instructions of 8 bytes.
    uint32_t seccomp_count;
    /// Whether stdin is a terminal, which becomes the process's controlling one.
    uint32_t has_terminal;
    uint32_t reserved;
    /// Capabilities that root inside keeps, one bit each (capabilities(7)).
    uint64_t capabilities;
};

/// Why a process did not start: sent through the start report. Nothing is sent when it runs:
/// the pipe just closes at exec.
struct cordon_start_failure {
    uint32_t stage;
    int32_t error;
};

enum {
    CORDON_STAGE_SPECIFICATION = 1,
    CORDON_STAGE_STDIO = 2,
    CORDON_STAGE_USER = 3,
    CORDON_STAGE_WORKDIR = 4,
    CORDON_STAGE_CREDENTIALS = 5,
    CORDON_STAGE_SECCOMP = 6,
    CORDON_STAGE_SELF_TEST = 7,
    CORDON_STAGE_PROGRAM = 8,
};

/// Whose PID 1 is, on the host: nobody's, from the block of ids that no sandbox ever maps.
enum { CORDON_INIT_ID = 0x70000001 };

/// Enters the user namespace and gives up everything that init doesn't need, in the one order that
/// holds (docs/ISOLATION.md). Called in PID 1 after the mounts are made. `sysctls` is a writable
/// `/proc/sys` of the sandbox's own.
/// 0, or -1 with errno and `*step` naming the step.
int cordon_init_drop(int user_namespace, int sysctls, uint64_t capabilities, const char **step);

/// PID 1's loop: reaps, starts processes, nothing more. Returns never; exits when the shim is gone.
/// `groups` holds nothing; descriptors other than `shim` are closed first.
void cordon_init_loop(int shim) __attribute__((noreturn));

/// The child's way from clone to exec; only returns by _exit.
void cordon_process_exec(const int descriptors[CORDON_START_DESCRIPTORS]) __attribute__((noreturn));

#endif
