// Changes every seed in many ways, always the same, and loads the result: mutate.cpp FOLDER COUNT.
// Checksums are mended after most changes, because nothing behind them would be reached otherwise.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "checksums.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int n_arguments, char** arguments) {
    if (n_arguments != 3) return 2;
    const int count = std::atoi(arguments[2]);
    std::vector<std::filesystem::path> seeds;
    for (const auto& entry : std::filesystem::directory_iterator(arguments[1]))
        seeds.push_back(entry.path());
    std::sort(seeds.begin(), seeds.end());
    std::mt19937 random(1);
    const auto below = [&](std::size_t n) { return std::size_t{random()} % n; };
    constexpr std::uint8_t interesting[] = {0,    1,    2,    3,    7,    8,   0x20,
                                            0x30, 0x39, 0x7f, 0x80, 0xf0, 0xff};
    long n_models = 0;
    long n_refused = 0;
    for (const auto& path : seeds) {
        std::ifstream file(path, std::ios::binary);
        const Bytes seed((std::istreambuf_iterator<char>(file)), {});
        if (LLVMFuzzerTestOneInput(seed.data(), seed.size()) != 1) {
            std::printf("%s is no model\n", path.c_str());
            return 1;
        }
        for (int i = 0; i < count; ++i) {
            Bytes changed = seed;
            for (std::size_t n = 1 + below(3); n > 0 && !changed.empty(); --n) {
                const std::size_t place = below(changed.size());
                const auto here = changed.begin() + static_cast<std::ptrdiff_t>(place);
                switch (below(6)) {
                    case 0: *here ^= static_cast<std::uint8_t>(1U << below(8)); break;
                    case 1:
                    case 2: *here = interesting[below(std::size(interesting))]; break;
                    case 3:  // eight bytes: a number
                        std::fill_n(here, std::min<std::size_t>(8, changed.size() - place),
                                    interesting[below(std::size(interesting))]);
                        break;
                    case 4: changed.resize(place); break;
                    default: changed.insert(here, interesting[below(std::size(interesting))]);
                }
            }
            if (below(8) != 0) mend(changed);
            ++(LLVMFuzzerTestOneInput(changed.data(), changed.size()) == 1 ? n_models : n_refused);
        }
    }
    std::printf("%zu seeds; of their changes %ld are models, %ld are refused\n", seeds.size(),
                n_models, n_refused);
    // Changes of coefficients are models; if none were, the mending would not work.
    return !seeds.empty() && n_models > 0 && n_refused > 0 ? 0 : 1;
}
