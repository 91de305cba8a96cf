#define _GNU_SOURCE
#include "program_support.h"

int program_actions_enclose(posix_spawn_file_actions_t *actions, const char *directory) {
    int error = directory ? posix_spawn_file_actions_addchdir_np(actions, directory) : 0;
    return error ? error : posix_spawn_file_actions_addclosefrom_np(actions, 3);
}
