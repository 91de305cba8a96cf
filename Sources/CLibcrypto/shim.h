#ifndef CORDON_CLIBCRYPTO_SHIM_H
#define CORDON_CLIBCRYPTO_SHIM_H

/// The digest by itself: it needs nothing of the library's to be set up first, and links nothing else.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#endif
