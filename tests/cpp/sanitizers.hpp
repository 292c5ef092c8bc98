#pragma once
/// SANITIZES_ADDRESSES and SANITIZES_THREADS are 1 under these sanitizers and 0 otherwise: GCC and
/// clang tell of them in different ways.

#if defined(__has_feature)
#define SANITIZES_ADDRESSES __has_feature(address_sanitizer)
#define SANITIZES_THREADS __has_feature(thread_sanitizer)
#else
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZES_ADDRESSES 1
#else
#define SANITIZES_ADDRESSES 0
#endif
#if defined(__SANITIZE_THREAD__)
#define SANITIZES_THREADS 1
#else
#define SANITIZES_THREADS 0
#endif
#endif
