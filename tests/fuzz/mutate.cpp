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

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Bytes = std::vector<std::uint8_t>;

std::size_t number_at(const Bytes& bytes, std::size_t offset, std::size_t size) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= std::size_t{bytes[offset + i]} << (8 * i);
    return value;
}

std::uint32_t checksum(const std::uint8_t* data, std::size_t size) {
    std::uint32_t crc = 0xffffffffU;
    for (std::size_t i = 0; i < size; ++i) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0U);
    }
    return ~crc;
}

/// Makes the checksums of all members that can be found right again.
void mend(Bytes& file) {
    if (file.size() < 22) return;
    std::size_t at = number_at(file, file.size() - 6, 4);
    while (at + 46 <= file.size() && number_at(file, at, 4) == 0x02014b50) {
        const std::size_t begin = number_at(file, at + 42, 4);
        const std::size_t size = number_at(file, at + 20, 4);
        const std::size_t name = number_at(file, at + 28, 2);
        if (begin + 30 + name + size > file.size()) return;
        const std::uint32_t crc = checksum(file.data() + begin + 30 + name, size);
        for (std::size_t i = 0; i < 4; ++i)
            file[begin + 14 + i] = file[at + 16 + i] = static_cast<std::uint8_t>(crc >> (8 * i));
        at += 46 + name;
    }
}

}  // namespace

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
