#pragma once
/// Named arrays in an uncompressed .npz, read as if a stranger had written it. Internal to
/// src/online.
///
/// The subset of the format that python/spikeglm/_npz.py writes: zip members that are stored, one
/// after the other from the first byte, then the directory, then its end; .npy of version 1.0,
/// little-endian. Every length, offset and checksum is checked before it is used, and nothing is
/// allocated that is larger than the file.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace spikeglm {

class NpzArray {
public:
    NpzArray(std::string name, char kind, std::size_t item_size, bool fortran_order,
             std::vector<std::size_t> shape, std::span<const std::byte> data);

    [[nodiscard]] const std::vector<std::size_t>& shape() const { return shape_; }

    /// Numbers of any type as float64, row-major; of two dimensions at most. Throws InvalidFile.
    [[nodiscard]] std::vector<double> numbers() const;
    [[nodiscard]] double number() const;
    /// A number that is not negative.
    [[nodiscard]] std::size_t count() const;
    [[nodiscard]] bool truth() const;
    /// Texts of ASCII letters, of one dimension or none.
    [[nodiscard]] std::vector<std::string> texts() const;
    [[nodiscard]] std::string text() const;

private:
    void require(bool condition, const char* expected) const;
    void require_scalar(const char* expected) const;

    std::string name_;
    char kind_;  // b, i, u, f, U
    std::size_t item_size_;
    bool fortran_order_;
    std::vector<std::size_t> shape_;
    std::span<const std::byte> data_;
    std::size_t size_;  // elements
};

/// The arrays by name, without ".npy"; they refer to the bytes of the file. Throws InvalidFile.
std::map<std::string, NpzArray> read_npz(std::span<const std::byte> file);

}  // namespace spikeglm
