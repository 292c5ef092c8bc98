#pragma once
/// Counts allocations by replacing malloc (on glibc) or operator new. For one source file of a
/// program.

#include <atomic>
#include <cstdlib>
#include <new>

#include "sanitizers.hpp"

// Sanitizers replace malloc themselves; operator new is enough there.
#if defined(__GLIBC__) && !SANITIZES_ADDRESSES && !SANITIZES_THREADS
#define COUNTS_MALLOC 1
#else
#define COUNTS_MALLOC 0
#endif

inline std::atomic<long> n_allocations{0};

#if COUNTS_MALLOC
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t size) {
    ++n_allocations;
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
    ++n_allocations;
    return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
    ++n_allocations;
    return __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    ++n_allocations;
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
    ++n_allocations;
    *out = __libc_memalign(alignment, size);
    return *out == nullptr;
}
void free(void* data) { __libc_free(data); }
}
#else
void* operator new(std::size_t size) {
    ++n_allocations;
    if (void* data = std::malloc(size)) return data;
    throw std::bad_alloc();
}
void operator delete(void* data) noexcept { std::free(data); }
void operator delete(void* data, std::size_t) noexcept { std::free(data); }
#endif
