#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <vector>

/// Raw doubles of a file; none if it cannot be read.
inline std::vector<double> read_doubles(const char* path) {
    std::vector<double> values;
    if (std::FILE* file = std::fopen(path, "rb")) {
        double value = 0.0;
        while (std::fread(&value, sizeof value, 1, file) == 1) values.push_back(value);
        std::fclose(file);
    }
    return values;
}

/// How many values differ by more than 1e-10, relatively, or are NaN in one only.
inline std::size_t count_different(const std::vector<double>& found,
                                   const std::vector<double>& expected) {
    if (found.size() != expected.size() || found.empty())
        return std::max<std::size_t>(1, found.size());
    std::size_t n = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const bool same = std::isnan(expected[i])
                              ? std::isnan(found[i])
                              : std::abs(found[i] - expected[i]) <= 1e-10 * std::abs(expected[i]);
        n += !same;
    }
    return n;
}
