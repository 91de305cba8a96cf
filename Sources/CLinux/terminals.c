#define _GNU_SOURCE
#include "CLinux.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

bool cordon_is_devpts(int directory) {
    struct statfs status;
    return fstatfs(directory, &status) == 0 && status.f_type == DEVPTS_SUPER_MAGIC;
}

static int set_up(int master, uint16_t rows, uint16_t columns) {
    const int unlocked = 0;
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0) return -1;
    // The kernel's own settings are those of a login; only that erasing knows characters from bytes is missing.
    struct termios settings;
    if (tcgetattr(master, &settings) < 0) return -1;
    settings.c_iflag |= IUTF8;
    if (tcsetattr(master, TCSANOW, &settings) < 0) return -1;
    return cordon_terminal_resize(master, rows, columns);
}

int cordon_terminal_open(int devpts, uint16_t rows, uint16_t columns, int *slave) {
    const int master = openat(devpts, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    if (master < 0) return -1;
    // By the master, not by name: of this instance, whatever else is mounted anywhere (ioctl_tty(2)).
    if (set_up(master, rows, columns) == 0 && (*slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) >= 0)
        return master;
    const int error = errno;
    close(master);
    errno = error;
    return -1;
}

int cordon_terminal_resize(int master, uint16_t rows, uint16_t columns) {
    const struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(master, TIOCSWINSZ, &size);
}

int cordon_terminal_fill(int master) {
    // Asked first: it waits for what is on its way from the other side.
    struct pollfd state = {.fd = master, .events = POLLIN};
    if (poll(&state, 1, 0) < 1) return 0;
    int count = 0;
    if (state.revents & POLLIN) return ioctl(master, FIONREAD, &count) < 0 ? -1 : count;
    return state.revents & (POLLHUP | POLLERR) ? -1 : 0;
}

int cordon_terminal_end_of_input(int master, bool amid_line, uint8_t *character) {
    struct termios settings;
    if (tcgetattr(master, &settings) < 0) return -1;
    *character = settings.c_cc[VEOF];
    if (*character == _POSIX_VDISABLE) return 0;
    return amid_line && settings.c_lflag & ICANON ? 2 : 1;
}
