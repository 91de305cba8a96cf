/// What every probe starts with: raw system calls that raise OSError, and attempts that each run in a
/// child of their own, so that one that hangs or dies spoils no other.
let pythonPrelude = #"""
    import ctypes, errno, fcntl, json, os, resource, signal, socket, stat, struct, subprocess, sys, time
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    # x86_64; the numbers that both Debian and these tests need.
    NR = dict(read=0, ioctl=16, mremap=25, shmget=29, shmat=30, shmctl=31, clone=56, ptrace=101, syslog=103, setns=308,
        personality=135, mknod=133, pivot_root=155, prctl=157, acct=163, settimeofday=164, mount=165, umount2=166,
        swapon=167, reboot=169, sethostname=170, iopl=172, ioperm=173, init_module=175, delete_module=176, quotactl=179,
        setxattr=188, io_setup=206, lookup_dcookie=212, clock_settime=227, kexec_load=246, add_key=248, request_key=249,
        keyctl=250, semget=64, msgget=68, mq_open=240, unshare=272, vhangup=153, adjtimex=159,
        move_pages=279, perf_event_open=298, fanotify_init=300, name_to_handle_at=303, open_by_handle_at=304,
        process_vm_readv=310, process_vm_writev=311, kcmp=312, finit_module=313, kexec_file_load=320, bpf=321,
        userfaultfd=323, io_uring_setup=425, open_tree=428, move_mount=429, fsopen=430, fsconfig=431, fsmount=432,
        fspick=433, pidfd_open=434, clone3=435, openat2=437, pidfd_getfd=438, process_madvise=440, mount_setattr=442,
        memfd_secret=447, statmount=457, pidfd_send_signal=424, sched_setscheduler=144, ioprio_set=251, mlockall=151,
        inotify_init1=294, rt_sigqueueinfo=129, tgkill=234, chroot=161, arch_prctl=158, socketcall=102)
    def call(name, *arguments):
        converted = [ctypes.c_ulong(a & (2**64 - 1)) if isinstance(a, int) else a for a in arguments]
        ctypes.set_errno(0)
        result = libc.syscall(ctypes.c_long(NR[name] if isinstance(name, str) else name), *converted)
        if result == -1: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result
    def read(path, size=200):
        with open(path, "rb", buffering=0) as file: return file.read(size)
    def text(path): return read(path, 1 << 20).decode(errors="replace")
    def writable(path): os.close(os.open(path, os.O_WRONLY))
    def status(field):
        for line in open("/proc/self/status"):
            if line.startswith(field + ":"): return line.split(":", 1)[1].strip()
    def outcome(body, seconds=8):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            signal.alarm(seconds)
            try:
                value = body()
                result = "ok" if value is None else str(value)
            except OSError as error: result = errno.errorcode.get(error.errno, str(error.errno))
            except BaseException as error: result = type(error).__name__ + ": " + str(error)
            os.write(writer, result.encode()[:60000])
            os._exit(0)
        os.close(writer)
        result = b""
        while chunk := os.read(reader, 65536): result += chunk
        os.close(reader)
        wait = os.waitpid(child, 0)[1]
        return result.decode() if result else "signal %d" % (wait & 127)

    """#
