#pragma once
/// How functions of the C interface construct. Internal to src/online.

#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>

#include "model.hpp"
#include "spikeglm/online.h"

namespace spikeglm {

inline void say(const char* text, char* message, std::size_t size) noexcept {
    if (message != nullptr && size > 0) std::snprintf(message, size, "%s", text);
}

/// Runs `make`, which returns what `out` is to own; an exception becomes a status and a message.
template <class T, class Make>
int construct(T** out, char* message, std::size_t size, const Make& make) noexcept {
    if (out == nullptr) {
        say("the place for the result is NULL.", message, size);
        return SPIKEGLM_INVALID_ARGUMENT;
    }
    *out = nullptr;
    try {
        *out = make().release();
        return SPIKEGLM_OK;
    } catch (const spikeglm::InvalidFile& error) {
        say(error.what(), message, size);
        return SPIKEGLM_INVALID_FILE;
    } catch (const std::bad_alloc& error) {
        say(error.what(), message, size);
        return SPIKEGLM_OUT_OF_MEMORY;
    } catch (const std::invalid_argument& error) {
        say(error.what(), message, size);
        return SPIKEGLM_INVALID_ARGUMENT;
    } catch (const std::exception& error) {
        say(error.what(), message, size);
    } catch (...) {
        say("unknown error.", message, size);
    }
    return SPIKEGLM_INTERNAL_ERROR;
}

}  // namespace spikeglm
