#pragma once
/// Checksums of changed zip files, without which nothing behind their check would be reached.

#include <cstddef>
#include <cstdint>
#include <vector>

using Bytes = std::vector<std::uint8_t>;

inline std::size_t number_at(const Bytes& bytes, std::size_t offset, std::size_t size) {
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value |= std::size_t{bytes[offset + i]} << (8 * i);
    return value;
}

inline std::uint32_t checksum(const std::uint8_t* data, std::size_t size) {
    std::uint32_t crc = 0xffffffffU;
    for (std::size_t i = 0; i < size; ++i) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0U);
    }
    return ~crc;
}

/// Makes the checksums of all members that can be found right again.
inline void mend(Bytes& file) {
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
