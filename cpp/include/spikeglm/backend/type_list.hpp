#pragma once
/// Run-time choice from a compile-time list of types (a std::tuple of empty structs with `name`).

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace spikeglm {

/// Calls f.template operator()<T>(index) for every T of the list, in order.
template <class List, class F>
void for_each_type(F&& f) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        (f.template operator()<std::tuple_element_t<I, List>>(static_cast<int>(I)), ...);
    }(std::make_index_sequence<std::tuple_size_v<List>>{});
}

/// Calls f.template operator()<T>() for the T at position `index`; does nothing out of range.
template <class List, class F>
void with_type(int index, F&& f) {
    for_each_type<List>([&]<class T>(int i) {
        if (i == index) f.template operator()<T>();
    });
}

/// Position of the type called `name`; throws std::invalid_argument that lists the names.
template <class List>
int index_of(std::string_view name, const char* what) {
    int found = -1;
    std::string names;
    for_each_type<List>([&]<class T>(int i) {
        if (T::name == name) found = i;
        names += (i ? ", " : "") + std::string(T::name);
    });
    if (found < 0)
        throw std::invalid_argument("unknown " + std::string(what) + " '" + std::string(name) +
                                    "'; known: " + names + ".");
    return found;
}

}  // namespace spikeglm
