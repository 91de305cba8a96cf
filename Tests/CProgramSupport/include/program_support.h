#pragma once
#include <spawn.h>

/// The actions of posix_spawn(3) that Swift doesn't see: the program starts in `directory`, unless that is NULL, and
/// has no descriptor but 0 to 2. Returns an error number, 0 for none.
int program_actions_enclose(posix_spawn_file_actions_t *actions, const char *directory);
